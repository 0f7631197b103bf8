from dataclasses import replace

import numpy as np

from deepracer_viz import load_run
from deepracer_viz.analysis.comparing import Contender, on_one_track, shared_track, track_differs
from tests.contenders import known_from_metrics, named, of_run
from tests.loop_drives import laps, loop, track_of


def driven(name, track) -> Contender:
    steps = laps(loop())
    return replace(known_from_metrics(name, [10.0] * 9), steps=steps, track=track)


def test_the_same_places_are_the_same_track():
    track = loop()
    moved = track_of(track.center + 0.1)
    assert track_differs(driven("a", track), driven("b", moved)) == ""


def test_another_length_another_place_and_the_other_way_round_are_other_tracks():
    track = loop()
    longer, elsewhere, back = (
        track_of(1.2 * track.center),
        track_of(track.center + 9),
        track_of(track.center[::-1]),
    )
    for other, words in ((longer, "m long"), (elsewhere, "other places"), (back, "the other way round")):
        assert words in track_differs(driven("a", track), driven("b", other))


def test_without_steps_the_name_of_the_track_counts():
    one, two = known_from_metrics("one", [10.0]), known_from_metrics("two", [10.0])
    assert track_differs(one, two) == ""
    assert track_differs(one, replace(two, world="LOOP")) == ""
    assert "two drove on oval" in track_differs(one, replace(two, world="oval"))
    assert "do not tell" in track_differs(one, replace(two, world=None))
    alike, reasons = on_one_track([one, replace(two, world=None), named(two, "three")])
    assert [contender.name for contender in alike] == ["one", "three"] and len(reasons) == 1


def test_a_route_file_is_preferred_to_a_rebuilt_track(samples, runs):
    route = samples["planted-faults"]
    rebuilt = replace(samples["over-trained"], track=runs["over-trained"].on_routes([]).track)
    assert rebuilt.track.approximate and not route.track.approximate
    assert track_differs(rebuilt, route) == track_differs(route, rebuilt) == ""
    assert shared_track([rebuilt, route]) is route.track
    assert shared_track([known_from_metrics("none", [])]) is None


def test_real_models_of_different_tracks_are_told_apart(real_logs, samples):
    old = of_run(load_run(real_logs / "console-2020-clone"), "old")
    new = of_run(load_run(real_logs / "drfc-one-worker"), "new")
    three = of_run(load_run(real_logs / "drfc-three-workers"), "three")
    assert track_differs(new, samples["planted-faults"])
    assert track_differs(new, new) == ""
    assert track_differs(new, three) == ""
    # One world, but newer simulators number its waypoints otherwise, and places are compared by these numbers.
    assert "numbers them otherwise" in track_differs(old, new)


def test_hours_by_iteration_end_where_the_hours_end(runs):
    for run in runs.values():
        drives = run.drives()
        hours = drives.hours_by_iteration
        assert hours.is_monotonic_increasing and np.isclose(hours.iloc[-1], drives.hours)
        assert list(hours.index) == sorted(run.episodes["iteration"].unique())

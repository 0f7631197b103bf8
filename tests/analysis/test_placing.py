"""What is derived once for a run gives the same answers as working it out for every choice of drives."""

import functools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deepracer_viz import load_run
from deepracer_viz.analysis.actions import action_use
from deepracer_viz.analysis.driving import driving_profile, find_inefficiencies, profile, section_times
from deepracer_viz.analysis.driving.traces import lay_along
from deepracer_viz.analysis.placed import Blocks
from deepracer_viz.analysis.placing import place
from deepracer_viz.analysis.rewards import reward_map


@functools.cache
def loaded(path):
    run = load_run(path)
    return run, place(run.steps, run.episodes, run.track)


@st.composite
def choices(draw):
    """Some of the episodes: iterations in a row, or any of them."""
    return draw(st.booleans()), draw(st.floats(0, 1)), draw(st.floats(0, 1)), draw(st.integers(0, 1000))


def chosen(run, choice):
    in_a_row, one, other, seed = choice
    episodes = run.episodes
    if in_a_row:
        low, high = (round(end * episodes["iteration"].max()) for end in sorted((one, other)))
        wanted = episodes["iteration"].between(low, high)
    else:
        wanted = np.random.default_rng(seed).random(len(episodes)) < one
    episodes = episodes[wanted]
    return run.steps[run.steps["unique_episode"].isin(episodes["unique_episode"])], episodes


def close(one, other, columns, tolerance):
    for name in columns:
        np.testing.assert_allclose(
            one[name].to_numpy(float), other[name].to_numpy(float), atol=tolerance, rtol=1e-3, err_msg=name
        )


def quartiles(profile):
    return profile[[name for name in profile if name.endswith(("_low", "_high"))]].to_numpy(float)


def with_bins_at(placed, end):
    """The same steps, each value at the lower or at the upper end of its bin."""
    moved = {name: getattr(placed, name) for name in ("speed", "steering", "true_speed")}
    ends = {name: getattr(values, end) for name, values in moved.items()}
    return replace(placed, **{name: replace(moved[name], low=ends[name], high=ends[name]) for name in moved})


def same_answers(path, choice):
    run, all_of_it = loaded(path)
    steps, episodes = chosen(run, choice)
    placed = all_of_it.of(episodes)
    assert len(placed.steps.flags) == len(steps)

    one, other = driving_profile(steps, run.track, placed.steps), driving_profile(steps, run.track)
    assert list(one) == list(other) and len(one) == len(other)
    exact = ["waypoint", "visits", "episodes", "section"]
    pd.testing.assert_frame_equal(one[exact], other[exact], check_dtype=False)
    # Quartiles are good to the bins of the values between which they lie.
    low, high = (
        quartiles(driving_profile(steps, run.track, with_bins_at(placed.steps, end)))
        for end in ("low", "high")
    )
    for answer in (one, other):
        assert np.array_equal(np.isnan(quartiles(answer)), np.isnan(low))
        known = ~np.isnan(low)
        assert (quartiles(answer)[known] >= low[known] - 1e-4).all()
        assert (quartiles(answer)[known] <= high[known] + 1e-4).all()
    close(one, other, ["speed", "true_speed", "steering_angle"], 1e-3)

    one = reward_map(steps, run.track, episodes=episodes, placed=placed.steps)
    other = reward_map(steps, run.track, episodes=episodes)
    pd.testing.assert_frame_equal(one.cells, other.cells)
    pd.testing.assert_frame_equal(one.ends, other.ends)
    assert (one.steps, one.episodes, one.drawn) == (other.steps, other.episodes, other.drawn)
    mine, theirs = (map_.sections.set_index("section") for map_ in (one, other))
    theirs = theirs.reindex(mine.index)
    counts = ["steps", "passes", "episode_ends", "exit_ends", "off_track_share", "over_steering"]
    pd.testing.assert_frame_equal(mine[counts], theirs[counts])
    # Medians of a few steps that are among the outermost thousandth of the run's are good to a wide bin.
    close(mine, theirs, ["lateral_spread", "outside"], 0.005 if len(steps) > len(run.steps) / 10 else 0.03)

    assert action_use(steps, placed=placed.steps).table.equals(action_use(steps).table)

    traces = lay_along(steps, episodes, run.track) if len(steps) else None
    if traces is None:
        assert placed.traces.drives.empty
        return
    kept = placed.traces.pick(np.arange(len(placed.traces.drives)))
    pd.testing.assert_frame_equal(kept.drives, traces.drives)
    for name, tolerance in (("at", 1e-5), ("seconds", 1e-5), ("metres", 1e-3), ("offset", 1e-3)):
        np.testing.assert_allclose(getattr(kept, name), getattr(traces, name), atol=tolerance)
    for name in ("commanded", "steering"):
        np.testing.assert_allclose(getattr(kept, name), getattr(traces, name), rtol=1e-3, atol=1e-3)
    assert np.array_equal(kept.standing, traces.standing)

    one = section_times(steps, episodes, run.track, placed.traces, laps_only=True)
    other = section_times(steps, episodes, run.track)
    other = other[other["complete_lap"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(one, other, atol=1e-4, check_exact=False)
    one = find_inefficiencies(steps, episodes, run.track, placed.traces)
    other = find_inefficiencies(steps, episodes, run.track)
    assert one[["kind", "section"]].equals(other[["kind", "section"]])
    close(one, other, ["seconds_per_lap", "low", "high"], 0.005)


@pytest.mark.parametrize("number", range(2))
@given(choice=choices())
@example(choice=(True, 0.0, 0.0, 0))
@settings(max_examples=5, deadline=None)
def test_any_choice_of_a_sample_model_has_the_same_answers(sample_logs, number, choice):
    same_answers(str(sorted(sample_logs.glob("*.tar.gz"))[number]), choice)


@given(choice=choices())
@settings(max_examples=4, deadline=None)
def test_any_choice_of_a_real_training_has_the_same_answers(real_logs, choice):
    same_answers(str(real_logs / "console-2020-clone"), choice)


@pytest.mark.parametrize("blocks", [1, 3, 40])
@pytest.mark.parametrize("name", ["planted-faults", "console-2022-continuous"])
def test_sums_over_blocks_of_steps_add_up_to_the_same_profile(
    sample_logs, real_logs, name, blocks, monkeypatch
):
    path = next(
        path for path in (logs / f"{name}.tar.gz" for logs in (sample_logs, real_logs)) if path.exists()
    )
    run, plain = loaded(str(path))
    bins = sum(len(v.low) for v in (plain.steps.speed, plain.steps.steering, plain.steps.true_speed))
    of_block = 2 * bins * (int(run.steps["closest_waypoint"].max()) + 1)
    monkeypatch.setattr(profile, "_BYTES_OF_BLOCKS", 1.01 * blocks * of_block / len(run.steps))
    summed = replace(plain.steps, blocks=profile.in_blocks(run.steps, plain.steps))
    step_by_step = replace(plain.steps, blocks=Blocks())
    assert len(summed.blocks.sums) >= blocks and not step_by_step.blocks.sums
    last = int(run.episodes["iteration"].max())
    for first, end in ((0, last), (0, last - 1), (1, last), (last // 2, last), (last, last)):
        episodes = run.episodes[run.episodes["iteration"].between(first, end)]
        steps = run.steps[run.steps["unique_episode"].isin(episodes["unique_episode"])]
        one, other = (
            driving_profile(steps, run.track, placed.of(episodes)) for placed in (summed, step_by_step)
        )
        pd.testing.assert_frame_equal(one, other, rtol=1e-9)


def test_steps_that_do_not_follow_each_other_have_no_blocks(sample_logs):
    run, placed = loaded(str(sorted(sample_logs.glob("*.tar.gz"))[0]))
    blocks = Blocks(0, np.array([0, len(run.steps)]), ({},))
    known = replace(placed.steps, blocks=blocks)
    assert known.of(run.episodes.iloc[::2]).blocks.sums == ()
    assert known.of(run.episodes.iloc[5:]).blocks.within(len(run.steps) - known.first_row[5])[1] == ()


def test_laps_alone_have_the_section_times_that_they_have_among_all(sample_logs):
    run, _ = loaded(str(sorted(sample_logs.glob("*.tar.gz"))[0]))
    alone = section_times(run.steps, run.episodes, run.track, laps_only=True)
    among = section_times(run.steps, run.episodes, run.track)
    pd.testing.assert_frame_equal(alone, among[among["complete_lap"]].reset_index(drop=True))


def test_it_takes_few_bytes_a_step(sample_logs):
    for path in sorted(sample_logs.glob("*.tar.gz")):
        run, placed = loaded(str(path))
        assert placed.steps.nbytes <= 18 * len(run.steps)
        assert placed.nbytes <= 40 * len(run.steps)

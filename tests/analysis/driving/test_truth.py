"""The planted truth holds: the twin is well driven, each fault looks like its name and costs what is told."""

import io
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

from deepracer_viz.logs.steps import read_step_log
from tests.analysis.driving import truth
from tests.analysis.driving.truth import DRIVES, ENDS_HERE, EPISODES, KINDS, faultless, planted

SEED = 1  # all drives have the fault, except where episodes end

SLOWED = set(KINDS) - {ENDS_HERE}


@pytest.fixture(scope="module")
def pairs() -> dict:
    """Each kind with its fault and its twin."""
    return {kind: (planted(kind, SEED), faultless(SEED)) for kind in KINDS}


def flying(found) -> pd.DataFrame:
    """Steps after the standing start with true speed (m/s), turn from step to step and offset to the left (m)."""
    steps, track = found.steps, found.track
    by_episode = steps.groupby("unique_episode")
    away, metres = by_episode["tstamp"].diff(), np.hypot(by_episode["x"].diff(), by_episode["y"].diff())
    nearest = steps["closest_waypoint"].to_numpy()
    ahead = np.roll(track.center[:-1], -1, axis=0) - track.center[:-1]
    heading = np.arctan2(*ahead.T[::-1])[nearest % len(ahead)]
    aside = steps[["x", "y"]].to_numpy() - track.center[nearest]
    steps = steps.assign(
        seconds=away,
        true_speed=metres / away,
        offset=np.cos(heading) * aside[:, 1] - np.sin(heading) * aside[:, 0],
        speed_change=by_episode["speed"].diff(),
        steering_change=by_episode["steering_angle"].diff(),
        place=track.distance[nearest],
    )
    return steps[steps["steps"] > 22]


def around(found, begin: float, end: float, of=None) -> pd.DataFrame:
    """Flying steps from so many metres after the start of the stretch to so many after its end."""
    of = of or found
    rows = flying(found)
    length = found.track.length
    extent = (of.end - of.start) % length + end - begin
    return rows[(rows["place"] - of.start - begin) % length <= extent]


def test_tables_are_as_a_reader_makes_them():
    from writing import trace_lines  # in the folder of the sample logs, which truth puts on the path

    traces, _ = truth.driven(truth._twin(SEED).policy, SEED)
    logged = truth.on_one_clock(traces)
    lines = [line for trace in logged for line in trace_lines(trace, faultless(SEED).track.length)]
    read = read_step_log(io.BytesIO("\n".join(lines).encode())).steps
    steps = faultless(SEED).steps
    assert len(steps) == len(read) > 80 * 100
    for name in read.columns:
        if name == "episode_status":
            assert (steps[name].astype(str) == read[name].astype(str)).all()
        else:
            assert steps[name].dtype == read[name].dtype, name
            # Text and binary disagree about which way a half is rounded.
            last_digit = 1.01e-2 if name in ("steering_angle", "speed") else 1.01e-4
            np.testing.assert_allclose(steps[name], read[name], rtol=1e-7, atol=last_digit, err_msg=name)


def test_a_seed_reproduces_and_another_differs():
    one, same, other = (planted.__wrapped__("weaving", seed) for seed in (4, 4, 5))
    pd.testing.assert_frame_equal(one.steps, same.steps)
    pd.testing.assert_frame_equal(one.episodes, same.episodes)
    told = [f.name for f in fields(one) if f.name not in ("steps", "episodes", "track")]
    assert [getattr(one, name) for name in told] == [getattr(same, name) for name in told]
    assert (one.start, one.size, one.cost) != (other.start, other.size, other.cost)
    assert len(one.steps) != len(other.steps)


def test_the_twin_is_steady_and_at_the_limit():
    for seed in range(3):
        twin = faultless(seed)
        laps = twin.episodes[twin.episodes["complete"]]
        assert len(twin.episodes) == EPISODES and twin.completion > 0.95
        assert laps["time"].std() < 0.025 * laps["time"].mean()
        rows, top = flying(twin), twin.steps["speed"].max()
        by_place = rows.groupby("closest_waypoint", observed=True)["speed"].quantile(0.75)
        assert (by_place > 0.99 * top).mean() > 0.3  # flat out
        curvature = np.abs(twin.track.curvature[by_place.index])
        grip = by_place[curvature > 0.7] ** 2 * curvature[curvature > 0.7]
        assert grip.min() > 2.0  # and no corner is crept through


@pytest.mark.parametrize("kind", sorted(SLOWED))
def test_the_twin_is_at_least_as_fast_in_every_section(kind, pairs):
    fault, twin = pairs[kind]
    both = fault.episodes["complete"] & twin.episodes["complete"]
    laps = fault.episodes.loc[both, "unique_episode"]
    lost = pd.Series(0.0, index=fault.track.sections["section"])
    for found, sign in ((fault, 1), (twin, -1)):
        rows = found.steps[found.steps["unique_episode"].isin(laps)]
        seconds = rows.groupby("unique_episode")["tstamp"].diff().fillna(0)
        section = found.track.section_of(rows["closest_waypoint"])
        lost = lost.add(sign * seconds.groupby(section).sum() / len(laps))
    assert lost.sum() == pytest.approx(fault.cost, abs=0.02)
    here = lost.index.isin(fault.sections)
    assert lost[here].sum() > 0.6 * fault.cost
    # A car that brakes too late is faster on the way to the corner.
    assert lost[~here].min() > -0.015
    assert kind == "brakes too late" or lost[here].min() > -0.03


@pytest.mark.parametrize("kind", sorted(SLOWED))
def test_the_cost_is_that_of_the_logged_laps_and_of_others(kind, pairs):
    fault, twin = pairs[kind]
    both = fault.episodes["complete"] & twin.episodes["complete"]
    slower = (fault.episodes["driven_time"] - twin.episodes["driven_time"])[both]
    assert slower.mean() == pytest.approx(fault.cost, rel=0.12)
    assert fault.cost > 10 * fault.cost_error > 0
    assert 0.05 < fault.cost < 0.8 and fault.laps > 0.45 * DRIVES


def test_the_cost_holds_on_other_random_numbers():
    fault, twin = planted("line too long", SEED), truth._twin(SEED)
    planned = truth.sim.Fault("running_wide", fault.start, fault.end, fault.size)
    policy = truth.sim.trained_policy(twin.story, truth.circuit_of(SEED)[0], (planned,))
    means = [
        np.nanmean(truth.driven(policy, 901 + 2 * k)[1]) for k, policy in enumerate((policy, twin.policy))
    ]
    assert means[0] - means[1] == pytest.approx(fault.cost, abs=0.06)


def test_where_some_drives_have_the_fault_it_is_those_that_are_slow():
    fault, twin = planted("slow on a straight", 3), faultless(3)
    assert 0.55 < fault.share < 0.9
    slower = fault.episodes["driven_time"] - twin.episodes["driven_time"]
    free = slower.abs() < 1e-9
    assert free.mean() == pytest.approx(1 - fault.share, abs=0.01)
    assert slower[~free].mean() > fault.cost


def test_slow_on_a_straight(pairs):
    fault, twin = pairs["slow on a straight"]
    assert fault.section in {"S1", "S2"}
    slow, fast = (around(found, -0.3, -0.6, fault) for found in (fault, twin))
    assert slow["true_speed"].mean() < 0.8 * fast["true_speed"].mean()


def test_weaving(pairs):
    fault, twin = pairs["weaving"]
    assert fault.section == "S2"
    weaving, straight = (around(found, 0, 0, fault) for found in (fault, twin))
    assert weaving["steering_angle"].abs().mean() > 3 * straight["steering_angle"].abs().mean()
    assert weaving["offset"].std() > 2 * straight["offset"].std()
    changes = np.diff(np.sign(weaving["steering_angle"])) != 0
    assert 2 < changes.sum() / weaving["unique_episode"].nunique() < 12


def test_brakes_too_early(pairs):
    fault, twin = pairs["brakes too early"]
    assert fault.section in {"T1", "T4"}
    early, usual = (around(found, -0.6, -0.8, fault)["speed"].mean() for found in (fault, twin))
    assert early < 0.8 * usual


def test_brakes_too_late(pairs):
    fault, twin = pairs["brakes too late"]
    assert fault.section in {"T1", "T4"}
    length = (fault.end - fault.start) % fault.track.length
    entry = [around(found, 0.1, 1.0 - length, fault)["true_speed"].mean() for found in (fault, twin)]
    assert entry[0] > entry[1]
    lowest = [around(f, 0, 0, fault).groupby("unique_episode")["true_speed"].min() for f in (fault, twin)]
    assert lowest[0].median() < 0.8 * lowest[1].median()


def test_slow_exit(pairs):
    fault, twin = pairs["slow exit"]
    assert fault.section in {"T3", "T6"}
    slow, usual = (around(found, 0, -0.6, fault)["true_speed"].mean() for found in (fault, twin))
    assert slow < 0.85 * usual


def metres_around(found, of) -> float:
    rows = around(found, 0.3, -0.3, of)
    driven = (rows["true_speed"] * rows["seconds"]).groupby(rows["unique_episode"]).sum()
    whole = rows.groupby("unique_episode")["steps"].agg(lambda n: n.diff().max() == 1 and len(n) > 10)
    return driven[whole].mean()


def test_line_too_long(pairs):
    fault, twin = pairs["line too long"]
    side = np.sign(fault.track.sections.set_index("section").loc[fault.section, "turn"])
    middle = [side * around(found, 0.8, -0.8, fault)["offset"].mean() for found in (fault, twin)]
    assert middle[0] < middle[1] - 0.12  # m further out
    assert metres_around(fault, fault) > metres_around(twin, fault) + 0.1


def test_over_steering(pairs):
    fault, twin = pairs["over-steering"]
    assert fault.section.startswith("T")
    corrected, usual = (around(found, 0, 0, fault)["steering_change"].abs().mean() for found in (fault, twin))
    assert corrected > 3 * usual
    steering = around(fault, 0, 0)["steering_angle"]
    side = np.sign(steering.mean())
    assert (side * steering > 20).mean() > 0.1 and (side * steering < 0).mean() > 0.1


def test_under_steering(pairs):
    fault, twin = pairs["under-steering"]
    side = np.sign(fault.track.sections.set_index("section").loc[fault.section, "turn"])
    locked = [(side * around(f, 0.3, 0.2, fault)["steering_angle"] > 28).mean() for f in (fault, twin)]
    assert locked[0] > 0.4 and locked[1] < 0.02
    after = [side * around(found, 0.9, 0.4, fault)["offset"].mean() for found in (fault, twin)]
    assert after[0] < after[1] - 0.05


def test_command_not_reached(pairs):
    fault, twin = pairs["command not reached"]
    spun, usual = (around(found, 0.8, 0, fault) for found in (fault, twin))
    assert spun["speed"].mean() == pytest.approx(usual["speed"].mean(), rel=0.02)
    assert spun["true_speed"].mean() < 0.85 * usual["true_speed"].mean()
    assert usual["true_speed"].mean() > 0.93 * usual["speed"].mean()


def test_actions_fight_each_other(pairs):
    fault, twin = pairs["actions fight each other"]
    flipped, usual = (around(found, 0.2, -0.2, fault)["speed_change"] for found in (fault, twin))
    assert flipped.abs().mean() > 0.8 > 4 * usual.abs().mean()
    assert (np.sign(flipped).diff().abs() == 2).mean() > 0.8  # up after down after up


def test_episode_ends_here(pairs):
    fault, twin = pairs[ENDS_HERE]
    ended = fault.episodes[~fault.episodes["complete"]]
    assert set(ended["end_status"]) == {"off_track"}
    last = fault.steps.groupby("unique_episode")["closest_waypoint"].last()[ended["unique_episode"]]
    assert (fault.track.section_of(last) == fault.section).mean() > 0.8
    lost = twin.episodes["complete"].mean() - fault.episodes["complete"].mean()
    assert lost == pytest.approx(fault.completion_gain, abs=0.08)
    assert 0.1 < fault.completion_gain < 0.5 and abs(fault.cost) < 0.06


def test_a_stronger_fault_costs_more():
    fault, twin = planted("command not reached", SEED), truth._twin(SEED)
    planned = truth.sim.Fault("not_reached", fault.start, fault.end, fault.size)
    times = []
    for size in (0.5, 1.0):
        scaled = replace(planned, size=size * fault.size)
        policy = truth.sim.trained_policy(twin.story, truth.circuit_of(SEED)[0], (scaled,))
        times.append(np.nanmean(truth.driven(policy, SEED)[1] - twin.seconds))
    assert 0 < times[0] < times[1]


def test_a_discrete_action_space():
    fault, twin = planted("actions fight each other", SEED, discrete=True), faultless(SEED, discrete=True)
    for found in (fault, twin):
        driven = found.steps[found.steps["steps"] > 1]
        space = pd.DataFrame(truth.action_space(driven["speed"].max()), columns=["angle", "speed"])
        chosen = space.iloc[driven["action"]]
        np.testing.assert_allclose(chosen["angle"], driven["steering_angle"])
        np.testing.assert_allclose(chosen["speed"], driven["speed"], rtol=1e-6)
        assert found.completion > 0.9
    assert fault.cost > 10 * fault.cost_error
    assert set(faultless(SEED).steps["action"]) == {-1}


def test_every_other_circuit_is_mirrored():
    turns = [faultless(seed).track.sections.set_index("section")["turn"] for seed in (2, 3)]
    np.testing.assert_allclose(turns[0], -turns[1], atol=1e-6)
    assert turns[0].index.equals(turns[1].index)

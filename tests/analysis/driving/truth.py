"""Drives with a known truth: a policy with one planted fault, and its faultless twin on the same random numbers.

`planted` and `faultless` give what the analyses get (steps, episodes, track) and what they have to find out (the
kind of the fault, where it is, what it costs). The cost is measured, not set: mean lap time of the faulty policy's
drives less that of the twin's, drive by drive with the same start, grip, wavering and exploration.
"""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from deepracer_viz.episodes import episode_table
from deepracer_viz.logs.formats import STATUSES
from deepracer_viz.track import Track, load_track

sys.path.insert(0, str(Path(__file__).parents[3] / "sample_logs"))

import simulation as sim
from circuit import Circuit, build_circuit
from driving import Policy, Tyres, drive

EPISODES = 80
"""Episodes in the log: four iterations of twenty."""

DRIVES = 160
"""Drives behind the true cost, the logged ones among them."""

TYRES = Tyres(drag=0.8, fade=0.5)

ENDS_HERE = "episode ends here"


@dataclass(frozen=True, eq=False)
class Truth:
    """A model's last drives, and what is true of them.

    Attributes
    ----------
    kind : str
        A key of `KINDS`; "" for the faultless twin.
    steps, episodes : pandas.DataFrame
        Tables of the logged drives, as a run has them.
    track : Track
    section : str
        Section of the track that a racer would name: the corner that is braked for or left, where the drives
        end, else where the fault is. "" without a fault.
    sections : tuple of str
        All sections that the fault's stretch touches, and `section`.
    start, end : float
        The stretch, m along the centre-line; NaN without a fault. A car acts on the speeds that are planned for
        a quarter of a second further on, so what it does begins before that.
    waypoint_from, waypoint_to : int
        The same as waypoints; -1 without a fault.
    size : float
        In the unit of `simulation.FAULTS`.
    share : float
        Share of the drives that have the fault, each with its own strength of 0.8 to 1.2 times the size.
    cost : float
        Mean seconds that a lap takes longer for the fault, over the `laps` drives that complete with it and
        without it; 0 without a fault.
    cost_error : float
        Standard error of `cost` (s).
    laps : int
    completion, completion_gain : float
        Share of the `DRIVES` drives that complete the lap, and how much larger it would be without the fault.
    """

    kind: str
    steps: pd.DataFrame
    episodes: pd.DataFrame
    track: Track
    section: str = ""
    sections: tuple[str, ...] = ()
    start: float = np.nan
    end: float = np.nan
    waypoint_from: int = -1
    waypoint_to: int = -1
    size: float = 0.0
    share: float = 0.0
    cost: float = 0.0
    cost_error: float = 0.0
    laps: int = 0
    completion: float = 0.0
    completion_gain: float = 0.0


@dataclass(frozen=True, eq=False)
class _Drives:
    """A policy, its logged drives, and the seconds of each drive's lap (NaN where it is not completed)."""

    story: sim.ModelStory
    policy: Policy
    steps: pd.DataFrame
    episodes: pd.DataFrame
    seconds: np.ndarray


def circuit_of(seed: int) -> tuple[Circuit, Track]:
    """Return the circuit that a seed is driven on: the sample track, in every other seed mirrored."""
    return _circuit(seed % 2 == 1)


@lru_cache(maxsize=2)
def _circuit(mirrored: bool) -> tuple[Circuit, Track]:
    circuit = build_circuit()
    if mirrored:
        circuit = circuit.mirrored()
    route = io.BytesIO()
    np.save(route, circuit.route)
    route.seek(0)
    return circuit, replace(load_track(route), name=circuit.name)


@lru_cache(maxsize=32)
def _twin(seed: int, discrete: bool = False) -> _Drives:
    """Draw a well-driven policy, and drive it."""
    rng = np.random.default_rng([seed, 0])
    top, exploration = rng.uniform(2.6, 3.1), rng.uniform(0.1, 0.16)
    story = sim.ModelStory(
        name=f"twin {seed}",
        story="Brakes where it has to, drives its top speed where it can.",
        actions=action_space(round(top, 1)) if discrete else None,
        speed_limits=(1.2, round(top, 1)),
        top_speed=round(top, 1),
        pace=rng.uniform(0.95, 1.0),
        racing_line=rng.uniform(0.9, 1.1),
        braking=rng.uniform(0.75, 0.85),
        lapses=rng.uniform(0.4, 0.6),
        exploration=exploration,
        exploration_end=exploration,
    )
    policy = sim.trained_policy(story, circuit_of(seed)[0])
    traces, seconds = driven(policy, seed)
    return _Drives(story, policy, *_tables(traces, circuit_of(seed)[0].length), seconds)


def action_space(top: float) -> tuple[tuple[float, float], ...]:
    """Seven steering angles (degrees), four speeds (m/s)."""
    return tuple((float(a), float(v)) for a in range(-30, 31, 10) for v in (1.4, 1.9, 2.4, top))


def driven(policy: Policy, seed: int, usual: Policy | None = None, strength: np.ndarray | None = None):
    """Drive a policy `DRIVES` times: traces, and seconds of each lap (NaN where it is not completed)."""
    circuit = circuit_of(seed)[0]
    starts = np.arange(DRIVES) * sim.START_STEP % 1 * circuit.length
    rng = np.random.default_rng([seed, 1])
    traces = drive(policy, circuit, starts, rng, usual=usual, strength=strength, tyres=TYRES)[0]
    complete = [trace["status"][-1] == "lap_complete" for trace in traces]
    seconds = [trace["tstamp"][-1] - trace["tstamp"][0] for trace in traces]
    return traces, np.where(complete, seconds, np.nan)


def _share(kind: str, seed: int, rng: np.random.Generator) -> float:
    """Draw the share of drives with the fault: all in two seeds of three, as a policy is the same in all of them."""
    if kind == ENDS_HERE:
        return rng.uniform(0.2, 0.4)
    return 1.0 if seed % 3 else rng.uniform(0.6, 0.85)


def _strengths(rng: np.random.Generator, share: float) -> np.ndarray:
    """Draw how strong the fault is in each drive, with the same mix in the logged drives as in the further ones."""
    logs = []
    for count in (EPISODES, DRIVES - EPISODES):
        strength = np.linspace(0.8, 1.2, round(share * count))
        logs.append(rng.permutation(np.pad(strength, (0, count - len(strength)))))
    return np.concatenate(logs)


def faultless(seed: int, discrete: bool = False) -> Truth:
    """Drives of a policy without faults: nothing is left to find in them. Arguments as in `planted`."""
    twin = _twin(seed, discrete)
    completion = float(np.isfinite(twin.seconds).mean())
    return Truth("", twin.steps, twin.episodes, circuit_of(seed)[1], completion=completion)


@lru_cache(maxsize=16)
def planted(kind: str, seed: int, discrete: bool = False) -> Truth:
    """Drives of the same policy with one fault, of a place and size that the seed draws.

    Parameters
    ----------
    kind : str
        Of `KINDS`.
    seed : int
        The same seed gives the same drives, and is the seed of the twin.
    discrete : bool
        Choose among `action_space` instead of from all actions. A fault is then as large as the actions that it
        leads to.
    """
    circuit, track = circuit_of(seed)
    twin = _twin(seed, discrete)
    rng = np.random.default_rng([seed, 2, list(KINDS).index(kind)])
    fault, place = KINDS[kind](rng, circuit, twin.story)
    strength = _strengths(rng, _share(kind, seed, rng))
    policy = sim.trained_policy(twin.story, circuit, (fault,))
    traces, seconds = driven(policy, seed, twin.policy, strength)
    steps, episodes = _tables(traces, circuit.length)
    loss = (seconds - twin.seconds)[np.isfinite(seconds) & np.isfinite(twin.seconds)]
    completion = np.isfinite(seconds).mean()
    first, last = circuit.waypoint(fault.start), circuit.waypoint(fault.end)
    around = len(circuit.center) - 1  # the last waypoint repeats the first
    touched = track.section_of((first + np.arange((last - first) % around + 1)) % around)
    named = track.section_of([circuit.waypoint(place)])
    if kind == ENDS_HERE:
        named = track.section_of([trace["closest_waypoint"][-1] for trace in traces])[np.isnan(seconds)]
    section = pd.Series(named).mode()[0]
    return Truth(
        kind,
        steps,
        episodes,
        track,
        section=section,
        sections=tuple(dict.fromkeys([*touched.tolist(), section])),
        start=fault.start % circuit.length,
        end=fault.end % circuit.length,
        waypoint_from=first,
        waypoint_to=last,
        size=fault.size,
        share=float((strength > 0).mean()),
        cost=float(loss.mean()),
        cost_error=float(loss.std(ddof=1) / np.sqrt(len(loss))),
        laps=len(loss),
        completion=float(completion),
        completion_gain=float(np.isfinite(twin.seconds).mean() - completion),
    )


# ------------------------------------------------------------------------------------- places and sizes

Place = tuple[sim.Fault, float]
"""The fault, and a place (m) within the section that it is named after."""

Draw = Callable[[np.random.Generator, sim.ModelStory], float]


def between(low: float, high: float) -> Draw:
    """Draw a size."""
    return lambda rng, story: rng.uniform(low, high)


def of_top(low: float, high: float) -> Draw:
    """Draw a speed as a share of the policy's top speed."""
    return lambda rng, story: story.top_speed * rng.uniform(low, high)


def on_straight(fault: str, size: Draw, names: tuple[str, ...] = ("long straight", "middle straight")):
    """Place it on one of these straights, clear of where the car still speeds up and of where it has to brake."""

    def place(rng: np.random.Generator, circuit: Circuit, story: sim.ModelStory) -> Place:
        section = circuit.section(names[rng.integers(len(names))])
        length = (section.end - section.start) % circuit.length
        first, last = (1.0, 2.2) if length > 4 else (0.3, 0.7)
        room = length - first - last
        extent = room * rng.uniform(0.8, 1.0)
        start = section.start + first + rng.uniform(0, room - extent)
        return _fault(fault, start, start + extent, size(rng, story), circuit), start + extent / 2

    return place


def at_corner(fault: str, begin: tuple[str, float], finish: tuple[str, float], sizes: dict[str, Draw]):
    """Place it at one of the corners with a size, from and to so many metres after a corner's start or end."""

    def place(rng: np.random.Generator, circuit: Circuit, story: sim.ModelStory) -> Place:
        name = list(sizes)[rng.integers(len(sizes))]
        section = circuit.section(name)
        start, end = (
            getattr(section, edge) + after + rng.uniform(-0.1, 0.1) for edge, after in (begin, finish)
        )
        return _fault(fault, start, end, sizes[name](rng, story), circuit), section.start + 0.8

    return place


def _fault(kind: str, start: float, end: float, size: float, circuit: Circuit) -> sim.Fault:
    return sim.Fault(kind, start % circuit.length, end % circuit.length, float(size))


KINDS: dict[str, Callable[[np.random.Generator, Circuit, sim.ModelStory], Place]] = {
    "slow on a straight": on_straight("slow_straight", of_top(0.6, 0.72)),
    "weaving": on_straight("weaving", between(18, 24), ("long straight",)),
    "brakes too early": at_corner(
        "early_braking",
        ("start", -1.6),
        ("start", 0.1),
        {"T4": of_top(0.58, 0.68), "T1": of_top(0.62, 0.72)},
    ),
    "brakes too late": at_corner(
        "late_braking", ("start", -0.9), ("end", 0.0), {"T4": between(2.1, 2.4), "T1": between(1.7, 2.0)}
    ),
    "slow exit": at_corner(
        "slow_exit", ("end", -0.9), ("end", 1.4), {"T3": of_top(0.58, 0.68), "T6": of_top(0.58, 0.68)}
    ),
    "line too long": at_corner(
        "running_wide",
        ("start", -0.4),
        ("end", 0.5),
        {"T1": between(0.4, 0.5), "T3": between(0.4, 0.5), "T4": between(0.25, 0.4), "T6": between(0.4, 0.5)},
    ),
    "over-steering": at_corner(
        "over_steering",
        ("start", 0.0),
        ("end", 0.0),
        {"T1": between(16, 22), "T3": between(16, 22), "T4": between(13, 18)},
    ),
    "under-steering": at_corner(
        "under_steering",
        ("start", 0.4),
        ("end", 0.0),
        {
            "T1": between(0.3, 0.4),
            "T3": between(0.3, 0.4),
            "T4": between(0.18, 0.25),
            "T6": between(0.3, 0.4),
        },
    ),
    "command not reached": on_straight("not_reached", between(0.22, 0.35)),
    "actions fight each other": on_straight("fighting_actions", between(1.1, 1.5)),
    ENDS_HERE: at_corner(
        "leaving",
        ("start", 0.0),
        ("start", 1.5),
        {"T1": between(0.85, 1.1), "T3": between(0.9, 1.1), "T4": between(0.8, 1.0), "T5": between(0.8, 1.0)},
    ),
}
"""The kinds of findings, and where and how large each is planted."""


# ----------------------------------------------------------------------------------------------- tables


def on_one_clock(traces: list[np.ndarray]) -> list[np.ndarray]:
    """Return the drives that are logged, one after the other on the simulation's clock."""
    traces = [trace.copy() for trace in traces[:EPISODES]]
    clock = 20.0
    for trace in traces:
        trace["tstamp"] = np.round(trace["tstamp"] + clock, 3)
        clock = trace["tstamp"][-1] + 0.067
    return traces


def _tables(traces: list[np.ndarray], length: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the step and episode tables of the logged drives, with the roundings of a log."""
    rows = np.concatenate(on_one_clock(traces))

    def rounded(name: str, digits: int) -> np.ndarray:
        return np.round(rows[name], digits).astype("float32")

    steps = pd.DataFrame(
        {
            "worker": pd.Categorical.from_codes(np.zeros(len(rows), "int8"), categories=[0]),
            "iteration": (rows["episode"] // 20).astype("int32"),
            "episode": rows["episode"],
            "steps": rows["steps"],
            "x": rounded("x", 4),
            "y": rounded("y", 4),
            "yaw": rounded("yaw", 4),
            "steering_angle": rounded("steer", 2),
            "speed": rounded("throttle", 2),
            "action": rows["action"].astype("int16"),
            "reward": rounded("reward", 4),
            "done": rows["done"],
            "on_track": rows["on_track"],
            "progress": rounded("progress", 4),
            "closest_waypoint": rows["closest_waypoint"],
            "track_len": np.full(len(rows), round(length, 2), "float32"),
            "tstamp": rows["tstamp"],
            "episode_status": pd.Categorical(rows["status"], categories=STATUSES),
            "pause_duration": rounded("pause", 2),
            "obstacle_crash_counter": np.zeros(len(rows), "int16"),
            "wall_clock": np.full(len(rows), np.nan),
            "unique_episode": rows["episode"],
        }
    )
    return steps, episode_table(steps)

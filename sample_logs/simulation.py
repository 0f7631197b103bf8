"""A model that learns to drive a circuit: its story, the faults planted in it, and its training.

It stands in for the simulator of AWS DeepRacer wherever logs with a known truth are wanted: the ready-made
sample logs, and checks of the analyses against faults that were planted on purpose. All cars of an iteration
are stepped together, so that a training run of thirty iterations takes a few seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial

import numpy as np
from circuit import Circuit, build_circuit, circular_filter
from driving import BRAKING, GRIP, Policy, Reward, drive

VERSION = "1"
START_STEP = 0.05  # share of the track by which each training episode starts further on
GRID = 0.05  # m, spacing of a policy's plan along the centre-line
SPREAD = (16.0, 0.8)  # degrees and m/s: spread of the actions of a fresh policy
# Over-steering: m of driving from steering too much to the next time; how much more it is too much than too
# little; share of the speed that the sliding rear costs.
CORRECTION_LENGTH, TOO_MUCH, SLIDING = 0.8, 0.1, 0.14
TO_THE_LOCK = 3.0  # times the steering needed, for under-steering
LAPSES = (4.0, 0.25)  # degrees and m/s: the wavering of a drive for `lapses` 1


@dataclass(frozen=True)
class Fault:
    """A driving fault planted in a policy.

    Attributes
    ----------
    kind : str
        A key of `FAULTS`.
    start, end : float
        Where, as distance along the centre-line (m); `start` > `end` where it crosses the start line.
    size : float
        How bad, in the unit that `FAULTS` states for the kind.
    """

    kind: str
    start: float
    end: float
    size: float


@dataclass(frozen=True)
class ModelStory:
    """Everything that makes one model what it is.

    Attributes
    ----------
    name, story : str
    iterations, episodes, evaluations : int
        Rounds of training; episodes in each; drives without exploration of each checkpoint.
    first_checkpoint : int
        Checkpoint that drives iteration 0: 0 for a fresh model, one more than the cloned one for a clone.
    actions : tuple of (steering angle in degrees, speed in m/s), or None
        The discrete action space; None for a continuous one between the limits.
    speed_limits : tuple of float
        Lowest and highest speed (m/s) of the action space.
    ignorance : float
        How wrong the policy is at the start, 1 for a fresh one.
    learning : float
        Share of its errors that an iteration takes away at a place that many episodes come past.
    drift : float
        New errors that each iteration brings: the level below which learning does not get.
    lapses : float
        How unsteady each drive is: slow wavering of steering (more in corners) and of speed that differs from
        drive to drive, with or without exploration; 1 means `LAPSES`.
    pace, pace_start : float
        Speed in corners as a share of what the grip allows, at the end and at the start of training.
    braking : float
        Share of the brakes' strength with which it slows for corners.
    top_speed : float
        Speed on straights at the end of training (m/s).
    racing_line : float
        0 keeps to the centre-line, 1 drives the line of least curvature.
    exploration, exploration_end : float
        Spread of the drawn actions at the start and in the limit, as a share of `SPREAD`.
    exploration_half_life : float
        Iterations in which half of the way between these is gone.
    overtrained_from : int or None
        Iteration from which the policy unlearns: it learns a tenth as fast and goes astray.
    overtraining : float
        How fast: 1 adds one degree of wrong steering at the worst place, and 0.6 % of pace, per iteration.
    faults : tuple of Fault
    reward : Reward
    """

    name: str
    story: str
    iterations: int = 30
    episodes: int = 20
    evaluations: int = 5
    first_checkpoint: int = 0
    actions: tuple[tuple[float, float], ...] | None = None
    speed_limits: tuple[float, float] = (1.0, 3.0)
    ignorance: float = 1.0
    learning: float = 0.2
    drift: float = 0.1
    lapses: float = 1.0
    pace: float = 0.85
    pace_start: float = 0.6
    braking: float = 0.6
    top_speed: float = 2.5
    racing_line: float = 0.5
    exploration: float = 1.0
    exploration_end: float = 0.3
    exploration_half_life: float = 8.0
    overtrained_from: int | None = None
    overtraining: float = 0.0
    faults: tuple[Fault, ...] = ()
    reward: Reward = field(default_factory=Reward)


@dataclass(eq=False)
class _Plan:
    """The driving that training leads to, at each place (m): everything that a fault can change."""

    place: np.ndarray
    offset: np.ndarray  # m, left +
    speed_cap: np.ndarray  # m/s, before it is known where the car has to brake for it
    speed: np.ndarray  # m/s, whatever comes after; NaN: as the line, the caps and braking allow
    weave: np.ndarray  # degrees
    gain: np.ndarray  # share of the steering needed
    bias: np.ndarray  # degrees
    flip: np.ndarray  # m/s
    slip: np.ndarray  # share of the speed
    push: np.ndarray  # share of the grip

    @classmethod
    def without_faults(cls, place: np.ndarray, offset: np.ndarray) -> _Plan:
        zero = np.zeros(len(place))
        rest = {name: zero.copy() for name in ("weave", "bias", "flip", "slip", "push")}
        return cls(place, offset, zero + np.inf, zero + np.nan, gain=zero + 1, **rest)


def _plant_weaving(plan: _Plan, where: np.ndarray, fault: Fault, circuit: Circuit) -> None:
    plan.weave[where] = fault.size


def _plant_slow(plan: _Plan, where: np.ndarray, fault: Fault, circuit: Circuit) -> None:
    plan.speed_cap[where] = np.minimum(plan.speed_cap[where], fault.size)


def _plant_wide(plan: _Plan, where: np.ndarray, fault: Fault, circuit: Circuit) -> None:
    extent = (fault.end - fault.start) % circuit.length
    share = _since(plan, where, fault, circuit) / extent
    plan.offset[where] -= _side(fault, circuit) * fault.size * np.sin(np.pi * share) ** 2


def _plant_late_braking(plan: _Plan, where: np.ndarray, fault: Fault, circuit: Circuit) -> None:
    late = _since(plan, where, fault, circuit) < fault.size
    plan.speed[where] = np.where(late, np.inf, 0.0)  # as fast, then as slow, as the action space goes


def _plant_over_steering(plan: _Plan, where: np.ndarray, fault: Fault, circuit: Circuit) -> None:
    wave = np.sin(2 * np.pi * _since(plan, where, fault, circuit) / CORRECTION_LENGTH)
    plan.bias[where] += _side(fault, circuit) * fault.size * (wave + TOO_MUCH)
    plan.slip[where] = np.maximum(plan.slip[where], SLIDING)


def _plant_under_steering(plan: _Plan, where: np.ndarray, fault: Fault, circuit: Circuit) -> None:
    plan.push[where] = fault.size
    plan.gain[where] = TO_THE_LOCK


def _plant_slip(plan: _Plan, where: np.ndarray, fault: Fault, circuit: Circuit) -> None:
    plan.slip[where] = np.maximum(plan.slip[where], fault.size)


def _plant_flipping(plan: _Plan, where: np.ndarray, fault: Fault, circuit: Circuit) -> None:
    plan.flip[where] = fault.size


def _plant_leaving(plan: _Plan, where: np.ndarray, fault: Fault, circuit: Circuit) -> None:
    plan.gain[where] -= fault.size


def _since(plan: _Plan, where: np.ndarray, fault: Fault, circuit: Circuit) -> np.ndarray:
    """Metres from the fault's start."""
    return (plan.place[where] - fault.start) % circuit.length


def _side(fault: Fault, circuit: Circuit) -> float:
    """Which way the corner turns that the fault's middle is in: 1 left, -1 right."""
    middle = fault.start + (fault.end - fault.start) % circuit.length / 2
    corner = next(s for s in circuit.sections if s.contains(middle % circuit.length))
    return float(np.sign(corner.turn))


FAULTS: dict[str, Callable[[_Plan, np.ndarray, Fault, Circuit], None]] = {
    "weaving": _plant_weaving,  # size: amplitude of the steering to and fro (degrees)
    "early_braking": _plant_slow,  # size: speed in the stretch before the corner (m/s)
    "slow_straight": _plant_slow,  # size: highest speed in the stretch (m/s)
    "running_wide": _plant_wide,  # size: how far outside of its line in mid-stretch (m), which is in a corner
    "late_braking": _plant_late_braking,  # size: m from the start, where it should brake, at top speed
    "slow_exit": _plant_slow,  # size: highest speed from within the corner to some way after it (m/s)
    "over_steering": _plant_over_steering,  # size: steering too much and too little in turn (degrees)
    "under_steering": _plant_under_steering,  # size: share of the grip that is lost, in full lock
    "not_reached": _plant_slip,  # size: share of the commanded speed that is not reached
    "fighting_actions": _plant_flipping,  # size: less speed in every other step (m/s)
    "leaving": _plant_leaving,  # size: share of the steering needed that is missing
}
"""What each kind of fault does to the plan. A new kind is one function and one entry here."""


@dataclass(frozen=True, eq=False)
class _Errors:
    """What a policy has wrong at each place of the grid, and how much too fast it has become."""

    missing: np.ndarray  # share of the steering needed that it does not give
    bias: np.ndarray  # degrees
    speed: np.ndarray  # m/s
    excess: float  # pace


def _policy(story: ModelStory, circuit: Circuit, line: np.ndarray, errors: _Errors, index: int, faults=None):
    """Put a policy together from the plan, the stage of training, the errors and the faults."""
    place = _places(circuit)
    plan = _Plan.without_faults(place, story.racing_line * line)
    for fault in story.faults if faults is None else faults:
        extent = (fault.end - fault.start) % circuit.length
        FAULTS[fault.kind](plan, (place - fault.start) % circuit.length <= extent, fault, circuit)
    reach = circuit.width / 2 - 0.06
    center, heading = circuit.at(place)
    normal = np.stack([-np.sin(heading), np.cos(heading)], axis=-1)
    path = center + normal * np.clip(plan.offset, -reach, reach)[:, None]

    rise = (1 - np.exp(-2.5 * index / story.iterations)) / (1 - np.exp(-2.5))
    pace = story.pace_start + (story.pace - story.pace_start) * rise + errors.excess
    low = story.speed_limits[0]
    top = low + (story.top_speed - low) * (0.5 + 0.5 * rise)
    fresh = 0.5 ** (index / story.exploration_half_life)
    share = story.exploration_end + (story.exploration - story.exploration_end) * fresh
    difficulty = _difficulty(circuit)
    speed = _speed_profile(path, pace, story.braking, top, plan.speed_cap) + errors.speed
    return Policy(
        line=path,
        speed=np.clip(np.where(np.isnan(plan.speed), speed, plan.speed), *story.speed_limits),
        difficulty=difficulty,
        gain=plan.gain - errors.missing,
        bias=difficulty * errors.bias + plan.bias,
        weave=plan.weave,
        flip=plan.flip,
        slip=plan.slip,
        push=plan.push,
        spread=(SPREAD[0] * share, SPREAD[1] * share),
        lapses=(LAPSES[0] * story.lapses, LAPSES[1] * story.lapses),
        actions=story.actions,
        speed_limits=story.speed_limits,
        reward=story.reward,
    )


def _places(circuit: Circuit) -> np.ndarray:
    """Distances of the grid along the centre-line (m)."""
    count = round(circuit.length / GRID)
    return np.arange(count) * circuit.length / count


def _difficulty(circuit: Circuit) -> np.ndarray:
    """How hard each place of the grid is: 0.25 on a straight, 1 in the tightest corner, blurred over a metre."""
    _, heading = circuit.at(_places(circuit))
    bend = np.abs((np.roll(heading, -1) - heading + np.pi) % (2 * np.pi) - np.pi)
    blurred = circular_filter(bend, np.ones(int(1.0 / GRID) | 1))
    return 0.25 + 0.75 * blurred / blurred.max()


@lru_cache(maxsize=4)
def racing_line(circuit: Circuit, margin: float = 0.18) -> np.ndarray:
    """Offset (m, left positive) of the line of least curvature at each place of the grid.

    Minimises the sum of squared second differences of the line's points over the offsets, within the track
    less a margin (m), by projected gradient steps; coarse points first, because curvature is a matter of metres.
    """
    place = _places(circuit)
    center, heading = circuit.at(place)
    normal = np.stack([-np.sin(heading), np.cos(heading)], axis=-1)
    limit = circuit.width / 2 - margin
    offset = np.zeros(len(place))
    for stride, rounds in ((6, 3000), (2, 1500)):
        pick = np.arange(0, len(place), stride)
        c, n, o = center[pick], normal[pick], offset[pick]
        for _ in range(rounds):
            line = c + n * o[:, None]
            bend = np.roll(line, -1, axis=0) - 2 * line + np.roll(line, 1, axis=0)
            slope = np.roll(bend, -1, axis=0) - 2 * bend + np.roll(bend, 1, axis=0)
            o = np.clip(o - 0.06 * np.einsum("ij,ij->i", slope, n), -limit, limit)
        offset = np.interp(place, np.append(place[pick], circuit.length), np.append(o, o[0]))
    return offset


def _speed_profile(line: np.ndarray, pace: float, braking: float, top: float, cap: np.ndarray) -> np.ndarray:
    """Fastest speed at each point of a closed line that pace, braking and the caps allow (m/s)."""
    step = np.roll(line, -1, axis=0) - line
    length = np.hypot(*step.T)
    angle = np.arctan2(step[:, 1], step[:, 0])
    bend = (np.roll(angle, -1) - angle + np.pi) % (2 * np.pi) - np.pi
    curvature = circular_filter(np.abs(bend) / length, np.ones(9))
    speed = np.minimum(pace * np.sqrt(GRIP / np.maximum(curvature, 1e-3)), np.minimum(top, cap)).tolist()
    gain = (2 * braking * BRAKING * length).tolist()
    for _ in range(2):  # twice round, because the lap is closed
        for i in range(len(speed) - 1, -1, -1):
            speed[i] = min(speed[i], (speed[i + 1 - len(speed)] ** 2 + gain[i]) ** 0.5)
    return np.array(speed)


@dataclass(frozen=True, eq=False)
class Iteration:
    """One round of policy training.

    Attributes
    ----------
    index : int
        Counted from 0.
    checkpoint : int
        The checkpoint that drove it.
    policy : Policy
        That checkpoint.
    twin : callable
        `twin(faults=...)` returns the same checkpoint with other faults, `twin(faults=())` with none: everything
        else, errors included, stays, so the difference in driving is the faults' doing.
    episodes, evaluations : list of numpy.ndarray
        `STEP` rows of each training episode, and of each drive without exploration after them. Episode numbers
        count over the job; `tstamp` is the simulation clock of the whole job.
    entropy : float
        Mean entropy of the policy's action distribution over the steps (nats).
    """

    index: int
    checkpoint: int
    policy: Policy
    twin: Callable[..., Policy]
    episodes: list[np.ndarray]
    evaluations: list[np.ndarray]
    entropy: float


def simulate_training(story: ModelStory, seed: int, circuit: Circuit | None = None) -> list[Iteration]:
    """Train a model from start to end.

    The policy steers for a point of its line ahead of it. A fresh one gives too little steering, adds wrong
    steering and wants wrong speeds, differently at each place. Each iteration takes away a share of these errors
    where it has driven (the more episodes came past, the larger), brings small new ones, raises the pace and draws
    its actions a little closer to the policy. So corners are learned one by one, and the gain per iteration
    shrinks until new errors balance what is learned.

    Parameters
    ----------
    story : ModelStory
    seed : int
        The same seed gives the same rows.
    circuit : Circuit, optional
        Default: `build_circuit()`.

    Returns
    -------
    list of Iteration
    """
    circuit = circuit or build_circuit()
    rng = np.random.default_rng(seed)
    grid = len(_places(circuit))
    noise = partial(_smooth_noise, rng, grid)
    line = racing_line(circuit)
    errors = _Errors(
        missing=story.ignorance * np.clip(0.6 + 0.12 * noise(2.0), 0.4, 0.8),
        bias=story.ignorance * 9.0 * np.clip(noise(1.5), -1.3, 1.3),
        speed=story.ignorance * 0.35 * noise(2.0),
        excess=0.0,
    )
    pliant = np.clip(1 + 0.3 * noise(2.0), 0.6, 1.6)  # some places are learned faster than others
    astray = noise(1.5)
    astray /= np.abs(_difficulty(circuit) * astray).max()
    clock, iterations = 5.0 + 20 * rng.random(), []
    for index in range(story.iterations):
        policy = _policy(story, circuit, line, errors, index)
        episode = index * story.episodes
        starts = (episode + np.arange(story.episodes)) * START_STEP % 1.0 * circuit.length
        starts = np.concatenate([starts, np.zeros(story.evaluations)])
        traces, entropy, visits = drive(policy, circuit, starts, rng, np.arange(len(starts)) < story.episodes)
        for n, trace in enumerate(traces):
            trace["episode"] = episode + min(n, story.episodes - 1)
            clock = _set_clock(trace, clock, rng)
        clock += rng.uniform(5, 25)  # the trainer is at work
        iterations.append(
            Iteration(
                index=index,
                checkpoint=story.first_checkpoint + index,
                policy=policy,
                twin=partial(_policy, story, circuit, line, errors, index),
                episodes=traces[: story.episodes],
                evaluations=traces[story.episodes :],
                entropy=entropy,
            )
        )
        learned = story.learning * pliant * visits / (visits + 0.2 * story.episodes)
        bias, excess = errors.bias, errors.excess
        if story.overtrained_from is not None and index >= story.overtrained_from:
            learned = 0.1 * learned
            excess += 0.006 * story.overtraining
            bias = bias + story.overtraining * astray
        errors = _Errors(
            missing=np.clip(errors.missing * (1 - learned) + 0.1 * story.drift * noise(2.0), -0.1, 0.95),
            bias=bias * (1 - learned) + 6.0 * story.drift * noise(1.5),
            speed=errors.speed * (1 - learned) + 0.3 * story.drift * noise(2.0),
            excess=excess,
        )
    return iterations


def simulate_race(
    policy: Policy, seed: int, trials: int = 3, penalty: float = 2.0, circuit: Circuit | None = None
) -> list[np.ndarray]:
    """Drive a separate evaluation: laps from the start line without exploration, with penalties for leaving.

    Returns
    -------
    list of numpy.ndarray
        `STEP` rows of each trial on one simulation clock.
    """
    circuit = circuit or build_circuit()
    rng = np.random.default_rng(seed)
    traces, _, _ = drive(policy, circuit, np.zeros(trials), rng, False, penalty)
    clock = 30 + 10 * rng.random()
    for trace in traces:
        clock = _set_clock(trace, clock, rng)
    return traces


def completion_chance(
    policy: Policy, seed: int, drives: int = 200, circuit: Circuit | None = None, explore: bool = True
) -> float:
    """Share of many further drives of one checkpoint, from all starts, that complete the lap: the true value."""
    traces = _more_drives(policy, seed, drives, circuit, explore)
    return float(np.mean([trace["status"][-1] == "lap_complete" for trace in traces]))


def trained_policy(story: ModelStory, circuit: Circuit, faults: tuple[Fault, ...] = ()) -> Policy:
    """What training would lead to if nothing were left to learn: the story's last checkpoint without errors."""
    zero = np.zeros(len(_places(circuit)))
    errors = _Errors(missing=zero, bias=zero, speed=zero, excess=0.0)
    return _policy(story, circuit, racing_line(circuit), errors, story.iterations, faults)


def mean_lap(policy: Policy, seed: int, drives: int = 200, circuit: Circuit | None = None) -> float:
    """Mean lap time (s) of many further drives without exploration, from all starts; NaN where none completes."""
    traces = _more_drives(policy, seed, drives, circuit, False)
    laps = [trace["tstamp"][-1] for trace in traces if trace["status"][-1] == "lap_complete"]
    return float(np.mean(laps)) if laps else float("nan")


def _more_drives(policy, seed, drives, circuit, explore) -> list[np.ndarray]:
    circuit = circuit or build_circuit()
    starts = np.arange(drives) * START_STEP % 1.0 * circuit.length
    return drive(policy, circuit, starts, np.random.default_rng(seed), explore)[0]


def _set_clock(trace: np.ndarray, clock: float, rng: np.random.Generator) -> float:
    """Put an episode's times onto the job's clock; return when the next reset happens."""
    trace["tstamp"] = np.round(trace["tstamp"] + clock, 3)
    return float(trace["tstamp"][-1] + rng.uniform(0.06, 0.075))


def _smooth_noise(rng: np.random.Generator, count: int, reach: float) -> np.ndarray:
    """Draw noise of unit variance around the lap that keeps its sign for about `reach` metres."""
    size = int(reach / GRID)
    window = np.exp(-0.5 * (np.arange(-2 * size, 2 * size + 1) / (size / 2)) ** 2)
    noise = circular_filter(rng.standard_normal(count), window)
    return noise * window.sum() / np.sqrt((window**2).sum())

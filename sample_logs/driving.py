"""A car driven around a circuit by a policy, many at once, traced as the simulator traces it.

Metres, seconds and radians inside; the step rows (`STEP`) hold degrees, as logs do. Left is positive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from circuit import Circuit

STEP = np.dtype(
    [
        ("episode", "i4"),
        ("steps", "i4"),
        ("x", "f8"),
        ("y", "f8"),
        ("yaw", "f8"),
        ("steer", "f8"),
        ("throttle", "f8"),
        ("action", "i4"),
        ("reward", "f8"),
        ("done", "?"),
        ("on_track", "?"),
        ("progress", "f8"),
        ("closest_waypoint", "i4"),
        ("tstamp", "f8"),
        ("status", "U12"),
        ("pause", "f8"),
    ]
)
"""One row of a trace: positions in m, angles in degrees, speed in m/s, progress in percent, times in s.

`action` is -1 where actions are continuous. `status` is the log's word for the state of the episode.
"""

ROWS_PER_SECOND = 15
CLOCK_JITTER = 0.0063  # s, spread of a row's time about the even beat, as in real logs
FRONT = 0.14  # m, the traced point lies this far ahead of the car's origin, the rear axle
WHEELBASE = 0.165  # m
HALF_TREAD = 0.08  # m, a wheel's distance from the car's middle line
GRIP = 6.0  # m/s2, the tyres' limit sideways; beyond it the car turns less than it steers
ACCELERATION = 3.2  # m/s2
BRAKING = 4.5  # m/s2
SCRUB = 0.15  # share of the sideways acceleration that turning costs in speed
SPEED_LAG = 0.25  # s
STEERING_LAG = 0.07  # s
STEERING_LIMIT = 30.0  # degrees
LONGEST_EPISODE = 700  # rows
REVERSED_AFTER = 15  # rows of falling progress
LAPSE_LASTS = 0.5  # s
WEAVE_LENGTH = 1.6  # m


@dataclass(frozen=True)
class Reward:
    """The racer's reward function: bands around the centre-line, plus a share for speed.

    A step earns `centre`, half or a tenth of it within 10, 25 and 50 % of the track's width from the centre-line,
    plus a tenth of `speed` for each 0.4 m/s of the commanded speed; next to nothing further out.
    """

    centre: float = 1.0
    speed: float = 0.5

    def __call__(self, share: np.ndarray, throttle: np.ndarray) -> np.ndarray:
        """Return the reward at a distance from the centre-line (share of the width) and a speed (m/s)."""
        band = np.select([share < 0.1, share < 0.25], [1.0, 0.5], 0.1)
        # A hundred-thousandth is added because speeds such as 1.2 are not whole multiples in binary.
        bonus = self.speed * np.floor(throttle / 0.4 + 1e-5) / 10
        return np.where(share < 0.5, self.centre * band + bonus, 1e-3)


@dataclass(frozen=True, eq=False)
class Policy:
    """What one checkpoint does at each place of the track, every `GRID` metres of the centre-line.

    Attributes
    ----------
    line : numpy.ndarray
        (G, 2) the points it steers for (m).
    speed : numpy.ndarray
        Speed it wants (m/s).
    difficulty : numpy.ndarray
        How hard the place is, from 0.25 on a straight to 1 in the tightest corner.
    gain : numpy.ndarray
        Share of the steering needed that it gives; 1 is right.
    bias : numpy.ndarray
        Steering that it adds wrongly (degrees).
    weave : numpy.ndarray
        Amplitude of steering to and fro (degrees).
    flip : numpy.ndarray
        How much less speed it wants in every other step (m/s).
    slip : numpy.ndarray
        Share of the commanded speed that spinning wheels do not bring to the ground.
    push : numpy.ndarray
        Share of the grip that the front tyres lose.
    spread, lapses : tuple of float
        Spread of the actions drawn in training, and of the wavering of each drive (degrees, m/s).
    actions, speed_limits, reward
        As in `ModelStory`.
    """

    line: np.ndarray
    speed: np.ndarray
    difficulty: np.ndarray
    gain: np.ndarray
    bias: np.ndarray
    weave: np.ndarray
    flip: np.ndarray
    slip: np.ndarray
    push: np.ndarray
    spread: tuple[float, float]
    lapses: tuple[float, float]
    actions: tuple[tuple[float, float], ...] | None
    speed_limits: tuple[float, float]
    reward: Reward


@dataclass(frozen=True)
class Tyres:
    """What front tyres lose that are steered further than they can hold; nothing by default.

    The more of the turn that the wheels ask for is beyond the limit of grip, the more they slide. Sliding tyres
    pull back, the harder the further they are turned, and hold less than rolling ones.

    Attributes
    ----------
    drag : float
        Share of the sideways force that sliding tyres turn into drag at right angles to the car.
    fade : float
        Share of the grip that is gone when they only slide.
    """

    drag: float = 0.0
    fade: float = 0.0


GRIPPING = Tyres()


class _Cars:
    """The cars of a drive: pose, speed, and where each is along the centre-line."""

    def __init__(self, circuit: Circuit, starts: np.ndarray, rng: np.random.Generator, tyres: Tyres):
        self.circuit, self.tyres = circuit, tyres
        self.edge = np.diff(circuit.center, axis=0)
        self.edge_length = np.hypot(*self.edge.T)
        self.heading = np.unwrap(circuit.at(circuit.distance)[1])
        self.origin, self.yaw = circuit.at(starts)
        self.speed, self.steer = np.zeros(len(starts)), np.zeros(len(starts))
        self.grip = GRIP * rng.normal(1, 0.02, len(starts))
        self.place = starts % circuit.length
        self.segment = np.searchsorted(circuit.distance, self.place, side="right") - 1
        self.travelled = np.zeros(len(starts))
        self.locate()

    @property
    def front(self) -> np.ndarray:
        """The point that the log traces."""
        return self.origin + FRONT * self._direction

    @property
    def _direction(self) -> np.ndarray:
        return np.stack([np.cos(self.yaw), np.sin(self.yaw)], axis=1)

    def move(self, steering: np.ndarray, throttle: np.ndarray, span: np.ndarray, push: np.ndarray) -> None:
        """Drive for `span` seconds with these commands (degrees, m/s): a kinematic bicycle with limited grip.

        `push` is the share of the grip that is not there.
        """
        for _ in range(3):
            h = span / 3
            self.steer += (np.radians(steering) - self.steer) * (1 - np.exp(-h / STEERING_LAG))
            self.speed += np.clip((throttle - self.speed) / SPEED_LAG, -BRAKING, ACCELERATION) * h
            limit = self.grip * (1 - push) / np.maximum(self.speed, 0.1)
            asked = self.speed * np.tan(self.steer) / WHEELBASE
            sliding = 1 - limit / np.maximum(np.abs(asked), limit)
            limit = limit * (1 - self.tyres.fade * sliding)
            turn = np.clip(asked, -limit, limit)
            self.speed -= SCRUB * np.abs(turn) * self.speed * h
            self.speed -= self.tyres.drag * self.grip * np.abs(np.sin(self.steer)) * sliding * h
            self.yaw = self.yaw + turn * h
            self.origin = self.origin + (self.speed * h)[:, None] * self._direction
        self.locate()

    def put_back(self, which: np.ndarray) -> None:
        """Set cars onto the centre-line where they are, standing still."""
        self.origin[which], self.yaw[which] = self.circuit.at(self.place[which] - FRONT)
        self.speed[which] = self.steer[which] = 0

    def locate(self) -> None:
        """Find each car's nearest point of the centre-line, near where it was, and its wheels' offsets."""
        front, every = self.front, np.arange(len(self.yaw))
        near = (self.segment[:, None] + np.arange(-3, 6)) % len(self.edge)
        away = front[:, None, :] - self.circuit.center[near]
        share = np.einsum("ijk,ijk->ij", away, self.edge[near]) / self.edge_length[near] ** 2
        share = np.clip(share, 0, 1)
        best = np.linalg.norm(away - share[:, :, None] * self.edge[near], axis=2).argmin(axis=1)
        self.segment, share = near[every, best], share[every, best]
        place = self.circuit.distance[self.segment] + share * self.edge_length[self.segment]
        half = self.circuit.length / 2
        self.travelled += (place - self.place + half) % self.circuit.length - half
        self.place = place
        self.waypoint = self.segment + (share > 0.5)
        along = self.edge[self.segment] / self.edge_length[self.segment][:, None]
        away = away[every, best]
        self.offset = along[:, 0] * away[:, 1] - along[:, 1] * away[:, 0]
        tilt = self.yaw - np.interp(place, self.circuit.distance, self.heading)
        self.wheels = np.abs(
            self.offset[:, None]
            + np.sin(tilt)[:, None] * (np.array([WHEELBASE, WHEELBASE, 0, 0]) - FRONT)
            + np.cos(tilt)[:, None] * (np.array([1, -1, 1, -1]) * HALF_TREAD)
        )


def drive(
    policy: Policy,
    circuit: Circuit,
    starts: np.ndarray,
    rng: np.random.Generator,
    explore: np.ndarray | bool = True,
    penalty: float | None = None,
    usual: Policy | None = None,
    strength: np.ndarray | None = None,
    tyres: Tyres = GRIPPING,
) -> tuple[list[np.ndarray], float, np.ndarray]:
    """Drive one episode from each start, all cars together.

    Parameters
    ----------
    policy : Policy
    circuit : Circuit
    starts : numpy.ndarray
        Distance along the centre-line of each start (m).
    rng : numpy.random.Generator
    explore : bool or numpy.ndarray of bool
        Draw actions around the policy, as training does; else take its best action. One per car or for all.
    penalty : float, optional
        Seconds a car waits after it has left the track or turned round, and then drives on (an evaluation).
        None ends the episode there (training).
    usual : Policy, optional
        Another policy of the same grid, for driving that differs from episode to episode.
    strength : numpy.ndarray, optional
        (N,) with `usual`: where each episode's driving lies between that (0) and `policy` (1), or beyond.
    tyres : Tyres, optional

    Returns
    -------
    traces : list of numpy.ndarray
        One `STEP` array per episode; `tstamp` counts from the episode's reset, `episode` is the car's number.
    entropy : float
        Mean entropy of the action distribution (nats) over the exploring cars' rows; 0 where none explores.
    visits : numpy.ndarray
        (G,) exploring episodes that came past each place of the grid.
    """
    count, grid = len(starts), len(policy.speed)
    explore = np.broadcast_to(explore, count)
    cars = _Cars(circuit, np.asarray(starts, float), rng, tyres)
    beat = np.arange(1, LONGEST_EPISODE + 1) / ROWS_PER_SECOND
    clock = np.round(beat + rng.normal(0, CLOCK_JITTER, (count, LONGEST_EPISODE)), 3)
    phase = rng.uniform(0, 2 * np.pi, count)
    waver, keep = rng.standard_normal((2, count)), np.exp(-1 / ROWS_PER_SECOND / LAPSE_LASTS)
    rows = np.zeros((LONGEST_EPISODE, count), STEP)
    rows["episode"], rows["tstamp"] = np.arange(count), clock.T
    active, used = np.ones(count, bool), np.zeros(count, int)
    pause, falling, progress = np.zeros(count), np.zeros(count, int), 100 * cars.travelled / circuit.length
    visited = np.zeros((count, grid), bool)
    entropy_sum, entropy_rows = 0.0, 0

    def cell(place: np.ndarray) -> np.ndarray:
        return (place / circuit.length * grid).astype(int) % grid

    def planned(name: str, at: np.ndarray) -> np.ndarray:
        value = getattr(policy, name)[at]
        if usual is None:
            return value
        other = getattr(usual, name)[at]
        return other + (strength if value.ndim == 1 else strength[:, None]) * (value - other)

    for k in range(LONGEST_EPISODE):
        waver = keep * waver + np.sqrt(1 - keep**2) * rng.standard_normal((2, count))
        here = cell(cars.place)
        aim = planned("line", cell(cars.place + 0.45 + 0.18 * cars.speed)) - cars.origin
        alpha = np.arctan2(aim[:, 1], aim[:, 0]) - cars.yaw
        wanted = np.degrees(np.arctan2(2 * WHEELBASE * np.sin(alpha), np.hypot(aim[:, 0], aim[:, 1])))
        wanted = planned("gain", here) * wanted + planned("bias", here)
        wanted += planned("weave", here) * np.sin(2 * np.pi * cars.place / WEAVE_LENGTH + phase)
        wanted += policy.lapses[0] * policy.difficulty[here] * waver[0]
        pace = planned("speed", cell(cars.place + 0.25 * cars.speed)) + policy.lapses[1] * waver[1]
        pace -= planned("flip", here) * ((k + np.arange(count)) % 2)
        action, steering, throttle, entropy = _choose(policy, wanted, pace, explore, rng)
        entropy_sum += entropy[active & explore].sum()
        entropy_rows += int((active & explore).sum())

        # The first row only sets the car up; a waiting car does not move.
        span = clock[:, k] - clock[:, k - 1] if k else np.zeros(count)
        waiting = pause > 0
        moving = (k > 0) & ~waiting
        cars.move(steering, throttle * (1 - planned("slip", here)), span * moving, planned("push", here))
        before, progress = progress, np.minimum(100 * cars.travelled / circuit.length, 100.0)
        falling = np.where((progress < before) & moving, falling + 1, 0)
        off = (cars.wheels.min(axis=1) > circuit.width / 2) & moving
        complete, turned = progress >= 100, falling >= REVERSED_AFTER
        halted = (off | turned) & ~complete

        row = rows[k]
        row["steps"] = k + 1
        row["x"], row["y"] = cars.front.T
        row["yaw"] = (np.degrees(cars.yaw) + 180) % 360 - 180
        row["steer"], row["throttle"], row["action"] = steering, throttle, action
        row["reward"] = np.where(moving, policy.reward(np.abs(cars.offset) / circuit.width, throttle), 0.0)
        row["on_track"] = cars.wheels.max(axis=1) < circuit.width / 2
        row["progress"], row["closest_waypoint"] = progress, cars.waypoint
        row["status"] = np.select(
            [np.full(count, k == 0), waiting, complete, off, turned],
            ["prepare", "pause", "lap_complete", "off_track", "reversed"],
            "in_progress",
        )
        row["done"] = complete | (halted & (penalty is None))
        visited[active, here[active]] = True
        used[active] = k + 1
        if penalty is not None:
            pause = np.where(halted, penalty, np.maximum(pause - span, 0))
            row["pause"] = pause
            falling[halted] = 0
            cars.put_back(halted)
        active = active & ~row["done"]
        if not active.any():
            break
    rows["status"][-1, active], rows["done"][-1, active] = "time_up", True
    traces = [rows[: used[n], n].copy() for n in range(count)]
    return traces, float(entropy_sum) / max(entropy_rows, 1), visited[explore].sum(axis=0)


def _choose(
    policy: Policy, wanted: np.ndarray, pace: np.ndarray, explore: np.ndarray, rng: np.random.Generator
):
    """Draw (or take the best) action for each car: index, steering (degrees), speed (m/s), entropy (nats)."""
    count = len(wanted)
    s_steer, s_speed = policy.spread
    if policy.actions is None:
        noise = rng.standard_normal((2, count)) * explore
        # Three decimals are finer than any servo, and keep logs small.
        steering = np.round(np.clip(wanted + s_steer * noise[0], -STEERING_LIMIT, STEERING_LIMIT), 3)
        throttle = np.round(np.clip(pace + s_speed * noise[1], *policy.speed_limits), 3)
        # Entropy of a normal distribution, over actions scaled to -1..1 as the trainer sees them.
        low, high = policy.speed_limits
        scaled = np.array([s_steer / STEERING_LIMIT, s_speed / ((high - low) / 2)])
        entropy = np.full(count, np.log(2 * np.pi * np.e * scaled**2).sum() / 2)
        return np.full(count, -1), steering, throttle, entropy
    table = np.array(policy.actions)
    away = ((table[:, 0] - wanted[:, None]) / s_steer) ** 2 + ((table[:, 1] - pace[:, None]) / s_speed) ** 2
    chance = np.exp(-0.5 * (away - away.min(axis=1, keepdims=True)))
    chance /= chance.sum(axis=1, keepdims=True)
    entropy = -(chance * np.log(np.maximum(chance, 1e-12))).sum(axis=1)
    drawn = (rng.random(count)[:, None] > np.cumsum(chance, axis=1)).sum(axis=1).clip(max=len(table) - 1)
    action = np.where(explore, drawn, chance.argmax(axis=1))
    return action, table[action, 0], table[action, 1], entropy

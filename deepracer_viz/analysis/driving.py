"""How the car drives at every waypoint, and where it drives badly.

`driving_profile` describes: speed and steering per waypoint. `find_inefficiencies` judges: it compares the laps
with the model's own fastest laps and with the speed that this model reaches elsewhere. `driving_verdict` puts the
findings in one sentence.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from deepracer_viz.track import Track, rebuild_track

NOT_DRIVING = ("prepare", "pause", "park")
"""Episode statuses of rows in which the car is held still; their pose may be left from an earlier drive."""

FAST_SHARE = 0.1
"""Share of the laps that counts as the fast laps."""

LEAST_FAST = 3
"""Fewest fast laps: the mean of fewer is mostly the luck of one lap."""

LEAST_LAPS = 10
"""Fewest laps to compare: of fewer than ten, three fast ones would be hard to tell from the rest."""

STANDING_START = 1.5
"""Seconds at the start of a drive that tell nothing of a place: the car takes so long to reach its speed."""

SLOWER = 0.9
"""Below this share of the reference speed a place is slow; exploration alone moves the mean by a few percent."""

MOST = 0.6
"""Share of a straight from which on a slow place is the straight itself, not its beginning or its end."""

LEAST_COST = 0.05
"""Seconds per lap below which a finding is left out: the least that is worth an hour of training."""

BESIDE = 1.0
"""Metres of the corners before and after a straight that are judged with it: where they are left and entered."""

LEAST_STRETCH = 0.5
"""Metres below which a slow place is left out: about three steps, too few to be driving style."""

MORE_REVERSALS = 1.5
"""From this many times the rate of elsewhere on, steering reversals count as weaving ..."""

LEAST_REVERSALS = 2.0
"""... if they are also this many more in each pass: one swing there and back."""

RESAMPLES = 500
"""Bootstrap samples behind each 95 % interval."""

_LONGEST_STEP = 0.5  # s; and
_FURTHEST_STEP = 1.0  # m: rows come 15 times a second, so beyond these the simulator halted or lost rows
_COLUMNS = ["unique_episode", "tstamp", "x", "y", "closest_waypoint", "speed", "steering_angle"]
_HEADING = 5  # steps, a third of a second: the steering has to last so long to turn the car noticeably
_SMOOTHING = 0.4  # m to either side over which speeds are averaged: two to three steps

_FINDING_TYPES = {
    "kind": "str",
    "section": "str",
    "waypoint_from": "int32",
    "waypoint_to": "int32",
    "seconds_per_lap": "float64",
    "low": "float64",
    "high": "float64",
    "share_of_laps": "float64",
    "laps": "int32",
    "evidence": "str",
    "advice": "str",
}


def driving_profile(steps: pd.DataFrame, track: Track | None = None) -> pd.DataFrame:
    """Speed and steering at every waypoint, over all steps in which the car drives.

    Parameters
    ----------
    steps : pandas.DataFrame
        Step table, rows of one episode following each other.
    track : Track, optional
        Adds section, distance, x and y; its waypoints are in the table even if no step reached them.

    Returns
    -------
    pandas.DataFrame
        One row per waypoint from 0 on:

        - waypoint;
        - visits: steps whose closest waypoint it is; episodes: how many different ones they belong to;
        - speed, speed_low, speed_high: mean and quartiles of the commanded speed (m/s);
        - true_speed: metres driven in the steps that end here over the seconds they took (m/s); true_speed_low
          and true_speed_high: quartiles of the speed of single steps (m/s);
        - steering_angle, steering_low, steering_high: mean and quartiles (degrees, left positive);
        - with a track: section, distance (m from waypoint 0), x and y (m).

        What was never seen is NaN, not 0. Rows in which the car is held still do not count, and a true speed
        takes two driven rows of one episode, one after the other. The first `STANDING_START` seconds of a drive
        count for the true speed only where no other steps ended: training starts all round the track, and speeds
        from standstill would be dips in the picture of how the car drives there.
    """
    steps, metres, seconds, running = _driven(steps)
    waypoint = steps["closest_waypoint"].to_numpy()
    count = max(len(track.center) if track is not None else 0, int(waypoint.max(initial=-1)) + 1)
    episode = np.cumsum(np.diff(steps["unique_episode"].to_numpy(), prepend=-1) != 0) - 1
    visited = np.zeros((int(episode.max(initial=-1)) + 1, count), dtype=bool)
    visited[episode, waypoint] = True
    profile = {
        "waypoint": np.arange(count, dtype=np.int32),
        "visits": np.bincount(waypoint, minlength=count),
        "episodes": visited.sum(axis=0),
    }
    flying = np.isfinite(seconds) & (running >= STANDING_START)
    passed = np.bincount(waypoint[flying], minlength=count) > 0
    moved = flying | (np.isfinite(seconds) & ~passed[waypoint])
    place, metres, seconds = waypoint[moved], metres[moved], seconds[moved]
    speed, steering = (steps[name].to_numpy() for name in ("speed", "steering_angle"))
    with np.errstate(invalid="ignore"):  # 0/0 is the NaN of a waypoint that was never visited
        for name, value in (("speed", speed), ("steering_angle", steering)):
            profile[name] = np.bincount(waypoint, value, count) / profile["visits"]
        profile["true_speed"] = np.bincount(place, metres, count) / np.bincount(place, seconds, count)
    quartiles = [
        *_quartiles(waypoint, [speed, steering], count),
        *_quartiles(place, [(metres / seconds).astype(np.float32)], count),
    ]
    for prefix, (low, high) in zip(("speed", "steering", "true_speed"), quartiles, strict=True):
        profile[f"{prefix}_low"], profile[f"{prefix}_high"] = low, high
    order = [f"{name}{end}" for name in ("speed", "true_speed") for end in ("", "_low", "_high")]
    order = ["waypoint", "visits", "episodes", *order, "steering_angle", "steering_low", "steering_high"]
    table = pd.DataFrame({name: profile[name] for name in order})
    if track is not None:
        table["section"] = track.section_of(table["waypoint"])
        beyond = (0, count - len(track.center))
        table["distance"] = np.pad(track.distance, beyond, constant_values=np.nan)
        for axis, name in enumerate("xy"):
            table[name] = np.pad(track.center[:, axis], beyond, constant_values=np.nan)
    return table


def find_inefficiencies(
    steps: pd.DataFrame, episodes: pd.DataFrame, track: Track | None = None
) -> pd.DataFrame:
    """Where and how the car loses time, costliest first.

    The laps are compared with the fast laps: the fastest tenth of the complete laps, at least three. Where fewer
    than `LEAST_LAPS` complete laps drove a stretch without a standing start in it, all passes of that stretch are
    compared with the fastest tenth of the passes. On straights the reference is also what the model could do: its
    own top speed on straights, reached and left with its own acceleration and braking (see `_with_possible`), so
    that a fault of every lap is found too.

    Parameters
    ----------
    steps : pandas.DataFrame
        Step table, rows of one episode following each other.
    episodes : pandas.DataFrame
        Their episodes; unique_episode, complete and time are used.
    track : Track, optional
        Geometry; rebuilt from the steps where none is given.

    Returns
    -------
    pandas.DataFrame
        One row per finding:

        - kind: one of "weaving", "hard braking", "slow exit", "slow on a straight";
        - section: the straight, or the corner that is braked for or left; waypoint_from, waypoint_to: where, both
          waypoints included, and waypoint_from is the larger one where it crosses the start line;
        - seconds_per_lap: mean time over these waypoints minus the reference time; low, high: its 95 % interval
          by the percentile bootstrap over laps (Efron and Tibshirani, 1993, chapter 13), seeded;
        - share_of_laps: share of the laps (or passes) that show it; laps: how many laps (or passes) that is of;
        - evidence, advice: one sentence each.

        A slow place that costs less than `LEAST_COST`, or whose interval reaches down to 0, is left out; weaving is
        told whatever it costs. Where there is too little to compare the table is empty; ``attrs["straights"]`` of
        the table names the straights that could be compared.
    """
    track = rebuild_track(steps) if track is None else track
    straights = _straights(steps, episodes, track) if track is not None else []
    found = [finding for detect in DETECTORS for finding in detect(straights)]
    found.sort(key=lambda finding: -finding["seconds_per_lap"])
    table = pd.DataFrame(found, columns=list(_FINDING_TYPES)).astype(_FINDING_TYPES)
    table.attrs["straights"] = [straight.section for straight in straights]
    return table


def driving_verdict(findings: pd.DataFrame, episodes: pd.DataFrame) -> str:
    """Say which place to work on next, or why the data cannot tell.

    Parameters
    ----------
    findings : pandas.DataFrame
        Answer of `find_inefficiencies`.
    episodes : pandas.DataFrame
        The episodes it was asked about.

    Returns
    -------
    str
        The costliest finding with its numbers and what to try; or that none is large enough; or what is missing.
    """
    if len(findings):
        worst = findings.iloc[0]
        cost = f"costs less than {LEAST_COST} s a lap (n = {worst.laps})"
        if worst.seconds_per_lap >= LEAST_COST:
            cost = (
                f"costs {worst.seconds_per_lap:.2f} s a lap (95 % interval {worst.low:.2f} to {worst.high:.2f} s, "
                f"n = {worst.laps})"
            )
        return (
            f"Work on {worst.section} first: {worst.kind} at waypoints {worst.waypoint_from} to "
            f"{worst.waypoint_to} {cost}. {worst.advice}"
        )
    straights = findings.attrs.get("straights", [])
    traced = episodes[episodes["traced"]]
    laps = int(traced["complete"].sum())
    if not straights:
        return (
            f"The data cannot say where time is lost: no straight was driven whole by {LEAST_LAPS} drives or more, "
            f"standing starts left out ({len(traced)} drives were traced, {laps} of them complete laps). More drives "
            "that get further would tell."
        )
    return (
        f"Nothing costs {LEAST_COST} s a lap or more with certainty on {', '.join(straights)} or in the corners "
        f"right beside ({laps} complete laps were traced): the car drives there much as in its fastest laps. More "
        "speed has to come from the corners or from faster actions."
    )


def _driven(steps: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    """Rows in which the car drives; metres and seconds since the row before; seconds since the drive began.

    A drive begins, and the seconds since the row before are NaN, where that row belongs to another episode, is not
    driven, or is not one step earlier.
    """
    driven = ~steps["episode_status"].isin(NOT_DRIVING).to_numpy()
    driven &= steps["closest_waypoint"].to_numpy() >= 0
    episode = steps["unique_episode"].to_numpy()
    follows = np.zeros(len(steps), dtype=bool)
    follows[1:] = driven[:-1] & (episode[1:] == episode[:-1])
    x, y, seconds = (np.diff(steps[c].to_numpy(float), prepend=np.nan) for c in ("x", "y", "tstamp"))
    metres = np.hypot(x, y)
    follows &= (seconds > 0) & (seconds <= _LONGEST_STEP) & (metres <= _FURTHEST_STEP)
    seconds[~follows] = np.nan
    steps, metres, seconds = steps.loc[driven, _COLUMNS], metres[driven], seconds[driven]
    clock, begins = steps["tstamp"].to_numpy(), np.isnan(seconds)
    running = clock - clock[begins][np.cumsum(begins) - 1] if len(clock) else clock
    return steps, metres, seconds, running


def _quartiles(group: np.ndarray, columns: list[np.ndarray], count: int) -> list[np.ndarray]:
    """Lower and upper quartile of each column in the groups 0..count-1, linearly interpolated: shape (2, count)."""
    number = np.bincount(group, minlength=count)
    ends = np.cumsum(number)
    seen = np.flatnonzero(number)
    # Narrow whole numbers are sorted by radix, and many short sorts are quicker than a long one.
    order = np.argsort(group.astype(np.int16 if count < 2**15 else np.int32), kind="stable")
    answers = []
    for column in columns:
        value = column[order]
        for begin, end in zip(ends[seen] - number[seen], ends[seen], strict=True):
            value[begin:end].sort()
        quartiles = np.full((2, count), np.nan)
        for row, share in zip(quartiles, (0.25, 0.75), strict=True):
            at = ends[seen] - number[seen] + (number[seen] - 1) * share
            below, above = value[np.floor(at).astype(int)], value[np.ceil(at).astype(int)]
            row[seen] = below + (above - below) * (at % 1)
        answers.append(quartiles)
    return answers


@dataclass(frozen=True, eq=False)
class _Drives:
    """What every uninterrupted drive did from each waypoint to the next one.

    Rows of the arrays are drives, columns are waypoints. A drive ends with its episode or where the car is put
    back on the track.
    """

    metres: np.ndarray  # (waypoints,) m of centre-line to the next waypoint
    seconds: np.ndarray  # (drives, waypoints) s, NaN where not driven whole or within the standing start
    reversals: np.ndarray  # (drives, waypoints) how often the steering changed sides
    lap_time: np.ndarray  # (drives,) s, NaN where the drive belongs to no complete lap
    told: np.ndarray  # (waypoints,) mean commanded speed as a share of the highest one; NaN where not driven


def _drives(steps: pd.DataFrame, episodes: pd.DataFrame, track: Track) -> _Drives:
    """Time all drives at all waypoints, by interpolation between the steps around each."""
    steps, _, seconds, running = _driven(steps)
    along, _ = track.position(steps["x"], steps["y"], steps["closest_waypoint"])
    clock = steps["tstamp"].to_numpy()
    begins = np.isnan(seconds)
    keep = np.isfinite(along) & (running >= STANDING_START)
    drive = np.cumsum(begins)[keep]
    steps, along, clock = steps[keep], along[keep], clock[keep]
    begins = np.diff(drive, prepend=-1) != 0
    drive = np.cumsum(begins) - 1
    first = np.flatnonzero(begins)

    ahead = np.diff(along, prepend=0.0)
    if track.closed:
        ahead = (ahead + track.length / 2) % track.length - track.length / 2
    ahead[begins] = 0
    driven = np.cumsum(ahead)
    driven -= driven[first][drive]
    # Each drive gets its own range of metres, and a car that rolls back does not pass a place twice: so one
    # interpolation serves all drives.
    room = float(np.ptp(driven)) + 1 if len(driven) else 1
    furthest = np.maximum.accumulate(driven + drive * room) if len(driven) else driven
    last = np.append(first, len(drive))[1:] - 1
    reach = (furthest[last] - np.arange(len(first)) * room)[:, None]

    to_go = track.distance - along[first][:, None]
    if track.closed:
        to_go %= track.length
    passed = (to_go >= 0) & (to_go <= reach)
    at = np.full(to_go.shape, np.nan)
    if passed.any():
        at[passed] = np.interp((to_go + np.arange(len(first))[:, None] * room)[passed], furthest, clock)
    taken = np.roll(at, -1, axis=1) - at
    taken[np.roll(to_go, -1, axis=1) < to_go] = np.nan  # the drive began in between
    if not track.closed:
        taken[:, -1:] = np.nan

    shape = to_go.shape
    waypoint, speed = steps["closest_waypoint"].to_numpy(), steps["speed"].to_numpy()
    cell = drive * shape[1] + waypoint
    reversals = np.bincount(
        cell[_reversals(steps["steering_angle"].to_numpy(), begins)], minlength=shape[0] * shape[1]
    )
    lap_time = episodes.loc[episodes["complete"]].set_index("unique_episode")["time"]
    with np.errstate(invalid="ignore"):
        told = np.bincount(waypoint, speed, shape[1]) / np.bincount(waypoint, minlength=shape[1])
    return _Drives(
        metres=np.diff(np.append(track.distance, max(track.length, track.distance[-1]))),
        seconds=taken,
        reversals=reversals.reshape(shape),
        lap_time=lap_time.reindex(steps["unique_episode"].to_numpy()[first]).to_numpy(float),
        told=told / max(speed.max(initial=0), 1e-9),
    )


def _reversals(steering: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """Whether the steering has changed sides at each step.

    What counts is the mean over `_HEADING` steps, and only beyond a sixth of the lock (99th percentile of the
    angles) to either side: jitter around straight ahead, or a single step of exploration, is no reversal.
    """
    if not len(steering):
        return np.zeros(0, dtype=bool)
    row = np.arange(len(steering))
    began = np.maximum.accumulate(np.where(begins, row, 0))
    total = np.append(0, np.cumsum(steering, dtype=float))
    since = np.maximum(row - _HEADING + 1, began)
    mean = (total[row + 1] - total[since]) / (row + 1 - since)
    beyond = np.abs(mean) > np.quantile(np.abs(steering), 0.99) / 6
    latest = np.maximum.accumulate(np.where(beyond, row, 0))
    side = np.where(beyond[latest] & (latest >= began), np.sign(mean[latest]), 0)
    return ~begins & (side * np.append(0, side[:-1]) < 0)


@dataclass(frozen=True, eq=False)
class _Straight:
    """A straight with the ends of the corners at it, and n passes of its k waypoints in driving order."""

    section: str
    corner_before: str  # "" where there is none
    corner_after: str
    waypoints: np.ndarray  # (k,)
    inside: np.ndarray  # (k,) bool: on the straight itself
    metres: np.ndarray  # (k,) m of centre-line to the next waypoint
    seconds: np.ndarray  # (n, k) s to the next waypoint
    reversals: np.ndarray  # (n, k) steering reversals
    fast: np.ndarray  # rows of the fast passes
    passes: str  # what is compared, with its number
    told: np.ndarray  # (k,) commanded speed as a share of the highest one
    possible: np.ndarray  # (k,) s that this model could take on the straight; inf off it and where unknown

    def profile(self, seconds: np.ndarray) -> np.ndarray:
        """Mean speed along the centre-line (m/s) at each waypoint, averaged over a few steps around it."""
        middle = np.cumsum(self.metres) - self.metres / 2
        near = np.abs(middle[:, None] - middle) <= _SMOOTHING
        return near @ self.metres / np.maximum(near @ seconds.mean(axis=0), 1e-9)

    def references(self, where: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Seconds for a part of it: of the fast passes, on the straight what is possible if that is less.

        Each row of chosen picks some of the fast passes, to be averaged; there is one answer per row.
        """
        known = where[np.isfinite(self.possible[where])]
        fast = self.seconds[self.fast]
        on_straight = fast[:, known].sum(axis=1)
        beside = fast[:, where].sum(axis=1) - on_straight
        best = np.minimum(on_straight[chosen].mean(axis=1), self.possible[known].sum())
        return best + beside[chosen].mean(axis=1)

    def reference(self, where: np.ndarray) -> float:
        """Seconds for a part of it, from all fast passes."""
        return float(self.references(where, np.arange(len(self.fast))[None])[0])

    def cost(self, where: np.ndarray) -> tuple[float, float, float]:
        """Mean seconds over the reference for a part of it, and the ends of their 95 % bootstrap interval."""
        seconds = self.seconds[:, where].sum(axis=1)
        random = np.random.default_rng(0)
        usual = random.choice(seconds, (RESAMPLES, len(seconds))).mean(axis=1)
        chosen = random.integers(len(self.fast), size=(RESAMPLES, len(self.fast)))
        low, high = np.quantile(usual - self.references(where, chosen), [0.025, 0.975])
        return float(seconds.mean() - self.reference(where)), float(low), float(high)

    def swings(self) -> np.ndarray:
        """Steering reversals of each pass on the straight itself."""
        return self.reversals[:, self.inside].sum(axis=1)

    def swings_in(self, metres: float, seconds: float) -> float:
        """Mean steering reversals at the rate of this straight, per metre or per second, whichever gives more."""
        own_metres, own_seconds = (
            self.metres[self.inside].sum(),
            self.seconds[:, self.inside].sum(axis=1).mean(),
        )
        return float(self.swings().mean() * max(metres / own_metres, seconds / own_seconds))

    def slow_places(self) -> Iterator[tuple[str, np.ndarray]]:
        """Stretches well below the reference speed, each with the kind of driving that it looks like.

        Slow on a straight: most of the straight. Else hard braking: the speed has fallen on the way. Slow exit:
        the speed is low early on the straight and recovers. Slow on a straight: anything else.
        """
        usual, fast = self.profile(self.seconds), self.profile(self.seconds[self.fast])
        could = np.where(self.inside, self.metres / np.maximum(self.possible, 1e-9), 0)
        on_straight = self.metres * self.inside
        share = on_straight / on_straight.sum()
        for where in _runs(usual < SLOWER * np.maximum(fast, could)):
            length = self.metres[where].sum()
            if length < LEAST_STRETCH or on_straight[where].sum() < length / 2:
                continue
            lowest = where[np.argmin(usual[where])]
            before = usual[: lowest + 1][self.inside[: lowest + 1]]
            if share[where].sum() >= MOST:
                yield "slow on a straight", where
            elif usual[lowest] < SLOWER * before.max(initial=0):
                yield "hard braking", where
            elif np.cumsum(share)[where].mean() < 0.5:
                yield "slow exit", where
            else:
                yield "slow on a straight", where


def _straights(steps: pd.DataFrame, episodes: pd.DataFrame, track: Track) -> list[_Straight]:
    """All straights that were passed often enough to be judged."""
    drives = _drives(steps, episodes, track)
    found = []
    for row in track.sections[track.sections["kind"] == "straight"].itertuples():
        ahead = track.distance - track.distance[row.waypoint_from] + BESIDE
        if track.closed:
            ahead %= track.length
        around = np.argsort(ahead, kind="stable")
        around = around[(ahead[around] >= 0) & (ahead[around] < row.length + 2 * BESIDE)]
        compared = _passes(drives, around)
        if compared is None:
            continue
        rows, fast, part, passes = compared
        waypoints = around[part]
        inside = track.section_of(waypoints) == row.section
        if not inside.any():
            continue
        corners = [name if name.startswith("T") else "" for name in track.section_of(around[[0, -1]])]
        found.append(
            _Straight(
                section=row.section,
                corner_before=corners[0],
                corner_after=corners[1],
                waypoints=waypoints,
                inside=inside,
                metres=drives.metres[waypoints],
                seconds=drives.seconds[np.ix_(rows, waypoints)],
                reversals=drives.reversals[np.ix_(rows, waypoints)],
                fast=fast,
                passes=passes,
                told=drives.told[waypoints],
                possible=np.full(len(waypoints), np.inf),
            )
        )
    return _with_possible(found)


def _passes(drives: _Drives, around: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, str] | None:
    """Choose what to compare on a stretch: laps if enough of them passed it whole, else all drives that did.

    Returns the rows of `drives`, which of these rows are fast, the part of the stretch that can be compared and
    what was chosen in words; None where there is too little. What fewer than half of the candidates drove, such
    as the place of everybody's standing start, cannot be compared.
    """
    is_lap = np.isfinite(drives.lap_time)
    few = "passes (too few complete laps)"
    for name, candidates in (("laps", np.flatnonzero(is_lap)), (few, np.arange(len(is_lap)))):
        known = np.isfinite(drives.seconds[np.ix_(candidates, around)])
        often = known.sum(axis=0)
        part = max(_runs(often >= max(1, often.max(initial=0) / 2)), key=len, default=around[:0])
        rows = candidates[known[:, part].all(axis=1)]
        if len(part) and len(rows) >= LEAST_LAPS:
            taken = (
                drives.lap_time[rows] if name == "laps" else drives.seconds[rows][:, around[part]].sum(axis=1)
            )
            fast = np.argsort(taken, kind="stable")[: max(LEAST_FAST, int(len(rows) * FAST_SHARE))]
            return rows, fast, part, f"{len(rows)} {name}"
    return None


def _with_possible(straights: list[_Straight]) -> list[_Straight]:
    """Add what this model could do on each straight.

    The quasi-steady-state lap of racing engineering (Milliken and Milliken, Race Car Vehicle Dynamics, 1995,
    chapter 7) with limits read from the fast passes instead of a model of the car: entering and leaving each
    straight as they do, it speeds up and brakes as they do at their best (90th percentile over one metre) and is
    at most as fast as they are on straights (90th percentile of the waypoints).
    """
    speeds = [straight.profile(straight.seconds[straight.fast]) for straight in straights]
    change = [np.zeros(0)]
    for straight, speed in zip(straights, speeds, strict=True):
        at = np.cumsum(straight.metres)
        later = np.interp(at + 1, at, speed**2, right=np.nan)
        change.append((later - speed**2) / 2)  # m/s2 over the next metre
    change = np.concatenate(change)
    gains, losses = change[change > 0], -change[change < 0]
    if not (len(gains) and len(losses)):
        return straights
    gain, loss = np.quantile(gains, 0.9), np.quantile(losses, 0.9)
    top = np.quantile(np.concatenate([v[s.inside] for s, v in zip(straights, speeds, strict=True)]), 0.9)
    found = []
    for straight, speed in zip(straights, speeds, strict=True):
        own = np.flatnonzero(straight.inside)
        at = np.cumsum(straight.metres[own])
        entering = speed[own[0]] ** 2 + 2 * gain * (at - at[0])
        leaving = speed[own[-1]] ** 2 + 2 * loss * (at[-1] - at)
        possible = straight.possible.copy()
        possible[own] = straight.metres[own] / np.minimum(np.sqrt(np.minimum(entering, leaving)), top)
        found.append(replace(straight, possible=possible))
    return found


def _runs(mask: np.ndarray) -> list[np.ndarray]:
    """Indices of each unbroken stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    return [np.arange(begin, end) for begin, end in edges.reshape(-1, 2)]


def _finding(kind: str, section: str, straight: _Straight, where: np.ndarray, **told) -> dict:
    """One row of the table of findings; `told` are its words, and whatever is not as usual."""
    seconds, low, high = straight.cost(where)
    slow = straight.seconds[:, where].sum(axis=1) > straight.reference(where) / SLOWER
    found = {
        "kind": kind,
        "section": section,
        "seconds_per_lap": seconds,
        "low": low,
        "high": high,
        "share_of_laps": slow.mean(),
        "laps": len(slow),
    }
    if len(where):
        found |= {"waypoint_from": straight.waypoints[where[0]], "waypoint_to": straight.waypoints[where[-1]]}
    return found | told


def _speeds(straight: _Straight, where: np.ndarray) -> str:
    """Evidence of a slow place: speed of all passes, of the fast ones, and what is possible."""
    metres, seconds = straight.metres[where].sum(), straight.seconds[:, where].sum(axis=1)
    fast, reference = metres / seconds[straight.fast].mean(), metres / straight.reference(where)
    text = (
        f"(waypoints {straight.waypoints[where[0]]}-{straight.waypoints[where[-1]]}) {straight.passes} average "
        f"{metres / seconds.mean():.2f} m/s, the {len(straight.fast)} fastest {fast:.2f} m/s"
    )
    if reference > fast + 0.005:  # else the two read the same
        text += (
            f"; with the top speed, acceleration and braking of this model {reference:.2f} m/s is possible"
        )
    return text + "."


def weaving(straights: list[_Straight]) -> Iterator[dict]:
    """Steering that changes sides on a straight at least `MORE_REVERSALS` times as often as elsewhere.

    Elsewhere are the other straights (median), where the rate counts per metre or per second, whichever allows
    more, as a slow car has more time to swing in a metre; if there are none, the fast passes of this one. Told
    whatever it costs, because swings also end laps; its seconds leave out the places that are slow anyway.
    """
    for straight in straights:
        own = np.flatnonzero(straight.inside)
        metres, seconds = straight.metres[own].sum(), straight.seconds[:, own].sum(axis=1).mean()
        swings = straight.swings()
        needed, against = swings[straight.fast].mean(), f"in the {len(straight.fast)} fastest"
        others = [other for other in straights if other is not straight]
        if others:
            needed, against = (
                np.median([other.swings_in(metres, seconds) for other in others]),
                "on other straights",
            )
        limit = max(MORE_REVERSALS * needed, needed + LEAST_REVERSALS)
        if swings.mean() < limit:
            continue
        slow = np.concatenate([own[:0], *(where for _, where in straight.slow_places())])
        yield _finding(
            "weaving",
            straight.section,
            straight,
            np.setdiff1d(own, slow),
            waypoint_from=straight.waypoints[own[0]],
            waypoint_to=straight.waypoints[own[-1]],
            share_of_laps=(swings >= limit).mean(),
            evidence=f"On {straight.section} the steering of {straight.passes} changes sides "
            f"{swings.mean() / metres:.2f} times a metre, {needed / metres:.2f} times {against}.",
            advice="Take reward away when the steering angle changes sides or is large where the track is "
            "straight, and offer small steering angles in the action space.",
        )


def hard_braking(straights: list[_Straight]) -> Iterator[dict]:
    """Speed that falls sooner or deeper before a corner than in the fast passes, or than this model can brake."""
    for straight, where in _slow(straights, "hard braking"):
        place = f"Before {straight.corner_after}" if straight.corner_after else f"Late on {straight.section}"
        yield _finding(
            "hard braking",
            straight.corner_after or straight.section,
            straight,
            where,
            evidence=f"{place} {_speeds(straight, where)}",
            advice="Pay for speed up to the corner: let the reward look fewer waypoints ahead before it asks for "
            "less speed, and offer a medium speed so that the car need not drop to the slowest.",
        )


def slow_exit(straights: list[_Straight]) -> Iterator[dict]:
    """Speed that comes back late after a corner."""
    for straight, where in _slow(straights, "slow exit"):
        place = (
            f"After {straight.corner_before}" if straight.corner_before else f"Early on {straight.section}"
        )
        yield _finding(
            "slow exit",
            straight.corner_before or straight.section,
            straight,
            where,
            evidence=f"{place} {_speeds(straight, where)}",
            advice="Pay for speed as soon as the waypoints ahead are straight, and offer a fast action with "
            "moderate steering so that the car can speed up while it still turns.",
        )


def slow_on_a_straight(straights: list[_Straight]) -> Iterator[dict]:
    """Speed well under the reference over most of a straight, or in the midst of it."""
    for straight, where in _slow(straights, "slow on a straight"):
        if np.nanmedian(straight.told[where]) > 0.95:
            advice = (
                "The car is told to drive its highest speed there: raise the top speed of the action space."
            )
        else:
            advice = (
                "Pay more reward for speed where the waypoints ahead are straight, for instance in proportion to "
                "it: the car is told to drive slower there than elsewhere."
            )
        yield _finding(
            "slow on a straight",
            straight.section,
            straight,
            where,
            evidence=f"On {straight.section} {_speeds(straight, where)}",
            advice=advice,
        )


def _slow(straights: list[_Straight], kind: str) -> Iterator[tuple[_Straight, np.ndarray]]:
    """Slow places of one kind that cost enough, with certainty."""
    for straight in straights:
        for found, where in straight.slow_places():
            if found == kind:
                seconds, low, _ = straight.cost(where)
                if seconds >= LEAST_COST and low > 0:
                    yield straight, where


DETECTORS: tuple[Callable[[list[_Straight]], Iterator[dict]], ...] = (
    weaving,
    hard_braking,
    slow_exit,
    slow_on_a_straight,
)
"""All kinds of findings; a new kind is one more function."""

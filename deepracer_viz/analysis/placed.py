"""What only the track and the row before tell of each step, in a few bytes a step.

A page that is asked for other iterations, laps or checkpoints looks at the same steps again. What each of them is at
its waypoint does not change by that, so :mod:`deepracer_viz.analysis.placing` works it out once, when a model is read.
A step takes 13 bytes where actions are discrete, 15 where they are continuous; sums over
blocks of steps take at most one more.
"""

from dataclasses import dataclass, field, fields, replace

import numpy as np
import pandas as pd

DRIVEN, COUNTED, MOVING, FLYING, FIRST, ENDS = (np.uint8(1 << bit) for bit in range(6))
"""Bits of `PlacedSteps.flags`: the car drives (as `driving_profile` counts), it drives (as `reward_map` counts), it has
moved on from the row before, it has done so at speed, it is the first step of its drive at its waypoint, and a drive
breaks off here."""

EVEN, EQUAL = 512, 510
"""Bins of a binned value: so many of even width between its 0.1 % and 99.9 % quantiles, cut further so that none holds
much more than one step in so many."""

TICK, GRAIN = 1e-5, 2e-5
"""Seconds and metres to which durations and distances of a step are kept."""


@dataclass(frozen=True, eq=False)
class Binned:
    """A value of each step by the number of its bin, fine enough for quantiles at each waypoint.

    Attributes
    ----------
    code : numpy.ndarray
        uint8 or uint16, one per step. The last bin, ``len(low)``, is that of steps without the value.
    low, high : numpy.ndarray
        float64: smallest and largest value in each bin. They are the same where a value has few different ones, as
        those of discrete actions: all figures are then exact.
    """

    code: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def exact(self) -> bool:
        """Whether every bin holds one value."""
        return bool((self.low == self.high).all())

    def counts(self, place: np.ndarray, places: int) -> np.ndarray:
        """How many steps of each place are in each bin; ``place == places`` counts nowhere.

        Returns
        -------
        numpy.ndarray
            Shape (places, bins).
        """
        bins = len(self.low) + 1
        number = np.bincount(place * np.int32(bins) + self.code, minlength=(places + 1) * bins)
        return number.reshape(places + 1, bins)[:places, :-1]

    def quantiles(self, counts: np.ndarray, shares, least: int = 1) -> np.ndarray:
        """Quantiles of the value at each place, linear between order statistics.

        An order statistic is taken to lie in its bin as if the values there were spread evenly, so its error is less
        than the width of the bin: at most the 512th part of the range without its outermost 0.1 % to either side, and
        more only there.

        Parameters
        ----------
        counts : numpy.ndarray
            Answer of `counts`.
        shares : sequence of float
            From 0 to 1.
        least : int
            A place with fewer steps has NaN.

        Returns
        -------
        numpy.ndarray
            Shape (shares, places).
        """
        answer = np.full((len(shares), len(counts)), np.nan)
        total = counts.sum(axis=1)
        seen = np.flatnonzero(total >= max(least, 1))
        until = np.cumsum(counts[seen], axis=1)
        # One ascending list for all places, so that one search finds a rank at each of them.
        offset = np.concatenate([[0], np.cumsum(total[seen])[:-1]]) if len(seen) else total[seen]
        flat = (until + offset[:, None]).ravel()
        bins = counts.shape[1]

        def statistic(rank: np.ndarray) -> np.ndarray:
            found = np.searchsorted(flat, rank + offset, "right")
            inside, row = found % bins, found // bins
            here = counts[seen[row], inside]
            share = (rank - (until[row, inside] - here) + 0.5) / here
            return self.low[inside] + share * (self.high - self.low)[inside]

        for row, share in zip(answer, shares, strict=True):
            at = (total[seen] - 1) * share
            below, above = statistic(np.floor(at)), statistic(np.ceil(at))
            row[seen] = below + (above - below) * (at % 1)
        return answer


def binned(values: np.ndarray, known: np.ndarray) -> Binned:
    """Sort values into bins; see `EVEN` and `EQUAL`.

    Parameters
    ----------
    values : numpy.ndarray
        One per step.
    known : numpy.ndarray of bool
        Which of them count; infinite ones and NaN never do.
    """
    known = known & np.isfinite(values)
    ordered = np.sort(values[known])
    if not len(ordered):
        return Binned(np.zeros(len(values), dtype=np.uint8), np.zeros(0), np.zeros(0))
    different = ordered[np.append(True, ordered[1:] != ordered[:-1])]
    if len(different) < 256:
        edges = different
    else:
        low, high = ordered[[len(ordered) // 1000, -1 - len(ordered) // 1000]]
        equal = ordered[np.arange(EQUAL) * len(ordered) // EQUAL]
        edges = np.unique(np.concatenate([equal, np.linspace(low, high, EVEN).astype(ordered.dtype)]))
    first = np.searchsorted(ordered, edges)
    last = np.append(first[1:], len(ordered)) - 1
    held = last >= first
    edges, low, high = edges[held], ordered[first[held]].astype(float), ordered[last[held]].astype(float)
    code = np.searchsorted(edges[1:], values, "right")
    code[~known] = len(edges)
    return Binned(code.astype(np.uint8 if len(edges) < 256 else np.uint16), low, high)


@dataclass(frozen=True, eq=False)
class Blocks:
    """Sums over blocks of steps, so that a range of steps need not be gone through from its first to its last.

    Attributes
    ----------
    begin : int
        Row of the first chosen step among all steps of the run.
    borders : numpy.ndarray
        Rows among all steps of the run: block k is from ``borders[k]`` to before ``borders[k + 1]``.
    sums : tuple of dict
        For each block what `deepracer_viz.analysis.driving.profile.sums_of_steps` answers for it.
    """

    begin: int = 0
    borders: np.ndarray = field(default_factory=lambda: np.zeros(1, dtype=int))
    sums: tuple[dict[str, np.ndarray], ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return self.borders.nbytes + sum(values.nbytes for block in self.sums for values in block.values())

    def within(self, count: int) -> tuple[slice, tuple[dict[str, np.ndarray], ...]]:
        """Which of so many chosen steps make whole blocks, and the sums of these."""
        first = int(np.searchsorted(self.borders, self.begin))
        last = int(np.searchsorted(self.borders, self.begin + count, "right")) - 1
        if last <= first:
            return slice(0, 0), ()
        begin, end = (int(self.borders[border]) - self.begin for border in (first, last))
        return slice(begin, end), self.sums[first:last]


@dataclass(frozen=True, eq=False)
class PlacedSteps:
    """What the track and the row before tell of some steps, row by row like the step table.

    Attributes
    ----------
    flags : numpy.ndarray
        uint8, see `DRIVEN` and the others.
    speed, steering, true_speed, offset, reward : Binned
        Commanded speed (m/s), steering angle (degrees, left positive), metres over seconds since the row before
        (m/s), metres beside the centre-line (left positive) and reward.
    ticks, grains : numpy.ndarray
        uint16: since the row before, in 0.01 ms and in 0.02 mm; 0 where the car has not moved on from there.
    episode, first_row : numpy.ndarray
        unique_episode of each episode with steps, ascending, and where its rows begin; one more entry closes the last.
    pass_row, pass_section, pass_steps, pass_over : numpy.ndarray
        Passes of sections (see `deepracer_viz.analysis.passes.Driven`): the row they begin in, the section's number
        (-1 unknown), how many steps they have, and whether they over-steer.
    lock_row, lock_pass, lock_outward : numpy.ndarray
        Steps that drift outwards at full lock: row, number of the pass, metres outside the centre-line. Full lock is
        measured on the widest steering of the whole run.
    blocks : Blocks
        Sums over steps that follow each other; none where the chosen steps do not.
    """

    flags: np.ndarray
    speed: Binned
    steering: Binned
    true_speed: Binned
    offset: Binned
    reward: Binned
    ticks: np.ndarray
    grains: np.ndarray
    episode: np.ndarray
    first_row: np.ndarray
    pass_row: np.ndarray
    pass_section: np.ndarray
    pass_steps: np.ndarray
    pass_over: np.ndarray
    lock_row: np.ndarray
    lock_pass: np.ndarray
    lock_outward: np.ndarray
    blocks: Blocks = field(default_factory=Blocks)

    def has(self, flag: np.uint8) -> np.ndarray:
        """Which steps have a flag."""
        return (self.flags & flag) != 0

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        parts = [getattr(self, part.name) for part in fields(self)]
        return sum((part.code if isinstance(part, Binned) else part).nbytes for part in parts)

    def seconds(self) -> np.ndarray:
        """Seconds since the row before, float32."""
        return self.ticks * np.float32(TICK)

    def metres(self) -> np.ndarray:
        """Metres since the row before, float32."""
        return self.grains * np.float32(GRAIN)

    def of(self, episodes: pd.DataFrame) -> "PlacedSteps":
        """The rows of some of the episodes: views where these follow each other."""
        chosen = np.isin(self.episode, episodes["unique_episode"].to_numpy())
        numbers = np.flatnonzero(chosen)
        if len(numbers) == len(chosen):
            return self
        length = np.diff(self.first_row)
        if len(numbers) and numbers[-1] - numbers[0] + 1 == len(numbers):
            rows = slice(int(self.first_row[numbers[0]]), int(self.first_row[numbers[-1] + 1]))
            blocks = replace(self.blocks, begin=self.blocks.begin + rows.start)
        else:
            rows, blocks = np.repeat(chosen, length), Blocks()
        # Passes begin and end with their episode, so they are taken or left as a whole.
        owner = np.searchsorted(self.first_row, self.pass_row, "right") - 1
        kept = chosen[owner]
        locked = kept[self.lock_pass]
        begins = np.cumsum(np.append(0, length[numbers]))
        moved = np.zeros(len(chosen), dtype=np.int64)
        moved[numbers] = self.first_row[:-1][numbers] - begins[:-1]
        values = {
            name: replace(part, code=part.code[rows])
            for name in ("speed", "steering", "true_speed", "offset", "reward")
            for part in [getattr(self, name)]
        }
        return PlacedSteps(
            flags=self.flags[rows],
            **values,
            ticks=self.ticks[rows],
            grains=self.grains[rows],
            episode=self.episode[numbers],
            first_row=begins,
            pass_row=(self.pass_row - moved[owner])[kept],
            pass_section=self.pass_section[kept],
            pass_steps=self.pass_steps[kept],
            pass_over=self.pass_over[kept],
            lock_row=(self.lock_row - moved[owner[self.lock_pass]])[locked],
            lock_pass=(np.cumsum(kept) - 1)[self.lock_pass[locked]],
            lock_outward=self.lock_outward[locked],
            blocks=blocks,
        )

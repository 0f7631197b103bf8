"""Which checkpoint should race: speed and steadiness of every checkpoint, side by side.

Checkpoint c0 + N drives iteration N, and training on those drives makes checkpoint c0 + N + 1. So a
checkpoint is judged by the drives of its own iteration, and the one saved last has none.

Training drives explore: actions are drawn at random from the policy, so that a checkpoint usually
finishes more often in a race than it did in training. And the best of many checkpoints owes part of
its lead to luck, the more so the fewer its drives: expect it to do somewhat worse than it did here.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepracer_viz.analysis.intervals import wilson_interval
from deepracer_viz.analysis.trend import ended
from deepracer_viz.analysis.words import counted, percent

CANDIDATES = 3
"""How many of the best checkpoints are pointed out."""

FEW_LAPS = 5
"""Below this many finished laps a checkpoint's first quartile lies between its two fastest laps."""

MAX_MARKS = 2_500
"""Up to this many fast laps, and as many others, every lap has a mark of its own."""

MAX_ITERATIONS = 300
"""Up to this span of iterations, mean and best are given for every single one."""

# Laps beyond MAX_MARKS are gathered in this many blocks of iterations times bins of lap time.
_BLOCKS, _TIME_BINS = 100, 20


@dataclass(frozen=True, eq=False)
class FastLaps:
    """The laps over the iterations, few enough to draw. Laps of unknown iteration (-1) have no place.

    Attributes
    ----------
    marks : pandas.DataFrame
        One row per mark: ``iteration``, ``checkpoint`` (which drove it), ``time`` (s), ``fast``
        (at or under ``quartile``), ``time_source``, ``episode``, ``unique_episode``, and ``laps``, the
        number of laps the mark stands for. Every row is a real lap. Where there are more than 2,500
        fast or 2,500 other laps, those that lie close together in iteration and time share the row
        of the fastest of them, so that the sum of ``laps`` is always the number of laps.
    iterations : pandas.DataFrame
        One row per iteration with laps and per choice of laps: ``fast_only`` (True: over the fast laps
        alone), ``iteration``, ``iteration_to``, ``laps``, ``mean`` and ``best`` (s). Where the laps
        span more than 300 iterations a row holds a block of them, ``iteration`` to ``iteration_to``;
        otherwise both are the same.
    quartile : float
        First quartile of all lap times (s); NaN without laps.
    laps : int
        Number of laps that ``marks`` stand for.
    first_checkpoint : int or None
        c0, the checkpoint that drove iteration 0; None where it is not the same for all laps.
    time_sources : dict of str to int
        How many lap times come from which source, those of unknown iteration included.
    """

    marks: pd.DataFrame
    iterations: pd.DataFrame
    quartile: float
    laps: int
    first_checkpoint: int | None
    time_sources: dict[str, int]


@dataclass(frozen=True, eq=False)
class CheckpointChoice:
    """Everything about the choice of a checkpoint.

    Attributes
    ----------
    ranking : pandas.DataFrame
        Answer of :func:`rank_checkpoints`.
    laps : FastLaps
        Answer of :func:`fast_laps`.
    verdict : str
        Which checkpoint to race and why, with its numbers and what they leave open.
    """

    ranking: pd.DataFrame
    laps: FastLaps
    verdict: str


def describe_drives(episodes) -> str:
    """Say in one sentence how often and how fast these drives finished.

    Parameters
    ----------
    episodes : pandas.DataFrame
        Episode table, such as that of separate evaluations.

    Returns
    -------
    str
    """
    laps = _timed_laps(episodes)
    low, high = wilson_interval(len(laps), len(episodes))
    said = (
        f"{len(laps)} of {counted(len(episodes), 'drive')} finished ({percent(len(laps) / len(episodes))}, "
        f"95 % interval {percent(low)} to {percent(high)})"
    )
    if laps.empty:
        return f"{said}."
    return f"{said}, the fastest in {laps['time'].min():.2f} s, the median in {laps['time'].median():.2f} s."


def choose_checkpoint(
    episodes: pd.DataFrame,
    evaluations: pd.DataFrame | None = None,
    target: float | None = None,
    attempts: int = 3,
) -> CheckpointChoice:
    """Rank the checkpoints, lay out their laps and say in words which one to race.

    Parameters
    ----------
    episodes, evaluations, target, attempts
        As for :func:`rank_checkpoints`.

    Returns
    -------
    CheckpointChoice
        Table, laps and verdict.
    """
    ranking = rank_checkpoints(episodes, evaluations, target, attempts)
    laps = fast_laps(episodes)
    return CheckpointChoice(ranking, laps, _verdict(ranking, laps, target, attempts))


def rank_checkpoints(
    episodes: pd.DataFrame,
    evaluations: pd.DataFrame | None = None,
    target: float | None = None,
    attempts: int = 3,
) -> pd.DataFrame:
    """Rank the checkpoints for a race, best first, by the drives of their own iteration.

    A race is won by a fast lap that is finished. Whoever restarts after every failure needs 1/p
    attempts for one finished lap, p being the chance to finish. The score therefore is
    ``first_quartile / completion_low``: the seconds to a good finished lap, if a failed attempt cost
    as much as a lap. It is pessimistic on purpose: the lower end of the interval takes the place of
    the share itself, so that 1 of 1 does not beat 18 of 20. The first quartile stands for the
    lap that a good attempt gives; the fastest lap would be one lucky drive.

    First come the checkpoints that no other beats in both (the frontier), in the order of the score;
    then the other checkpoints with laps, in the same order; then those without a lap, by mean
    progress. Equal ones are ordered by fastest lap, and then the later checkpoint comes first.

    Parameters
    ----------
    episodes : pandas.DataFrame
        Episode table of a run. A drive that was cut off (``end_status`` "in_progress", not complete)
        counts neither for nor against its checkpoint and is left out, as are drives of which the
        log does not tell the checkpoint (-1).
    evaluations : pandas.DataFrame, optional
        Evaluation drives during training (``checkpoint, complete, end_status``); they are reported,
        and do not change the rank.
    target : float, optional
        Lap time to beat (s); adds the columns ``beat_target``... It does not change the rank.
    attempts : int
        Drives allowed in the race, for the columns ``..._in_attempts``.

    Returns
    -------
    pandas.DataFrame
        One row per checkpoint that has drives:

        - ``rank`` (from 1), ``checkpoint``, ``model_file``, ``iteration`` (which it drove; -1 unknown);
        - ``episodes``, ``laps``: drives, and finished ones; ``completion``, their share (0 to 1), and
          ``completion_low``, ``completion_high``, its 95 % Wilson interval;
        - ``fastest``, ``first_quartile``, ``median`` of its lap times (s; missing without laps),
          ``spread``, their interquartile range (s; missing below two laps), and ``time_source``,
          every source of its lap times ("" without laps);
        - ``progress_mean``: mean progress of its drives (%);
        - ``on_frontier``: no other checkpoint has both a ``first_quartile`` and a ``completion_low``
          at least as good, and one of them better. With equal numbers of drives this is the
          non-dominated set on completion and first quartile; with unequal ones the lower end keeps
          a checkpoint that was driven once from dominating all others;
        - ``score`` (s, lower is better; missing without laps);
        - ``evaluations`` and ``evaluation_completion`` (0 to 1; missing without any);
        - ``finish_in_attempts``: chance of at least one finished lap in ``attempts`` drives,
          1 - (1 - completion)^attempts, if drives are independent and alike, and
          ``finish_in_attempts_low``, ``..._high`` from the interval of ``completion``;
        - with a target: ``beat_target``, the share of its drives that finished faster than that,
          ``beat_target_n``, their number, ``beat_target_low``, ``..._high`` (95 % Wilson), and
          ``beat_target_in_attempts`` with its ``..._low`` and ``..._high`` as above.

    Raises
    ------
    ValueError
        If ``target`` is not a positive time or ``attempts`` not a whole number from 1 on.
    """
    if target is not None and not target > 0:
        raise ValueError(f"the target must be a positive lap time in seconds, not {target}")
    if attempts != int(attempts) or attempts < 1:
        raise ValueError(f"attempts must be a whole number from 1 on, not {attempts}")

    drives = ended(episodes[episodes["checkpoint"] >= 0])
    laps = _timed_laps(drives)
    table = drives.groupby("checkpoint").agg(
        iteration=("iteration", "min"),
        episodes=("complete", "size"),
        laps=("complete", "sum"),
        progress_mean=("progress", "mean"),
    )
    _add_share(table, "completion", table["laps"], "finish_in_attempts", attempts)

    times = laps.groupby("checkpoint")["time"]
    quartiles = times.quantile([0.25, 0.5, 0.75]).unstack().reindex(columns=[0.25, 0.5, 0.75])
    table["fastest"] = times.min()
    table["first_quartile"] = quartiles[0.25]
    table["median"] = quartiles[0.5]
    table["spread"] = (quartiles[0.75] - quartiles[0.25]).where(times.size() > 1)
    sources = laps[["checkpoint", "time_source"]].drop_duplicates().astype({"time_source": str})
    sources = sources.sort_values("time_source").groupby("checkpoint")["time_source"].agg(", ".join)
    table["time_source"] = sources.reindex(table.index).fillna("")

    table["on_frontier"] = _non_dominated(table["first_quartile"], table["completion_low"])
    table["score"] = table["first_quartile"] / table["completion_low"].where(table["laps"] > 0)

    evaluations = episodes.iloc[:0] if evaluations is None else evaluations
    of_checkpoint = ended(evaluations).groupby("checkpoint")["complete"]
    table["evaluations"] = of_checkpoint.size().reindex(table.index, fill_value=0)
    table["evaluation_completion"] = of_checkpoint.mean().reindex(table.index).astype(float)

    if target is not None:
        beaten = laps[laps["time"] < target].groupby("checkpoint").size()
        table["beat_target_n"] = beaten.reindex(table.index, fill_value=0)
        _add_share(table, "beat_target", table["beat_target_n"], "beat_target_in_attempts", attempts)

    table = table.reset_index()
    table["model_file"] = "model_" + table["checkpoint"].astype(str) + ".pb"
    # A missing score sorts last. Mean progress must not order checkpoints that have laps.
    progress = table["progress_mean"].where(table["score"].isna())
    table = table.assign(_progress=progress).sort_values(
        ["on_frontier", "score", "fastest", "_progress", "checkpoint"],
        ascending=[False, True, True, False, False],
    )
    table["rank"] = np.arange(1, len(table) + 1, dtype="int32")
    leading = ["rank", "checkpoint", "model_file", "iteration", "episodes", "laps"]
    leading += ["completion", "completion_low", "completion_high"]
    leading += ["fastest", "first_quartile", "median", "spread", "time_source", "progress_mean"]
    leading += ["on_frontier", "score", "evaluations", "evaluation_completion"]
    others = [name for name in table if name not in (*leading, "_progress")]
    return table[leading + others].reset_index(drop=True)


def fast_laps(episodes: pd.DataFrame) -> FastLaps:
    """Lay out the laps over the iterations and find those at or under the first quartile of all.

    Parameters
    ----------
    episodes : pandas.DataFrame
        Episode table of a run.

    Returns
    -------
    FastLaps
        At most 5,000 marks and 600 rows of iterations, whatever the number of laps.
    """
    columns = ["iteration", "checkpoint", "time", "time_source", "episode", "unique_episode"]
    laps = _timed_laps(episodes)[columns]
    time_sources = laps["time_source"].astype(str).value_counts().to_dict()
    laps = laps[laps["iteration"] >= 0]
    quartile = float(laps["time"].quantile(0.25))
    laps = laps.assign(fast=laps["time"] <= quartile, time_source=laps["time_source"].astype(str))
    offsets = (laps["checkpoint"] - laps["iteration"]).unique()
    return FastLaps(
        # Apart, because the fast laps span little time and would lose their detail among the others.
        marks=pd.concat(
            [_few_enough(laps[laps["fast"]]), _few_enough(laps[~laps["fast"]])], ignore_index=True
        ),
        iterations=pd.concat(
            [_per_iteration(laps[laps["fast"]], True), _per_iteration(laps, False)], ignore_index=True
        ),
        quartile=quartile,
        laps=len(laps),
        first_checkpoint=int(offsets[0]) if len(offsets) == 1 else None,
        time_sources=time_sources,
    )


def _timed_laps(episodes):
    return episodes[episodes["complete"].astype(bool) & episodes["time"].notna()]


def _add_share(table, name, successes, in_attempts, attempts):
    """Add a share of the drives, its interval, and the chance of one success in several attempts."""
    low, high = wilson_interval(successes, table["episodes"])
    for end, share in (("", successes / table["episodes"]), ("_low", low), ("_high", high)):
        table[name + end] = share
        table[in_attempts + end] = 1 - (1 - share) ** attempts


def _non_dominated(time, share):
    """Mark the rows that no other row beats: less time, more share. Rows without a time never are."""
    best = share.groupby(time).max()  # sorted by time; drops rows without one
    faster = best.cummax().shift(fill_value=-np.inf)
    return (share == time.map(best)) & (share > time.map(faster))


def _few_enough(laps):
    """All laps, or of more than ``MAX_MARKS`` the fastest of each small cell of iterations and time."""
    laps = laps.sort_values(["time", "unique_episode"])
    if len(laps) <= MAX_MARKS:
        return laps.assign(laps=np.int32(1))
    slowest, fastest = laps["time"].max(), laps["time"].min()
    share = (laps["time"] - fastest) / max(slowest - fastest, 1e-9)
    cell = _block(laps["iteration"], _BLOCKS) * _TIME_BINS + (share * (_TIME_BINS - 1e-6)).astype(int)
    counts = laps.groupby(cell)["time"].transform("size").astype("int32")
    return laps.assign(laps=counts)[~cell.duplicated()]


def _per_iteration(laps, fast_only):
    block = _block(laps["iteration"], MAX_ITERATIONS)
    table = laps.groupby(block).agg(
        iteration=("iteration", "min"),
        iteration_to=("iteration", "max"),
        laps=("time", "size"),
        mean=("time", "mean"),
        best=("time", "min"),
    )
    return table.reset_index(drop=True).assign(fast_only=fast_only)


def _block(iteration, most):
    """Assign each iteration to a block: a block of its own, or a shared one where ``most`` demands it."""
    if iteration.empty:
        return iteration.rename("block")
    span = int(iteration.max()) - int(iteration.min()) + 1
    return ((iteration - iteration.min()) // -(-span // most)).rename("block")


def _verdict(ranking, laps, target, attempts):
    """Name the checkpoint to race with its numbers, and say what they leave open."""
    if ranking.empty:
        return "There is no drive of which the logs tell the checkpoint, so there is nothing to choose from."
    first = ranking.iloc[0]
    if not first.laps:
        return (
            f"None of {counted(ranking['episodes'].sum(), 'drive')} finished a lap. Checkpoint "
            f"{first.checkpoint} came furthest, {first.progress_mean:.0f} % of the track on average "
            f"(n = {first.episodes}): train on before choosing one to race."
        )
    few = first.laps < FEW_LAPS
    said = [
        f"{'Best so far is' if few else 'Race'} checkpoint {first.checkpoint} ({first.model_file}): "
        f"{first.laps} of {counted(first.episodes, 'drive')} finished ({percent(first.completion)}, "
        f"95 % interval {percent(first.completion_low)} to {percent(first.completion_high)}), "
        f"fastest quarter of its laps {first.first_quartile:.2f} s or better."
    ]
    if few:
        said.append(
            f"{counted(first.laps, 'lap')} of it {'is' if first.laps == 1 else 'are'} too few to rely on: "
            "let it drive an evaluation before the race, or train on."
        )
    if len(ranking) > 1 and ranking.iloc[1].laps:
        said.append(_beside_the_second(first, ranking.iloc[1]))
    if target is not None:
        said.append(_against_target(ranking, target, attempts))
    if first.evaluations:
        finished = round(first.evaluations * first.evaluation_completion)
        said.append(f"In its own evaluation it finished {finished} of {first.evaluations}.")
    if len(laps.time_sources) > 1:
        sources = ", ".join(f"{n:,} {source}" for source, n in laps.time_sources.items())
        said.append(f"The lap times come from different clocks ({sources}): compare them with care.")
    elif "official" not in laps.time_sources:
        said.append(f"No lap time is official (all: {', '.join(laps.time_sources)}).")
    if first.iteration >= 0:
        said.append(
            f"Checkpoint {first.checkpoint} drove iteration {first.iteration}; what training makes of those "
            f"drives is checkpoint {first.checkpoint + 1}."
        )
    return " ".join(said)


def _beside_the_second(first, second):
    """Say what the second in rank does better and worse, and whether that is sure."""
    faster = np.sign(first.first_quartile - second.first_quartile)
    oftener = np.sign(second.completion - first.completion)
    said = (
        f"Checkpoint {second.checkpoint} comes next: {('slower', 'as fast', 'faster')[int(faster) + 1]} "
        f"({second.first_quartile:.2f} s) and finished {('less', 'as', 'more')[int(oftener) + 1]} often "
        f"({second.laps} of {counted(second.episodes, 'drive')})"
    )
    if second.completion_low > first.completion_high or first.completion_low > second.completion_high:
        return said + "."
    return said + "; the two intervals overlap, so these drives cannot tell which finishes more often."


def _against_target(ranking, target, attempts):
    """Say how often the target was beaten: by the first in rank, and by whoever did it most."""
    first = ranking.iloc[0]
    if not ranking["beat_target_n"].any():
        return f"None of {counted(ranking['episodes'].sum(), 'drive')} beat {target:.2f} s."
    # By the lower end of the interval, as the score: 1 of 1 is less than 15 of 20.
    most = ranking.loc[ranking["beat_target_low"].idxmax()]
    if most.beat_target_low == first.beat_target_low:
        most = first
    said = (
        f"{most.beat_target_n} of {counted(most.episodes, 'drive')} of checkpoint {most.checkpoint} beat "
        f"{target:.2f} s, which makes {percent(most.beat_target_in_attempts)} in "
        f"{counted(attempts, 'attempt')} (95 % interval {percent(most.beat_target_in_attempts_low)} to "
        f"{percent(most.beat_target_in_attempts_high)})"
    )
    if most.checkpoint == first.checkpoint:
        return said + "."
    return (
        f"{said}; checkpoint {first.checkpoint} did it {first.beat_target_n} of {first.episodes} times. To beat the "
        f"target race {most.checkpoint}, to be sure of a finish {first.checkpoint}."
    )

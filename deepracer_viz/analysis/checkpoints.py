"""Which checkpoint should race: what every checkpoint did, and its chance to win.

Checkpoint c0 + N drives iteration N, and training on those drives makes checkpoint c0 + N + 1. So a
checkpoint has the drives of its own iteration, and the one saved last has none. Training drives explore:
actions are drawn at random from the policy, so that a checkpoint usually finishes more often in a race than it
did in training. What it would do in a race is worked out in :mod:`deepracer_viz.analysis.races`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from deepracer_viz.analysis.intervals import wilson_interval
from deepracer_viz.analysis.races import FORMATS, RaceFormat, RaceModel, predict_races, race_odds
from deepracer_viz.analysis.trend import ended
from deepracer_viz.analysis.words import counted, percent, percent_within

CANDIDATES = 3
"""How many of the best checkpoints are pointed out."""

STEADY, FRAGILE, RARE = 0.8, 0.5, 0.1
"""Chance to finish from which on a checkpoint is called steady, under which fragile, and under which hopeless."""

HOPELESS = 0.01
"""Under this chance to beat the target no checkpoint is worth submitting for it."""

CLEAR_TIME = 0.005
"""A lap time that differs by less than this share is called as fast (0.06 s of 12 s, one step of the simulator)."""

FAST = 0.015
"""A checkpoint that is behind the run's fastest one by no more than this share is fast, if most others are slower."""

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
        Which checkpoint to submit and why, with its numbers and what they leave open.
    race : RaceFormat
        The race it is chosen for.
    formats : pandas.DataFrame
        What the choice would be in each kind of race, with the same target: ``kind``, ``race`` (in words),
        ``checkpoint``, ``win_chance``, ``win_low``, ``win_high``, ``result`` (s). Empty without any lap; the
        race chosen for alone where no other was asked for.
    training_odds : bool
        The run has no evaluation drives, so that the step from training to a race is the usual one.
    """

    ranking: pd.DataFrame
    laps: FastLaps
    verdict: str
    race: RaceFormat
    formats: pd.DataFrame
    training_odds: bool


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
    if episodes.empty:
        return "There are no drives."
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
    race: RaceFormat | None = None,
    best: int | None = None,
    last: int | None = None,
    model: RaceModel | None = None,
    other_races: bool = True,
) -> CheckpointChoice:
    """Rank the checkpoints for a race, lay out their laps and say in words which one to submit.

    Parameters
    ----------
    episodes, evaluations, target, attempts, race, model
        As for :func:`rank_checkpoints`.
    best, last : int, optional
        The checkpoints that AWS marks as best and as last; the verdict compares them.
    other_races : bool
        Whether to tell the choice in the other kinds of races too, which takes most of the time; see
        `choose_in_each_race` for telling it later.

    Returns
    -------
    CheckpointChoice
        Table, laps, verdict and the choice in other races.
    """
    race = race or RaceFormat(attempts=attempts, target=target)
    model = model or predict_races(episodes, evaluations)
    ranking = rank_checkpoints(episodes, evaluations, race=race, model=model)
    laps = fast_laps(episodes)
    formats = choose_in_each_race(ranking, model, race, FORMATS if other_races else (race.kind,))
    verdict = _verdict(ranking, laps, race, model, formats, best, last)
    return CheckpointChoice(ranking, laps, verdict, race, formats, model.training_odds)


def rank_checkpoints(
    episodes: pd.DataFrame,
    evaluations: pd.DataFrame | None = None,
    target: float | None = None,
    attempts: int = 3,
    race: RaceFormat | None = None,
    model: RaceModel | None = None,
) -> pd.DataFrame:
    """Rank the checkpoints by their chance to win a race, best first.

    With a target, winning is to beat it; without one, to be faster than every other checkpoint of the run.
    Equal chances are ordered by the chance to finish a lap, then by mean progress in training, then the later
    checkpoint comes first; so are all checkpoints of a run without any lap.

    Parameters
    ----------
    episodes : pandas.DataFrame
        Training episodes of a run. A drive that was cut off (``end_status`` "in_progress", not complete)
        counts neither for nor against its checkpoint and is left out, as are drives of which the
        log does not tell the checkpoint (-1).
    evaluations : pandas.DataFrame, optional
        Evaluation drives during training (``checkpoint, progress, complete, time, end_status``).
    target : float, optional
        Lap time to beat (s).
    attempts : int
        Laps allowed in the race, of which the fastest counts.
    race : RaceFormat, optional
        Another kind of race; it takes the place of ``target`` and ``attempts``.
    model : RaceModel, optional
        Answer of :func:`deepracer_viz.analysis.races.predict_races` for the same drives, if it is at hand.

    Returns
    -------
    pandas.DataFrame
        One row per checkpoint that has training drives. In a race, with intervals that hold 90 %:

        - ``win_chance`` (0 to 1), ``win_low``, ``win_high``; ``finish_chance`` (0 to 1), of one lap from the
          line, ``finish_low``, ``finish_high``; ``lap_time`` (s), expected of a finished lap,
          ``lap_time_low``, ``lap_time_high``; ``result`` (s), expected of a race that yields one,
          ``result_low``, ``result_high``. Times and ``win_...`` are missing where the run has no lap;
        - ``on_frontier``: no other checkpoint has both a ``lap_time`` and a ``finish_chance`` at least as
          good, and one of them better;
        - ``why``: for the first three, in one sentence, what speaks for them and against ("" for others).

        What its drives were:

        - ``rank`` (from 1), ``checkpoint``, ``model_file``, ``iteration`` (which it drove; -1 unknown);
        - ``episodes``, ``laps``: training drives, and finished ones; ``completion``, their share (0 to 1),
          and ``completion_low``, ``completion_high``, its 95 % Wilson interval;
        - ``fastest``, ``first_quartile``, ``median`` of its training laps (s; missing without laps),
          ``spread``, their interquartile range (s; missing below two laps), and ``time_source``,
          every source of its lap times ("" without laps);
        - ``progress_mean``: mean progress of its training drives (%);
        - ``evaluations``, ``evaluation_laps`` and ``evaluation_completion`` (0 to 1; missing without any);
        - with a target: ``beat_target``, the share of its training drives that finished faster than that,
          ``beat_target_n``, their number, ``beat_target_low``, ``..._high`` (95 % Wilson).

    Raises
    ------
    ValueError
        If ``target`` is not a positive time or ``attempts`` not a whole number from 1 on.
    """
    race = race or RaceFormat(attempts=attempts, target=target)
    drives = ended(episodes.loc[episodes["checkpoint"] >= 0, _RANKED_BY])
    laps = _timed_laps(drives)
    numbers, place = np.unique(drives["checkpoint"].to_numpy(), return_inverse=True)
    iteration = np.full(len(numbers), np.iinfo(np.int32).max, dtype=np.int32)
    np.minimum.at(iteration, place, drives["iteration"].to_numpy())
    did = {
        "episodes": np.bincount(place, minlength=len(numbers)),
        "laps": np.bincount(place[drives["complete"].to_numpy(bool)], minlength=len(numbers)),
    }
    _add_share(did, "completion", did["laps"])
    place_of_lap, time = np.searchsorted(numbers, laps["checkpoint"]), laps["time"].to_numpy(float)
    did |= _quartiles(place_of_lap, time, len(numbers))
    did["time_source"] = _sources(place_of_lap, laps["time_source"], len(numbers))
    progress = drives["progress"].to_numpy()
    known = np.isfinite(progress)
    total = np.bincount(place[known], progress[known], len(numbers))
    with np.errstate(invalid="ignore"):  # 0/0 is the NaN of a checkpoint of which no progress is known
        mean = total / np.bincount(place[known], minlength=len(numbers))
    did["progress_mean"] = mean.astype(progress.dtype)

    evaluated = ended(episodes.iloc[:0] if evaluations is None else evaluations)
    evaluated = evaluated[evaluated["checkpoint"].isin(numbers)]
    place_of_evaluation = np.searchsorted(numbers, evaluated["checkpoint"])
    finished = place_of_evaluation[evaluated["complete"].to_numpy(bool)]
    did["evaluations"] = np.bincount(place_of_evaluation, minlength=len(numbers))
    did["evaluation_laps"] = np.bincount(finished, minlength=len(numbers))
    with np.errstate(invalid="ignore"):  # 0/0 is the NaN of a checkpoint without evaluations
        did["evaluation_completion"] = did["evaluation_laps"] / did["evaluations"]

    if race.target is not None:
        did["beat_target_n"] = np.bincount(place_of_lap[time < race.target], minlength=len(numbers))
        _add_share(did, "beat_target", did["beat_target_n"])

    model = model or predict_races(episodes, evaluations)
    expected = model.checkpoints.rename(columns={"finish": "finish_chance"})
    expected = dict(expected.items()) | dict(race_odds(model, race).items())
    row = pd.Index(expected["checkpoint"]).get_indexer(numbers)
    table = {
        "checkpoint": numbers,
        "model_file": pd.array([f"model_{number}.pb" for number in numbers], dtype="str"),
        "iteration": iteration,
        # A checkpoint that the model does not know has row -1, which is the NaN.
        **{name: np.append(expected[name].to_numpy(), np.nan)[row] for name in _EXPECTED},
    }
    table["on_frontier"] = _non_dominated(table["lap_time"], table["finish_chance"])
    table |= did
    best_first = [-table[name] for name in ("win_chance", "finish_chance", "progress_mean", "checkpoint")]
    order = np.lexsort(best_first[::-1])
    ranked = {"rank": np.arange(1, len(order) + 1, dtype="int32")}
    for name, values in table.items():
        ranked[name] = values[order]
        if name == "on_frontier":
            ranked["why"] = _reasons(
                ranked | {name: did[name][order] for name in ("evaluations", "evaluation_laps")}
            )
    return pd.DataFrame(ranked)


_RANKED_BY = ["checkpoint", "iteration", "complete", "end_status", "progress", "time", "time_source"]
_EXPECTED = (
    *("win_chance", "win_low", "win_high", "finish_chance", "finish_low", "finish_high"),
    *("lap_time", "lap_time_low", "lap_time_high", "result", "result_low", "result_high"),
)


def _quartiles(place: np.ndarray, time: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """Fastest lap, quartiles and their distance (s) of the laps of each checkpoint 0..count-1; NaN for too few."""
    time = time[np.lexsort([time, place])]
    number = np.bincount(place, minlength=count)
    seen = np.flatnonzero(number)
    first, ranks = (np.cumsum(number) - number)[seen], number[seen] - 1

    def at(share: float) -> np.ndarray:
        rank = ranks * share
        below, above = time[first + np.floor(rank).astype(int)], time[first + np.ceil(rank).astype(int)]
        answer = np.full(count, np.nan)
        answer[seen] = below + (above - below) * (rank % 1)
        return answer

    fastest, low, middle, high = (at(share) for share in (0, 0.25, 0.5, 0.75))
    return {
        "fastest": fastest,
        "first_quartile": low,
        "median": middle,
        "spread": np.where(number > 1, high - low, np.nan),
    }


def _sources(place: np.ndarray, source: pd.Series, count: int) -> pd.api.extensions.ExtensionArray:
    """All sources of the lap times of each checkpoint 0..count-1, in words; "" without a lap."""
    code, names = pd.factorize(source)
    found: list[list[str]] = [[] for _ in range(count)]
    for pair in np.unique(place * max(len(names), 1) + code).tolist():
        found[pair // len(names)].append(str(names[pair % len(names)]))
    return pd.array([", ".join(sorted(of_one)) for of_one in found], dtype="str")


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
    laps = _timed_laps(episodes[["complete", *columns]])[columns]
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


def _add_share(table, name, successes):
    """Add a share of the drives and its interval."""
    table[name] = successes / table["episodes"]
    table[f"{name}_low"], table[f"{name}_high"] = wilson_interval(successes, table["episodes"])


def _non_dominated(time, share):
    """Mark the rows that no other row beats: less time, more share. Rows without a time never are."""
    known = np.flatnonzero(np.isfinite(time))
    times, place = np.unique(time[known], return_inverse=True)
    best = np.full(len(times), -np.inf)
    np.maximum.at(best, place, share[known])
    faster = np.append(-np.inf, np.maximum.accumulate(best))[:-1]
    marked = np.zeros(len(time), dtype=bool)
    marked[known] = (share[known] == best[place]) & (share[known] > faster[place])
    return marked


def _few_enough(laps):
    """All laps, or of more than ``MAX_MARKS`` the fastest of each small cell of iterations and time."""
    laps = laps.take(np.lexsort([laps["unique_episode"], laps["time"]]))
    if len(laps) <= MAX_MARKS:
        return laps.assign(laps=np.int32(1))
    time = laps["time"].to_numpy(float)
    share = (time - time[0]) / max(time[-1] - time[0], 1e-9)
    cell = _block(laps["iteration"].to_numpy(), _BLOCKS) * _TIME_BINS
    _, first, counts = np.unique(
        cell + (share * (_TIME_BINS - 1e-6)).astype(int), return_index=True, return_counts=True
    )
    order = np.argsort(first)
    return laps.take(first[order]).assign(laps=counts[order].astype("int32"))


def _per_iteration(laps, fast_only):
    iteration, time = laps["iteration"].to_numpy(), laps["time"].to_numpy(float)
    blocks, place, number = np.unique(
        _block(iteration, MAX_ITERATIONS), return_inverse=True, return_counts=True
    )
    first, last, best = (np.full(len(blocks), np.inf) for _ in range(3))
    for least, values in ((first, iteration), (last, -iteration), (best, time)):
        np.minimum.at(least, place, values)
    return pd.DataFrame(
        {
            "iteration": first.astype(iteration.dtype),
            "iteration_to": (-last).astype(iteration.dtype),
            "laps": number,
            "mean": np.bincount(place, time, len(blocks)) / number,
            "best": best,
            "fast_only": fast_only,
        }
    )


def _block(iteration, most):
    """Assign each iteration to a block: a block of its own, or a shared one where ``most`` demands it."""
    if not len(iteration):
        return iteration
    return (iteration - iteration.min()) // -(-(int(np.ptp(iteration)) + 1) // most)


def _reasons(ranking):
    """Say of the first three what speaks for them and against; "" for the others."""
    known = np.isfinite(ranking["lap_time"])
    first = np.flatnonzero(known)[:CANDIDATES]
    asked = ("lap_time", "finish_chance", "evaluations", "evaluation_laps")
    told = pd.DataFrame({name: ranking[name][first] for name in asked})
    # The lap time of a checkpoint that hardly ever finishes is a guess, which no other is measured by.
    times = ranking["lap_time"][known & (ranking["finish_chance"] >= RARE)]
    reasons = np.full(len(known), "", dtype=object)
    reasons[first] = [_reason(row, times) for row in told.itertuples()]
    return pd.array(reasons, dtype="str")


def _reason(row, times):
    if row.finish_chance < RARE:
        pace = "rare"
    elif row.lap_time > (1 + FAST) * times.min():
        pace = "slow"
    else:
        pace = "fast" if row.lap_time < (1 - CLEAR_TIME) * np.median(times) else "like the others"
    steady, fragile = row.finish_chance >= STEADY, row.finish_chance < FRAGILE
    said = {
        "fast": ("fast and steady", "fast, and finishes more often than not", "fast but fragile"),
        "slow": (
            "steady but slower",
            "finishes more often than not, but slower",
            "neither steady nor fast",
        ),
        "like the others": ("steady", "finishes more often than not", "fragile"),
        "rare": ("", "", "hardly ever finishes"),
    }[pace][0 if steady else 2 if fragile else 1]
    own = f"{row.evaluation_laps} of {counted(row.evaluations, 'evaluation drive')} finished"
    if not row.evaluations:
        own = "judged by its training and its neighbours, without an evaluation drive of its own"
    return (
        f"{said[0].upper()}{said[1:]}: {percent(row.finish_chance)} of its laps finish, in "
        f"{row.lap_time:.2f} s on average ({own})."
    )


def choose_in_each_race(
    ranking: pd.DataFrame, model: RaceModel, race: RaceFormat, kinds: Sequence[str] = FORMATS
) -> pd.DataFrame:
    """Name the best checkpoint of each kind of race.

    Parameters
    ----------
    ranking : pandas.DataFrame
        Answer of `rank_checkpoints` for `race`.
    model : RaceModel
        What it was ranked by.
    race : RaceFormat
        The race it was ranked for; the others have the same target, attempts, laps and penalty.
    kinds : sequence of str
        Which kinds of races.

    Returns
    -------
    pandas.DataFrame
        As `CheckpointChoice.formats`.
    """
    columns = ["kind", "race", "checkpoint", "win_chance", "win_low", "win_high", "result"]
    rows = []
    for kind in kinds if ranking["lap_time"].notna().any() else ():
        if kind == race.kind:  # ranked by it
            first = ranking.iloc[0]
            rows.append([kind, race.words, *first[columns[2:]]])
            continue
        other = replace(race, kind=kind)
        odds = race_odds(model, other).set_index("checkpoint").reindex(ranking["checkpoint"])
        best = odds["win_chance"].idxmax()
        rows.append([kind, other.words, best, *odds.loc[best, columns[3:]]])
    return pd.DataFrame(rows, columns=columns)


def _verdict(ranking, laps, race, model, formats, best, last):
    """Name the checkpoint to submit with its numbers, and say what they leave open."""
    if ranking.empty:
        return "There is no drive of which the logs tell the checkpoint, so there is nothing to choose from."
    first = ranking.iloc[0]
    if np.isnan(first.lap_time):
        n = ranking["episodes"].sum() + ranking["evaluations"].sum()
        furthest = ranking.loc[ranking["progress_mean"].idxmax()]
        return (
            f"None of {counted(n, 'drive')} finished a lap. Checkpoint {furthest.checkpoint} came furthest, "
            f"{furthest.progress_mean:.0f} % of the track on average (n = {furthest.episodes}): train on before "
            "choosing one to race."
        )
    if race.target is not None and first.win_chance < HOPELESS:
        said = [
            f"No checkpoint is likely to {_goal(race, ranking)}: the best of them, checkpoint {first.checkpoint}, has "
            f"{_odds(first)} and an expected "
            f"lap of {first.lap_time:.2f} s. Train on for pace, or choose another race."
        ]
    elif ranking["finish_chance"].max() < RARE:
        said = [
            f"No checkpoint is fit to race: the best of them, checkpoint {first.checkpoint}, finishes "
            f"{percent(first.finish_chance)} of its laps ({percent(first.finish_low)} to "
            f"{percent(first.finish_high)}). Train on until it gets round."
        ]
    else:
        said = [f"Submit checkpoint {first.checkpoint}: {_odds(first)} to {_goal(race, ranking)}.", first.why]
    if model.training_odds:
        said.append(
            "These chances are rough (training odds): no evaluation drive shows how this run's training carries over "
            "to a race, so what is usual is assumed."
        )
    elif model.usual_lap_times:
        said.append("No evaluation drive finished, so race lap times are taken from training as is usual.")
    if len(ranking) > 1:
        said.append(_beside_the_second(first, ranking.iloc[1]))
    said.append(in_other_races(formats, race))
    marked = [(best, "best"), (last, "last")] if best != last else [(best, "best and last")]
    said += [_beside_aws(ranking, number, name) for number, name in marked]
    if len(laps.time_sources) > 1:
        sources = ", ".join(f"{n:,} {source}" for source, n in laps.time_sources.items())
        said.append(f"The lap times come from different clocks ({sources}): compare them with care.")
    elif laps.time_sources and "official" not in laps.time_sources:
        said.append(f"No training lap time is official (all: {', '.join(laps.time_sources)}).")
    if first.iteration >= 0:
        said.append(
            f"Checkpoint {first.checkpoint} is the model as it was saved in {first.model_file}, and drove iteration "
            f"{first.iteration}; what training makes of those drives is checkpoint {first.checkpoint + 1}."
        )
    return " ".join(part for part in said if part)


def _goal(race, ranking):
    """What winning is, to follow "to"."""
    if race.target is None:
        if len(ranking) == 1:
            return f"finish {race.words}"
        return f"be the fastest of this run's {counted(len(ranking), 'checkpoint')} {race.words}"
    per_lap = " a lap" if race.kind == "total time" else ""
    return f"beat {race.target:.2f} s{per_lap} {race.words}"


def _odds(row):
    return percent_within(row.win_chance, row.win_low, row.win_high)


def _beside_the_second(first, second):
    """Say what the second in rank does better and worse, and whether that is sure."""
    said = (
        f"Checkpoint {second.checkpoint} comes next with {_odds(second)}: {_pace(second, first)}, and "
        f"{percent(second.finish_chance)} of its laps finish."
    )
    if second.win_high > first.win_chance:
        said += " The two are too close for these drives to tell apart."
    return said


def _pace(one, other):
    """How fast one checkpoint is beside another."""
    behind = one.lap_time - other.lap_time
    if abs(behind) < CLEAR_TIME * other.lap_time:
        return "as fast"
    return f"{abs(behind):.2f} s a lap {'slower' if behind > 0 else 'faster'}"


def in_other_races(formats: pd.DataFrame, race: RaceFormat) -> str:
    """Say what the choice would be in the other kinds of races.

    Parameters
    ----------
    formats : pandas.DataFrame
        Answer of `choose_in_each_race`.
    race : RaceFormat
        The race chosen for.

    Returns
    -------
    str
        A sentence; "" where there is no other race.
    """
    others = formats[formats["kind"] != race.kind]
    said = [
        f"checkpoint {row.checkpoint} {row.race} ({percent(row.win_chance)})" for row in others.itertuples()
    ]
    return f"In other races the choice would be {' and '.join(said)}." if said else ""


def _beside_aws(ranking, number, name):
    """Compare the checkpoint that AWS marks, and say why it is not the first; "" where AWS marks none."""
    if number is None:
        return ""
    first, marked = ranking.iloc[0], ranking[ranking["checkpoint"] == number]
    if number == first.checkpoint:
        return f"AWS marks checkpoint {number} as its {name} too."
    if marked.empty:
        return f"AWS's {name}, checkpoint {number}, has no drives among these."
    row = marked.iloc[0]
    finish = row.finish_chance - first.finish_chance
    often = (
        "finishes as often"
        if abs(finish) < 0.05
        else "finishes more often"
        if finish > 0
        else "finishes less often"
    )
    criterion = (
        "the last is only the newest"
        if name == "last"
        else "AWS goes by how far a checkpoint's own evaluation drives came, and not by pace"
    )
    return (
        f"AWS's {name}, checkpoint {number}, ranks {row['rank']} with {_odds(row)}: it {often} "
        f"({percent(row.finish_chance)}) and is {_pace(row, first)}; {criterion}."
    )

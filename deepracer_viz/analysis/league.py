"""Many models in one table: what each of them has shown, what it can be expected to do in a race, and its main fault.

What takes long is worked out once for a model (:func:`league_entry`); a race is then a matter of milliseconds
(:func:`league_table`).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepracer_viz.analysis.comparing.contenders import SAME_LENGTH, SAME_PLACE
from deepracer_viz.analysis.convergence import training_progress
from deepracer_viz.analysis.driving.findings import find_inefficiencies
from deepracer_viz.analysis.envelope import performance_envelope
from deepracer_viz.analysis.intervals import wilson_interval
from deepracer_viz.analysis.races import RaceFormat, RaceModel, predict_races, race_odds
from deepracer_viz.analysis.trend import ended
from deepracer_viz.analysis.words import counted, percent
from deepracer_viz.track import Track

TREND_POINTS = 40
"""Points of a model's lap times over its training; longer trainings are summed up in blocks of iterations."""

UNKNOWN_TRACK = "unknown"
"""What the track is called of a model whose files neither name it nor hold a step."""

_COLUMNS = {
    "model": "str",
    "track": "str",
    "track_length": float,
    "iterations": "int64",
    "episodes": "int64",
    "laps": "int64",
    "completion": float,
    "completion_low": float,
    "completion_high": float,
    "fastest": float,
    "mean": float,
    "good_lap": float,
    "state": "str",
    "converged_at": "Int64",
    "checkpoint": "Int64",
    "finish_chance": float,
    "lap_time": float,
    "win_chance": float,
    "win_low": float,
    "win_high": float,
    "training_odds": bool,
    "fault": "str",
    "fault_cost": float,
    "trend": object,
}


@dataclass(frozen=True, eq=False)
class LeagueEntry:
    """What there is to say of a model whatever the race.

    Attributes
    ----------
    model : str
    track : str
        Name of the track; "" where no file tells it.
    route : Track or None
        Where it drove; None without steps.
    iterations, episodes, laps : int
        Numbers of iterations driven, of drives that came to an end, and of those that finished.
    completion : tuple of float or None
        Share of the drives that finished (0 to 1) and its 95 % Wilson interval; None without drives.
    fastest, mean : float or None
        Of the completed laps (s).
    good_lap : float or None
        Time that one lap in 44 beats (s), see `PerformanceEnvelope.good_lap`; None with too few laps.
    state : str
        Of the training, see `TrainingProgress.state`; "" for evaluation drives alone.
    converged_at : int or None
        Iteration.
    odds : RaceModel or None
        Of its checkpoints in a race; None where the logs name no checkpoint.
    fault : str
        Kind and section of the costliest finding; "" without one.
    fault_cost : float or None
        Seconds a lap; None where it has no price in seconds.
    trend : list of float
        Median lap time (s) over the training, iterations without a lap left out.
    """

    model: str
    track: str
    route: Track | None
    iterations: int
    episodes: int
    laps: int
    completion: tuple[float, float, float] | None
    fastest: float | None
    mean: float | None
    good_lap: float | None
    state: str
    converged_at: int | None
    odds: RaceModel | None
    fault: str
    fault_cost: float | None
    trend: list[float]


def league_entry(
    model: str,
    episodes: pd.DataFrame,
    steps: pd.DataFrame,
    track: Track | None = None,
    evaluations: pd.DataFrame | None = None,
    policy_updates: pd.DataFrame | None = None,
    world: str | None = None,
) -> LeagueEntry:
    """Sum a model up.

    Parameters
    ----------
    model : str
        What to call it.
    episodes, steps : pandas.DataFrame
        Its drives: those of the training, or those of separate evaluations (with a column ``stream``).
    track : Track, optional
        Where they were driven.
    evaluations : pandas.DataFrame, optional
        Evaluation drives of its checkpoints during the training.
    policy_updates : pandas.DataFrame, optional
        One row per training epoch.
    world : str, optional
        Name of the track, as the logs have it.

    Returns
    -------
    LeagueEntry
    """
    of_training = "stream" not in episodes
    drives = ended(episodes)
    laps = drives[drives["complete"]]
    envelope = performance_envelope(laps["time"])
    progress = training_progress(episodes, policy_updates) if of_training and len(drives) else None
    completion = None
    if len(drives):
        low, high = wilson_interval(len(laps), len(drives))
        completion = (len(laps) / len(drives), float(low), float(high))
    findings = find_inefficiencies(steps, episodes, track)
    worst = None if findings.empty else findings.iloc[0]
    known = of_training and (episodes["checkpoint"] >= 0).any()
    return LeagueEntry(
        model=model,
        track=world or (track.name if track is not None and not track.approximate else ""),
        route=track,
        iterations=drives["iteration"].nunique() if of_training else 0,
        episodes=len(drives),
        laps=len(laps),
        completion=completion,
        fastest=envelope.fastest,
        mean=envelope.mean,
        good_lap=envelope.good_lap,
        state="" if progress is None else progress.state,
        converged_at=None if progress is None else progress.converged_at,
        odds=predict_races(episodes, evaluations) if known else None,
        fault="" if worst is None else f"{worst['kind']}, {worst['section']}",
        fault_cost=None
        if worst is None or not np.isfinite(worst["seconds_per_lap"])
        else worst["seconds_per_lap"],
        trend=_trend(laps) if of_training else [],
    )


def league_tracks(entries: list[LeagueEntry]) -> list[str]:
    """Name the track of each model, the same track by the same name.

    Models drove the same track if their logs name the same one, or at least one of them names none, and their lengths
    and places agree: a track that is driven the other way round is another one.

    Parameters
    ----------
    entries : list of LeagueEntry

    Returns
    -------
    list of str
        Name and length for each, :data:`UNKNOWN_TRACK` without either. Whose logs name no track goes by the name that
        others give it, unless they give it several.
    """
    # One model that drove each track, and what the track is called.
    firsts: list[LeagueEntry] = []
    called: list[str] = []
    names = [UNKNOWN_TRACK] * len(entries)
    # Those that name their track come first, and of these the ones that know where it lies.
    for at in sorted(range(len(entries)), key=lambda at: (not entries[at].track, entries[at].route is None)):
        entry = entries[at]
        alike = [name for first, name in zip(firsts, called, strict=True) if _on_one_track(first, entry)]
        length = "" if entry.route is None else f"{entry.route.length:.1f} m"
        name = ", ".join(filter(None, (entry.track, length)))
        if len(alike) == 1 or (alike and entry.track):
            names[at] = alike[0]
        elif name:
            again = sum(other.startswith(name) for other in called)
            names[at] = f"{name} ({again + 1})" if again else name
            firsts.append(entry)
            called.append(names[at])
    return names


def _on_one_track(first: LeagueEntry, other: LeagueEntry) -> bool:
    named = first.track and other.track
    if named and first.track.lower() != other.track.lower():
        return False
    one, two = first.route, other.route
    if one is None or two is None:
        return bool(named)
    if abs(one.length - two.length) > SAME_LENGTH * one.length:
        return False
    apart = _apart(one, two)
    return bool(named) if np.isnan(apart) else apart < SAME_PLACE


def _apart(one: Track, two: Track) -> float:
    """Median distance (m) between places as far along two tracks; NaN where no place is known of both.

    By the way along the track and not by waypoint: simulators of different years number those of one track otherwise.
    """
    known = np.isfinite(two.center[:, 0])
    if not known.any():
        return np.nan
    along = one.distance * two.length / one.length
    there = [np.interp(along, two.distance[known], axis, np.nan, np.nan) for axis in two.center[known].T]
    away = np.hypot(*(one.center.T - there))
    away = away[np.isfinite(away)]
    return float(np.median(away)) if len(away) else np.nan


def league_table(
    entries: list[LeagueEntry], race: RaceFormat | None = None, rated: list[dict] | None = None
) -> pd.DataFrame:
    """Lay models out beside each other for a race.

    Parameters
    ----------
    entries : list of LeagueEntry
    race : RaceFormat, optional
        The race; best of three laps without a target when omitted.
    rated : list of dict, optional
        What :func:`best_checkpoint` says of each, where it is at hand; empty for one that was not rated yet.

    Returns
    -------
    pandas.DataFrame
        One row per model, in the order given: the attributes of :class:`LeagueEntry` (``completion_low``,
        ``completion_high`` and ``track_length`` in columns of their own), and of the checkpoint with the best chance:
        ``checkpoint``, ``finish_chance`` (of one lap from the line, 0 to 1), ``lap_time`` (s, expected of a
        finished lap), ``win_chance`` (0 to 1), ``win_low``, ``win_high`` (90 %), ``training_odds`` (the model has no
        evaluation drives, so the chance is a rough one). ``win_chance`` is the chance to beat the race's target, and
        missing without one: to be faster than a model's own other checkpoints tells nothing of other models.
        Without a target the checkpoint is the one with the best chance against those.
    """
    if rated is None:
        rated = [best_checkpoint(entry, race or RaceFormat()) for entry in entries]
    rows = [_row(entry) | best for entry, best in zip(entries, rated, strict=True)]
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    return table.astype(_COLUMNS)


def league_verdict(table: pd.DataFrame, race: RaceFormat) -> str:
    """Say which of the models has the best chance, or which are the fastest and the steadiest.

    Parameters
    ----------
    table : pandas.DataFrame
        Answer of :func:`league_table`: models of one track.
    race : RaceFormat
        The race that it was made for.

    Returns
    -------
    str
    """
    timed = table[table["fastest"].notna()]
    tracks = table["track"].unique()
    where = f" on {tracks[0]}" if len(tracks) == 1 and tracks[0] else ""
    if timed.empty:
        none = f"None of {counted(len(table), 'model')}{where}"
        return f"{none} has finished a lap yet: first make them finish, then fast."
    chances = table[table["win_chance"].notna()]
    if len(chances):
        order = chances.sort_values(["win_chance", "finish_chance"], ascending=False, kind="stable")
        first = order.iloc[0]
        said = (
            f"The best chance to beat {race.target:.2f} s{where} {race.words} has {first['model']} with checkpoint "
            f"{first['checkpoint']}: {percent(first['win_chance'])} "
            f"(90 % interval {percent(first['win_low'])} to {percent(first['win_high'])})."
        )
        if len(order) > 1:
            second = order.iloc[1]
            close = " Their intervals overlap: more evaluations of both would tell them apart."
            apart = second["win_high"] < first["win_low"]
            said += (
                f" Next is {second['model']} with {percent(second['win_chance'])}.{'' if apart else close}"
            )
        return said
    fastest = timed.loc[timed["fastest"].idxmin()]
    steadiest = table.loc[table["completion"].idxmax()]
    return (
        f"The fastest lap of {counted(len(table), 'model')}{where} is {fastest['model']}'s {fastest['fastest']:.2f} s; "
        f"{steadiest['model']} finishes most often, {percent(steadiest['completion'])} of "
        f"{counted(steadiest['episodes'], 'drive')}. Enter a race target to see who is likely to beat it."
    )


def _row(entry: LeagueEntry) -> dict:
    share, low, high = entry.completion or (np.nan,) * 3
    row = {name: getattr(entry, name) for name in _COLUMNS if hasattr(entry, name)}
    length = np.nan if entry.route is None else float(entry.route.length)
    row |= {"track_length": length, "training_odds": False}
    return row | {"completion": share, "completion_low": low, "completion_high": high}


def best_checkpoint(entry: LeagueEntry, race: RaceFormat) -> dict:
    """Return which checkpoint of a model has the best chance in a race.

    Parameters
    ----------
    entry : LeagueEntry
    race : RaceFormat

    Returns
    -------
    dict
        Columns of :func:`league_table` from ``checkpoint`` to ``training_odds``; empty without a checkpoint.
    """
    if entry.odds is None or entry.odds.checkpoints.empty:
        return {}
    checkpoints, odds = entry.odds.checkpoints, race_odds(entry.odds, race)
    # Equal chances go to who finishes more often, then to the later checkpoint.
    order = (odds["checkpoint"], checkpoints["finish"], odds["win_chance"].fillna(-1.0))
    best = int(np.lexsort([column.to_numpy() for column in order])[-1])
    row = {
        "checkpoint": odds["checkpoint"].iloc[best],
        "finish_chance": checkpoints["finish"].iloc[best],
        "lap_time": checkpoints["lap_time"].iloc[best],
        "training_odds": entry.odds.training_odds,
    }
    if race.target is not None:
        row |= {name: odds[name].iloc[best] for name in ("win_chance", "win_low", "win_high")}
    return row


def _trend(laps: pd.DataFrame) -> list[float]:
    """Median lap time of each iteration with a lap, or of blocks of neighbouring ones."""
    if laps.empty:
        return []
    place = np.unique(laps["iteration"], return_inverse=True)[1]
    width = -(-(place.max() + 1) // TREND_POINTS)
    return laps["time"].groupby(place // width).median().round(3).tolist()

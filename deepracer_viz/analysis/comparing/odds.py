"""Which model to send to a race: the odds of the best checkpoint of each, against the target and each other."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from deepracer_viz.analysis.checkpoints import rank_checkpoints
from deepracer_viz.analysis.comparing.contenders import Contender, on_one_track
from deepracer_viz.analysis.races import RaceFormat, RaceModel, predict_races, race_odds
from deepracer_viz.analysis.words import listed, percent, percent_within


@dataclass(frozen=True, eq=False)
class OddsComparison:
    """Odds of the best checkpoints of several contenders.

    Attributes
    ----------
    models : pandas.DataFrame
        One row per contender with training drives, in the order given: ``name``; ``checkpoint``, the first of its
        own ranking, and ``model_file``; ``finish_chance`` (0 to 1) of one lap, ``lap_time`` (s), ``target_chance``
        to beat the target (missing without one) and ``win_chance`` to be faster than the other contenders' (missing
        alone, without laps and on another track), each with ``..._low`` and ``..._high``, which hold 90 %;
        ``training_odds`` (no evaluation drive); ``ranked`` (whether it drove on the track of the first).
    race : RaceFormat
        The race, with its target.
    left_out : list of str
        Why others have no odds or are not ranked, one sentence each.
    verdict : str
        Which one to send, in plain words.
    """

    models: pd.DataFrame
    race: RaceFormat
    left_out: list[str]
    verdict: str


def compare_odds(
    contenders: list[Contender],
    race: RaceFormat,
    learnt: dict[str, RaceModel] | None = None,
    seed: int = 0,
) -> OddsComparison:
    """Work out the odds of the best checkpoint of each contender in one race.

    Each checkpoint is the first of its model's own ranking for this race: the one to submit were the model alone.
    What is not known of one model says nothing of another, so that the versions of the truth which the models hold
    likely are paired at random; in each, the chance to be the fastest is worked out as between the checkpoints of
    one run (:func:`deepracer_viz.analysis.races.race_odds`).

    Parameters
    ----------
    contenders : list of Contender
        One to four.
    race : RaceFormat
    learnt : dict of str to RaceModel, optional
        Answers of :func:`deepracer_viz.analysis.races.predict_races` by name, where the caller has them.
    seed : int
        Of the pairing.

    Returns
    -------
    OddsComparison
    """
    alike, left_out = on_one_track(contenders)
    left_out += [
        f"{contender.name} shows drives of separate evaluations, whose checkpoint the logs do not tell: no odds."
        for contender in contenders
        if not contender.of_training
    ]
    ranked = {contender.name for contender in alike}
    rows, versions = [], {}
    for contender in contenders:
        if not contender.of_training:
            continue
        name, drives, evaluations = contender.name, contender.episodes, contender.evaluations
        model = (learnt or {}).get(name) or predict_races(drives, evaluations)
        ranking = rank_checkpoints(drives, evaluations, race=race, model=model)
        if ranking.empty:
            left_out.append(f"{name} has no drive of which the logs tell the checkpoint: no odds.")
            continue
        first = ranking.iloc[0]
        rows.append(_row(name, first, model, race) | {"ranked": name in ranked})
        if name in ranked and np.isfinite(first["lap_time"]):
            column = int(np.flatnonzero(model.checkpoints["checkpoint"] == first["checkpoint"])[0])
            chances, times, noise = model.draws
            draws = [chances[:, column], times[:, column], noise[:, 0]]
            versions[name] = (model.checkpoints.iloc[[column]], draws)
    models = pd.DataFrame(rows, columns=_COLUMNS).astype(dict.fromkeys(_FIGURES, float))
    if len(versions) > 1:
        odds = race_odds(_together(versions, seed), replace(race, target=None))
        odds = odds.set_index(pd.Index(list(versions))).reindex(models["name"])
        for column in ("win_chance", "win_low", "win_high"):
            models[column] = odds[column].to_numpy()
    return OddsComparison(models, race, left_out, _verdict(models, race, left_out))


_FIGURES = [
    name + end
    for name in ("finish_chance", "lap_time", "target_chance", "win_chance")
    for end in ("", "_low", "_high")
]
_FIGURES = [name.replace("chance_", "") for name in _FIGURES]
_COLUMNS = ["name", "checkpoint", "model_file", *_FIGURES, "training_odds", "ranked"]


def _row(name: str, first: pd.Series, model: RaceModel, race: RaceFormat) -> dict:
    """What the ranking of one model says of its first checkpoint."""
    row = {"name": name, "training_odds": model.training_odds}
    row |= {column: first[column] for column in ("checkpoint", "model_file", *_FIGURES[:6])}
    if race.target is not None:
        ends = {"target_chance": "win_chance", "target_low": "win_low", "target_high": "win_high"}
        row |= {column: first[of_ranking] for column, of_ranking in ends.items()}
    return row


def _together(versions: dict, seed: int) -> RaceModel:
    """One model of the checkpoints of several, whose versions of the truth are paired at random."""
    random = np.random.default_rng(seed)
    # A model of many checkpoints keeps fewer versions; those of the others are then left out evenly.
    count = min(len(draws[0]) for _, draws in versions.values())
    columns = []
    for _, draws in versions.values():
        chosen = random.permutation(len(draws[0]))[:count]
        columns.append([draw[chosen] for draw in draws])
    chances, times, noise = (np.stack(part, axis=1) for part in zip(*columns, strict=True))
    table = pd.concat([table for table, _ in versions.values()], ignore_index=True)
    return RaceModel(table, False, False, (chances, times, noise))


def _verdict(models: pd.DataFrame, race: RaceFormat, left_out: list[str]) -> str:
    """Which checkpoint of which model to send, in plain words."""
    said = []
    known = models.dropna(subset=["win_chance"])
    if len(known) > 1:
        first, second = (known.sort_values("win_chance", ascending=False).iloc[row] for row in (0, 1))
        said.append(
            f"Send {first['name']}, checkpoint {first['checkpoint']}: it beats the others {race.words} with "
            f"{percent_within(*first[['win_chance', 'win_low', 'win_high']])}, "
            f"{second['name']} (checkpoint {second['checkpoint']}) with {percent(second['win_chance'])}."
        )
        if second["win_high"] > first["win_low"]:
            said.append(
                "The two are too close for these drives to tell apart: evaluate both before the race."
            )
    elif len(models) > 1 and models["ranked"].sum() > 1:
        without = models.loc[models["ranked"] & models["lap_time"].isna(), "name"]
        said.append(
            f"No lap of {listed(list(without))}, so there are no odds against each other: train on first."
        )
    if race.target is not None and models["target_chance"].notna().any():
        best = models.loc[models["target_chance"].idxmax()]
        said.append(
            f"{best['name']} has the best chance to beat {race.target:.2f} s: "
            f"{percent_within(*best[['target_chance', 'target_low', 'target_high']])}."
        )
    guessed = list(models.loc[models["training_odds"], "name"])
    if guessed and said:
        said.append(
            f"Rough chances (training odds) for {listed(guessed)}: without evaluation drives, what is usual is assumed."
        )
    return " ".join([*said, *left_out])

"""Where models earn their rewards, and how steadily they hold their line, side by side."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepracer_viz.analysis.comparing.contenders import Contender, on_one_track, shared_track
from deepracer_viz.analysis.rewards import RewardMap, reward_map
from deepracer_viz.track import Track

ENDS_OF_RANGE = (2, 98)
"""Percentiles of a contender's own cells between which its range of rewards is taken to lie."""


@dataclass(frozen=True, eq=False)
class RewardComparison:
    """Reward maps of several contenders.

    Attributes
    ----------
    cells : pandas.DataFrame
        One row per cell of each contender: ``name``, ``x``, ``y`` (centre, m), ``reward`` (mean a step), ``share``
        (0 to 1: where it lies in the contender's own range), ``visits`` (steps), ``section``.
    ranges : dict of str to tuple
        Lower and upper end (reward a step) of each contender's own range.
    cell : float
        Edge of a cell (m), the same for all.
    sections : pandas.DataFrame
        One row per section, in order of the track, and contender: ``section``, ``kind``, ``name``,
        ``lateral_spread`` (m; half the width of the band that holds two drives of three), ``off_track_share``,
        ``due_share`` (of its early ends, 0 to 1), ``steps``.
    maps : dict of str to RewardMap
        Each as it is alone.
    track : Track or None
        What all of them drove on.
    left_out : list of str
        Who cannot be compared and why, one sentence each.
    verdict : str
        Who holds the steadier line and where, in plain words.
    """

    cells: pd.DataFrame
    ranges: dict[str, tuple[float, float]]
    cell: float
    sections: pd.DataFrame
    maps: dict[str, RewardMap]
    track: Track | None
    left_out: list[str]
    verdict: str


def compare_rewards(contenders: list[Contender], cell: float = 0.15) -> RewardComparison:
    """Sum the rewards of contenders up on the same track.

    Reward functions differ, and a point of one is worth nothing in another. So each map is scaled to the
    contender's own range: 0 is its 2nd percentile of cells, 1 its 98th. The maps then tell where each one earns
    much and little by its own measure, not who earns more. Spread and early ends are in metres and shares, and can
    be held against each other.

    Parameters
    ----------
    contenders : list of Contender
        One to four.
    cell : float
        Edge of a cell (m).

    Returns
    -------
    RewardComparison
    """
    alike, left_out = on_one_track(contenders)
    track = shared_track(alike)
    maps = {}
    for contender in alike:
        if len(contender.steps):
            maps[contender.name] = reward_map(contender.steps, track, cell, contender.episodes)
        else:
            left_out.append(f"{contender.name} has no traced step, so it has no place on the map.")
    # One that drove far off may need larger cells, and the maps are compared cell by cell.
    widest = max((answer.cell for answer in maps.values()), default=cell)
    for contender in alike:
        if contender.name in maps and maps[contender.name].cell < widest:
            maps[contender.name] = reward_map(contender.steps, track, widest, contender.episodes)
    cells, ranges = [], {}
    for name, answer in maps.items():
        table = answer.cells[["x", "y", "reward", "visits", "section"]].assign(name=name)
        rewards = table["reward"].to_numpy()
        low, high = np.percentile(rewards, ENDS_OF_RANGE) if len(rewards) else (np.nan, np.nan)
        share = (rewards - low) / (high - low) if high > low else np.full(len(rewards), 0.5)
        ranges[name] = (float(low), float(high))
        cells.append(table.assign(share=np.clip(share, 0, 1)))
    columns = ["name", "x", "y", "reward", "share", "visits", "section"]
    empty = pd.DataFrame({column: [] for column in columns}).astype({"name": str, "section": str})
    sections = _sections(maps, track)
    return RewardComparison(
        cells=pd.concat(cells, ignore_index=True)[columns] if cells else empty,
        ranges=ranges,
        cell=float(widest),
        sections=sections,
        maps=maps,
        track=track,
        left_out=left_out,
        verdict=_verdict(sections, list(maps), left_out),
    )


def _sections(maps: dict[str, RewardMap], track: Track | None) -> pd.DataFrame:
    columns = ["section", "kind", "name", "lateral_spread", "off_track_share", "due_share", "steps"]
    parts = [
        answer.sections.assign(name=name)[columns] for name, answer in maps.items() if len(answer.sections)
    ]
    if not parts or track is None:
        return pd.DataFrame({column: [] for column in columns}).astype({"section": str, "name": str})
    order = {section: place for place, section in enumerate(track.sections["section"])}
    table = pd.concat(parts).sort_values("section", key=lambda names: names.map(order), kind="stable")
    return table.reset_index(drop=True)


def _verdict(sections: pd.DataFrame, names: list[str], left_out: list[str]) -> str:
    """Who holds the steadier line through the turns, and where they differ most."""
    turns = sections[sections["kind"] == "corner"]
    wide = turns.pivot_table(index="section", columns="name", values="lateral_spread", sort=False)
    wide = wide.reindex(columns=names).dropna()
    if len(names) < 2 or wide.empty:
        return " ".join(["There are no two of them whose lines could be laid beside each other.", *left_out])
    mean = wide.mean()
    steadiest = mean.idxmin()
    others = [f"{name} {mean[name]:.2f} m" for name in names if name != steadiest]
    apart = (wide.max(axis=1) - wide.min(axis=1)).idxmax()
    told = ", ".join(f"{name} {wide.loc[apart, name]:.2f} m" for name in names)
    said = [
        f"{steadiest} holds the steadiest line through the turns: two drives of three pass within "
        f"{mean[steadiest]:.2f} m to either side of it, {', '.join(others)} (mean of {len(wide)} turns).",
        f"They differ most in {apart}: {told}.",
    ]
    ends = turns.loc[turns["due_share"] > 0].sort_values("due_share").groupby("name", sort=False).tail(1)
    worst = [
        f"{row.name_} in {row.section} ({100 * row.due_share:.0f} %)"
        for row in ends.rename(columns={"name": "name_"}).itertuples()
    ]
    if worst:
        said.append(f"Where most drives break off: {', '.join(worst)}. Work there first.")
    return " ".join([*said, *left_out])

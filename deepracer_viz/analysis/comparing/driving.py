"""Where on the track one model is faster than another: time along it, and seconds of each section."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepracer_viz.analysis.comparing.contenders import Contender, on_one_track, shared_track
from deepracer_viz.analysis.driving.timing import (
    LEAST_LAPS,
    RESAMPLES,
    fast_and_typical,
    section_times,
    time_delta,
)
from deepracer_viz.analysis.driving.traces import lay_along
from deepracer_viz.analysis.words import counted
from deepracer_viz.track import Track

GROUPS = ("typical", "fast")
"""Which laps of each are compared: the middle half by lap time, or the fastest tenth."""


@dataclass(frozen=True, eq=False)
class DrivingComparison:
    """Laps of several contenders along the same track.

    Attributes
    ----------
    delta : pandas.DataFrame
        Time that each of the others lost on the first along the track: ``name``, ``place`` (m along the
        centre-line), ``section``, ``delta`` (s, negative where it has won), ``low``, ``high`` (95 %).
    sections : pandas.DataFrame
        One row per section, in order of the track, and contender: ``section``, ``name``, ``time`` (mean of its
        laps, s, without the time lost to a standing start), ``lost`` (s, on the first; 0 for the first), ``low``,
        ``high`` (95 % interval of ``lost``), ``fastest`` (least time of all there), ``laps``.
    totals : pandas.DataFrame
        The same of the whole lap, one row per contender: ``name``, ``lost``, ``low``, ``high`` (s).
    laps : dict of str to int
        Laps behind each contender, in order.
    group : str
        One of `GROUPS`.
    track : Track or None
        What the laps were laid along.
    left_out : list of str
        Who cannot be compared and why, one sentence each.
    verdict : str
        Who is faster where, in plain words.
    """

    delta: pd.DataFrame
    sections: pd.DataFrame
    totals: pd.DataFrame
    laps: dict[str, int]
    group: str
    track: Track | None
    left_out: list[str]
    verdict: str


def compare_driving(contenders: list[Contender], group: str = "typical", seed: int = 0) -> DrivingComparison:
    """Hold the laps of contenders against those of the first, place by place.

    The laps of all are laid along one track, so that a place is the same place for all. A section counts without the
    time lost to a standing start, as laps in training begin all round the track. Intervals are percentile
    bootstraps over the laps of both (:func:`deepracer_viz.analysis.driving.timing.time_delta` for the line).

    Parameters
    ----------
    contenders : list of Contender
        One to four.
    group : str
        One of `GROUPS`.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DrivingComparison

    Raises
    ------
    ValueError
        If `group` is none of `GROUPS`.
    """
    if group not in GROUPS:
        raise ValueError(f"laps are compared by one of {', '.join(GROUPS)}, not {group!r}")
    alike, left_out = on_one_track(contenders)
    track = shared_track(alike)
    traces, parts = {}, {}
    for contender in alike:
        laid = None
        if track is not None and len(contender.steps):
            laid = lay_along(contender.steps, contender.episodes, track)
        laps = 0 if laid is None else int(laid.drives["complete"].sum())
        if laps < LEAST_LAPS:
            few = counted(laps, "lap") if laps else "no lap"
            left_out.append(
                f"{contender.name} has {few} that can be followed along the track, at least {LEAST_LAPS} are needed."
            )
            continue
        of_laps = laid.pick(laid.drives["complete"])
        rows = fast_and_typical(of_laps.drives["time"])[GROUPS[::-1].index(group)]
        traces[contender.name] = of_laps.pick(rows)
        times = section_times(contender.steps, contender.episodes, track, laid)
        chosen = of_laps.drives["unique_episode"].iloc[rows]
        parts[contender.name] = _parts(times[times["unique_episode"].isin(chosen)])

    names = list(traces)
    deltas = [
        time_delta(traces[name], traces[names[0]], seed=seed)
        .rename(columns={"delta_low": "low", "delta_high": "high"})
        .assign(name=name)
        for name in names[1:]
    ]
    columns = ["name", "place", "section", "delta", "low", "high"]
    empty = pd.DataFrame({column: [] for column in columns}).astype({"name": str, "section": str})
    delta = pd.concat(deltas, ignore_index=True)[columns] if deltas else empty
    sections, totals = _sections(parts, seed)
    laps = {name: len(of_model.drives) for name, of_model in traces.items()}
    return DrivingComparison(
        delta=delta,
        sections=sections,
        totals=totals,
        laps=laps,
        group=group,
        track=track,
        left_out=left_out,
        verdict=_verdict(sections, totals, laps, group, left_out),
    )


def _parts(times: pd.DataFrame) -> pd.DataFrame:
    """Seconds of each lap (rows) in each section (columns), without those lost to a standing start."""
    times = times[times["complete_lap"]]
    net = times.assign(net=times["time"] - times["start_loss"])
    return net.pivot_table(index="unique_episode", columns="section", values="net", sort=False).dropna()


def _sections(parts: dict[str, pd.DataFrame], seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mean seconds of each contender in each section, and what it lost on the first there and in all."""
    columns = ["section", "name", "time", "lost", "low", "high", "fastest", "laps"]
    parts = {name: laps for name, laps in parts.items() if len(laps)}
    if not parts:
        empty = pd.DataFrame({column: [] for column in columns}).astype({"section": str, "name": str})
        return empty, empty[["name", "lost", "low", "high"]]
    first = next(iter(parts.values()))
    names = [name for name in first.columns if all(name in laps.columns for laps in parts.values())]
    means, drawn = {}, {}
    for number, (name, laps) in enumerate(parts.items()):
        values, n = laps[names].to_numpy(), len(laps)
        weights = np.random.default_rng([seed, number]).multinomial(n, np.full(n, 1 / n), RESAMPLES)
        means[name], drawn[name] = values.mean(axis=0), weights @ values / n
    base, base_drawn = (next(iter(of_all.values())) for of_all in (means, drawn))
    least = np.min(list(means.values()), axis=0)
    tables, totals = [], []
    for name, mean in means.items():
        apart = drawn[name] - base_drawn
        low, high = np.quantile(apart, [0.025, 0.975], axis=0)
        ends = np.quantile(apart.sum(axis=1), [0.025, 0.975])
        totals.append([name, float((mean - base).sum()), *ends.tolist()])
        tables.append(
            pd.DataFrame(
                {
                    "section": names,
                    "name": name,
                    "time": mean,
                    "lost": mean - base,
                    "low": low if mean is not base else 0.0,
                    "high": high if mean is not base else 0.0,
                    "fastest": mean <= least,
                    "laps": len(parts[name]),
                    "order": np.arange(len(names)),
                }
            )
        )
    table = pd.concat(tables).sort_values("order", kind="stable")
    totals = pd.DataFrame(totals, columns=["name", "lost", "low", "high"])
    return table[columns].reset_index(drop=True), totals


def _verdict(
    sections: pd.DataFrame, totals: pd.DataFrame, laps: dict[str, int], group: str, left_out: list[str]
) -> str:
    """Who is faster over the lap, and where most of it comes from."""
    names = list(laps)
    if len(names) < 2 or sections.empty:
        return " ".join(["There are no two of them whose laps could be laid over each other.", *left_out])
    total = totals.set_index("name")
    said = []
    for name in names[1:]:
        mine = sections[sections["name"] == name]
        lost, low, high = total.loc[name, ["lost", "low", "high"]]
        if low <= 0 <= high:
            pace = f"as fast a lap as {names[0]}, as far as these laps can tell: {_seconds(lost, low, high)}"
        else:
            pace = f"{_seconds(abs(lost), *sorted([abs(low), abs(high)]))} a lap "
            pace += f"{'slower' if lost > 0 else 'faster'} than {names[0]}"
        said.append(
            f"{name} is {pace} ({group} laps, n = {laps[name]} and {laps[names[0]]}, standing starts left out)."
        )
        sure = mine[(mine["low"] > 0) | (mine["high"] < 0)]
        wins, loses = sure[sure["lost"] < 0], sure[sure["lost"] > 0]
        where = []
        if len(wins):
            best = wins.loc[wins["lost"].idxmin()]
            where.append(
                f"wins most in {_place(best)}: {_seconds(-best['lost'], -best['high'], -best['low'])}"
            )
        if len(loses):
            worst = loses.loc[loses["lost"].idxmax()]
            where.append(
                f"loses most in {_place(worst)}: {_seconds(worst['lost'], worst['low'], worst['high'])}"
            )
        said.append(
            f"It {' and '.join(where)}."
            if where
            else "No section makes that difference with certainty: drive more."
        )
    return " ".join([*said, *left_out])


def _seconds(value: float, low: float, high: float) -> str:
    # A difference that rounds to nothing has no sign.
    value, low, high = (round(float(figure), 2) + 0.0 for figure in (value, low, high))
    return f"{value:.2f} s ({low:.2f} to {high:.2f})"


def _place(row: pd.Series) -> str:
    return row["section"] or "the unknown part of the track"

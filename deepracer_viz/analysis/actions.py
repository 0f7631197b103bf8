"""What the model tells the car to do: how often it takes each action, and where it drives flat out.

`choose_steps` and `presets` narrow steps down to some of the actions, `action_use` counts them all, and `flat_out`
tells where the car drives straight ahead at its highest speed.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepracer_viz.analysis.passes import STRAIGHT_AHEAD, Driven, driven_rows, sections_of
from deepracer_viz.analysis.placed import COUNTED, PlacedSteps
from deepracer_viz.analysis.words import counted, listed, percent
from deepracer_viz.track import Track

WHOLE = 0.8
"""Share of a straight that has to be driven for a pass to count as one of the whole straight."""

STEERING_BIN, SPEED_BIN, MAX_BINS = 3.0, 0.25, 40
"""Degrees and m/s of a bin of continuous actions, and bins along one axis at most (beyond it they are wider)."""

_TOLERANCE = 0.005  # logs print speeds and angles with two digits


@dataclass(frozen=True, eq=False)
class FlatOut:
    """Where the car drives its highest speed straight ahead.

    Attributes
    ----------
    straights : pandas.DataFrame
        One row per straight in order of driving: section, kind, length (m), flat_out (m, mean over the passes),
        share (of its length, 0..1), passes (of at least `WHOLE` of it). Without a pass flat_out and share are
        NaN.
    speed : float
        The commanded speed that counts as highest (m/s); NaN without steps.
    verdict : str
        On which straights, over what share of their length.
    """

    straights: pd.DataFrame
    speed: float
    verdict: str


@dataclass(frozen=True, eq=False)
class ActionUse:
    """How often each action is taken.

    Attributes
    ----------
    kind : str
        "discrete" or "continuous".
    table : pandas.DataFrame
        action, steering_angle (degrees, left positive), speed (m/s), steps, share (0..1). Discrete: one row per
        action, those of 0 steps included. Continuous: one row per bin with steps; action is -1, steering_angle
        and speed its centre; steering_from, steering_to, speed_from, speed_to are its edges.
    never_used : pandas.DataFrame
        Actions of the action space that were never taken: action, steering_angle, speed.
    n : int
        Driven steps behind it.
    verdict : str
        The most frequent action, and which are never taken.
    """

    kind: str
    table: pd.DataFrame
    never_used: pd.DataFrame
    n: int
    verdict: str


def presets(steps: pd.DataFrame, metadata_actions: pd.DataFrame | None = None) -> dict[str, dict]:
    """Ready-made choices of actions, as keyword arguments of `choose_steps`.

    Parameters
    ----------
    steps : pandas.DataFrame
        Step table; best that of the whole training, so that the bands are those of all its actions.
    metadata_actions : pandas.DataFrame, optional
        The discrete action space: steering_angle and speed. Without it, and where actions are continuous, the
        range is that of the actions in the steps, to which exploring reaches.

    Returns
    -------
    dict
        "flat out" (highest speed, straight ahead), "highest speed", "straight ahead", "widest steering":
        ``speed`` (m/s) and ``angle`` (degrees to either side) as (low, high). Discrete: the exact values of the
        actions; straight ahead is the smallest angle if it is at most `STRAIGHT_AHEAD`. Continuous: the top 5 %
        of the range of speeds and of the largest angle, and up to `STRAIGHT_AHEAD`. Empty without steps whose
        speed is known.
    """
    rows = driven_rows(steps) & steps["speed"].notna().to_numpy()
    if not rows.any():
        return {}
    discrete = is_discrete(steps)
    space = metadata_actions if discrete and metadata_actions is not None else steps.loc[rows]
    slack = 0.0 if discrete else 0.05
    smallest, widest = (round(float(angle), 4) for angle in space["steering_angle"].abs().agg(["min", "max"]))
    slowest, fastest = (round(float(speed), 4) for speed in space["speed"].agg(["min", "max"]))
    fast = (fastest - slack * (fastest - slowest), fastest)
    ahead = (smallest, smallest) if discrete and smallest <= STRAIGHT_AHEAD else (0.0, STRAIGHT_AHEAD)
    return {
        "flat out": {"speed": fast, "angle": ahead},
        "highest speed": {"speed": fast},
        "straight ahead": {"angle": ahead},
        "widest steering": {"angle": (widest * (1 - slack), widest)},
    }


def choose_steps(
    steps: pd.DataFrame,
    episodes: pd.DataFrame | None = None,
    *,
    laps_only: bool = False,
    actions: Iterable[int] | None = None,
    speed: tuple[float, float] | None = None,
    steering: tuple[float, float] | None = None,
    angle: tuple[float, float] | None = None,
) -> pd.DataFrame:
    """Choose steps by what the car was told to do; every choice that is given narrows further.

    Parameters
    ----------
    steps : pandas.DataFrame
        Step table.
    episodes : pandas.DataFrame, optional
        Their episodes; needed for `laps_only`.
    laps_only : bool
        Steps of completed laps alone.
    actions : iterable of int, optional
        Numbers of discrete actions.
    speed : (float, float), optional
        Lowest and highest commanded speed (m/s), both included.
    steering : (float, float), optional
        Rightmost and leftmost steering angle (degrees, left positive), both included.
    angle : (float, float), optional
        Smallest and largest steering angle to either side (degrees), both included.

    Returns
    -------
    pandas.DataFrame
        The chosen rows. Passes and early ends cannot be told from them: give `reward_map` these as `shown` and the
        whole drives as `steps`.

    Raises
    ------
    ValueError
        If laps are asked for without the episodes.
    """
    chosen = np.ones(len(steps), dtype=bool)
    if laps_only:
        if episodes is None:
            raise ValueError("the steps of laps cannot be chosen without the episodes")
        chosen &= (
            steps["unique_episode"].isin(episodes.loc[episodes["complete"], "unique_episode"]).to_numpy()
        )
    if actions is not None:
        chosen &= steps["action"].isin(list(actions)).to_numpy()
    turned = steps["steering_angle"].to_numpy()
    for band, value in ((speed, steps["speed"].to_numpy()), (steering, turned), (angle, np.abs(turned))):
        if band is not None:
            chosen &= (value >= band[0] - _TOLERANCE) & (value <= band[1] + _TOLERANCE)
    return steps[chosen]


def flat_out(
    steps: pd.DataFrame, track: Track | None, metadata_actions: pd.DataFrame | None = None
) -> FlatOut:
    """Tell on which straights the car drives its highest speed straight ahead, and over what share of their length.

    Parameters
    ----------
    steps : pandas.DataFrame
        Step table of whole drives.
    track : Track or None
        The track; without it no straight is known.
    metadata_actions : pandas.DataFrame, optional
        The discrete action space, see `presets`.

    Returns
    -------
    FlatOut
        Metres count for the action that was carried out while they were driven: that of the row they end at. A
        mean over the passes of the whole straight; in training a share of them is lost to exploring.
    """
    driven = Driven(steps.loc[driven_rows(steps)], track)
    bands = presets(steps, metadata_actions).get("flat out")
    straights = sections_of(track)
    straights = straights[straights["kind"] == "straight"]
    table = straights[["section", "kind", "length"]].assign(flat_out=np.nan, share=np.nan, passes=0)
    if bands is None or straights.empty:
        why = "no straight of the track is known" if bands else "no driven steps are left"
        return FlatOut(
            table.reset_index(drop=True), np.nan, f"Where the car is flat out cannot be told: {why}."
        )
    fast = (driven.speed >= bands["speed"][0] - _TOLERANCE) & (
        np.abs(driven.steering) <= bands["angle"][1] + _TOLERANCE
    )
    metres, flat = driven.in_pass(driven.metres), driven.in_pass(driven.metres * fast)
    for index, length in straights["length"].items():
        whole = (driven.pass_section == index) & (metres >= WHOLE * length)
        table.loc[index, "passes"] = int(whole.sum())
        if whole.any():
            share = (flat[whole] / metres[whole]).mean()
            table.loc[index, ["flat_out", "share"]] = share * length, share
    table = table.reset_index(drop=True)
    return FlatOut(table, bands["speed"][0], _flat_out_verdict(table, bands))


def action_use(
    steps: pd.DataFrame, metadata_actions: pd.DataFrame | None = None, placed: PlacedSteps | None = None
) -> ActionUse:
    """Tell how often each action is taken.

    Parameters
    ----------
    steps : pandas.DataFrame
        Step table; rows in which the car is held still do not count.
    metadata_actions : pandas.DataFrame, optional
        The discrete action space: steering_angle (degrees), speed (m/s), one row per action in the order of their
        numbers. Without it only the actions that were taken are known.
    placed : PlacedSteps, optional
        What is known of the same steps, where it is at hand: tells without a look which of them are driven.

    Returns
    -------
    ActionUse
        Continuous actions are counted in bins of `STEERING_BIN` times `SPEED_BIN` centred on multiples of these.
    """
    rows = driven_rows(steps) if placed is None else placed.has(COUNTED)
    action, n = steps["action"].to_numpy(), int(np.count_nonzero(rows))
    discrete = not (rows & (action < 0)).any() if n else metadata_actions is not None
    if discrete:
        table = _discrete_use(steps, np.where(rows, action, np.int16(-1)), metadata_actions)
    else:
        table = _continuous_use(steps.loc[rows])
    table["share"] = table["steps"] / max(n, 1)
    unused = table.loc[table["steps"] == 0, ["action", "steering_angle", "speed"]].reset_index(drop=True)
    kind = "discrete" if discrete else "continuous"
    return ActionUse(
        kind, table, unused, n, _action_verdict(table, unused, kind, n, metadata_actions is not None)
    )


def is_discrete(steps: pd.DataFrame) -> bool:
    """Whether the steps carry numbers of discrete actions."""
    return bool((steps["action"].to_numpy() >= 0).all())


def _discrete_use(steps: pd.DataFrame, action: np.ndarray, space: pd.DataFrame | None) -> pd.DataFrame:
    """Steps of each discrete action; the action is -1 where a step does not count."""
    count = np.bincount(action + np.int16(1))[1:]
    taken = np.flatnonzero(count)
    # What an action does never changes; the median of some rows passes over a broken one.
    some = [
        _first_rows(action, number, min(many, 101)) for number, many in zip(taken, count[taken], strict=True)
    ]
    does = {
        name: [_middle(steps[name].to_numpy()[rows]) for rows in some] for name in ("steering_angle", "speed")
    }
    table = pd.DataFrame(does, index=pd.Index(taken), dtype=float).assign(steps=count[taken])
    if space is not None:
        count = max(len(space), int(table.index.max()) + 1 if len(table) else 0)
        table = table.reindex(pd.RangeIndex(count))
        listed = space[["steering_angle", "speed"]].astype(float).reset_index(drop=True).reindex(table.index)
        # What could not be read of the action space the steps may tell.
        table[["steering_angle", "speed"]] = listed.fillna(table)
    table = table.fillna({"steps": 0}).astype({"steps": "int64"}).rename_axis("action").reset_index()
    return table.astype({"action": "int32"})


def _middle(values: np.ndarray) -> float:
    """Median of the known values; NaN without any."""
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else np.nan


def _first_rows(action: np.ndarray, number: int, many: int) -> np.ndarray:
    """The first so many rows of an action, found without a look at all rows where it is a frequent one."""
    found = np.flatnonzero(action[: 1 << 16] == number)
    return (found if len(found) >= many else np.flatnonzero(action == number))[:many]


def _continuous_use(driven: pd.DataFrame) -> pd.DataFrame:
    """Steps in each bin of steering and speed."""
    places, table = [], {}
    for name, size in (("steering_angle", STEERING_BIN), ("speed", SPEED_BIN)):
        value = driven[name].to_numpy(float)
        span = np.ptp(value) if len(value) else 0.0
        size *= max(1, np.ceil(span / size / (MAX_BINS - 1)))
        places.append((np.round(value / size).astype(np.int64), size))
    (turn, turn_size), (pace, pace_size) = places
    low, many = (pace.min(), np.ptp(pace) + 1) if len(pace) else (0, 1)
    number, steps = np.unique(turn * many + pace - low, return_counts=True)
    bins = np.stack([number // many, number % many + low], axis=1)
    table["action"] = np.full(len(bins), -1, dtype=np.int32)
    for column, (name, size) in enumerate((("steering", turn_size), ("speed", pace_size))):
        centre = bins[:, column] * size
        table["steering_angle" if name == "steering" else name] = centre
        table[f"{name}_from"], table[f"{name}_to"] = centre - size / 2, centre + size / 2
    return pd.DataFrame(table).assign(steps=steps)


def _action_verdict(table: pd.DataFrame, unused: pd.DataFrame, kind: str, n: int, known: bool) -> str:
    """Say which actions are taken most and never."""
    if not n:
        return "No driven steps are left to count actions of."
    most = table.loc[table["steps"].idxmax()]
    about = "about " if kind == "continuous" else ""
    text = f"The most frequent action is {about}{_action(most)}: {percent(most['share'])} of {counted(n, 'step')}."
    if kind == "continuous":
        share = table["share"].sort_values(ascending=False).cumsum()
        half = int((share < 0.5 - 1e-9).sum()) + 1
        return f"{text} Half of the steps lie in {half} of the {counted(len(table), 'cell')} that were ever used."
    if not known:
        return f"{text} The logs do not tell all actions (the action space), so those never taken cannot be named."
    if unused.empty:
        least = table.loc[table["steps"].idxmin()]
        return (
            f"{text} Each of the {counted(len(table), 'action')} is taken; {_action(least)} least, in "
            f"{counted(int(least['steps']), 'step')}."
        )
    names = [_action(row) for _, row in unused.iterrows()]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return (
        f"{text} Of {counted(len(table), 'action')} never taken: {'; '.join(names[:5])}{more}. If that stays so, leave "
        "them out of the next model's choice (its action space): the fewer actions, the sooner they are learnt."
    )


def _action(row: pd.Series) -> str:
    """An action in words."""
    if not np.isfinite([row["steering_angle"], row["speed"]]).all():
        return f"action {int(row['action'])}"
    angle = round(float(row["steering_angle"]), 2)
    side = "straight ahead" if angle == 0 else f"{abs(angle):g} degrees {'left' if angle > 0 else 'right'}"
    return f"{side} at {row['speed']:.2f} m/s"


def _flat_out_verdict(table: pd.DataFrame, bands: dict) -> str:
    """Say on which straights the car is flat out."""
    angle = bands["angle"][1]
    how = f"{bands['speed'][0]:.2f} m/s" + (" or more" if bands["speed"][1] > bands["speed"][0] else "")
    how += f" within {angle:g} degrees of straight ahead" if angle else ", straight ahead"
    driven = table[table["passes"] > 0].sort_values("share", ascending=False, kind="stable")
    undriven = table.loc[table["passes"] == 0, "section"].tolist()
    if driven.empty:
        return f"Where the car is flat out ({how}) cannot be told: no straight was driven whole."
    places = [
        f"on {row.section} over {percent(row.share)}{f' of its {row.length:.1f} m' if number == 0 else ''}"
        for number, row in enumerate(driven[driven["share"] > 0].itertuples())
    ]
    never = driven.loc[driven["share"] == 0, "section"].tolist()
    n = driven["passes"]
    passes = counted(n.min(), "pass") if n.min() == n.max() else f"{n.min():,} to {n.max():,} passes"
    if places:
        text = f"Flat out ({how}) {listed(places)}" + (f"; never on {listed(never)}" if never else "")
    else:
        text = f"Never flat out ({how}) on {listed(never)}"
    missing = (
        f" {listed(undriven)} {'was' if len(undriven) == 1 else 'were'} never driven whole."
        if undriven
        else ""
    )
    more = ""
    if driven["share"].min() < 0.5:
        more = (
            " Where it should be more, pay for speed and small angles while the waypoints ahead are straight."
        )
    return f"{text} (mean over {passes} of each).{missing}{more}"

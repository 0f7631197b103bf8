"""What every map of the track is drawn from: axes of equal scale, borders, labels beside the road, start line."""

import functools

import altair as alt
import numpy as np
import pandas as pd

from deepracer_viz.charts.sheet import inside
from deepracer_viz.track import Track

_LINE_POINTS = 200  # per line; enough for a smooth one
_NUMBERS = 12  # waypoint numbers on the map at most
_HALF_WIDTH = 0.3  # m; about half a lane, where the borders are unknown
_EDGE = 0.2  # m between what is drawn and the edge of the map


def square_axes(width: str = "width", height: str = "height") -> tuple[alt.X, alt.Y]:
    """Axes with the same metres per pixel on both, whatever the shape of the map on the screen.

    What they show is filled in with :func:`reach_of_map`.

    Parameters
    ----------
    width, height : str
        Vega expressions for the size of the map in pixels; the map begins at the left and top of its view.

    Returns
    -------
    altair.X, altair.Y
        For the fields x and y, without axis lines.
    """
    size = (width, height)
    axes = []
    for axis, own, other in ((alt.X("x:Q"), 0, 1), (alt.Y("y:Q"), 1, 0)):
        names = "xy"[own], "xy"[other]
        half, across = (inside(f"{name}_half") for name in names)
        reach = f"max({half}, {across} * {size[own]} / {size[other]})"
        middle = inside(f"{names[0]}_middle")
        axes.append(
            axis.axis(None).scale(
                domain=[alt.expr(f"{middle} - {reach}"), alt.expr(f"{middle} + {reach}")],
                range=[alt.expr(size[1]), alt.expr("0")] if own else [alt.expr("0"), alt.expr(size[0])],
                nice=False,
                zero=False,
            )
        )
    return tuple(axes)


def reach_of_map(x_span: tuple[float, float], y_span: tuple[float, float]) -> dict[str, float]:
    """Return the values that :func:`square_axes` leaves open.

    Parameters
    ----------
    x_span, y_span : (float, float)
        Least and greatest coordinate to show (m).

    Returns
    -------
    dict
        x_middle, x_half, y_middle, y_half (m), for `Sheet.values`.
    """
    values = {}
    for name, (low, high) in (("x", x_span), ("y", y_span)):
        values[f"{name}_middle"] = round(float(low + high) / 2, 3)
        values[f"{name}_half"] = round(float(high - low) / 2 + _EDGE, 3)
    return values


def border_lines(track: Track | None) -> pd.DataFrame:
    """Lines of the borders, empty where they are unknown.

    Returns
    -------
    pandas.DataFrame
        x, y (m), line ("inner", "outer"), point (drawing order).
    """
    return _lines(track, "inner", "outer").copy()


def centre_line(track: Track | None) -> pd.DataFrame:
    """Centre-line of the track, empty without one; NaN breaks it where the track is unknown.

    Returns
    -------
    pandas.DataFrame
        x, y (m), line ("centre"), point (drawing order).
    """
    return _lines(track, "centre").copy()


def beside_the_road(
    places: pd.DataFrame, track: Track | None, numbers: bool = True, room: float = 0.35
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Labels beside the road (waypoint numbers on its left, section names on its right) and the start line.

    Parameters
    ----------
    places : pandas.DataFrame
        waypoint (ascending), x, y (m) of the line that the labels keep their distance from.
    track : Track or None
        Gives the names of the sections and the width of the road.
    numbers : bool
        Whether to number waypoints.
    room : float
        From the border, or from where it would be, to a label (m).

    Returns
    -------
    labels : pandas.DataFrame
        x, y (m), text, name (True for a section name, False for a number).
    start : pandas.DataFrame
        x, y, x2, y2 (m), one row, or none where waypoint 0 is unknown.
    """
    half_width = _HALF_WIDTH
    if track is not None and track.inner is not None and track.outer is not None:
        half_width = float(np.hypot(*(track.inner - track.outer).T).mean()) / 2
    waypoint, x, y = (places[name].to_numpy() for name in ("waypoint", "x", "y"))
    heading = np.arctan2(np.gradient(y), np.gradient(x)) if len(places) > 1 else np.zeros(len(places))

    def beside(row: np.ndarray, metres: float) -> np.ndarray:
        """Points (n, 2) to the left of waypoints (to the right where metres are negative)."""
        to_left = np.stack([-np.sin(heading[row]), np.cos(heading[row])], axis=1)
        return np.round(np.stack([x[row], y[row]], axis=1) + metres * to_left, 2)

    away = half_width + room
    numbered = named = np.empty(0, dtype=int)
    names = []
    if numbers:
        every = next(
            step for step in (1, 5, 10, 20, 25, 50, 100, 200, 500, 1000) if len(places) <= step * _NUMBERS
        )
        # The last waypoints are where the first one is.
        last = max(waypoint[-1] - every / 2, 0) if len(places) else 0
        numbered = np.flatnonzero((waypoint % every == 0) & (waypoint <= last))
    if track is not None and len(places):
        begin, end = (track.sections[f"waypoint_{which}"].to_numpy() for which in ("from", "to"))
        middle = (begin + (end - begin) % len(track.center) // 2) % len(track.center)
        named = np.clip(np.searchsorted(waypoint, middle), 0, len(places) - 1)
        names = list(track.sections["section"])
    at = np.concatenate([beside(numbered, away), beside(named, -away)])
    labels = pd.DataFrame(
        {
            "x": at[:, 0],
            "y": at[:, 1],
            "text": pd.Series([*map(str, waypoint[numbered]), *names], dtype=str),
            "name": np.arange(len(at)) >= len(numbered),
        }
    )
    first = np.flatnonzero(waypoint == 0)
    ends = np.concatenate([beside(first, half_width), beside(first, -half_width)], axis=1)
    return labels, pd.DataFrame(ends, columns=["x", "y", "x2", "y2"])


def stretches(said: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last row of each stretch of rows that say the same.

    Parameters
    ----------
    said : numpy.ndarray
        What each row says, in order of the track.

    Returns
    -------
    first, last : numpy.ndarray of int
        Both included.
    """
    changes = np.flatnonzero(said[1:] != said[:-1])
    ends = np.append(changes, len(said) - 1)
    return (np.append(0, changes + 1), ends) if len(said) else (changes, changes)


@functools.lru_cache(maxsize=16)
def _lines(track: Track | None, *wanted: str) -> pd.DataFrame:
    if track is None:
        return pd.DataFrame({"x": [], "y": [], "line": pd.Series([], dtype=str), "point": []})
    outline = track.outline(_LINE_POINTS)
    chosen = outline.loc[outline["line"].isin(wanted), ["x", "y", "line", "point"]]
    return chosen.round({"x": 2, "y": 2}).reset_index(drop=True)

"""What every map of the track is drawn from: axes of equal scale, borders, labels beside the road, start line."""

import altair as alt
import numpy as np
import pandas as pd

from deepracer_viz.charts.sheet import inside
from deepracer_viz.track import Track

_LINE_POINTS = 200  # per line; enough for a smooth one
_NUMBERS = 12  # waypoint numbers on the map at most
_HALF_WIDTH = 0.3  # m; about half a lane, where the borders are unknown
_EDGE = 0.2  # m between what is drawn and the edge of the map


def map_axes(
    x_span: tuple[float, float], y_span: tuple[float, float], width: str = "width", height: str = "height"
) -> tuple[alt.X, alt.Y]:
    """Axes with the same metres per pixel on both, whatever the shape of the map on the screen.

    Parameters
    ----------
    x_span, y_span : (float, float)
        Least and greatest coordinate to show (m).
    width, height : str
        Vega expressions for the size of the map in pixels; the map begins at the left and top of its view.

    Returns
    -------
    altair.X, altair.Y
        For the fields x and y, without axis lines.
    """
    spans, size = (x_span, y_span), (width, height)
    middle = [(low + high) / 2 for low, high in spans]
    half = [(high - low) / 2 + _EDGE for low, high in spans]
    axes = []
    for axis, own, other in ((alt.X("x:Q"), 0, 1), (alt.Y("y:Q"), 1, 0)):
        reach = f"max({half[own]:.3f}, {half[other]:.3f} * {size[own]} / {size[other]})"
        axes.append(
            axis.axis(None).scale(
                domainMin=alt.expr(f"{middle[own]:.3f} - {reach}"),
                domainMax=alt.expr(f"{middle[own]:.3f} + {reach}"),
                range=[alt.expr(size[1]), alt.expr("0")] if own else [alt.expr("0"), alt.expr(size[0])],
                nice=False,
                zero=False,
            )
        )
    return tuple(axes)


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
                domainMin=alt.expr(f"{middle} - {reach}"),
                domainMax=alt.expr(f"{middle} + {reach}"),
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
    return _lines(track, "inner", "outer")


def centre_line(track: Track | None) -> pd.DataFrame:
    """Centre-line of the track, empty without one; NaN breaks it where the track is unknown.

    Returns
    -------
    pandas.DataFrame
        x, y (m), line ("centre"), point (drawing order).
    """
    return _lines(track, "centre")


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

    def beside(row: np.ndarray, metres: float) -> dict[str, np.ndarray]:
        """Points to the left of waypoints (to the right where metres are negative)."""
        return {"x": x[row] - metres * np.sin(heading[row]), "y": y[row] + metres * np.cos(heading[row])}

    away = half_width + room
    labels = [pd.DataFrame({"x": [], "y": [], "text": pd.Series([], dtype=str), "name": []})]
    if numbers:
        every = next(
            step for step in (1, 5, 10, 20, 25, 50, 100, 200, 500, 1000) if len(places) <= step * _NUMBERS
        )
        # The last waypoints are where the first one is.
        last = max(waypoint[-1] - every / 2, 0) if len(places) else 0
        numbered = np.flatnonzero((waypoint % every == 0) & (waypoint <= last))
        labels.append(
            pd.DataFrame({**beside(numbered, away), "text": waypoint[numbered].astype(str), "name": False})
        )
    if track is not None and len(places):
        length = (track.sections["waypoint_to"] - track.sections["waypoint_from"]) % len(track.center)
        middle = (track.sections["waypoint_from"] + length // 2) % len(track.center)
        named = np.clip(np.searchsorted(waypoint, middle), 0, len(places) - 1)
        labels.append(pd.DataFrame({**beside(named, -away), "text": track.sections["section"], "name": True}))
    first = np.flatnonzero(waypoint == 0)
    left, right = beside(first, half_width), beside(first, -half_width)
    start = pd.DataFrame({**left, "x2": right["x"], "y2": right["y"]})
    return pd.concat(labels, ignore_index=True).round({"x": 2, "y": 2}), start.round(2)


def _lines(track: Track | None, *wanted: str) -> pd.DataFrame:
    if track is None:
        return pd.DataFrame({"x": [], "y": [], "line": pd.Series([], dtype=str), "point": []})
    outline = track.outline(_LINE_POINTS)
    return outline.loc[outline["line"].isin(wanted), ["x", "y", "line", "point"]].round({"x": 2, "y": 2})

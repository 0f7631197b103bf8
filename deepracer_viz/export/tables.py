"""The tables of a run as files hold them, with plain types and the column names of deepracer-utils.

deepracer-utils knows the steps by two sets of names: those of the simulator's CSV files, and those of its own
DataFrames, which its notebooks and ``AnalysisUtils`` go by. The step tables here have the latter:

=====================  ========================  ========================================================
column here            deepracer-utils           sim-trace CSV
=====================  ========================  ========================================================
iteration              the same                  in the file's name
episode, steps         the same                  the same
x, y                   the same                  X, Y
yaw                    the same                  the same
steering_angle         the same                  steer
speed                  the same                  throttle
action                 the same (-1 continuous)  the same (two numbers where continuous)
reward, done           the same                  the same
on_track               the same                  all_wheels_on_track
progress               the same                  the same
closest_waypoint       the same                  the same
track_len, tstamp      the same                  the same
episode_status         the same                  the same
pause_duration         the same                  the same
wall_clock             the same                  the same, since 2026
stream                 the same (evaluations)    in the folder's name
worker                 the same                  in the folder's name
unique_episode         the same (training)       none
obstacle_crash_counter left out                  the same, since 2024
=====================  ========================  ========================================================
"""

import pandas as pd

from deepracer_viz.run import Drives, TrainingRun

LOG_TABLES = {
    "steps": "Every step of the training drives, with the column names of deepracer-utils.",
    "episodes": "One row per training drive.",
    "laps": "The training drives that finished their lap.",
    "policy_updates": "One row per training epoch: entropy, losses, learning rate.",
    "checkpoint_evaluations": "Evaluation drives of the checkpoints during the training.",
    "evaluation_steps": "Every step of separate evaluations and races.",
    "evaluation_episodes": "One row per drive of separate evaluations and races.",
    "evaluation_laps": "Their drives that finished a lap.",
}
"""Tables of a run, each with what it holds."""

STEP_COLUMNS = (
    *(
        "iteration",
        "episode",
        "steps",
        "x",
        "y",
        "yaw",
        "steering_angle",
        "speed",
        "action",
        "reward",
        "done",
    ),
    *("on_track", "progress", "closest_waypoint", "track_len", "tstamp", "episode_status", "pause_duration"),
    *("wall_clock", "stream", "worker", "unique_episode", "obstacle_crash_counter"),
)
"""Columns of the step tables, those of deepracer-utils in its order first."""


def log_table(run: TrainingRun, name: str, drives: Drives | None = None) -> pd.DataFrame:
    """Return one of a run's tables as a file holds it.

    Parameters
    ----------
    run : TrainingRun
    name : str
        Key of :data:`LOG_TABLES`.
    drives : Drives, optional
        A choice of the run's drives: the tables of training drives (or, if they are drives of evaluations, of
        evaluations) hold these alone. All other tables are whole.

    Returns
    -------
    pandas.DataFrame
        Columns and units as in :class:`~deepracer_viz.run.TrainingRun`. Categorical columns are plain text or, of
        ``worker``, int32, so that everything that opens a file reads the same.

    Raises
    ------
    ValueError
        There is no table of that name.
    """
    if name not in LOG_TABLES:
        raise ValueError(f"there is no table {name!r}; the tables are {', '.join(LOG_TABLES)}")
    table = _rows(run, name, drives)
    if name.endswith("steps"):
        table = table[[column for column in STEP_COLUMNS if column in table]]
    types = {
        column: "int32" if column == "worker" else "str"
        for column, type_ in table.dtypes.items()
        if isinstance(type_, pd.CategoricalDtype)
    }
    return table.astype(types).reset_index(drop=True)


def tables_with_rows(run: TrainingRun, drives: Drives | None = None) -> list[str]:
    """Name the tables that are not empty; arguments as for :func:`log_table`."""
    return [name for name in LOG_TABLES if len(_rows(run, name, drives))]


def _rows(run: TrainingRun, name: str, drives: Drives | None) -> pd.DataFrame:
    kind = name.removeprefix("evaluation_")
    of_drives = drives is not None and name.startswith("evaluation_") == ("stream" in drives.episodes)
    return (
        getattr(drives, kind) if of_drives and kind in ("steps", "episodes", "laps") else getattr(run, name)
    )

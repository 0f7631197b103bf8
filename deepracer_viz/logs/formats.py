"""What a step line says: the columns of the step table, and every vintage of the line that is read."""

import re
from dataclasses import dataclass

import numpy as np

from deepracer_viz.logs.errors import LogError

UNIX_TIME_FROM = 1e8
"""A time stamp above this is Unix time (before 2021); below it, simulation seconds."""

STATUSES = (
    "in_progress",
    "prepare",
    "off_track",
    "lap_complete",
    "crashed",
    "reversed",
    "immobilized",
    "pause",
    "time_up",
    "park",
)
"""Words of the simulator's EpisodeStatus."""

PUT_BACK = ("off_track", "crashed", "reversed", "immobilized")
"""Statuses that end a training episode; in an evaluation or race the car is put back and drives on."""


@dataclass(frozen=True)
class StepColumn:
    """A column of the step table: its type and the values the simulator can write.

    Attributes
    ----------
    kind : str
        Type of the stored values; ``episode_status`` is stored as its place in :data:`STATUSES`.
    low, high : float
        Smallest and largest value; a row beyond them was not written by the simulator.
    default : float or None
        Stands where a file does not have the column or its value cannot be read. None: a row in which the
        column cannot be read is left out.
    """

    kind: str
    low: float = 0
    high: float = 1
    default: float | None = None


STEP_COLUMNS = {
    "episode": StepColumn("int32", 0, 1e7),
    "steps": StepColumn("int32", 0, 1e7),
    "x": StepColumn("float32", -1e4, 1e4),
    "y": StepColumn("float32", -1e4, 1e4),
    "yaw": StepColumn("float32", -1e4, 1e4),
    "steering_angle": StepColumn("float32", -360, 360),
    "speed": StepColumn("float32", -1e3, 1e3),
    "action": StepColumn("int16", -1, 32_767, default=-1),
    # The simulator stops at rewards beyond 1e5.
    "reward": StepColumn("float32", -1e6, 1e6),
    "done": StepColumn("bool"),
    "on_track": StepColumn("bool"),
    # The simulator never writes more than 100; a garbled larger number must not become a lap.
    "progress": StepColumn("float32", -1e3, 100),
    "closest_waypoint": StepColumn("int32", 0, 1e5),
    "track_len": StepColumn("float32", 0, 1e5),
    "tstamp": StepColumn("float64", 0, 1e11),
    "episode_status": StepColumn("int8", default=-1),
    "pause_duration": StepColumn("float32", -1e5, 1e5, default=0.0),
    "obstacle_crash_counter": StepColumn("int16", 0, 32_767, default=0),
    "wall_clock": StepColumn("float64", 0, 1e11, default=np.nan),
}
"""The columns that readers fill; worker, iteration and unique_episode come when a run is put together."""

# These stand in every vintage since 2019, in this order.
_CORE = tuple(STEP_COLUMNS)[:15]
_CAMERAS = ("left_cam_time", "left_seq", "right_cam_time", "right_seq")


@dataclass(frozen=True)
class StepFormat:
    """One vintage of the step line.

    Attributes
    ----------
    name : str
        The vintage, as shown to the user.
    fields : tuple of str
        Meaning of the comma-separated fields, in their order; names outside the step table are passed over.
    radians : bool
        Heading and steering are written in radians.
    """

    name: str
    fields: tuple[str, ...]
    radians: bool = False

    def matches(self, values: list[str]) -> bool:
        """Whether the fields of a line look like this vintage (bracketed actions counted as one field)."""
        if len(values) != len(self.fields):
            return False
        by_name = dict(zip(self.fields, values, strict=True))
        booleans = [by_name[name] for name in ("done", "on_track", "crashed") if name in by_name]
        return all(value.strip().lower() in ("true", "false") for value in booleans) and (
            status_code(by_name.get("episode_status", STATUSES[0])) >= 0
        )


STEP_FORMATS = (
    StepFormat("2019", _CORE, radians=True),
    StepFormat("2020", (*_CORE, "episode_status")),
    StepFormat("2021 to 2024", (*_CORE, "episode_status", "pause_duration")),
    StepFormat("2024 to 2025", (*_CORE, "episode_status", "pause_duration", "obstacle_crash_counter")),
    StepFormat("2026", (*_CORE, "episode_status", "pause_duration", "obstacle_crash_counter", "wall_clock")),
    StepFormat("2019 workshop", (*_CORE, "crashed", "dist_closest_bot_car"), radians=True),
    StepFormat("2022 with camera times", (*_CORE, "episode_status", "pause_duration", *_CAMERAS)),
    StepFormat(
        "2022 with camera times and real-time factor",
        (*_CORE, "episode_status", "pause_duration", "rtf", *_CAMERAS),
    ),
    StepFormat(
        "2018 preview",
        (
            *_CORE[:9],
            "total_progress",
            "waypoint_action",
            "done",
            "on_track",
            "progress",
            "start_waypoint",
            "closest_waypoint",
            "track_len",
            "tstamp",
        ),
        radians=True,
    ),
)
"""Every vintage of the step line that is read; a new one is a new entry here."""

_CSV_NAMES = {
    "X": "x",
    "Y": "y",
    "steer": "steering_angle",
    "throttle": "speed",
    "all_wheels_on_track": "on_track",
}
"""Names of the simulator's CSV columns that differ from the step table's."""


def fields_of(line: str) -> list[str]:
    """Cut the part of a step line behind its token into fields."""
    return line.strip().split(",")


def identify(values: list[str]) -> StepFormat | None:
    """Return the vintage of a step line from its fields, or None when it fits no known one."""
    return next((form for form in STEP_FORMATS if form.matches(values)), None)


def csv_format(header: bytes, file_name: str) -> StepFormat:
    """Read the header line of a sim-trace CSV file.

    Raises
    ------
    LogError
        A column is missing without which a step means nothing; the message names the file.
    """
    heads = [head.strip().strip('"') for head in header.decode("utf-8-sig", "replace").split(",")]
    names = [_CSV_NAMES.get(head, head) for head in heads]
    if "throttle" in heads and "speed" in heads:
        # A column called speed beside throttle was added by hand; the commanded speed is throttle.
        names[heads.index("speed")] = ""
    # Of two columns with one name the first counts.
    names = [name if name not in names[:i] else "" for i, name in enumerate(names)]
    required = (name for name, column in STEP_COLUMNS.items() if column.default is None)
    if missing := [name for name in required if name not in names]:
        raise LogError(
            f"{file_name} looks like a sim-trace CSV but has no column {', '.join(missing)}; "
            "its first line must name the simulator's columns."
        )
    return StepFormat("sim-trace CSV", tuple(names))


def status_code(word: str) -> int:
    """Place in STATUSES of the status that a field begins with, -1 for none: text may be glued to it."""
    word = word.strip()
    return next((code for code, status in enumerate(STATUSES) if word.startswith(status)), -1)


def is_whole(line: str, form: StepFormat) -> bool:
    """Whether a line that ends abruptly holds all of its last field, as far as the field can tell."""
    values = fields_of(line)
    if not form.matches(values):
        return False
    name, value = form.fields[-1], values[-1].strip()
    if name in ("tstamp", "wall_clock"):
        # Where these stand last they are Unix times, with ten digits before the point.
        return re.match(r"\d{10}\.\d", value) is not None
    return value != ""

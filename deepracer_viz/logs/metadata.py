"""What a job says about itself: settings in its logs, and the small JSON and YAML files beside them."""

import itertools
import json
import math
import re
import reprlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from deepracer_viz.logs.errors import LogError
from deepracer_viz.logs.report import Skipped

# Longest line or block of settings that is looked at, bytes: a real one has 2-4 kB, many actions make 10 kB.
# The bounds in the patterns below serve the same end: no text, however odd, may take more than linear time.
_BLOCK = 65_536

MAX_JSON_VALUES = 5_000_000
"""Values that a JSON file may hold; the metrics of a training of 10,000 iterations hold half as many."""

MAX_DRIVES = 500_000
"""Drives of one metrics file that are read; a training of 10,000 iterations has half as many."""

MAX_ACTIONS = 1 << 15
"""Actions that a model may have: as many as step rows can number."""

_HYPERPARAMETERS = {
    "batch_size",
    "beta_entropy",
    "discount_factor",
    "e_greedy_value",
    "epsilon_steps",
    "exploration_type",
    "loss_type",
    "lr",
    "num_episodes_between_training",
    "num_epochs",
    "sac_alpha",
    "stack_size",
    "term_cond_avg_score",
    "term_cond_max_episodes",
}

Restored = tuple[int, str, int, int]


@dataclass(frozen=True, eq=False)
class ActionSpace:
    """The actions a model may choose from.

    Attributes
    ----------
    kind : str
        "discrete" or "continuous".
    actions : pandas.DataFrame or None
        Discrete only: index, steering_angle (degrees, left positive), speed (m/s). The row number is the
        action number that step rows carry; a value that could not be read is NaN, so that the numbers of
        the other actions stay right.
    steering_low, steering_high : float or None
        Continuous only: bounds of the steering angle, degrees.
    speed_low, speed_high : float or None
        Continuous only: bounds of the speed, m/s.
    """

    kind: str
    actions: pd.DataFrame | None = None
    steering_low: float | None = None
    steering_high: float | None = None
    speed_low: float | None = None
    speed_high: float | None = None

    @property
    def max_speed(self) -> float:
        """Fastest speed that can be commanded, m/s."""
        return self.speed_high if self.actions is None else float(self.actions["speed"].max())

    def describe(self) -> str:
        """Put the action space into one short phrase."""
        if self.actions is None:
            what = "continuous"
            speed, steering = (self.speed_low, self.speed_high), (self.steering_low, self.steering_high)
        else:
            n = len(self.actions)
            what = f"{n} action" if n == 1 else f"{n} actions"
            speed, steering = (
                (self.actions[name].min(), self.actions[name].max()) for name in ("speed", "steering_angle")
            )
        speed_text = _span(speed, "-", lambda v: f"{v:.2f}".removesuffix("0"))
        steering_text = _span(steering, " to ", lambda v: f"{v:.1f}".removesuffix(".0"))
        return f"{what}, {speed_text} m/s, steering {steering_text} deg"


def _span(bounds, joiner, form) -> str:
    low, high = (form(bound) for bound in bounds)
    return low if low == high else f"{low}{joiner}{high}"


@dataclass(frozen=True)
class LogFacts:
    """What the lines of one log file say about the job; a field is None where the log does not say.

    Attributes
    ----------
    world : str or None
        Name of the track, never cut short.
    race_type, job_type : str or None
        As written, in capitals, e.g. "TIME_TRIAL"; "TRAINING" or "EVALUATION".
    model_name : str or None
    worker, workers : int or None
        Number of this simulation (0-based) and how many there are.
    clockwise, reverse, alternate, change_start : bool or None
        Driving direction, reversed route, direction changed every episode, start moved every episode.
    number_of_trials, number_of_resets : int or None
        Attempts of an evaluation, and resets allowed in one attempt.
    is_continuous : bool or None
        A race of several laps without stopping.
    off_track_penalty, collision_penalty : float or None
        Seconds.
    sensors : tuple of str or None
    network, simapp_version, algorithm, action_space_type : str or None
    action_space : ActionSpace or None
    hyperparameters : dict or None
    restored : tuple of (int, str, int, int)
        Every checkpoint loaded: byte offset of the line's token in the text, path, checkpoint number, step.
    start, end : float or None
        First and last moment the log mentions, Unix seconds.
    """

    world: str | None = None
    race_type: str | None = None
    job_type: str | None = None
    model_name: str | None = None
    worker: int | None = None
    workers: int | None = None
    clockwise: bool | None = None
    reverse: bool | None = None
    alternate: bool | None = None
    change_start: bool | None = None
    number_of_trials: int | None = None
    number_of_resets: int | None = None
    is_continuous: bool | None = None
    off_track_penalty: float | None = None
    collision_penalty: float | None = None
    sensors: tuple[str, ...] | None = None
    network: str | None = None
    simapp_version: str | None = None
    algorithm: str | None = None
    action_space_type: str | None = None
    action_space: ActionSpace | None = None
    hyperparameters: dict | None = None
    restored: tuple[Restored, ...] = ()
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class ModelMetadata:
    """What model_metadata.json says; a field is None where it does not say."""

    action_space: ActionSpace | None
    sensors: tuple[str, ...] | None
    network: str | None
    algorithm: str | None
    action_space_type: str | None
    version: str | None


@dataclass(frozen=True)
class CheckpointEntry:
    """One checkpoint of deepracer_checkpoints.json.

    Attributes
    ----------
    name : str
        File name of the checkpoint, e.g. "8_Step-2433.ckpt".
    number, step : int
        Its number, and the steps of the job until it was saved.
    metric : float or None
        Mean of its evaluation drives: progress in percent, or the reward or lap time (ms) where the job
        ranks by those.
    """

    name: str
    number: int
    step: int
    metric: float | None


@dataclass(frozen=True)
class Checkpoints:
    """The best and the last checkpoint of a job; None where the file does not name one."""

    best: CheckpointEntry | None
    last: CheckpointEntry | None


@dataclass(frozen=True, eq=False)
class MetricsFile:
    """The official results of one job, from one metrics JSON. All three tables exist always, empty or not.

    Attributes
    ----------
    name : str
        File it came from.
    kind : str
        "training" or "evaluation".
    episodes : pandas.DataFrame
        Training drives, one row each: episode int32 (0-based), time and start float64 (s, official),
        progress float64 (percent; the simulator cuts decimals off), complete bool, end_status str (the words
        of the trace, e.g. "off_track"; NaN where not said), reward float64.
    checkpoint_evaluations : pandas.DataFrame
        Drives that rated a checkpoint during training: after_episode int32 (1-based number of the training
        episode after which it ran), trial int32 (0-based within those), then as above.
    evaluation : pandas.DataFrame
        Drives of a separate evaluation or race: trial int32 (0-based), time, start, progress, complete,
        end_status, and counts off_track, crashed, reversed, immobilized, resets int32 (0 where not said).
    best_model_metric : str or None
        What the job ranks checkpoints by: "progress", "reward", "laptime".
    skipped : Skipped
        Entries and values left out.
    """

    name: str
    kind: str
    episodes: pd.DataFrame
    checkpoint_evaluations: pd.DataFrame
    evaluation: pd.DataFrame
    best_model_metric: str | None
    skipped: Skipped

    @property
    def tells_nothing(self) -> bool:
        """Whether there is no drive with a time or with how far it went."""
        tables = (self.episodes, self.checkpoint_evaluations, self.evaluation)
        return not any(table[["time", "progress"]].notna().to_numpy().any() for table in tables)


# ---------------------------------------------------------------------------------------------- small helpers


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace").strip()


def _number(value) -> float:
    """Turn a JSON value into a float; NaN for anything that is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def _whole(value, low: int = 0) -> int | None:
    """Turn a JSON value into an int32-sized whole number; None for anything else."""
    number = _number(value)
    return int(number) if low <= number < 2**31 and number == int(number) else None


def _float(value) -> float | None:
    number = _number(value)
    return None if math.isnan(number) else number


def _flag(value) -> bool | None:
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(
        str(value).strip().lower()
    )


def _word(value) -> str | None:
    return str(value).strip()[:200] or None if isinstance(value, str | int | float) else None


def _capitals(value) -> str | None:
    word = _word(value)
    return word.upper() if word else None


def load_json(data: bytes, name: str):
    """Parse the JSON of a file from anywhere.

    Parameters
    ----------
    data : bytes
        UTF-8, with or without a byte order mark; broken characters are replaced.
    name : str
        File name for messages.

    Returns
    -------
    dict, list, str, float, int, bool or None
        Whole numbers of more digits than any of DeepRacer's come as float, infinite where they must.

    Raises
    ------
    LogError
        When it is not JSON, nested too deeply, or holds more than :data:`MAX_JSON_VALUES` values.
    """
    # Every value but the first stands behind one of these, and a value takes far more memory than its text.
    if sum(map(data.count, (b",", b"[", b"{"))) > MAX_JSON_VALUES:
        raise LogError(f"{name} is not a DeepRacer file: it holds more than {MAX_JSON_VALUES:,} values.")
    try:
        return json.loads(data.decode("utf-8-sig", "replace"), parse_int=_int_of_json)
    except RecursionError:
        raise LogError(f"{name} is not a DeepRacer file: its JSON is nested too deeply.") from None
    except ValueError as error:
        raise LogError(
            f"{name} is not readable as JSON ({error}). It may be cut off; download it again."
        ) from None


def _int_of_json(digits: str) -> int | float:
    # Very long numbers take quadratic time, and Python refuses them altogether.
    return int(digits) if len(digits) < 20 else float(digits)


# ------------------------------------------------------------------------------------------ settings of a job

# field of LogFacts -> (settings that say it, the first that is there counts; how to read the value)
_SETTINGS = {
    "world": (("WORLD_NAME",), _word),
    "race_type": (("RACE_TYPE",), _capitals),
    "job_type": (("JOB_TYPE",), _capitals),
    "model_name": (("MODEL_NAME",), _word),
    "worker": (("ROLLOUT_IDX",), _whole),
    "workers": (("NUM_WORKERS",), _whole),
    "clockwise": (("TRACK_DIRECTION_CLOCKWISE",), _flag),
    "reverse": (("REVERSE_DIR",), _flag),
    "alternate": (("ALTERNATE_DRIVING_DIRECTION",), _flag),
    "change_start": (("CHANGE_START_POSITION",), _flag),
    "number_of_trials": (("NUMBER_OF_TRIALS",), _whole),
    "number_of_resets": (("NUMBER_OF_RESETS",), _whole),
    "is_continuous": (("IS_CONTINUOUS",), _flag),
    "off_track_penalty": (("OFF_TRACK_PENALTY", "PENALTY_SECONDS"), _float),
    "collision_penalty": (("COLLISION_PENALTY", "PENALTY_SECONDS"), _float),
}
_KEYS = "|".join(sorted({key for keys, _ in _SETTINGS.values() for key in keys}))

_DICT_LINE = re.compile(rb"'(?:WORLD_NAME|JOB_TYPE)':")
# The closing quote, bracket or comma is asked for, so that the value a cut-off line ends in is not taken.
_DICT_ITEM = re.compile(
    rf"'({_KEYS})'".encode() + rb"[ \t]{0,9}:[ \t]{0,9}"
    rb"(\[[^\]]{0,2000}\]|u?'[^']{0,500}'|u?\"[^\"]{0,500}\"|[^,}\]\s'\"\[{]{1,200}(?=[ \t]{0,9}[,}]))"
)
_LISTED = re.compile(rf"\* /({_KEYS}): ([^\r\n]*)".encode())
_YAML_WORLD = re.compile(rb"World name passed in YAML:[ \t]*([^\s\"',]+)")
_JOB_WORLD = re.compile(rb'world_name"{1,2}[ \t]*:[ \t]*"{1,2}([^"\s]{1,200})"')
_JOB_CLOCKWISE = re.compile(rb'track_direction_clockwise"{1,2}[ \t]*:[ \t]*"{0,2}(true|false)')
_ENVIRONMENT_WORDS = (b"ROLLOUT_IDX", b"--rollout_idx", b"NUM_WORKERS")
_ENVIRONMENT = re.compile(
    rb"(" + b"|".join(_ENVIRONMENT_WORDS) + rb")['\"]?(?:[ \t]*[=:][ \t]*|[ \t]+)['\"]?(\d{1,6})\b"
)
_YAML_ITEM = re.compile(
    rf"""^[ \t]*['"]?({_KEYS})['"]?[ \t]*:[ \t]*([^\r\n]*)((?:\r?\n[ \t]*-[ \t]+[^\r\n]*)?)""".encode(), re.M
)


def _scalar(raw: bytes) -> str | None:
    """Unquote a Python or YAML scalar, or the first of a list; None for an empty one and for None."""
    text = _text(raw)
    if text.startswith("["):
        text = text[1:].split(",")[0].rstrip("]").strip()
    quoted = re.match(r"""u?(['"])(.*?)\1""", text)
    text = (quoted[2] if quoted else text.split(" #")[0]).strip()
    return None if text.lower() in ("", "none", "null", "~") else text


def _read_settings(settings: dict[str, str]) -> dict:
    """Turn raw settings into the fields of LogFacts they stand for."""
    facts = {}
    for field, (keys, read) in _SETTINGS.items():
        said = [read(settings[key]) for key in keys if key in settings]
        facts[field] = next((value for value in said if value is not None), None)
    return facts


def matches_at(words: Iterable[bytes], pattern: re.Pattern, text: bytes) -> Iterator[re.Match]:
    """Yield the matches that ``pattern.finditer`` does, of a pattern whose every match begins with one of these words.

    A pattern that begins with a choice, or in any case, is tried at every byte; words are found many times faster.

    Parameters
    ----------
    words : iterable of bytes
        In small letters they stand for any case, if the pattern ignores it.
    pattern : re.Pattern
    text : bytes
    """
    looked_in = text.lower() if pattern.flags & re.IGNORECASE else text
    places, done = [], 0
    for word in words:
        at = looked_in.find(word)
        while at >= 0:
            places.append(at)
            at = looked_in.find(word, at + 1)
    for at in sorted(places):
        if at >= done and (found := pattern.match(text, at)):
            done = found.end()
            yield found


def _settings_in_log(text: bytes) -> dict[str, str]:
    """Collect the settings a log states, the most trustworthy statement of each first."""
    settings: dict[str, str] = {}

    def add(key: bytes, raw: bytes) -> None:
        value = _scalar(raw)
        if value is not None:
            settings.setdefault(key.decode().upper().removeprefix("--"), value)

    done = 0
    for found in _DICT_LINE.finditer(text):
        if found.start() < done:
            continue
        start = max(text.rfind(b"\n", done, found.start()) + 1, done, found.start() - _BLOCK)
        end = text.find(b"\n", found.start(), found.start() + _BLOCK)
        done = end if end >= 0 else min(found.start() + _BLOCK, len(text))
        for item in _DICT_ITEM.finditer(text, start, done):
            add(*item.groups())
    for key, pattern in (
        (b"WORLD_NAME", _YAML_WORLD),
        (b"WORLD_NAME", _JOB_WORLD),
        (b"TRACK_DIRECTION_CLOCKWISE", _JOB_CLOCKWISE),
    ):
        if found := pattern.search(text):
            add(key, found[1])
    for found in matches_at(_ENVIRONMENT_WORDS, _ENVIRONMENT, text):
        add(*found.groups())
    for found in _LISTED.finditer(text):
        # ROS cuts long values in its parameter listing and marks the cut with dots.
        if not found[2].rstrip().endswith(b"..."):
            add(*found.groups())
    return settings


def read_training_params(data: bytes, name: str = "training_params.yaml") -> LogFacts:
    """Read the settings of a training_params YAML file.

    Parameters
    ----------
    data : bytes
        The file: one `KEY: value` a line, values plain, quoted or lists (the first element counts).
    name : str
        File name for messages.

    Returns
    -------
    LogFacts
        Only the fields that settings say.

    Raises
    ------
    LogError
        When none of the known settings is in the file.
    """
    settings: dict[str, str] = {}
    for found in _YAML_ITEM.finditer(data.removeprefix(b"\xef\xbb\xbf")):
        value = _scalar(found[2]) or _scalar(found[3].strip().removeprefix(b"-"))
        if value is not None:
            settings.setdefault(found[1].decode(), value)
    if not settings:
        raise LogError(f"{name} holds none of the settings of a DeepRacer job (WORLD_NAME, RACE_TYPE, ...).")
    return LogFacts(**_read_settings(settings))


# ---------------------------------------------------------------------------------------- facts of a log file

_SENSORS = re.compile(rb"Sensor list \[([^\]\r\n]{0,500})\]([^\r\n]{0,1000})")
_SENSOR_FIELDS = {
    "network": re.compile(rb"network ([^\s,\x1b]+)"),
    "simapp_version": re.compile(rb"simapp_version ([^\s,\x1b]+)"),
    "algorithm": re.compile(rb"training_algorithm ([^\s,\x1b]+)"),
    "action_space_type": re.compile(rb"action_space_type ([^\s,\x1b]+)"),
}
_ACTIONS = re.compile(rb"ction space from file: ([\[{][^\r\n]*)")
_HYPERPARAMETER_BLOCKS = (
    re.compile(rb"Using the following hyper-parameters"),
    re.compile(rb'hyperparameters"{1,2}[ \t]*:[ \t]*(?=\{)'),
    re.compile(rb"SM_HPS'?[ \t]*[=:][ \t]*'?(?=\{)"),
)
# The end of the value is asked for: a block may be cut off in the middle of a number.
_HYPERPARAMETER = re.compile(
    rb'"{1,2}(\w{1,40})"{1,2}[ \t]*:[ \t]*("{1,2}[^"\r\n]{0,500}"{1,2}|[-+\w.]{1,40})(?=[ \t]*[,}\r\n\x1b])'
)
_RESTORED_PATH = (
    rb"\s{0,3}[=:]\s{0,3}(?:(?:\x1b|#033)\[[\d;]*m)?['\"\[]{0,2}"
    rb"([^\s'\"\]]{0,400}?(?<!\d)(\d{1,9})_Step-(\d{1,15})\.ckpt)"
)
# Two patterns: a text is searched for the word that one begins with many times faster than for either of two.
_RESTORED = tuple(
    re.compile(word + _RESTORED_PATH) for word in (b"Restoring from path", b"Loading checkpoint")
)
_ROS_TIME = re.compile(rb"\[ ?(?:DEBUG|INFO|WARN|ERROR|FATAL)\] ?\[(\d{9,11}\.\d{1,9})[\],]")
_LINE_TIME = re.compile(rb'^"?(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)[.,]?(\d{0,9})', re.M)


def find_restored(text: bytes) -> tuple[Restored, ...]:
    """Find every checkpoint that was loaded: (byte offset in the text, path, checkpoint number, step)."""
    found = (match for pattern in _RESTORED for match in pattern.finditer(text))
    return tuple(sorted((m.start(), _text(m[1]), int(m[2]), int(m[3])) for m in found))


def _action_space_in_log(text: bytes) -> ActionSpace | None:
    for found in _ACTIONS.finditer(text):
        # The list is a Python literal of numbers under quoted names, so one swap of quotes makes it JSON.
        literal = re.sub(r"u?'", '"', found[1][:_BLOCK].decode("utf-8", "replace"))
        try:
            value, _ = json.JSONDecoder().raw_decode(literal)
        except (ValueError, RecursionError):
            continue
        space = _action_space(value)
        if space is not None:
            return space
    return None


def _hyperparameters_in_log(text: bytes) -> dict | None:
    for pattern in _HYPERPARAMETER_BLOCKS:
        # One statement is enough; a few more are tried in case the first was broken.
        for found in itertools.islice(pattern.finditer(text), 20):
            start = text.find(b"{", found.end(), found.end() + 1000)
            if start < 0:
                continue
            end = text.find(b"}", start, start + _BLOCK)
            end = end + 1 if end >= 0 else start + _BLOCK
            values = {}
            for item in _HYPERPARAMETER.finditer(text, start, end):
                try:
                    values[item[1].decode("ascii", "replace")] = json.loads(item[2].replace(b'""', b'"'))
                except ValueError:
                    continue
            values = {k: value for k, value in values.items() if k in _HYPERPARAMETERS and _is_setting(value)}
            if values:
                return values
    return None


def _time_span(text: bytes) -> tuple[float | None, float | None]:
    """Find the first and last moment, Unix seconds.

    The clock of ROS lines is sure; a date in front of a line has no time zone and is taken as UTC, which
    holds for the console but not for every other machine, so it counts only where no ROS line says more.
    """
    # Between 2014 and 2096: a number of another kind in the same place must not stretch the span.
    times = [t for t in map(float, _ROS_TIME.findall(text)) if 1.4e9 < t < 4e9]
    if not times:
        stamps = {(day, clock, part) for day, clock, part in _LINE_TIME.findall(text)}
        for day, clock, part in (min(stamps), max(stamps)) if stamps else ():
            try:
                moment = datetime.fromisoformat(f"{day.decode()}T{clock.decode()}").replace(tzinfo=UTC)
            except ValueError:
                continue
            times.append(moment.timestamp() + float(b"0." + (part or b"0")))
    return (min(times), max(times)) if times else (None, None)


def read_log_facts(text: bytes) -> LogFacts:
    """Read what the lines of a log say about its job.

    Parameters
    ----------
    text : bytes
        A simulation (robomaker) or trainer (sagemaker) log of any vintage, best without its step lines.
        Prefixes, colour codes, CRLF, broken characters and cut-off lines are all allowed.

    Returns
    -------
    LogFacts
    """
    facts = _read_settings(_settings_in_log(text))
    if sensors := _SENSORS.search(text):
        names = tuple(re.findall(r"\w+", re.sub(r"\bu(?=')", "", _text(sensors[1]))))
        facts["sensors"] = names or None
        for field, pattern in _SENSOR_FIELDS.items():
            found = pattern.search(sensors[2])
            facts[field] = _text(found[1]) if found else None
    start, end = _time_span(text)
    return LogFacts(
        **facts,
        action_space=_action_space_in_log(text),
        hyperparameters=_hyperparameters_in_log(text),
        restored=find_restored(text),
        start=start,
        end=end,
    )


# ------------------------------------------------------------------------------------- JSON files beside logs


def kind_of_json(obj) -> str | None:
    """Tell by its content what a parsed JSON file is.

    Returns
    -------
    str or None
        "metrics", "model metadata", "hyperparameters" or "checkpoints"; None for anything else.
    """
    if not isinstance(obj, dict):
        return None
    if isinstance(obj.get("metrics"), list):
        return "metrics"
    if "action_space" in obj or {"sensor", "neural_network"} <= obj.keys():
        return "model metadata"
    if isinstance(obj.get("best_checkpoint"), dict) or isinstance(obj.get("last_checkpoint"), dict):
        return "checkpoints"
    return "hyperparameters" if len(_HYPERPARAMETERS & obj.keys()) >= 2 else None


def _expect(data: bytes, name: str, kind: str, looked_for: str) -> dict:
    obj = load_json(data, name)
    if kind_of_json(obj) != kind:
        raise LogError(f"{name} is not a {kind} file of DeepRacer: {looked_for} was not found in it.")
    return obj


def _action_space(value) -> ActionSpace | None:
    if isinstance(value, list):
        actions = [entry if isinstance(entry, dict) else {} for entry in value[:MAX_ACTIONS]]
        table = pd.DataFrame(
            {
                "index": np.arange(len(actions), dtype=np.int32),
                "steering_angle": np.array([_number(a.get("steering_angle")) for a in actions], float),
                "speed": np.array([_number(a.get("speed")) for a in actions], float),
            }
        )
        readable = table[["steering_angle", "speed"]].notna().all(axis=1).any()
        return ActionSpace("discrete", table) if readable else None
    if isinstance(value, dict):
        steering, speed = value.get("steering_angle"), value.get("speed")
        if isinstance(steering, dict) and isinstance(speed, dict):
            bounds = [_float(axis.get(side)) for axis in (steering, speed) for side in ("low", "high")]
            if None not in bounds:
                return ActionSpace("continuous", None, *bounds)
    return None


def read_model_metadata(data: bytes, name: str = "model_metadata.json") -> ModelMetadata:
    """Read a model_metadata.json.

    Parameters
    ----------
    data : bytes
        The file.
    name : str
        File name for messages.

    Returns
    -------
    ModelMetadata

    Raises
    ------
    LogError
        When it is not JSON, or not model metadata.
    """
    obj = _expect(data, name, "model metadata", 'an "action_space"')
    sensors = obj.get("sensor")
    sensors = [sensors] if isinstance(sensors, str) else sensors if isinstance(sensors, list) else []
    return ModelMetadata(
        action_space=_action_space(obj.get("action_space")),
        sensors=tuple(sensor for sensor in sensors if isinstance(sensor, str)) or None,
        network=_word(obj.get("neural_network")),
        algorithm=_word(obj.get("training_algorithm")),
        action_space_type=_word(obj.get("action_space_type")),
        version=_word(obj.get("version")),
    )


def read_hyperparameters(data: bytes, name: str = "hyperparameters.json") -> dict:
    """Read a hyperparameters.json into a dict of numbers and words.

    Raises
    ------
    LogError
        When it is not JSON, or holds no hyperparameters.
    """
    obj = _expect(data, name, "hyperparameters", '"batch_size", "lr", ...')
    return {key[:200]: value for key, value in obj.items() if _is_setting(value)}


def _is_setting(value) -> bool:
    """Whether a value is a word or number that a hyperparameter can have."""
    return (
        len(value) <= 200
        if isinstance(value, str)
        else isinstance(value, bool) or math.isfinite(_number(value))
    )


def read_checkpoints(data: bytes, name: str = "deepracer_checkpoints.json") -> Checkpoints:
    """Read a deepracer_checkpoints.json: which checkpoint rated best, and which was last.

    Raises
    ------
    LogError
        When it is not JSON, or names no checkpoint.
    """
    obj = _expect(data, name, "checkpoints", 'a "best_checkpoint" or "last_checkpoint"')
    return Checkpoints(_checkpoint(obj.get("best_checkpoint")), _checkpoint(obj.get("last_checkpoint")))


def _checkpoint(entry) -> CheckpointEntry | None:
    name = entry.get("name") if isinstance(entry, dict) else None
    found = re.match(r"(\d{1,9})_Step-(\d{1,15})", name, re.A) if isinstance(name, str) else None
    if not found:
        return None
    # Named avg_comp_pct until 2020, when progress was the only measure.
    metric = _float(entry.get("avg_eval_metric", entry.get("avg_comp_pct")))
    return CheckpointEntry(name[:200], int(found[1]), int(found[2]), metric)


# No drive takes longer than a day; the clock counts milliseconds, of the simulation or since 1970.
_PLAUSIBLE = (
    ("completion_percentage", -100, 100),
    ("elapsed_time_in_milliseconds", 1, 86_400_000),
    ("start_time", 0, 4e12),
)
_EVALUATION_COUNTS = {
    "off_track": "off_track_count",
    "crashed": "crash_count",
    "reversed": "reversed_count",
    "immobilized": "immobilized_count",
    "resets": "reset_count",
}


def read_metrics(data: bytes, name: str = "metrics.json") -> MetricsFile:
    """Read a metrics JSON, of training or of an evaluation; the content tells which.

    A drive is complete when it reached 100 % and was not stopped: its status is "Lap complete", or, within a
    race of several laps, still "In progress" at 100 %; its end_status is "lap_complete" in either case.
    An episode that occurs twice counts as the later entry says.

    Parameters
    ----------
    data : bytes
        The file.
    name : str
        File name for messages.

    Returns
    -------
    MetricsFile

    Raises
    ------
    LogError
        When it is not JSON, or holds no list of metrics.
    """
    obj = _expect(data, name, "metrics", 'a list "metrics"')
    skipped = Skipped()
    entries = []
    beyond = len(obj["metrics"]) - MAX_DRIVES
    skipped.add(f"metrics entry beyond the first {MAX_DRIVES:,}", count=beyond)
    for entry in obj["metrics"][:MAX_DRIVES]:
        if isinstance(entry, dict):
            entries.append(entry)
        else:
            skipped.add("metrics entry is not an object", reprlib.repr(entry))
    is_training = any("phase" in entry or "episode" in entry for entry in entries)
    if not entries:
        is_training = "version" in obj or "best_model_metric" in obj

    rows: dict[str, list[dict]] = {"training": [], "evaluation": [], "trial": []}
    for position, entry in enumerate(entries):
        row = _drive(entry, skipped)
        if is_training:
            phase = entry.get("phase", "training")
            number = _whole(entry.get("episode"), 1)
            if phase not in ("training", "evaluation") or number is None:
                skipped.add("metrics entry without episode number or known phase", reprlib.repr(entry))
                continue
            row |= {
                "episode": number - 1,
                "after_episode": number,
                "reward": _number(entry.get("reward_score")),
            }
            rows[phase].append(row)
        else:
            trial = _whole(entry.get("trial"), 1)
            row["trial"] = position if trial is None else trial - 1
            row |= {column: _whole(entry.get(key)) or 0 for column, key in _EVALUATION_COUNTS.items()}
            rows["trial"].append(row)

    measures = {
        "time": "float64",
        "start": "float64",
        "progress": "float64",
        "complete": "bool",
        "end_status": "str",
    }
    episodes = _table(rows["training"], {"episode": "int32", **measures, "reward": "float64"})
    repeated = episodes["episode"].duplicated(keep="last")
    for number in episodes.loc[repeated, "episode"]:
        skipped.add("metrics hold an episode twice", f"episode {number + 1}")
    # The simulator writes the same number as trial for all drives that rate one checkpoint.
    rated = _table(rows["evaluation"], {"after_episode": "int32", **measures, "reward": "float64"})
    rated.insert(1, "trial", rated.groupby("after_episode").cumcount().astype("int32"))
    counts = dict.fromkeys(_EVALUATION_COUNTS, "int32")
    return MetricsFile(
        name=name,
        kind="training" if is_training else "evaluation",
        episodes=episodes[~repeated].sort_values("episode", ignore_index=True),
        checkpoint_evaluations=rated,
        evaluation=_table(rows["trial"], {"trial": "int32", **measures, **counts}),
        best_model_metric=_word(obj.get("best_model_metric")),
        skipped=skipped,
    )


def _drive(entry: dict, skipped: Skipped) -> dict:
    """Read what training and evaluation entries have in common."""
    status = entry.get("episode_status")
    status = status.strip().lower().replace(" ", "_")[:40] if isinstance(status, str) else ""
    values = {}
    for key, low, high in _PLAUSIBLE:
        value = _number(entry.get(key))
        if key in entry and not low <= value <= high:
            skipped.add(f"metrics value out of range: {key}", reprlib.repr(entry))
            value = math.nan
        values[key] = value
    progress = values["completion_percentage"]
    complete = status == "lap_complete" or (progress >= 100 and status in ("", "in_progress"))
    return {
        "time": values["elapsed_time_in_milliseconds"] / 1000,
        "start": values["start_time"] / 1000,
        "progress": progress,
        "complete": complete,
        "end_status": "lap_complete" if complete else status or None,
    }


def _table(rows: list[dict], columns: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)

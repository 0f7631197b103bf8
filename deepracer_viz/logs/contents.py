"""Members of a source in, what each of them holds out; told by content, never by file name."""

import codecs
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd

from deepracer_viz.logs.errors import LogError
from deepracer_viz.logs.metadata import (
    Checkpoints,
    LogFacts,
    MetricsFile,
    ModelMetadata,
    kind_of_json,
    load_json,
    read_checkpoints,
    read_hyperparameters,
    read_metrics,
    read_model_metadata,
    read_training_params,
)
from deepracer_viz.logs.report import FileReport, ReadReport
from deepracer_viz.logs.sources import Member, MemberFile, Members
from deepracer_viz.logs.steps import TOKEN, StepFile, read_step_csv, read_step_log
from deepracer_viz.logs.trainer import TrainerLog, is_trainer_log, read_trainer_log

MAX_SMALL_FILE = 100 << 20
"""JSON and YAML files, which must be taken whole, are read up to this size (bytes)."""

MAX_ROUTE = 1 << 20
"""Route files are read up to this size (bytes)."""

MAX_OF_A_KIND = 1000
"""Logs, metrics and other files of one kind that are used; sim-trace CSV files, one per iteration, may be more."""

LOOKED_FOR = (
    "step lines (SIM_TRACE_LOG), a sim-trace CSV header (episode,steps,X,Y,...), "
    "policy training lines and a metrics JSON"
)
"""What a file must hold at least one of, for messages."""

_ITERATION_FILE = re.compile(r"(\d{1,9})-iteration\.csv$")
_JSON_OBJECT = re.compile(rb'\s*\{\s*["}]')
_YAML_PARAMETERS = re.compile(rb"^[ \t]*[\"']?(?:WORLD_NAME|JOB_TYPE|RACE_TYPE)[\"']?\s*:", re.MULTILINE)
_NUMPY_MAGIC = b"\x93NUMPY"
_HEAD = 1 << 16  # bytes of a file that tell its kind


@dataclass
class LogFile:
    """A log: its steps, its other lines, and whether it is the trainer's."""

    name: str
    steps: StepFile
    lines: TrainerLog
    is_trainer: bool

    @property
    def facts(self) -> LogFacts:
        """What it says about its job."""
        return self.lines.facts


@dataclass
class CsvFile:
    """A sim-trace CSV file; ``iteration`` is the number in its name, None when it has none."""

    name: str
    folder: str
    iteration: int | None
    steps: pd.DataFrame


@dataclass
class Contents:
    """Everything recognised in a source, by kind, in the order of reading."""

    logs: list[LogFile] = field(default_factory=list)
    csvs: list[CsvFile] = field(default_factory=list)
    metrics: list[MetricsFile] = field(default_factory=list)
    model_metadata: list[ModelMetadata] = field(default_factory=list)
    hyperparameters: list[dict] = field(default_factory=list)
    checkpoints: list[Checkpoints] = field(default_factory=list)
    parameters: list[LogFacts] = field(default_factory=list)
    routes: list[tuple[str, bytes]] = field(default_factory=list)

    def drop_surplus(self) -> bool:
        """Let go of the file read last where there are too many of its kind; True where that was so."""
        for name, files in vars(self).items():
            if name != "csvs" and len(files) > MAX_OF_A_KIND:
                files.pop()
                return True
        return False


def read_contents(members: Members, report: ReadReport) -> Contents:
    """Read every member of a source.

    Parameters
    ----------
    members : Members
        The source.
    report : ReadReport
        Receives one entry per file, and what went wrong on the way.

    Returns
    -------
    Contents
        What was recognised; a file that could not be read is in the report and stops nothing.
    """
    contents = Contents()
    for member in members:
        entry = FileReport(member.name, "not used")
        report.files.append(entry)
        try:
            entry.kind = _read_member(member, contents, entry)
            if contents.drop_surplus():
                entry.note = f"only the first {MAX_OF_A_KIND:,} files of a kind are used"
                report.warn(f"There are very many files: {entry.note}.")
        except LogError as error:
            entry.note = str(error)
            report.warn(str(error))
        entry.size = member.file.size
    entries = {entry.name: entry for entry in reversed(report.files)}
    for name, problem in members.problems:
        sentence = f"{name}: {problem}. What could be read before is shown."
        if name not in members.consequences:
            report.warn(sentence)
        entry = entries.get(name)
        if entry is None:
            report.files.append(FileReport(name, "not readable", note=sentence))
        else:
            entry.note = sentence
    return contents


class _AsUtf8(io.RawIOBase):
    """A UTF-16 file, as Windows tools write it, read as UTF-8."""

    def __init__(self, file: MemberFile):
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-16")("replace")

    def read(self, size: int = -1) -> bytes:
        """Read about ``size`` bytes; none only at the end."""
        while raw := self._file.read(size):
            if text := self._decoder.decode(raw):
                return text.encode("utf-8", "replace")
        return b""


def _read_member(member: Member, contents: Contents, entry: FileReport) -> str:
    """Read one member into ``contents``; return the name of its kind."""
    file = member.file
    if file.peek(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        file = MemberFile(_AsUtf8(file))
    beginning = file.peek(_HEAD)
    head = beginning.removeprefix(codecs.BOM_UTF8)
    if not head.strip():
        entry.note = "the file is empty"
        return "empty"
    if head.startswith(_NUMPY_MAGIC):
        contents.routes.append((member.name, _whole(file, member.name, MAX_ROUTE)))
        return "route file"
    if TOKEN not in head:
        # A disk that filled up, or a crash, leaves a log that begins with NULs; other NULs make a binary file.
        if b"\x00" in head.lstrip(b"\x00")[:4096]:
            return "not used"
        if _JSON_OBJECT.match(head):
            return _read_json(_whole(file, member.name), member.name, contents, entry)
        cells = {cell.strip(b' "\r') for cell in head.lstrip().partition(b"\n")[0].lower().split(b",")}
        if {b"episode", b"steps"} <= cells:
            return _read_csv(file, member, contents, entry)
        # Parameter files are small; a log may print its parameters as well.
        if len(beginning) < _HEAD and _YAML_PARAMETERS.search(head) and not is_trainer_log(head):
            contents.parameters.append(read_training_params(_whole(file, member.name), member.name))
            return "job parameters"
    return _read_log(file, member, contents, entry)


def _whole(file: MemberFile, name: str, limit: int | None = None) -> bytes:
    limit = MAX_SMALL_FILE if limit is None else limit
    data = file.read(limit)
    if file.read(1):
        raise LogError(f"{name} is larger than {limit >> 20} MB, too large for its kind.")
    return data


def _read_csv(file: MemberFile, member: Member, contents: Contents, entry: FileReport) -> str:
    table = read_step_csv(file, member.name)
    entry.steps, entry.skipped = len(table.steps), table.skipped
    number = _ITERATION_FILE.search(member.base)
    contents.csvs.append(CsvFile(member.name, member.folder, int(number[1]) if number else None, table.steps))
    return "sim-trace CSV"


def _read_json(data: bytes, name: str, contents: Contents, entry: FileReport) -> str:
    kind = kind_of_json(load_json(data, name))
    readers: dict[str, tuple[Callable, list]] = {
        "metrics": (read_metrics, contents.metrics),
        "model metadata": (read_model_metadata, contents.model_metadata),
        "hyperparameters": (read_hyperparameters, contents.hyperparameters),
        "checkpoints": (read_checkpoints, contents.checkpoints),
    }
    if kind is None:
        return "not used"
    read, where = readers[kind]
    result = read(data, name)
    if isinstance(result, MetricsFile):
        entry.skipped = result.skipped
        if result.tells_nothing:
            # It would even say which kind of job the logs beside it are of.
            entry.note = "it holds no drive"
            return "not used"
    where.append(result)
    if isinstance(result, MetricsFile):
        return f"metrics JSON ({result.kind})"
    return f"{kind} JSON"


def _read_log(file: MemberFile, member: Member, contents: Contents, entry: FileReport) -> str:
    found = read_step_log(file)
    entry.steps, entry.skipped = len(found.steps), found.skipped
    is_trainer = is_trainer_log(found.text)
    lines = read_trainer_log(found.text)
    entry.skipped.update(lines.skipped)
    if len(found.steps):
        kind = f"simulation log ({found.format})"
    elif is_trainer:
        kind = "trainer log"
    elif lines.facts.world or lines.facts.job_type:
        kind = "log without steps"
    else:
        return "not used"
    contents.logs.append(LogFile(member.name, found, lines, is_trainer))
    return kind

"""Members of a source in, what each of them holds out; told by content, never by file name."""

import codecs
import io
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

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
from deepracer_viz.logs.sources import Member, MemberFile, Members, is_packed
from deepracer_viz.logs.steps import (
    BLOCK,
    CSV_BLOCK,
    TOKEN,
    GrowingSteps,
    StepFile,
    read_step_csv,
    read_step_log,
)
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
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

SMALL_CSV = 8 << 20
"""Sim-trace CSV files up to this size (bytes) are read beside each other."""

HEAD = 1 << 16
"""Bytes of a file that tell its kind."""


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

    def take(self, other: "Contents") -> bool:
        """Add what another file holds, unless there are too many of its kind; True where that was so."""
        surplus = False
        for name, files in vars(other).items():
            here = getattr(self, name)
            here += files
            if name != "csvs" and len(here) > MAX_OF_A_KIND:
                del here[MAX_OF_A_KIND:]
                surplus = True
        return surplus


@dataclass
class FileRead:
    """One file of a source as it was read.

    Attributes
    ----------
    entry : FileReport
    contents : Contents
        What it holds: one thing of one kind, or nothing.
    warning : str
        Why it could not be used, empty where it could.
    """

    entry: FileReport
    contents: Contents = field(default_factory=Contents)
    warning: str = ""

    def copy(self) -> "FileRead":
        """Return the same for putting together, which marks files and takes the steps out of logs and CSV files."""
        logs = [replace(log, steps=replace(log.steps)) for log in self.contents.logs]
        csvs = [replace(csv) for csv in self.contents.csvs]
        return replace(self, entry=replace(self.entry), contents=replace(self.contents, logs=logs, csvs=csvs))


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
    contents = gather(_read_members(members), report)
    tell_problems(members, report)
    return contents


def _read_members(members: Iterable[Member]) -> Iterator[FileRead]:
    """Read members in their order, CSV files of an iteration beside each other: each is too small to part."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        waiting: deque[Future[FileRead]] = deque()
        for member in members:
            held = None
            if _kind_of(member.file.peek(HEAD)) == "sim-trace CSV":
                held = member.file.peek(SMALL_CSV + 1)
            if held is not None and len(held) <= SMALL_CSV:
                # Its own file is valid only until the next member is asked for.
                copy = Member(member.name, MemberFile(io.BytesIO(member.file.read())))
                waiting.append(pool.submit(read_member, copy))
            else:
                yield from (read.result() for read in waiting)
                waiting.clear()
                yield read_member(member)
            if len(waiting) > 3:
                yield waiting.popleft().result()
        yield from (read.result() for read in waiting)


def read_member(member: Member) -> FileRead:
    """Read one file of a source, whatever it holds."""
    read = FileRead(FileReport(member.name, "not used"))
    with _refusal_told(read):
        read.entry.kind = _read_member(member, read.contents, read.entry)
    read.entry.size = member.file.size
    return read


class GrowingFile:
    """A log or a sim-trace CSV file that is still being written.

    Parameters
    ----------
    name : str
        Path inside the source.
    kind : str
        As :func:`growing_kind` tells.
    """

    def __init__(self, name: str, kind: str):
        self.name, self.kind = name, kind
        if kind == "log":
            self.steps = GrowingSteps(read_step_log, BLOCK)
        else:
            self.steps = GrowingSteps(partial(read_step_csv, name=name), CSV_BLOCK)

    def read(self) -> FileRead:
        """Return what :func:`read_member` would, as far as the file was taken."""
        read = FileRead(FileReport(self.name, "not used", size=self.steps.size))
        take = _take_log if self.kind == "log" else _take_csv
        with _refusal_told(read):
            read.entry.kind = take(self.steps.file(), self.name, read.contents, read.entry)
        return read


def growing_kind(head: bytes) -> str | None:
    """Tell whether a file can be read on when it has grown.

    Parameters
    ----------
    head : bytes
        Its first :data:`HEAD` bytes, fewer only where it has no more.

    Returns
    -------
    str or None
        What to call a :class:`GrowingFile` by; None for a file that must be taken whole.
    """
    if is_packed(head) or head.startswith(_UTF16):
        return None
    kind = _kind_of(head)
    return kind if kind in ("log", "sim-trace CSV") else None


@contextmanager
def _refusal_told(read: FileRead) -> Iterator[None]:
    try:
        yield
    except LogError as error:
        read.entry.note = read.warning = str(error)


def gather(files: Iterable[FileRead], report: ReadReport) -> Contents:
    """Put together what the files of a source hold, and account for each.

    Parameters
    ----------
    files : iterable of FileRead
        In order.
    report : ReadReport
        Receives one entry per file, and their warnings.

    Returns
    -------
    Contents
    """
    contents = Contents()
    for read in files:
        report.files.append(read.entry)
        if contents.take(read.contents):
            read.entry.note = f"only the first {MAX_OF_A_KIND:,} files of a kind are used"
            report.warn(f"There are very many files: {read.entry.note}.")
        if read.warning:
            report.warn(read.warning)
    return contents


def tell_problems(members: Members, report: ReadReport) -> None:
    """Put into the report what went wrong while the members of a source were gone through."""
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


def _kind_of(beginning: bytes) -> str:
    """Kind of a file by its first :data:`HEAD` bytes."""
    head = beginning.removeprefix(codecs.BOM_UTF8)
    if not head.strip():
        return "empty"
    if head.startswith(_NUMPY_MAGIC):
        return "route file"
    if TOKEN not in head:
        # A disk that filled up, or a crash, leaves a log that begins with NULs; other NULs make a binary file.
        if b"\x00" in head.lstrip(b"\x00")[:4096]:
            return "not used"
        if _JSON_OBJECT.match(head):
            return "JSON"
        cells = {cell.strip(b' "\r') for cell in head.lstrip().partition(b"\n")[0].lower().split(b",")}
        if {b"episode", b"steps"} <= cells:
            return "sim-trace CSV"
        # Parameter files are small; a log may print its parameters as well.
        if len(beginning) < HEAD and _YAML_PARAMETERS.search(head) and not is_trainer_log(head):
            return "job parameters"
    return "log"


def _read_member(member: Member, contents: Contents, entry: FileReport) -> str:
    """Read one member into ``contents``; return the name of its kind."""
    file, name = member.file, member.name
    if file.peek(2) in _UTF16:
        file = MemberFile(_AsUtf8(file))
    kind = _kind_of(file.peek(HEAD))
    if kind == "log":
        return _take_log(read_step_log(file), name, contents, entry)
    if kind == "sim-trace CSV":
        return _take_csv(read_step_csv(file, name), name, contents, entry)
    if kind == "JSON":
        return _read_json(_whole(file, name), name, contents, entry)
    if kind == "route file":
        contents.routes.append((name, _whole(file, name, MAX_ROUTE)))
    elif kind == "job parameters":
        contents.parameters.append(read_training_params(_whole(file, name), name))
    elif kind == "empty":
        entry.note = "the file is empty"
    return kind


def _whole(file: MemberFile, name: str, limit: int | None = None) -> bytes:
    limit = MAX_SMALL_FILE if limit is None else limit
    data = file.read(limit)
    if file.read(1):
        raise LogError(f"{name} is larger than {limit >> 20} MB, too large for its kind.")
    return data


def _take_csv(table: StepFile, name: str, contents: Contents, entry: FileReport) -> str:
    entry.steps, entry.skipped = len(table.steps), table.skipped
    folder, _, base = name.rpartition("/")
    number = _ITERATION_FILE.search(base)
    contents.csvs.append(CsvFile(name, folder, int(number[1]) if number else None, table.steps))
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


def _take_log(found: StepFile, name: str, contents: Contents, entry: FileReport) -> str:
    entry.steps, entry.skipped = len(found.steps), found.skipped
    is_trainer = is_trainer_log(found.text)
    # A simulator repeats the trainer's lines of episodes, but the steps tell more.
    lines = read_trainer_log(found.text, with_episodes=is_trainer)
    entry.skipped.update(lines.skipped)
    if len(found.steps):
        kind = f"simulation log ({found.format})"
    elif is_trainer:
        kind = "trainer log"
    elif lines.facts.world or lines.facts.job_type:
        kind = "log without steps"
    else:
        return "not used"
    contents.logs.append(LogFile(name, found, lines, is_trainer))
    return kind

"""Step lines of logs and rows of sim-trace CSV files, read into one table.

A simulation log carries one ``SIM_TRACE_LOG:`` line per simulation step among much other text. The
reader takes the file in large blocks, cuts the step lines out of each with one regular expression, and
hands them to pyarrow's CSV parser with explicit types; nothing loops over rows in Python. Lines that do
not fit (another number of fields, glued lines, text that merely contains the token) are looked at one by
one and either read or counted.
"""

import io
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from deepracer_viz.logs.errors import LogError
from deepracer_viz.logs.formats import (
    STATUSES,
    STEP_COLUMNS,
    StepFormat,
    csv_format,
    fields_of,
    identify,
    is_whole,
    status_code,
)
from deepracer_viz.logs.report import Skipped

TOKEN = b"SIM_TRACE_LOG:"

BLOCK = 2 << 20
"""Bytes read at a time: small enough to stay in a processor's cache while they are cut and parsed."""

CSV_BLOCK = 4 << 20
"""The same for CSV files: one file is an iteration, a few MB, and several of them are read beside each other."""

LONGEST_LINE = 1 << 20
"""A line longer than this (bytes) is no log line; it is passed over and counted."""

TEXT_KEPT_WHOLE = 4 << 20
"""Bytes of text between step lines kept as they are; beyond them only lines that say something are kept."""

_SPEAKING = (
    b"Training>",
    b"Training -",
    b"Policy training",
    b"Checkpoint>",
    b"Saving in path",
    b"Loading checkpoint",
    b"Best checkpoint number",
    b"BestModelSelection",
    b"WORLD_NAME",
    b"ROLLOUT_IDX",
    b"ction space from file",
    b"Sensor list",
)
"""Words of the lines that tell something about a job wherever they stand in a log."""

# Made once: to make it takes as long as to read a hundred rows.
_STATUS_TYPE = pd.CategoricalDtype(STATUSES)

_LINE = "line"  # place of a row among the step lines of its block, while a file is read

_STEP_LINE = re.compile(rb"(" + TOKEN + rb"[^\n]*\n?)[\r\n]*")
_AFTER_TAB = re.compile(rb"\t[^\n]*")
# An exported message stands in quotes, those inside it doubled: an odd quote is its end.
_AFTER_MESSAGE = re.compile(rb'^([^"\n]*)"[^"\n]*(?:"[^"\n]*"[^"\n]*)*$', re.MULTILINE)
_COMMA_IN_ACTION = re.compile(rb"\[([^\[\],\n]*),([^\[\],\n]*)\]")
_CSV_HEADER = re.compile(rb"[^\n\d]*\bepisode\b")

_SAMPLE = 1 << 16
"""Bytes of a log's first block that are looked at to tell its vintage; also, a piece of rows small enough to judge one
by one."""

_GLANCE = 1 << 12
"""The same of every later block, which is of the same vintage unless logs were joined."""

NOT_A_STEP = "not a step line, although it carries the token SIM_TRACE_LOG"
BAD_NUMBER = "a number is missing, not readable or out of range"
CUT_OFF = "cut off in the middle of the line"
REPEATED_HEADER = "header line repeated inside a CSV file"
OVERLONG = f"line longer than {LONGEST_LINE >> 20} MB"


@dataclass
class StepFile:
    """The step rows of one file.

    Attributes
    ----------
    steps : pandas.DataFrame
        Columns of :data:`STEP_COLUMNS`, rows in the order of the file, degrees throughout.
    format : str
        Vintage of the step lines, empty when there was none.
    text : bytes
        The file's other lines, as far as they can say anything (see :data:`TEXT_KEPT_WHOLE`).
    marks : list of tuple of int
        Pairs (offset in ``text``, number of step rows before it), in order.
    skipped : Skipped
        Lines left out.
    """

    steps: pd.DataFrame
    format: str = ""
    text: bytes = b""
    marks: list[tuple[int, int]] = field(default_factory=list)
    skipped: Skipped = field(default_factory=Skipped)

    def rows_before(self, offset: int) -> int:
        """Count the step rows that stand before the given offset of ``text``."""
        at = bisect_right(self.marks, offset, key=lambda mark: mark[0]) - 1
        return self.marks[at][1] if at >= 0 else 0


def step_table(columns: dict[str, np.ndarray]) -> pd.DataFrame:
    """Make a step table of arrays, that of statuses given as places in :data:`STATUSES`; nothing is copied."""
    status = pd.Categorical.from_codes(columns["episode_status"], dtype=_STATUS_TYPE)
    return pd.DataFrame(columns | {"episode_status": status}, copy=False)


def with_columns(steps: pd.DataFrame, **columns: np.ndarray) -> pd.DataFrame:
    """Put columns into a step table without a copy of them, such as assigning arrays makes."""
    return steps.assign(
        **{name: pd.Series(column, steps.index, copy=False) for name, column in columns.items()}
    )


def empty_steps() -> pd.DataFrame:
    """Return a step table without rows, with the types that readers give."""
    return _Table().frame()


@dataclass
class Place:
    """Where reading stands between two blocks of a file: all that it needs to go on there later.

    Attributes
    ----------
    rest : bytes
        Beginning of the line in which the last block ended.
    passing_over : bool
        That line is overlong, and its end is still to come.
    form, first_form : StepFormat or None
        Vintage of the newest step lines, and of the first.
    text_size : int
        Bytes of text between step lines that were kept.
    """

    rest: bytes = b""
    passing_over: bool = False
    form: StepFormat | None = None
    first_form: StepFormat | None = None
    text_size: int = 0


class GrowingSteps:
    """The step rows of a file that is still being written.

    Whole blocks are parsed once. What stands after the last of them is held and parsed again with what
    follows, so that the answer is at any moment the one that reading the whole file gives, its last line cut
    off or not; the work of going on is that of what is new and of one block at most.

    Parameters
    ----------
    read : callable
        :func:`read_step_log` or :func:`read_step_csv`.
    block : int
        Bytes of a block, those that the function reads at a time.
    """

    def __init__(self, read: Callable[..., StepFile], block: int):
        self._read, self._block = read, block
        self._parts: list[StepFile] = []
        self._place = Place()
        self._parsed = 0
        self._open = b""

    @property
    def size(self) -> int:
        """Bytes of the file taken so far; the next must follow on them."""
        return self._parsed + len(self._open)

    @property
    def held(self) -> int:
        """Bytes held because they are not a whole block yet."""
        return len(self._open)

    def add(self, data: bytes) -> None:
        """Take the bytes of the file that follow.

        Raises
        ------
        LogError
            As the function that reads does.
        """
        self._open += data
        whole = len(self._open) // self._block * self._block
        if whole:
            place = replace(self._place)
            file = io.BytesIO(self._open[:whole])
            self._parts.append(self._read(file, block=self._block, place=place, at_end=False))
            self._place, self._open = place, self._open[whole:]
            self._parsed += whole

    def let_go(self) -> None:
        """Free the bytes that are held; they count as not taken, and must be given again with those that follow."""
        self._open = b""

    def file(self) -> StepFile:
        """Return what reading the whole file gives.

        Raises
        ------
        LogError
            As the function that reads does.
        """
        last = self._read(io.BytesIO(self._open), block=self._block, place=replace(self._place))
        parts, skipped, marks = [*self._parts, last], Skipped(), []
        texts = accumulate((len(part.text) for part in parts), initial=0)
        rows = accumulate((len(part.steps) for part in parts), initial=0)
        for part, text, row in zip(parts, texts, rows, strict=False):
            skipped.update(part.skipped)
            marks += [(text + offset, row + before) for offset, before in part.marks]
        steps = pd.concat([part.steps for part in parts], ignore_index=True)
        return StepFile(steps, last.format, b"".join(part.text for part in parts), marks, skipped)


def read_step_log(
    file: BinaryIO, block: int = BLOCK, place: Place | None = None, at_end: bool = True
) -> StepFile:
    """Read the step lines of a log of any vintage, and keep its other lines.

    Parameters
    ----------
    file : binary file
        Opened for reading; read once, front to back.
    block : int
        Bytes to read at a time.
    place : Place, optional
        Where reading stopped before, to go on from there; it is moved on.
    at_end : bool
        False: more will follow, so the line that the file ends in the middle of waits in `place`.

    Returns
    -------
    StepFile
        All readable steps; a line that cannot be read never stops the rest.
    """
    place = place or Place()
    skipped = Skipped()
    text = bytearray()
    form, first_form = place.form, place.first_form
    with _Parser(skipped) as parser:
        for chunk, whole in _whole_lines(file, block, skipped, place, at_end):
            lines, gaps = _cut_out(chunk)
            ends = list(accumulate((len(gap) for _, gap in gaps), initial=place.text_size + len(text)))
            fitting = bisect_right(ends, TEXT_KEPT_WHOLE, lo=1) - 1
            gaps[fitting:] = _speaking_lines(gaps[fitting:])
            marks = []
            for before, gap in gaps:
                marks.append((len(text), before))
                text += gap
            # What is left of a cut line can look like an older vintage.
            if lines and (whole or form is None):
                form = _vintage(lines[: _GLANCE if form else _SAMPLE], form)
            first_form = first_form or form
            parser.add(lines, form, whole, marks)
    place.form, place.first_form = form, first_form
    place.text_size += len(text)
    name = first_form.name if first_form else ""
    return StepFile(parser.table.frame(), name, bytes(text), parser.marks, skipped)


def read_step_csv(
    file: BinaryIO,
    name: str = "CSV file",
    block: int = CSV_BLOCK,
    place: Place | None = None,
    at_end: bool = True,
) -> StepFile:
    """Read a sim-trace CSV file by its header; where several files were joined, by each header in turn.

    Parameters
    ----------
    file : binary file
        Opened for reading; read once, front to back.
    name : str
        Used in the message of an error.
    block : int
        Bytes to read at a time.
    place, at_end
        As in :func:`read_step_log`.

    Returns
    -------
    StepFile

    Raises
    ------
    LogError
        The header lacks a column without which a step means nothing.
    """
    place = place or Place()
    skipped = Skipped()
    form = place.form
    with _Parser(skipped) as parser:
        for chunk, whole in _whole_lines(file, block, skipped, place, at_end):
            for lines in _by_header(chunk):
                if _CSV_HEADER.match(lines):
                    header, _, lines = lines.partition(b"\n")
                    if form:
                        skipped.add(REPEATED_HEADER, header)
                    try:
                        form = csv_format(header, name)
                    except LogError:
                        if form is None:
                            raise
                if form and lines and not lines.isspace():
                    parser.add(lines, form, whole)
    if form is None:
        raise LogError(
            f"{name} has no header line with the simulator's columns ({', '.join(list(STEP_COLUMNS)[:4])}, ...)."
        )
    place.form = form
    return StepFile(parser.table.frame(), form.name, skipped=skipped)


def _by_header(chunk: bytes) -> Iterator[bytes]:
    """Part a block of a CSV file before each header line."""
    begin, at = 0, chunk.find(b"episode")
    while at >= 0:
        line = chunk.rfind(b"\n", 0, at) + 1
        if line > begin and _CSV_HEADER.match(chunk, line):
            yield chunk[begin:line]
            begin = line
        # Only the word is looked for, and a line is tested once: looking at every line takes longer than parsing it.
        end = chunk.find(b"\n", at)
        at = chunk.find(b"episode", end) if end >= 0 else -1
    yield chunk[begin:]


def _whole_lines(
    file: BinaryIO, block: int, skipped: Skipped, place: Place, at_end: bool
) -> Iterator[tuple[bytes, bool]]:
    r"""Yield blocks that end where a line ends, and last the line that the file ends in the middle of (False).

    Lines end with \n there, however they did in the file.
    """
    rest, passing_over = place.rest, place.passing_over
    while chunk := file.read(block):
        if b"\r" in chunk:
            # A pair that two blocks part becomes a blank line, which says nothing.
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if passing_over:
            end = chunk.find(b"\n") + 1
            if not end:
                continue
            chunk, passing_over = chunk[end:], False
        cut = chunk.rfind(b"\n") + 1
        if cut:
            yield b"".join((rest, memoryview(chunk)[:cut])) if rest or cut < len(chunk) else chunk, True
            rest = chunk[cut:]
        else:
            rest += chunk
        if len(rest) > LONGEST_LINE:
            skipped.add(OVERLONG, rest[:200])
            rest, passing_over = b"", True
    place.rest, place.passing_over = rest, passing_over
    if rest and at_end:
        yield rest, False


def _cut_out(chunk: bytes) -> tuple[bytes, list[tuple[int, bytes]]]:
    """Take the step lines out of a block: the lines, and the text between them as (lines before, text)."""
    # Step lines come in long runs, which are taken whole. The beginnings of all lines are judged at once: numpy needs
    # half the time of a search for the end of each run, and lets the threads that parse go on.
    starts = np.append(0, np.flatnonzero(np.frombuffer(chunk, np.uint8) == ord("\n")) + 1)
    is_step = np.zeros(len(starts) + 2, dtype=bool)
    is_step[1:-1] = _begin_steps(chunk, starts)
    edges = np.flatnonzero(is_step[1:] != is_step[:-1])
    numbers, places = edges.tolist(), np.append(starts, len(chunk))[edges].tolist()
    runs, gaps = [], []
    view = memoryview(chunk)
    taken, last = 0, 0
    for first, behind, begin, end in zip(numbers[::2], numbers[1::2], places[::2], places[1::2], strict=True):
        gap = chunk[last:begin]
        # Lines that carry more than the step, and blank lines between them, are cut out one by one.
        if TOKEN in gap or gap.isspace():
            return _cut_out_singly(chunk)
        gaps.append((taken, gap))
        runs.append(view[begin:end])
        taken += behind - first
        last = end
    rest = chunk[last:]
    if TOKEN in rest:
        return _cut_out_singly(chunk)
    return b"".join(runs), [gap for gap in (*gaps, (taken, rest)) if gap[1]]


def _begin_steps(chunk: bytes, starts: np.ndarray) -> np.ndarray:
    """Tell which of the lines that start at these places begin with the token."""
    # The token as two words of eight bytes that overlap, held against the words at each start of a line.
    size, behind = 8, len(TOKEN) - 8
    found = np.zeros(len(starts), dtype=bool)
    fitting = starts[: np.searchsorted(starts, len(chunk) - len(TOKEN), side="right")]
    if len(fitting):
        words = np.ndarray((len(chunk) - size + 1,), np.uint64, chunk, strides=(1,))
        head, tail = np.frombuffer(TOKEN[:size] + TOKEN[-size:], np.uint64)
        found[: len(fitting)] = (words[fitting] == head) & (words[fitting + behind] == tail)
    return found


def _cut_out_singly(chunk: bytes) -> tuple[bytes, list[tuple[int, bytes]]]:
    """Do as `_cut_out`, for any block; what stands before a step on its line is dropped."""
    pieces = _STEP_LINE.split(chunk)
    pieces[:-1:2] = [piece[: piece.rfind(b"\n") + 1] for piece in pieces[:-1:2]]
    return b"".join(pieces[1::2]), [gap for gap in enumerate(pieces[::2]) if gap[1]]


def _speaking_lines(gaps: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Keep the lines that tell something about a job."""
    text = b"".join(gap for _, gap in gaps)
    starts = list(accumulate((len(gap) for _, gap in gaps), initial=0))
    ends = {}
    for word in _SPEAKING:
        at = text.find(word)
        while at >= 0:
            end = text.find(b"\n", at) + 1 or len(text)
            ends[text.rfind(b"\n", 0, at) + 1] = end
            at = text.find(word, end)
    return [
        (gaps[bisect_right(starts, begin) - 1][0], text[begin:end]) for begin, end in sorted(ends.items())
    ]


def _vintage(lines: bytes, known: StepFormat | None) -> StepFormat | None:
    """Vintage of most of the first step lines of a block, given that of the blocks before."""
    sample = _clean(lines).decode("ascii").split("\n")[:50]
    sample = [fields_of(line.removeprefix(TOKEN.decode())) for line in sample]
    # Lines of one kind stand together: three that agree with what was known need no others.
    if known and len(sample) > 3 and all(map(known.matches, sample[:3])):
        return known
    found = Counter(form for fields in sample if (form := identify(fields)))
    return found.most_common(1)[0][0] if found else known


def _clean(lines: bytes) -> bytes:
    """Strip what exports put around a message, and write actions ``[a, b]`` as ``[a b]``: one field."""
    if not lines.isascii():
        # A step has no other characters, and pyarrow stumbles over broken ones.
        lines = lines.decode("ascii", "replace").encode("ascii", "replace")
    if b"\t" in lines:
        lines = _AFTER_TAB.sub(b"", lines)
    if b'"' in lines:
        lines = _AFTER_MESSAGE.sub(rb"\1", lines.replace(b'""', b"")).replace(b'"', b"")
    if b"[" in lines:
        lines = _COMMA_IN_ACTION.sub(rb"[\1 \2]", lines)
    return lines


class _Table:
    """The step table while it grows: blocks are copied into it and let go of, so that a row is held once."""

    def __init__(self) -> None:
        self.rows = 0
        self._columns = {name: np.empty(0, dtype=about.kind) for name, about in STEP_COLUMNS.items()}

    def append(self, block: dict[str, np.ndarray]) -> None:
        """Add the rows of a block."""
        end = self.rows + len(block[_LINE])
        for name, column in self._columns.items():
            if end > len(column):
                # Large arrays grow in place, by pages that the system maps elsewhere: nothing is copied.
                column.resize(max(end, len(column) * 9 // 8), refcheck=False)
            column[self.rows : end] = block[name]
        self.rows = end

    def frame(self) -> pd.DataFrame:
        """Give the whole table; nothing can be added to it after that."""
        for column in self._columns.values():
            column.resize(self.rows, refcheck=False)
        return step_table(self._columns)


class _Parser:
    """Parses blocks of rows beside the thread that cuts them out.

    Cutting holds the interpreter, pyarrow releases it: two threads keep two cores busy. Once the parser is
    closed, ``table`` holds the rows of all blocks and ``marks`` pairs (offset in the text, rows before it), both
    in order; lines left out are counted in ``skipped``.
    """

    def __init__(self, skipped: Skipped) -> None:
        self.skipped = skipped
        self.table = _Table()
        self.marks: list[tuple[int, int]] = []
        self._pool = ThreadPoolExecutor(max_workers=2)
        self._pending: list[tuple[Future, tuple[int, ...]]] = []

    def __enter__(self) -> "_Parser":
        return self

    def __exit__(self, *_) -> None:
        with self._pool:
            while self._pending:
                self._collect()

    def add(
        self, lines: bytes, form: StepFormat | None, whole: bool, marks: list[tuple[int, int]] | None = None
    ) -> None:
        """Parse one more block.

        ``whole`` is False for the line that a file ends in the middle of; ``marks`` are pairs (offset in the text,
        number of the ``lines`` before it).
        """
        offsets, ends = zip(*marks, strict=True) if marks else ((), ())
        self._pending.append((self._pool.submit(_parse, lines, form, whole, ends), offsets))
        if len(self._pending) > 3:
            self._collect()

    def _collect(self) -> None:
        parsed, offsets = self._pending.pop(0)
        block, rows, skipped = parsed.result()
        self.marks += [(offset, self.table.rows + row) for offset, row in zip(offsets, rows, strict=True)]
        self.table.append(block)
        self.skipped.update(skipped)


def _parse(
    lines: bytes, form: StepFormat | None, whole: bool, ends: Sequence[int]
) -> tuple[dict[str, np.ndarray], list[int], Skipped]:
    """Parse a block; also, the number of rows before each of ``ends``, which are numbers of lines."""
    skipped = Skipped()
    lines = _clean(lines)
    if lines and not whole and form:
        before, _, last = lines.rpartition(TOKEN)
        if not is_whole(last.decode("ascii"), form):
            skipped.add(CUT_OFF, last)
            lines = before
    block = _parse_rows(lines, form, skipped)
    return block, np.searchsorted(block[_LINE], ends).tolist(), skipped


def _parse_rows(lines: bytes, form: StepFormat | None, skipped: Skipped) -> dict[str, np.ndarray]:
    """Parse rows of one vintage; those of another number of fields are read one by one or counted."""
    parts: list[dict[str, np.ndarray]] = []
    odd: list[tuple[int, str]] = []
    before = 0
    todo = [lines]
    if form is None:
        todo, odd = [], list(enumerate(lines.decode("ascii").split("\n")))
    while todo:
        piece = todo.pop()
        if not piece or piece.isspace():
            continue
        try:
            table, odd_here = _read(piece, form)
            columns = _typed(table)
            good = slice(None)
        except (pa.ArrowInvalid, ValueError):
            # One unreadable value fails the whole piece: halving leaves few rows to be judged one by one.
            middle = piece.find(b"\n", len(piece) // 2) + 1
            if len(piece) > _SAMPLE and 0 < middle < len(piece):
                todo += [piece[middle:], piece[:middle]]
                continue
            table, odd_here = _read(piece, form, as_text=True)
            columns, good = _judged(table, skipped)
        count = table.num_rows + len(odd_here)
        number = np.arange(before, before + count, dtype="int32")
        if odd_here:
            number = np.delete(number, [at for at, _ in odd_here])
        columns[_LINE] = number[good]
        if form.radians:
            _to_degrees(columns)
        parts.append(columns)
        odd += [(before + at, line) for at, line in odd_here]
        before += count
    parts += _parse_odd(odd, form, skipped)
    return _join(parts, in_order=not odd)


def _read(lines: bytes, form: StepFormat, as_text: bool = False) -> tuple[pa.Table, list[tuple[int, str]]]:
    """Hand rows to pyarrow: the table, and (place, text) of each row with another number of fields."""
    odd: list[tuple[int, str]] = []

    def keep_odd(row) -> str:
        odd.append((row.number - 1, row.text))
        return "skip"

    wanted = [name for name in form.fields if name in STEP_COLUMNS]
    if b",[" in lines[: 1 << 12]:
        wanted.remove("action")
    text = pa.binary()
    # CSV files of some years print counters as 1.0, which an integer column refuses; 0x10 it takes for a number.
    first = dict(zip(form.fields, lines[: lines.find(b"\n")].split(b","), strict=False))
    hexadecimal = b"x" in lines or b"X" in lines
    types = {
        name: text
        if as_text
        else _arrow_type(name, whole=not hexadecimal and b"." not in first.get(name, b""))
        for name in wanted
    }
    if lines.startswith(TOKEN) and not as_text:
        # The token stays before the first number: taking it off a few distinct words is quicker than off all rows.
        types["episode"] = pa.dictionary(pa.int32(), text)
    table = pa_csv.read_csv(
        pa.BufferReader(lines),
        read_options=pa_csv.ReadOptions(
            column_names=list(form.fields), block_size=len(lines) + 1, use_threads=False
        ),
        parse_options=pa_csv.ParseOptions(quote_char=False, invalid_row_handler=keep_odd),
        convert_options=pa_csv.ConvertOptions(
            column_types=types,
            include_columns=wanted,
            check_utf8=False,
            null_values=[""],
        ),
    )
    return table, odd


def _arrow_type(name: str, whole: bool) -> pa.DataType:
    """Type to read a column with; ``whole``: a counter may be read as an integer, which is quicker."""
    if name == "episode_status":
        # The few distinct words are looked at once each, not once a row.
        return pa.dictionary(pa.int32(), pa.binary())
    kinds = {"bool": pa.bool_(), "float32": pa.float32(), "float64": pa.float64()}
    return kinds.get(STEP_COLUMNS[name].kind, pa.int32() if whole else pa.float64())


def _typed(table: pa.Table) -> dict[str, np.ndarray]:
    """Arrays of a table read with types; ValueError when a value is missing or out of range."""
    columns = {}
    for name in table.column_names:
        column, about = table[name], STEP_COLUMNS[name]
        if name == "episode_status":
            column = column.unify_dictionaries().combine_chunks()
            words = [(word or b"").decode("ascii") for word in column.dictionary.to_pylist()]
            codes = np.array([*map(status_code, words), about.default], dtype=about.kind)
            columns[name] = codes[column.indices.fill_null(len(words)).to_numpy()]
            continue
        if column.null_count:
            raise ValueError(name)
        if pa.types.is_dictionary(column.type):
            column = column.unify_dictionaries().combine_chunks()
            words = [word.removeprefix(TOKEN) for word in column.dictionary.to_pylist()]
            if not all(map(bytes.isdigit, words)):
                raise ValueError(name)
            values = np.array([float(word) for word in words])[column.indices.to_numpy()]
        else:
            values = column.to_numpy()
        # Written so that a NaN fails too.
        if len(values) and not (values.min() >= about.low and values.max() <= about.high):
            raise ValueError(name)
        columns[name] = values.astype(about.kind, copy=False)
        if about.kind.startswith("int") and values.dtype.kind == "f" and (columns[name] != values).any():
            raise ValueError(name)
    return columns


def _judged(table: pa.Table, skipped: Skipped) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Arrays of a table read as text, without the rows in which something needed cannot be read.

    Returns
    -------
    columns : dict
    good : numpy.ndarray of bool
        Which rows of the table they hold.
    """
    texts = {
        name: pd.Series(
            [(value or b"").removeprefix(TOKEN).decode("ascii") for value in table[name].to_pylist()],
            dtype="str",
        )
        for name in table.column_names
    }
    columns = {}
    good = np.ones(table.num_rows, dtype=bool)
    for name, text in texts.items():
        about = STEP_COLUMNS[name]
        text = text.str.strip()
        if name == "episode_status":
            values = text.map(status_code).to_numpy()
        elif about.kind == "bool":
            values = text.str.lower().map({"true": 1.0, "false": 0.0}).to_numpy(dtype="float64")
        else:
            values = pd.to_numeric(text, errors="coerce").to_numpy(dtype="float64", na_value=np.nan)
            right = (values >= about.low) & (values <= about.high)
            if about.kind.startswith("int"):
                right &= values == np.floor(values)
            values = np.where(right, values, np.nan)
        if about.default is None:
            good &= np.isfinite(values)
        else:
            values = np.where(np.isfinite(values), values, about.default)
        columns[name] = values
    if not good.all():
        first = int(np.argmin(good))
        skipped.add(BAD_NUMBER, ",".join(text[first] for text in texts.values()), int((~good).sum()))
    return {name: values[good].astype(STEP_COLUMNS[name].kind) for name, values in columns.items()}, good


def _parse_odd(
    odd: list[tuple[int, str]], form: StepFormat | None, skipped: Skipped
) -> list[dict[str, np.ndarray]]:
    """Read rows whose number of fields is not the block's: another vintage, or lines glued together."""
    readable: dict[StepFormat, list[tuple[int, str]]] = {}
    for number, line in odd:
        pieces = [piece for piece in line.split(TOKEN.decode()) if piece.strip()]
        for piece in pieces:
            found = identify(fields_of(piece))
            if found is None:
                skipped.add(NOT_A_STEP, piece)
            elif (form and found is not form and form.fields[: len(found.fields)] == found.fields) or (
                piece is not pieces[-1] and not is_whole(piece, found)
            ):
                skipped.add(CUT_OFF, piece)
            else:
                readable.setdefault(found, []).append((number, piece))
    parts = []
    for found, rows in readable.items():
        columns = _parse_rows("\n".join(row for _, row in rows).encode("ascii"), found, skipped)
        columns[_LINE] = np.array([number for number, _ in rows], dtype="int32")[columns[_LINE]]
        parts.append(columns)
    return parts


def _to_degrees(columns: dict[str, np.ndarray]) -> None:
    for name in ("yaw", "steering_angle"):
        columns[name] = np.degrees(columns[name])


def _join(parts: list[dict[str, np.ndarray]], in_order: bool = True) -> dict[str, np.ndarray]:
    """Join parts of a block, each column of the step table whether the vintage writes it or not."""
    parts = parts or [{_LINE: np.empty(0, dtype="int32")}]
    for part in parts:
        for name, about in STEP_COLUMNS.items():
            if name not in part:
                part[name] = np.full(len(part[_LINE]), about.default or 0, dtype=about.kind)
    if len(parts) == 1:
        return parts[0]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in (*STEP_COLUMNS, _LINE)}
    if in_order:
        return columns
    order = np.argsort(columns[_LINE], kind="stable")
    return {name: values[order] for name, values in columns.items()}

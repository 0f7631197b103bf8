"""Where bytes come from: folders, archives, loose files and uploads, seen as one row of members.

Nothing is ever unpacked to disk, and every limit on what an archive may hold is a constant of this module.
"""

import io
import os
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from deepracer_viz.logs.archives import Gunzip, tar_files
from deepracer_viz.logs.errors import LogError

MAX_UNPACKED = 16 << 30
"""Bytes that one source may unpack to."""

MAX_RATIO = 100
"""Times its own size that one source may unpack to; logs unpack to 5 to 20 times."""

UNPACKED_ANYWAY = 64 << 20
"""Bytes that one source may unpack to whatever the ratio: the little that small files make is no danger."""

MAX_MEMBERS = 100_000
"""Files, folders and links that the archives and folders of one source may hold together."""

MAX_NESTING = 4
"""Archives inside archives are opened this deep; a .tar.gz counts as two."""

MAX_HELD = 512 << 20
"""Bytes of a zip inside another archive, which must be held in memory because it is read from its end."""

MAX_ZIP_LIST = 24 << 20
"""Bytes of a zip's list of what it holds; that of :data:`MAX_MEMBERS` files with long names is as large."""

DAMAGED = "is cut off or damaged"
"""How every problem of a file that ends too early reads."""

BAD_ARCHIVE = (
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    struct.error,
    zlib.error,
    tarfile.TarError,
    zipfile.BadZipFile,
)
"""What the archive modules raise on damaged or encrypted input."""

# The others are rare, and unpack without a bound on what one call gives.
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_MAGIC = 512  # bytes of a file that tell whether it is an archive
_PIECE = 1 << 16  # bytes asked for in one call
_ARCHIVE = re.compile(r"(?i)\.(?:tar\.gz|tgz|tar|zip)$")
_MODEL_FILE = re.compile(r"(?i)\.(?:tar\.gz|tgz|tar|zip|log|csv|log\.gz)$")

Source = str | os.PathLike | Iterable
"""A path, a pair (file name, binary file) as an upload gives it, or any number of these."""

Progress = Callable[[int, int], None]

TopFile = tuple[str, Callable[[], BinaryIO], int]
"""A file as it lies in its folder: the name inside the source, what opens it, its size (bytes)."""


class MemberFile(io.RawIOBase):
    """A member's bytes, read front to back; damage ends the file early instead of raising.

    Attributes
    ----------
    size : int
        Bytes read so far.
    problem : str
        What went wrong, empty when nothing did.
    """

    def __init__(self, file: BinaryIO, budget: "_Budget | None" = None):
        self._file = file
        self._read_some = getattr(file, "read1", file.read)
        self._budget = budget
        self._beginning = b""
        self.size = 0
        self.problem = ""

    def readable(self) -> bool:
        """Say that this file can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read ``size`` bytes, or everything; fewer only at the end, or where damage ends the file."""
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        pieces, held = [self._beginning] if self._beginning else [], len(self._beginning)
        while held < size and not self.problem and (piece := self._next_piece(size - held)):
            pieces.append(piece)
            held += len(piece)
        read = b"".join(pieces)
        # A file that changes its encoding can give more than it was asked for.
        read, self._beginning = read[:size], read[size:]
        self.size += len(read)
        return read

    def peek(self, size: int) -> bytes:
        """Look at the next ``size`` bytes without taking them."""
        if len(self._beginning) < size:
            read = self.read(size)
            self._beginning = read + self._beginning
            self.size -= len(read)
        return self._beginning[:size]

    def random_access(self) -> BinaryIO:
        """Give the same file for reading in any order: in place where possible, else held in memory."""
        if isinstance(self._file, _CountingFile):
            return self._file
        held = self.read(MAX_HELD)
        if self.peek(1):
            raise _LimitReached(
                f"a zip inside another archive may have {_megabytes(MAX_HELD)}, this one has more"
            )
        return io.BytesIO(held)

    def _next_piece(self, size: int) -> bytes:
        try:
            # What one call gives is safe; of a packed file a longer one would lose more where damage follows.
            piece = self._read_some(size if isinstance(self._file, _CountingFile) else min(size, _PIECE))
        except BAD_ARCHIVE as error:
            self.problem = f"the file {DAMAGED} ({error or type(error).__name__})"
            return b""
        if self._budget and not self._budget.take(len(piece)):
            self.problem = f"reading stopped: the source unpacks to more than {self._budget.limit}"
            return b""
        return piece


@dataclass
class Member:
    """One file of a source.

    Attributes
    ----------
    name : str
        Path inside the source, with forward slashes.
    file : MemberFile
        Its bytes; valid only until the next member is asked for.
    """

    name: str
    file: MemberFile


@dataclass
class Members:
    """All members of a source, in a fixed order, and what went wrong on the way.

    In a folder, hidden files and links are passed over.

    Attributes
    ----------
    source : path, (file name, binary file), or an iterable of these
    on_progress : callable, optional
        Called as ``on_progress(done_bytes, total_bytes)``, bytes as stored; the last call has both equal.
    problems : list of tuple of str
        Pairs (name, what went wrong), filled while iterating.
    consequences : set of str
        Names whose problem only follows from that of the archive around them.
    """

    source: Source
    on_progress: Progress | None = None
    problems: list[tuple[str, str]] = field(default_factory=list)
    consequences: set[str] = field(default_factory=set)
    _told: set[str] = field(default_factory=set, init=False, repr=False)

    def __iter__(self) -> Iterator[Member]:
        """Yield each file; archives are opened and their files yielded instead."""
        tops = list(top_files(entries_of(self.source)))
        total = sum(size for _, _, size in tops)
        meter = _Meter(total, self.on_progress)
        budget = _Budget.of(total)
        for top in tops:
            yield from self._inside(top, meter, budget, alone=len(tops) == 1)

    def inside(self, top: TopFile, alone: bool) -> Iterator[Member]:
        """Yield what one file of the source holds.

        Parameters
        ----------
        top : TopFile
        alone : bool
            It is the only file of the source: paths inside it need no name in front.
        """
        size = top[2]
        return self._inside(top, _Meter(size, self.on_progress), _Budget.of(size), alone)

    def _inside(self, top: TopFile, meter: "_Meter", budget: "_Budget", alone: bool) -> Iterator[Member]:
        name, opener, size = top
        try:
            raw = opener()
        except OSError as error:
            self._tell(name, f"cannot be opened ({error.strerror or error})")
            meter.finish(size)
            return
        try:
            file = MemberFile(_CountingFile(raw, meter, size))
            yield from self._unfold(name, file, budget, depth=0, alone=alone)
            if file.problem and name not in self._told:
                self._tell(name, file.problem)
        finally:
            # A file that was handed in belongs to whoever opened it.
            if not isinstance(opener, _Handed):
                raw.close()
        meter.finish(size)

    def _unfold(
        self, name: str, file: MemberFile, budget: "_Budget", depth: int, alone: bool
    ) -> Iterator[Member]:
        is_tar, is_gzip, is_zip = _packed_as(file.peek(_MAGIC))
        if not (is_tar or is_gzip or is_zip):
            # What lies in an archive was counted there.
            if depth > 0 or self._may_go_on(name, budget):
                yield Member(name, file)
            return
        if depth >= MAX_NESTING:
            self._tell(name, f"archives nested more than {MAX_NESTING} deep are not opened")
            return
        begun = len(self.problems)
        if is_gzip:
            unpacked = MemberFile(Gunzip(file), budget)
            yield from self._unfold(name.removesuffix(".gz"), unpacked, budget, depth + 1, alone)
            if unpacked.problem:
                self._broke_off(name, unpacked.problem, begun)
            return
        # Paths inside the only archive of a source need no archive name in front.
        prefix = "" if alone else f"{name}/"
        try:
            for inside in self._zip_members(file, name, prefix) if is_zip else tar_files(file):
                if not self._may_go_on(name, budget):
                    return
                # Links and devices carry no log; following a link could lead anywhere.
                if inside is None:
                    continue
                member_name, opened = prefix + _clean_name(inside[0]), inside[1]
                # Only unpacking makes bytes out of nothing; what a tar holds was counted before.
                member = MemberFile(opened, budget if is_zip else None)
                yield from self._unfold(member_name, member, budget, depth + 1, alone=False)
                if member.problem:
                    self._tell(member_name, member.problem)
                if budget.size < 0:
                    return
        except _LimitReached as limit:
            self._tell(name, str(limit))
        except BAD_ARCHIVE as error:
            self._broke_off(name, f"the archive {DAMAGED} ({error or type(error).__name__})", begun)

    def _tell(self, name: str, problem: str) -> None:
        """Note a problem."""
        self.problems.append((name, problem))
        self._told.add(name)

    def _may_go_on(self, name: str, budget: "_Budget") -> bool:
        """Count one more file; False, said once, when there were too many."""
        budget.members -= 1
        if budget.members == -1:
            self._tell(name, f"only the first {MAX_MEMBERS:,} files were looked at")
        return budget.members >= 0

    def _broke_off(self, name: str, problem: str, begun: int) -> None:
        """Note that an archive broke off, and with it whatever was being read inside it."""
        self.consequences |= {inside for inside, what in self.problems[begun:] if DAMAGED in what}
        self._tell(name, problem)

    def _zip_members(self, file: MemberFile, name: str, prefix: str) -> Iterator[tuple[str, BinaryIO] | None]:
        """Yield the files of a zip, and None for each folder; what cannot be opened is told and passed over."""
        with zipfile.ZipFile(_ZipSource(file.random_access())) as archive:
            infos = archive.infolist()
            locked = sum(info.flag_bits & 1 for info in infos)
            if locked:
                self._tell(
                    name,
                    f"{locked:,} of its {len(infos):,} files are encrypted and were not read; unpack it with its "
                    "password and load what was inside",
                )
            odd = sum(info.compress_type not in _ZIP_METHODS for info in infos)
            if odd:
                self._tell(
                    name,
                    f"{odd:,} of its {len(infos):,} files are packed by an unusual method and were not read; "
                    "unpack it and load what was inside",
                )
            for info in infos:
                if info.is_dir() or info.flag_bits & 1 or info.compress_type not in _ZIP_METHODS:
                    yield None
                    continue
                try:
                    opened = archive.open(info)
                except BAD_ARCHIVE as error:
                    self._tell(prefix + _clean_name(info.filename), f"the file {DAMAGED} ({error})")
                    yield None
                    continue
                with opened:
                    yield info.filename, opened


@dataclass
class _Budget:
    """What one source may still unpack, and the limit in words."""

    size: int
    members: int
    limit: str

    @classmethod
    def of(cls, stored: int) -> "_Budget":
        """What a source of ``stored`` bytes may unpack to."""
        by_ratio = max(MAX_RATIO * stored, UNPACKED_ANYWAY)
        if by_ratio < MAX_UNPACKED:
            limit = f"{_megabytes(by_ratio)}, which no log of its size ({_megabytes(stored)}) does"
        else:
            limit = _megabytes(MAX_UNPACKED)
        return cls(min(by_ratio, MAX_UNPACKED), MAX_MEMBERS, limit)

    def take(self, count: int) -> bool:
        self.size -= count
        return self.size >= 0


class _LimitReached(Exception):
    """A limit of this module was reached; the message says which."""


class _ZipSource:
    """A zip's bytes, refusing the one long read that an endless list of files causes."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > MAX_ZIP_LIST:
            raise _LimitReached(f"the zip's list of files is longer than {_megabytes(MAX_ZIP_LIST)}")
        return self._file.read(size)


def _megabytes(size: int) -> str:
    return f"{size / (1 << 20):,.0f} MB" if size >= 1 << 20 else f"{size:,} bytes"


class _Meter:
    """Reports how many bytes of the source (as stored) were read, in steps that are worth showing."""

    def __init__(self, total: int, on_progress: Progress | None):
        self.total = total
        self.before = 0
        self.told = -1
        self.on_progress = on_progress

    def report(self, position: int) -> None:
        done = self.before + position
        if (
            self.on_progress
            and done > self.told
            and (done - self.told >= self.total / 200 or done == self.total)
        ):
            self.told = done
            self.on_progress(done, self.total)

    def finish(self, size: int) -> None:
        self.before += size
        self.report(0)


class _CountingFile:
    """Tells the meter about every read."""

    def __init__(self, file: BinaryIO, meter: _Meter, size: int):
        self._file = file
        self._meter = meter
        self._size = size
        self._read = 0
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        out = self._file.read(size)
        self._read += len(out)
        # A zip's directory is read twice.
        self._meter.report(min(self._read, self._size))
        return out


def entries_of(source: Source) -> list:
    """Take a source apart into paths and (file name, binary file) pairs.

    Parameters
    ----------
    source : path, (file name, binary file), or an iterable of these
        Anything that can be iterated will do, a generator too.

    Returns
    -------
    list
    """
    if isinstance(source, str | os.PathLike):
        return [source]
    if isinstance(source, tuple) and len(source) == 2 and hasattr(source[1], "read"):
        return [source]
    return list(source)


def _clean_name(name: str) -> str:
    """Path inside an archive without anything that points elsewhere; only ever shown, never opened."""
    # Names in odd encodings come with surrogates, which nothing can print.
    name = name.encode("utf-8", "replace").decode("utf-8")
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return "/".join(parts) or "unnamed"


def is_packed(head: bytes) -> bool:
    """Tell by its beginning whether a file is an archive, or packed."""
    return any(_packed_as(head[:_MAGIC]))


def _packed_as(head: bytes) -> tuple[bool, bool, bool]:
    """Whether a file that begins so is a tar, is packed by gzip, is a zip."""
    is_zip = head[:4] in (b"PK\x03\x04", b"PK\x05\x06")
    return head[257:262] == b"ustar", head[:2] == b"\x1f\x8b", is_zip


def top_files(entries: list) -> Iterator[TopFile]:
    """Yield each file that is named and each of the folders that are, these walked in a fixed order.

    In a folder, hidden files and links are passed over.

    Parameters
    ----------
    entries : list
        As :func:`entries_of` gives them.

    Raises
    ------
    LogError
        There is no such file or folder.
    """
    for entry in entries:
        if isinstance(entry, tuple):
            name, file = entry
            yield _clean_name(str(name)), _Handed(file), _size_of(file)
        elif os.path.isdir(entry):
            top = Path(entry)
            # Paths inside the only folder of a source need no folder name in front.
            prefix = f"{top.resolve().name}/" if len(entries) > 1 else ""
            for folder, folders, files in os.walk(top):
                folders[:] = sorted((f for f in folders if not f.startswith(".")), key=natural_key)
                for file_name in sorted(files, key=natural_key):
                    path = Path(folder, file_name)
                    if not file_name.startswith(".") and path.is_file() and not path.is_symlink():
                        name = _clean_name(prefix + path.relative_to(top).as_posix())
                        yield name, _opener(path), path.stat().st_size
        elif os.path.isfile(entry):
            path = Path(entry)
            yield _clean_name(path.name), _opener(path), path.stat().st_size
        else:
            raise LogError(f"There is no file or folder {str(entry)!r}. Check the path and try again.")


def _opener(path: Path) -> Callable[[], BinaryIO]:
    return lambda: path.open("rb")


class _Handed:
    """Gives back a file that somebody else opened and will close."""

    def __init__(self, file: BinaryIO):
        self._file = file

    def __call__(self) -> BinaryIO:
        self._file.seek(0)
        return self._file


def _size_of(file: BinaryIO) -> int:
    file.seek(0, os.SEEK_END)
    return file.tell()


def natural_key(name: str) -> list[tuple[int, int | str]]:
    """Sort key under which ``9-iteration.csv`` comes before ``10-iteration.csv``."""
    pieces = re.split(r"([0-9]{1,18})", name)
    return [(0, int(piece)) if piece.isdecimal() and piece.isascii() else (1, piece) for piece in pieces]


def find_models(folder: str | os.PathLike) -> dict[str, Path]:
    """List the models in a folder: each archive or log file in it, and each folder that holds logs.

    A folder that holds archives stands for a collection: its archives are listed one by one.

    Parameters
    ----------
    folder : path

    Returns
    -------
    dict of str to pathlib.Path
        Path below ``folder`` (with forward slashes, endings dropped) to the file or folder to load, in
        natural order of the names. Empty when the folder does not exist.
    """
    top = Path(folder)
    if not top.is_dir():
        return {}
    models = {}
    for path in sorted(top.iterdir(), key=lambda p: natural_key(p.name)):
        if path.name.startswith(".") or path.is_symlink():
            continue
        if path.is_dir():
            inner = {f"{path.name}/{name}": found for name, found in find_models(path).items()}
            collection = any(found.is_file() and _ARCHIVE.search(found.name) for found in inner.values())
            if collection:
                models |= inner
            elif any(_MODEL_FILE.search(name) for _, _, names in os.walk(path) for name in names):
                models[path.name] = path
        elif _MODEL_FILE.search(path.name):
            name = _MODEL_FILE.sub("", path.name)
            models[path.name if name in models else name] = path
    return models

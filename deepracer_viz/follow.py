"""A training that is still being written: only what is new in its folder is read, and put with the rest."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from deepracer_viz.logs.contents import (
    HEAD,
    FileRead,
    GrowingFile,
    gather,
    growing_kind,
    read_member,
    tell_problems,
)
from deepracer_viz.logs.errors import LogError
from deepracer_viz.logs.report import ReadReport
from deepracer_viz.logs.sources import Members, TopFile, entries_of, top_files
from deepracer_viz.run import TrainingRun, assemble, name_of
from deepracer_viz.track import Track, load_track

MAX_HELD = 64 << 20
"""Bytes of unfinished blocks that are held for all files of a folder; those written longest ago go first."""

_PIECE = 1 << 20  # bytes taken at a time
_CHECKED = (
    1 << 10
)  # bytes at the beginning and before the end that must still be there for a file to have grown
_NOT_READABLE = (0, 0, -1)  # stamp of a file that cannot be opened


@dataclass
class _Watched:
    """One file of the folder and what was read of it."""

    stamp: tuple[int, int, int] = (0, 0, 0)
    head: bytes = b""
    tail: bytes = b""  # the last bytes that were taken
    end: int = 0  # place behind them
    growing: GrowingFile | None = None
    reads: list[FileRead] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    consequences: set[str] = field(default_factory=set)
    doubted: tuple | None = None


class FollowedRun:
    """The run of a folder whose files grow, or of a log that gets longer.

    After each :meth:`update`, :attr:`run` is what :func:`deepracer_viz.load_run` of the same source gives. A log
    or a CSV file is read on from where it ended; it is read from its beginning where it became shorter, is
    another file by its number in the file system, or no longer has the same first and last bytes before that
    place. Any other file is read again when its size or time changes. A JSON file that cannot be read is
    perhaps only half written: what it held before stands until the next look finds it unchanged.

    Parameters
    ----------
    source : path, or an iterable of paths
        A folder or a log.
    name : str, optional
        What to call the model.
    track : Track, path or binary file, or a list of these, optional
        Route files, as in :func:`deepracer_viz.load_run`.

    Attributes
    ----------
    bytes_read : int
        Bytes read from files so far.
    version : int
        Grows by one with every update that found something new.
    came_in : float or None
        Unix time (s) at which the newest of the files that hold drives was written.
    """

    def __init__(
        self,
        source,
        name: str | None = None,
        track: "Track | str | os.PathLike | BinaryIO | list | None" = None,
    ):
        self._entries = entries_of(source)
        self._name = name or name_of(self._entries)
        given = track if isinstance(track, list) else [] if track is None else [track]
        self._routes = [route if isinstance(route, Track) else load_track(route) for route in given]
        self._files: dict[str, _Watched] = {}
        self._run: TrainingRun | None = None
        self._refusal = ""
        self._is_stale = True
        self.bytes_read = 0
        self.version = 0
        self.came_in: float | None = None

    @property
    def run(self) -> TrainingRun:
        """The run as the last update found it.

        Raises
        ------
        LogError
            Nothing of a training was recognised yet, or no update was asked for.
        """
        if self._run is None:
            raise LogError(self._refusal or "Nothing was read yet.")
        return self._run

    def update(self) -> bool:
        """Read what is new.

        Returns
        -------
        bool
            Whether anything was: a file that grew, changed, came or went.

        Raises
        ------
        LogError
            The folder itself is not there.
        """
        tops = list(top_files(self._entries))
        # Whether a file is the only one decides how the paths inside it are named.
        alone = len(tops) == 1
        renamed = alone != (len(self._files) == 1)
        before, self._files = self._files, {}
        new = self._is_stale or before.keys() != {name for name, _, _ in tops}
        for top in tops:
            watched = before.get(top[0]) or _Watched()
            if renamed and watched.growing is None:
                watched = _Watched()
            self._files[top[0]] = watched
            new |= self._look(watched, top, alone)
        if new:
            # Should putting together fail, the next look tries again.
            self._is_stale = True
            self._let_go()
            self._assemble()
            self._is_stale = False
        return new

    def _look(self, watched: _Watched, top: TopFile, alone: bool) -> bool:
        """Read what is new in one file; whether anything was."""
        name, opener, _ = top
        try:
            with opener() as file:
                about = os.fstat(file.fileno())
                stamp = (about.st_ino, about.st_size, about.st_mtime_ns)
                if stamp == watched.stamp:
                    return False
                if not self._read_on(watched, name, file, stamp):
                    return self._read_whole(watched, top, alone, stamp)
        except OSError:
            # The members tell of a file that cannot be opened, or went this very moment.
            return watched.stamp != _NOT_READABLE and self._read_whole(watched, top, alone, _NOT_READABLE)
        watched.stamp = stamp
        return True

    def _read_on(self, watched: _Watched, name: str, file: BinaryIO, stamp: tuple[int, int, int]) -> bool:
        """Take what follows in a log or a CSV file; False for a file that must be taken whole."""
        number, size, _ = stamp
        grown = watched.growing is not None and number == watched.stamp[0] and size > watched.end
        if grown and not self._still_begins_so(watched, file):
            grown = False
        if not grown:
            watched.head, watched.tail, watched.end = b"", b"", 0
        if len(watched.head) < HEAD:
            file.seek(len(watched.head))
            watched.head += self._take(file, min(HEAD, size) - len(watched.head))
        kind = growing_kind(watched.head)
        if kind is None:
            watched.growing = None
            return False
        if not grown or watched.growing.kind != kind:
            watched.growing = GrowingFile(name, kind)
        steps = watched.growing.steps
        if steps.size != watched.end:
            watched.tail = b""
        # The beginning that tells the kind was read already.
        begun = watched.head[steps.size :] if steps.size < len(watched.head) else b""
        try:
            steps.add(begun)
            file.seek(steps.size)
            while steps.size < size and (piece := self._take(file, min(_PIECE, size - steps.size))):
                steps.add(piece)
                begun = (begun + piece)[-_CHECKED:]
        except LogError:
            # Its header cannot be read, and the whole file is refused.
            watched.growing = None
            return False
        watched.tail, watched.end = (watched.tail + begun)[-_CHECKED:], steps.size
        watched.reads, watched.problems, watched.consequences = [watched.growing.read()], [], set()
        return True

    def _still_begins_so(self, watched: _Watched, file: BinaryIO) -> bool:
        beginning = watched.head[:_CHECKED]
        if self._take(file, len(beginning)) != beginning:
            return False
        file.seek(watched.end - len(watched.tail))
        return self._take(file, len(watched.tail)) == watched.tail

    def _take(self, file: BinaryIO, size: int) -> bytes:
        data = file.read(size)
        self.bytes_read += len(data)
        return data

    def _read_whole(self, watched: _Watched, top: TopFile, alone: bool, stamp: tuple[int, int, int]) -> bool:
        members = Members(self._entries)
        reads = [read_member(member) for member in members.inside(top, alone)]
        self.bytes_read += top[2]
        # A file in the middle of being written anew waits for one look.
        if any(read.warning for read in reads) and watched.reads and watched.doubted != stamp:
            watched.doubted = stamp
            return False
        watched.stamp, watched.growing = stamp, None
        watched.reads, watched.problems = reads, members.problems
        watched.consequences = members.consequences
        return True

    def _let_go(self) -> None:
        """Keep the bytes held for unfinished blocks within bounds."""
        growing = [w for w in self._files.values() if w.growing]
        held = 0
        for watched in sorted(growing, key=lambda w: w.stamp[2], reverse=True):
            held += watched.growing.steps.held
            if held > MAX_HELD:
                held -= watched.growing.steps.held
                watched.growing.steps.let_go()

    def _assemble(self) -> None:
        report = ReadReport()
        members = Members(self._entries)
        for watched in self._files.values():
            members.problems += watched.problems
            members.consequences |= watched.consequences
        contents = gather(self._copies(), report)
        tell_problems(members, report)
        try:
            self._run, self._refusal = assemble(contents, report, self._name, self._routes), ""
        except LogError as error:
            self._run, self._refusal = None, str(error)
        files = self._files.values()
        driven = [w for w in files if any(read.entry.steps or read.contents.metrics for read in w.reads)]
        self.came_in = max((w.stamp[2] for w in driven), default=0) / 1e9 or None
        self.version += 1

    def _copies(self) -> Iterator[FileRead]:
        for watched in self._files.values():
            for read in watched.reads:
                yield read.copy()

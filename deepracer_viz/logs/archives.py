"""Gzip files and tar archives, read front to back with bounded memory and linear work.

The standard library's readers trust what they read: its tar reader holds a header of whatever size an archive
claims, keeps every header it has seen, searches headers with patterns that take quadratic time, and ends
without a word at the first header that is damaged; its gzip reader takes the name in a header byte by byte.
Archives of strangers need the opposite, and of tar only plain files and their names.
"""

import io
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

LONGEST_HEADER = 1 << 16
"""Bytes of a name or of other facts that an archive may state about one file; real ones take up to 4 kB."""

MOST_HEADERS = 8
"""Headers in a row that state facts about one file; writers use up to three."""

_BLOCK = tarfile.BLOCKSIZE
_PACKED = 1 << 14  # packed bytes taken at a time
_GZIP = 31  # tells zlib to expect gzip's header and checksum
_PIECE = 1 << 18  # bytes passed over at a time
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_BODILESS = (
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
)
_PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_CLAIMS = (b"path", b"size")  # facts of a pax header that matter here


class Gunzip(io.RawIOBase):
    """The bytes of a gzip file, which may consist of several parts."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self._part = zlib.decompressobj(_GZIP)

    def readable(self) -> bool:
        """Say that this file can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read up to ``size`` bytes, or everything.

        Raises
        ------
        EOFError, zlib.error
            The file is cut off, or damaged: what was read before is good, as far as a checksum has not told
            otherwise at the end of a part.
        """
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        while size:
            if self._part.eof:
                packed = self._next_part()
                if not packed:
                    break
                self._part = zlib.decompressobj(_GZIP)
            else:
                packed = self._part.unconsumed_tail or self._file.read(_PACKED)
                if not packed:
                    raise EOFError("it ends too early")
            if out := self._part.decompress(packed, size):
                return out
        return b""

    def _next_part(self) -> bytes:
        """Bytes from the beginning of the next part; there may be zeros before it, or nothing."""
        packed = self._part.unused_data.lstrip(b"\0")
        while not packed and (more := self._file.read(_PACKED)):
            packed = more.lstrip(b"\0")
        return packed


class _Body(io.RawIOBase):
    """The bytes of one file of the archive."""

    def __init__(self, read: Callable[[int], bytes], size: int):
        self._read = read
        self.left = size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Read up to ``size`` bytes, or everything; EOFError where the archive ends before the file does."""
        wanted = self.left if size is None or size < 0 else min(size, self.left)
        out = self._read(wanted)
        self.left -= len(out)
        if len(out) < wanted and not out:
            raise EOFError("the archive ends inside this file")
        return out


def tar_files(file: BinaryIO) -> Iterator[tuple[str, BinaryIO] | None]:
    """Yield the files of a tar archive in their order.

    Parameters
    ----------
    file : binary file
        Read once, front to back.

    Yields
    ------
    (str, binary file) or None
        Name and bytes of a file, valid until the next is asked for. None for anything else that takes a
        header (folder, link, device), so that whoever asks can count and stop.

    Raises
    ------
    tarfile.ReadError
        Where a header is damaged or the archive ends before its end mark; also where a stated name is longer
        than :data:`LONGEST_HEADER`. What was yielded before is good.
    """
    claims: dict[str, str] = {}
    stated = 0
    while True:
        header = file.read(_BLOCK)
        if len(header) < _BLOCK:
            # Some writers leave the end mark out.
            if header.strip(b"\0"):
                raise tarfile.ReadError("it ends inside a header")
            return
        if not header.strip(b"\0"):
            # Behind the padding stands the checksum of whatever packed the archive.
            while file.read(_PIECE):
                pass
            return
        name, kind, size = _plain_header(header)
        if kind in _PAX or kind in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XGLTYPE):
            if size > LONGEST_HEADER:
                raise tarfile.ReadError(f"a header claims {size:,} bytes")
            data = file.read(_padded(size))[:size]
            if kind in _PAX:
                claims |= _pax_claims(data)
            elif kind == tarfile.GNUTYPE_LONGNAME:
                claims["path"] = data.rstrip(b"\0").decode("utf-8", "surrogateescape")
            stated += 1
            if stated > MOST_HEADERS:
                raise tarfile.ReadError("its headers belong to no file")
            continue
        try:
            size = int(claims.get("size", size))
        except ValueError:
            raise tarfile.ReadError("a header states no size") from None
        if size < 0:
            raise tarfile.ReadError("a header states a size below 0")
        # Old writers mark a folder by the end of its name.
        is_file = kind in _FILES and not name.endswith("/")
        body = _Body(file.read, 0 if kind in _BODILESS else size)
        padding = _padded(body.left) - body.left
        yield (claims.get("path", name), body) if is_file else None
        claims, stated = {}, 0
        while body.left:
            body.read(min(body.left, _PIECE))
        file.read(padding)


def _plain_header(header: bytes) -> tuple[str, bytes, int]:
    """Read name, type and size of a header block."""
    try:
        stated = int(header[148:156].strip(b" \0") or b"-1", 8)
        size = _number(header[124:136])
    except ValueError:
        raise tarfile.ReadError("a header cannot be read") from None
    # The sum counts its own field as spaces; old writers summed signed bytes.
    blank = header[:148] + b" " * 8 + header[156:]
    if stated not in (sum(blank), sum(struct.unpack("512b", blank))):
        raise tarfile.ReadError("a header is damaged")
    name = header[:100].partition(b"\0")[0]
    prefix = header[345:500].partition(b"\0")[0]
    if prefix and header[257:263] == b"ustar\0":
        name = prefix + b"/" + name
    return name.decode("utf-8", "surrogateescape"), header[156:157], size


def _number(field: bytes) -> int:
    """Read a size: octal digits, or, beyond 8 GB, bytes after a mark."""
    if field[0] in (0x80, 0xFF):
        return int.from_bytes(field[1:], "big") if field[0] == 0x80 else -1
    return int(field.strip(b" \0") or b"0", 8)


def _pax_claims(data: bytes) -> dict[str, str]:
    """Read the facts that matter from records ``length key=value``, one after the other."""
    claims = {}
    at = 0
    while at < len(data):
        length, space, _ = data[at : at + 20].partition(b" ")
        if not (space and length.isdigit() and len(length) < int(length) <= len(data) - at):
            break
        record = data[at + len(length) + 1 : at + int(length)]
        key, _, value = record.removesuffix(b"\n").partition(b"=")
        if key in _CLAIMS:
            claims[key.decode()] = value.decode("utf-8", "surrogateescape")
        at += int(length)
    return claims


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK

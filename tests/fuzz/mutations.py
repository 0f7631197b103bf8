"""Ways in which files break or are broken, each a plain function of the bytes and two numbers.

A damage is a list of operations (kind, place between 0 and 1, number), so that Hypothesis can shrink it and
a plain random generator can draw it.
"""

import random

WORDS = (
    b"nan", b"inf", b"-inf", b"1e400", b"1e999", b"-1", b"0", b"100", b"100.0", b"2147483648", b"9" * 400, b"1.0",
    b"TRUE", b"true", b"False", b"fAlSe", b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\r\n", b"\n", b"\n\n",
    b",", b",,", b'"', b'""', b"'", b"[", b"]", b"{", b"}", b"[[[[", b'{"a":' * 50, b"\t", b"\x1b[0m", b"#033[95m",
    b"SIM_TRACE_LOG:", b"SIM_TRACE_LOG:0,1,", b"episode,steps,X\n", b"lap_complete", b"prepare", b"pause",
    b"Training> Name=", b"Policy training> Surrogate loss=", b"Saving in path=['./checkpoint/agent/9_Step-9.ckpt']",
    b"Restoring from path=./checkpoint/agent/7_Step-0.ckpt", b"'WORLD_NAME': '", b"WORLD_NAME: x\n", b"PK\x03\x04",
    b"\x1f\x8b", b"ustar", b"\x93NUMPY", b"null", b"NaN", b"Infinity", b"../../etc/passwd", b"\\u0000", b"\xed\xa0\x80",
)  # fmt: skip
"""Pieces of text that readers take for something, or stumble over."""


def _at(data: bytes, place: float) -> int:
    return min(int(place * len(data)), len(data))


def cut(data: bytes, place: float, number: int) -> bytes:
    """End the file early, as a full disk does."""
    return data[: _at(data, place)]


def behead(data: bytes, place: float, number: int) -> bytes:
    """Lose the beginning, as a log window does."""
    return data[_at(data, place) :]


def lose(data: bytes, place: float, number: int) -> bytes:
    """Lose a piece in the middle."""
    at = _at(data, place)
    return data[:at] + data[at + number % 300 + 1 :]


def flip(data: bytes, place: float, number: int) -> bytes:
    """Change one byte."""
    at = _at(data, place)
    return data[:at] + bytes([data[at] ^ (number % 255 + 1)]) + data[at + 1 :] if at < len(data) else data


def insert(data: bytes, place: float, number: int) -> bytes:
    """Put a word somewhere."""
    at = _at(data, place)
    return data[:at] + WORDS[number % len(WORDS)] + data[at:]


def value(data: bytes, place: float, number: int) -> bytes:
    """Replace what stands between two commas or other marks by a word."""
    at = _at(data, place)
    marks = b",:\n= []{}\"'"
    begin = max(data.rfind(bytes([mark]), max(at - 200, 0), at) for mark in marks) + 1
    ends = [end for mark in marks if (end := data.find(bytes([mark]), at, at + 200)) >= 0]
    return data[:begin] + WORDS[number % len(WORDS)] + data[min(ends, default=at) :]


def repeat(data: bytes, place: float, number: int) -> bytes:
    """Write a piece twice, as a retried upload does."""
    at = _at(data, place)
    piece = data[at : at + number % 3000 + 1]
    return data[:at] + piece + data[at:]


def move(data: bytes, place: float, number: int) -> bytes:
    """Put a line somewhere else."""
    lines = data.split(b"\n")
    line = lines.pop(min(int(place * len(lines)), len(lines) - 1))
    lines.insert(number % (len(lines) + 1), line)
    return b"\n".join(lines)


def glue(data: bytes, place: float, number: int) -> bytes:
    """Lose the end of a line."""
    at = data.find(b"\n", _at(data, place))
    return data if at < 0 else data[:at] + data[at + 1 :]


def fill(data: bytes, place: float, number: int) -> bytes:
    """Overwrite a piece with one byte, NUL above all, as a crashed disk does."""
    at, size = _at(data, place), number % 700 + 1
    return data[:at] + bytes([b"\0\0\0 \n\xff9"[number % 7]]) * len(data[at : at + size]) + data[at + size :]


def line_ends(data: bytes, place: float, number: int) -> bytes:
    """Save with the line ends of another system."""
    return data.replace(b"\n", (b"\r\n", b"\r", b"\n\r", b"\n\n")[number % 4])


def join(data: bytes, place: float, number: int) -> bytes:
    """Put the file, or the rest of it, behind itself, as two jobs in one file."""
    return data + data[_at(data, place) if number % 2 else 0 :]


def recode(data: bytes, place: float, number: int) -> bytes:
    """Save in another encoding."""
    name = ("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32", "cp037")[number % 6]
    return data.decode("latin-1").encode(name)


MUTATIONS = {
    f.__name__: f
    for f in (cut, behead, lose, flip, insert, value, repeat, move, glue, fill, line_ends, join, recode)
}

Operation = tuple[str, float, int]


def damage(data: bytes, operations: list[Operation]) -> bytes:
    """Damage a file by some operations, one after the other."""
    for kind, place, number in operations:
        data = MUTATIONS[kind](data, place, number)
    return data


def draw(dice: random.Random) -> list[Operation]:
    """Draw a damage: mostly of one or two operations, sometimes of many."""
    count = dice.choice((1, 1, 1, 2, 2, 3, 5, 12))
    return [(dice.choice(tuple(MUTATIONS)), dice.random(), dice.getrandbits(16)) for _ in range(count)]

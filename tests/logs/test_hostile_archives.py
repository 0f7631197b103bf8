"""Archives made to mislead, to fill the memory or to never end, and archives that broke on the way."""

import gzip
import io
import os
import struct
import sys
import tarfile
import threading
import tracemalloc
import zipfile
import zlib

import pytest

from deepracer_viz import load_run
from deepracer_viz.logs import sources
from deepracer_viz.logs.archives import LONGEST_HEADER, MOST_HEADERS
from deepracer_viz.logs.contents import read_contents
from deepracer_viz.logs.report import MAX_WARNINGS, ReadReport
from deepracer_viz.logs.sources import MAX_NESTING, Members
from tests.step_lines import drive, log

STEPS = log(drive(3, laps=(1,)))


def tar(*entries: tuple, mode: str = "w", form: int = tarfile.PAX_FORMAT) -> bytes:
    """Pack (name, bytes) or (name, type, link name) into a tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=form) as archive:
        for name, what, *link in entries:
            info = tarfile.TarInfo(name)
            if isinstance(what, bytes) and not link:
                info.size = len(what)
                archive.addfile(info, io.BytesIO(what))
            else:
                info.type, info.linkname = what, link[0]
                archive.addfile(info)
    return out.getvalue()


def begun(name: str, data: bytes) -> bytes:
    """Pack one file into a tar archive that goes on."""
    return _header(name, len(data)) + data + bytes(-len(data) % 512)


def _header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def zipped(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return out.getvalue()


def unpacked(data: bytes, name: str = "model.tar.gz") -> tuple[list[tuple[str, bytes]], list]:
    members = Members([(name, io.BytesIO(data))])
    return [(member.name, member.file.read()) for member in members], members.problems


class Packed(io.RawIOBase):
    """Gzip of endless repetition, made while it is read: nothing of it is ever held."""

    def __init__(self, block: bytes, count: int, head: bytes = b"", tail: bytes = b""):
        self._blocks = iter([head, *[block] * count, tail])
        self._pack = zlib.compressobj(1, zlib.DEFLATED, 31)
        self._ready = b""

    def read(self, size: int = -1) -> bytes:
        while len(self._ready) < size and self._pack:
            block = next(self._blocks, None)
            if block is None:
                self._ready += self._pack.flush()
                self._pack = None
            else:
                self._ready += self._pack.compress(block)
        out, self._ready = self._ready[:size], self._ready[size:]
        return out


def packed(block: bytes, count: int, **ends: bytes) -> bytes:
    maker = Packed(block, count, **ends)
    return b"".join(iter(lambda: maker.read(1 << 20), b""))


# ------------------------------------------------------------------------------------- where names could lead

NAMES = {
    "traversal": "../../../../etc/cron.d/x.log",
    "traversal inside": "a/../../b/x.log",
    "absolute": "/etc/x.log",
    "Windows drive": "C:\\Windows\\x.log",
    "Windows traversal": "..\\..\\x.log",
    "UNC": "\\\\server\\share\\x.log",
    "NUL": "x.log\x00.png",
    "line feed": "a\nb/x.log",
    "terminal escape": "\x1b]0;owned\x07x.log",
    "HTML": "<img src=x onerror=alert(1)>.log",
    "right to left": "\u202egol.x",
    "very long": "x" * 3000 + ".log",
    "empty": "",
    "dots": "...",
    "emoji": "🏎️/ログ.log",
}


@pytest.mark.parametrize("case", NAMES)
@pytest.mark.parametrize("kind", ["tar", "gnu tar", "zip"])
def test_a_name_is_only_ever_shown(case, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = NAMES[case]
    data = {
        "tar": lambda: tar((name, STEPS), mode="w:gz"),
        "gnu tar": lambda: tar((name, STEPS), form=tarfile.GNU_FORMAT),
        "zip": lambda: zipped((name or "x", STEPS)),
    }[kind]()
    [(shown, read)], problems = unpacked(data)
    assert read == STEPS and not problems
    assert ".." not in shown.split("/") and not shown.startswith("/") and shown
    shown.encode()
    assert len(load_run([("model.tar.gz", io.BytesIO(data))]).laps) == 1
    assert list(tmp_path.iterdir()) == []


def test_names_in_other_encodings_are_shown_as_far_as_they_can_be():
    data = tar(("a/robomaker.log", STEPS)).replace(b"a/robomaker.log", b"\xff/\xe9obomaker.log")
    header = bytearray(data[:512])
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    [(shown, read)], problems = unpacked(bytes(header) + data[512:])
    assert shown == "?/?obomaker.log" and read == STEPS and not problems
    # The bytes of Shift JIS, which zip tools in Japan write without saying so.
    data = bytearray(zipped(("AAAA.log", STEPS)))
    for at in (data.index(b"AAAA"), data.rindex(b"AAAA")):
        data[at : at + 4] = "走行".encode("shift_jis")
    [(shown, read)], problems = unpacked(bytes(data))
    assert shown.endswith(".log") and read == STEPS and not problems


def test_links_devices_and_folders_are_passed_over_and_lead_nowhere(tmp_path):
    secret = tmp_path / "secret.log"
    secret.write_bytes(STEPS)
    data = tar(
        ("link.log", tarfile.SYMTYPE, str(secret)),
        ("hard.log", tarfile.LNKTYPE, str(secret)),
        ("up.log", tarfile.SYMTYPE, "../secret.log"),
        ("null", tarfile.CHRTYPE, ""),
        ("disk", tarfile.BLKTYPE, ""),
        ("pipe.log", tarfile.FIFOTYPE, ""),
        ("folder", tarfile.DIRTYPE, ""),
        ("folder/", b""),
        ("real.log", b"text"),
    )
    found, problems = unpacked(data)
    assert found == [("real.log", b"text")] and not problems
    info = zipfile.ZipInfo("link.log")
    info.external_attr = 0o120777 << 16
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(info, str(secret))
    # In a zip a link is a file that holds the path, and is read as those few bytes.
    assert unpacked(out.getvalue())[0] == [("link.log", str(secret).encode())]


def test_members_of_one_name_are_all_read():
    for data in (tar(("a.log", b"one"), ("a.log", b"two")), _with_two_of_one_name()):
        found, problems = unpacked(data)
        assert found == [("a.log", b"one"), ("a.log", b"two")] and not problems
    twice = tar(("a.log", STEPS), ("a.log", STEPS))
    run = load_run([("model.tar", io.BytesIO(twice))])
    assert len(run.laps) == 1 and len(run.steps) == len(drive(3))
    assert run.report.duplicates == len(drive(3))


def _with_two_of_one_name() -> bytes:
    data = zipped(("a.log", b"one"), ("b.log", b"two"))
    return data.replace(b"b.log", b"a.log")


# --------------------------------------------------------------------------------------------- nothing is written

_watching = threading.local()
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC


def _watch(event: str, arguments: tuple) -> None:
    if not getattr(_watching, "on", False):
        return
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES:
        _watching.seen.append(arguments[0])
    elif event.startswith(
        ("os.mkdir", "os.rename", "os.link", "os.symlink", "tempfile.", "shutil.", "subprocess.")
    ):
        _watching.seen.append(event)


sys.addaudithook(_watch)


def test_the_watch_sees_writing(tmp_path):
    _watching.on, _watching.seen = True, []
    try:
        (tmp_path / "x").write_bytes(b"")
        (tmp_path / "y").mkdir()
    finally:
        _watching.on = False
    assert len(_watching.seen) == 2


@pytest.mark.parametrize("kind", ["tar.gz", "zip", "gz", "nested", "cut"])
def test_nothing_is_written_to_disk(kind):
    small = tar(("../../a.log", STEPS), ("m.json", b"{}"), mode="w:gz")
    data = {
        "tar.gz": small,
        "zip": zipped(("/a.log", STEPS)),
        "gz": gzip.compress(STEPS),
        "nested": tar(("inner.zip", zipped(("a.tar.gz", small)))),
        "cut": small[: len(small) * 3 // 4],
    }[kind]
    _watching.on, _watching.seen = True, []
    try:
        run = load_run([("model.tar.gz", io.BytesIO(data))])
    finally:
        _watching.on = False
    assert len(run.steps) and _watching.seen == []


# ------------------------------------------------------------------------------------------------------- limits


def test_ten_gigabytes_that_pack_to_ten_megabytes_end_at_the_ratio(monkeypatch):
    monkeypatch.setattr(sources, "UNPACKED_ANYWAY", 1 << 20)
    monkeypatch.setattr(sources, "MAX_RATIO", 20)
    good = begun("a.log", STEPS)
    data = packed(b"\0" * (1 << 20), 40, head=good + _header("bomb.log", 10 << 30))
    assert len(data) < 200_000
    members = Members([("model.tar.gz", io.BytesIO(data))])
    sizes = {}
    for member in members:
        while member.file.read(1 << 16):
            pass
        sizes[member.name] = member.file.size
    assert sizes["a.log"] == len(STEPS)
    assert sizes["bomb.log"] <= 20 * len(data) + (1 << 20)
    [problem] = [what for name, what in members.problems if name == "model.tar.gz"]
    assert "unpacks to more than" in problem and "MB" in problem
    run = load_run([("model.tar.gz", io.BytesIO(data))])
    assert len(run.laps) == 1 and any("unpacks to more than" in warning for warning in run.report.warnings)


def test_a_gigabyte_of_zeros_is_read_to_the_ratio_in_little_memory():
    data = packed(b"\0" * (1 << 20), 1 << 10)
    assert len(data) < 6 << 20
    tracemalloc.start()
    try:
        report = ReadReport()
        read_contents(Members([("a.log.gz", io.BytesIO(data))]), report)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 << 20
    # A log may begin with zeros, so they are searched for one, as far as the limit.
    unused, archive = report.files
    assert unused.kind == "not used" and unused.size <= 101 * len(data)
    assert "unpacks to more than" in archive.note


def test_a_log_that_unpacks_like_no_log_stops_at_the_ratio_in_little_memory(monkeypatch):
    monkeypatch.setattr(sources, "UNPACKED_ANYWAY", 8 << 20)
    data = packed(b" \n" * (1 << 19), 256, head=STEPS)
    tracemalloc.start()
    try:
        run = load_run([("a.log.gz", io.BytesIO(data))])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(run.laps) == 1 and peak < 150 << 20
    assert run.report.files[0].size <= sources.MAX_RATIO * len(data)
    [warning] = [warning for warning in run.report.warnings if "unpacks to more than" in warning]
    assert "What could be read before is shown" in warning


def test_a_small_source_may_unpack_far():
    reward_prints = STEPS + b"reward 1.0\n" * 300_000
    data = gzip.compress(reward_prints)
    assert len(reward_prints) > sources.MAX_RATIO * len(data)
    assert len(load_run([("a.log.gz", io.BytesIO(data))]).laps) == 1
    assert unpacked(data, "a.log.gz")[1] == []


@pytest.mark.parametrize("kind", ["tar", "zip", "tar of folders", "nested"])
def test_very_many_tiny_members_end_at_the_limit(kind, monkeypatch):
    monkeypatch.setattr(sources, "MAX_MEMBERS", 50)
    many = [(f"{i}.log", b"x") for i in range(400)]
    data = {
        "tar": lambda: tar(("a.log", STEPS), *many),
        "zip": lambda: zipped(("a.log", STEPS), *many),
        "tar of folders": lambda: tar(("a.log", STEPS), *((f"{i}", tarfile.DIRTYPE, "") for i in range(400))),
        "nested": lambda: tar(("a.log", STEPS), *((f"{i}.zip", zipped(*many[:30])) for i in range(20))),
    }[kind]()
    found, problems = unpacked(data)
    assert found[0] == ("a.log", STEPS) and len(found) <= 50
    assert len(problems) == 1 and "only the first 50 files" in problems[0][1]


def test_headers_without_end_are_not_kept(monkeypatch):
    """Folders pack a hundred to one and carry no bytes that the other limits would count."""
    monkeypatch.setattr(sources, "MAX_MEMBERS", 20_000)
    header = _header("x", 0, tarfile.DIRTYPE)
    data = packed(header * 1000, 30, head=begun("a.log", STEPS))
    tracemalloc.start()
    try:
        run = load_run([("model.tar.gz", io.BytesIO(data))])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(run.laps) == 1 and peak < 8 << 20
    assert any(f"only the first {sources.MAX_MEMBERS:,} files" in w for w in run.report.warnings)


def test_files_of_a_folder_count_as_well(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MAX_MEMBERS", 5)
    for i in range(20):
        (tmp_path / f"{i}.txt").write_text("x")
    members = Members(tmp_path)
    assert len(list(members)) == 5 and len(members.problems) == 1


def test_a_zip_with_an_endless_list_is_not_opened(monkeypatch):
    monkeypatch.setattr(sources, "MAX_ZIP_LIST", 10_000)
    found, problems = unpacked(zipped(*((f"{i}.log", b"x") for i in range(400))), "many.zip")
    assert found == []
    assert problems == [("many.zip", "the zip's list of files is longer than 10,000 bytes")]


def test_a_zip_in_an_archive_is_held_to_a_limit(monkeypatch):
    monkeypatch.setattr(sources, "MAX_HELD", 5_000)
    large = zipped(("x.log", os.urandom(9_000)))
    data = tar(("first.log", STEPS), ("large.zip", large), ("small.zip", zipped(("y.log", b"y"))))
    found, problems = unpacked(data)
    assert [name for name, _ in found] == ["first.log", "small.zip/y.log"]
    assert problems == [("large.zip", "a zip inside another archive may have 5,000 bytes, this one has more")]


@pytest.mark.parametrize(
    "kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK]
)
def test_a_tar_header_that_claims_gigabytes_is_refused(kind):
    data = packed(b"9" * (1 << 20), 200, head=begun("a.log", STEPS) + _header("x", 8 << 30, kind))
    tracemalloc.start()
    try:
        found, problems = unpacked(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == [("a.log", STEPS)] and peak < 20 << 20
    assert "a header claims 8,589,934,592 bytes" in problems[0][1]


def test_the_longest_header_that_is_read_takes_no_time():
    """Digits without an end made a pattern of the standard library take quadratic time."""
    facts = b"1" * LONGEST_HEADER
    one = _header("x", len(facts), tarfile.XHDTYPE) + facts + begun("a.log", STEPS)
    assert unpacked(one * 100) == ([("a.log", STEPS)] * 100, [])


def test_headers_that_belong_to_no_file_end_the_archive():
    facts = _header("x", 4, tarfile.XHDTYPE) + b"4 =\n".ljust(512, b"\0")
    assert unpacked(facts * MOST_HEADERS + begun("a.log", STEPS)) == ([("a.log", STEPS)], [])
    found, problems = unpacked(facts * (MOST_HEADERS + 1) + begun("a.log", STEPS))
    assert found == [] and "belong to no file" in problems[0][1]


def test_a_name_of_megabytes_in_a_gzip_is_passed_over():
    whole = gzip.compress(STEPS)
    named = whole[:3] + b"\x08" + whole[4:10] + b"n" * (8 << 20) + b"\0" + whole[10:]
    assert unpacked(named, "a.log.gz") == ([("a.log", STEPS)], [])


def test_archives_in_archives_end_at_a_depth():
    data = STEPS
    for i in range(MAX_NESTING + 1):
        data = tar((f"{i}.tar", data), (f"{i}.log", b"text"))
    found, problems = unpacked(data)
    assert len(found) == MAX_NESTING
    assert f"nested more than {MAX_NESTING} deep" in problems[0][1]


def test_members_that_overlap_are_counted_by_what_they_unpack_to(monkeypatch):
    """One packed member that every entry of the list points to unpacks as often as there are entries."""
    monkeypatch.setattr(sources, "UNPACKED_ANYWAY", 1 << 20)
    data = zipped(("a.log", b"0" * 300_000), ("b.log", b""), ("c.log", b""), ("d.log", b""))
    data = bytearray(data)
    # Every entry of the list points to the first member's bytes.
    first = data.index(b"PK\x01\x02")
    size, entry = data[first + 16 : first + 28], first
    while (entry := data.find(b"PK\x01\x02", entry + 1)) > 0:
        data[entry + 16 : entry + 28] = size
        data[entry + 10 : entry + 12] = data[first + 10 : first + 12]
        data[entry + 42 : entry + 46] = data[first + 42 : first + 46]
        data[entry + 46 : entry + 51] = b"a.log"
    monkeypatch.setattr(sources, "MAX_RATIO", 1)
    found, problems = unpacked(bytes(data))
    assert [len(read) for _, read in found[:3]] == [300_000] * 3
    assert sum(len(read) for _, read in found) <= 1 << 20
    assert "unpacks to more than 1 MB" in problems[0][1]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_a_bound_are_refused(method):
    """Forty bytes of bzip2 hold forty megabytes, and come in one piece."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("bomb.log", b"\0" * (1 << 24), method)
        archive.writestr("good.log", STEPS, zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    try:
        found, problems = unpacked(out.getvalue(), "x.zip")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == [("good.log", STEPS)] and peak < 8 << 20
    assert problems[0][0] == "x.zip" and "1 of its 2 files are packed by an unusual method" in problems[0][1]


def test_thousands_of_broken_members_make_one_page_of_warnings():
    data = bytearray(zipped(*((f"{i}.log", os.urandom(30)) for i in range(3000)), method=zipfile.ZIP_STORED))
    at = data.find(b"PK\x03\x04")
    while at >= 0:
        data[at + 30 + 6] ^= 255
        data[at + 30 + 20] ^= 255
        at = data.find(b"PK\x03\x04", at + 1)
    report = ReadReport()
    read_contents(Members([("x.zip", io.BytesIO(bytes(data)))]), report)
    assert sum("cut off or damaged" in file.note for file in report.files) > 2900
    assert len(report.warnings) == MAX_WARNINGS + 1
    assert f"more than these {MAX_WARNINGS} warnings" in report.warnings[-1]


# ------------------------------------------------------------------------------------------------------- damage


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip", "gz"])
def test_an_archive_cut_at_any_place_gives_what_stood_before(kind):
    noise = os.urandom(700)
    whole = {
        "tar": lambda: tar(("a.log", STEPS), ("b.log", noise)),
        "tar.gz": lambda: tar(("a.log", STEPS), ("b.log", noise), mode="w:gz"),
        "zip": lambda: zipped(("a.log", STEPS), ("b.log", noise)),
        "gz": lambda: gzip.compress(noise + STEPS),
    }[kind]()
    truth = {"a.log": STEPS, "b.log": noise, "packed.log": noise + STEPS}
    # Of the shortest pieces nobody can tell that they were an archive.
    for end in range(600, len(whole), 37):
        found, problems = unpacked(whole[:end], "packed.log")
        for name, read in found:
            if name in truth:
                assert truth[name].startswith(read)
                # A file that is there in part is never passed off as whole.
                assert read == truth[name] or problems
        assert kind == "tar" or problems


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip", "gz"])
def test_flipped_bytes_anywhere_raise_nothing(kind):
    whole = {
        "tar": lambda: tar(("a.log", STEPS[:600]), ("b.log", b"text")),
        "tar.gz": lambda: tar(("a.log", STEPS), mode="w:gz"),
        "zip": lambda: zipped(("a.log", STEPS), ("b.log", b"text")),
        "gz": lambda: gzip.compress(STEPS),
    }[kind]()
    step = max(len(whole) // 400, 1)
    for at in range(0, len(whole), step):
        data = bytearray(whole)
        data[at] ^= 0x55
        found, problems = unpacked(bytes(data))
        assert found or problems
        # What is packed carries a checksum: damage in it never goes by without a word.
        if kind in ("tar.gz", "gz") and found and not problems and found[0][1] != bytes(data):
            assert found[0][1] in (STEPS, tar(("a.log", STEPS))), at


def test_a_damaged_header_in_a_tar_is_said():
    data = bytearray(tar(("a.log", STEPS), ("b.log", b"text")))
    second = data.index(b"b.log")
    data[second + 130] ^= 1
    found, problems = unpacked(bytes(data), "model.tar")
    assert found == [("a.log", STEPS)]
    assert problems[0][0] == "model.tar" and "a header is damaged" in problems[0][1]


@pytest.mark.parametrize("size", [-1, 1 << 70, 10**30])
def test_sizes_that_no_file_has(size):
    header = bytearray(_header("b.log", 0))
    header[124:136] = (b"\xff" if size < 0 else b"\x80") + (abs(size) % (1 << 88)).to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    found, problems = unpacked(begun("a.log", STEPS) + bytes(header) + b"text")
    assert found[0] == ("a.log", STEPS) and problems
    facts = b"19 size=-999999999\n"
    assert len(facts) == 19
    pax = _header("x", len(facts), tarfile.XHDTYPE) + facts.ljust(512, b"\0") + _header("c.log", 4) + b"text"
    assert "size" in unpacked(pax)[1][0][1]


@pytest.mark.parametrize(
    "name", ["model.zip", "model.log", "0-iteration.csv", "metrics.json", "model.npy", "model"]
)
@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip", "gz"])
def test_the_ending_of_a_name_means_nothing(name, kind):
    data = {
        "tar": tar(("a.log", STEPS)),
        "tar.gz": tar(("a.log", STEPS), mode="w:gz"),
        "zip": zipped(("a.log", STEPS)),
        "gz": gzip.compress(STEPS),
    }[kind]
    assert len(load_run([(name, io.BytesIO(data))]).laps) == 1


def test_in_a_partly_encrypted_zip_the_rest_is_read():
    data = bytearray(zipped(("a.log", STEPS), ("b.log", STEPS)))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    data[6] |= 1
    found, problems = unpacked(bytes(data), "locked.zip")
    assert found == [("b.log", STEPS)]
    assert problems[0][0] == "locked.zip"
    assert "1 of its 2 files are encrypted" in problems[0][1] and "password" in problems[0][1]


def test_one_member_that_cannot_be_opened_stops_no_other():
    data = bytearray(zipped(("a.log", STEPS), ("b.log", STEPS)))
    data[30] ^= 1  # its name here is no longer that in the list
    found, problems = unpacked(bytes(data), "x.zip")
    assert found == [("b.log", STEPS)] and problems[0][0] == "a.log"


def test_rubbish_behind_a_gzip_is_said_and_costs_nothing():
    found, problems = unpacked(gzip.compress(STEPS) + b"rubbish" * 100, "a.log.gz")
    assert found == [("a.log", STEPS)] and "cut off or damaged" in problems[0][1]
    assert unpacked(gzip.compress(STEPS) + bytes(512), "a.log.gz") == ([("a.log", STEPS)], [])
    assert unpacked(gzip.compress(STEPS[:100]) + gzip.compress(STEPS[100:]), "a.log.gz")[0] == [
        ("a.log", STEPS)
    ]


def test_a_zip_that_claims_more_than_it_holds():
    data = bytearray(zipped(("a.log", STEPS)))
    entry = data.index(b"PK\x01\x02")
    data[entry + 20 : entry + 28] = struct.pack("<II", 2**31, 2**31)
    found, problems = unpacked(bytes(data), "x.zip")
    # Its checksum is that of the bytes that are there.
    assert found == [("a.log", STEPS)] and not problems


def test_headers_of_every_writer_are_read():
    long = "/".join(["folder" * 5] * 6) + "/robomaker.log"
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        name = long if form != tarfile.USTAR_FORMAT else long[-150:].lstrip("/")
        assert unpacked(tar((name, STEPS), ("b.log", b""), form=form)) == (
            [(name, STEPS), ("b.log", b"")],
            [],
        )
    # Some writers leave the end mark out.
    assert unpacked(begun("a.log", STEPS)) == ([("a.log", STEPS)], [])

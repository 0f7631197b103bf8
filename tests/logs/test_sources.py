"""Folders, archives, loose files and uploads as one row of members."""

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from deepracer_viz.logs import sources
from deepracer_viz.logs.errors import LogError
from deepracer_viz.logs.sources import MAX_NESTING, Members, entries_of, find_models, natural_key

FILES = {
    "a/robomaker.log": b"log " * 1000,
    "a/training-simtrace/9-iteration.csv": b"nine",
    "a/training-simtrace/10-iteration.csv": b"ten",
    "metrics.json": b"{}",
    "empty.txt": b"",
}


def tar(files: dict, mode: str = "w:gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zipped(files: dict) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def unpacked(source) -> tuple[dict[str, bytes], list]:
    members = Members(source)
    return {member.name: member.file.read() for member in members}, members.problems


@pytest.fixture
def folder(tmp_path) -> Path:
    top = tmp_path / "model"
    for name, data in FILES.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return top


ARCHIVES = {
    "model.tar.gz": tar(FILES),
    "model.tgz": tar(FILES),
    "model.tar": tar(FILES, "w"),
    "model.zip": zipped(FILES),
    "model.tar.gz renamed": tar(FILES),
    "zip named.tar.gz": zipped(FILES),
    "gnu.tar": tar(FILES, "w"),
}


def test_a_folder_gives_every_file_by_its_path_in_natural_order(folder):
    found, problems = unpacked(folder)
    assert list(found) == [
        "empty.txt",
        "metrics.json",
        "a/robomaker.log",
        "a/training-simtrace/9-iteration.csv",
        "a/training-simtrace/10-iteration.csv",
    ]
    assert found == FILES and not problems


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.parametrize("how", ["path", "text path", "upload", "in a folder"])
def test_archives_give_the_same_files_however_they_come(name, how, tmp_path):
    path = tmp_path / "only" / name
    path.parent.mkdir()
    path.write_bytes(ARCHIVES[name])
    source = {
        "path": path,
        "text path": str(path),
        "upload": [(name, io.BytesIO(ARCHIVES[name]))],
        "in a folder": path.parent,
    }[how]
    found, problems = unpacked(source)
    assert found == FILES and not problems


def test_one_packed_log_loses_its_ending():
    found, _ = unpacked([("robomaker.log.gz", io.BytesIO(gzip.compress(b"steps")))])
    assert found == {"robomaker.log": b"steps"}


def test_archives_in_archives_carry_their_names_in_front():
    inner = zipped({"b/x.log": b"x"})
    found, _ = unpacked([("outer.tar.gz", io.BytesIO(tar({"one/inner.zip": inner, "y.log": b"y"})))])
    assert found == {"one/inner.zip/b/x.log": b"x", "y.log": b"y"}


def test_several_archives_and_folders_are_kept_apart_by_name(folder, tmp_path):
    for number in "12":
        (tmp_path / f"{number}.zip").write_bytes(zipped({"a.log": number.encode()}))
    found, _ = unpacked([tmp_path / "1.zip", tmp_path / "2.zip", folder])
    assert found["1.zip/a.log"] == b"1" and found["2.zip/a.log"] == b"2"
    assert found["model/a/robomaker.log"] == FILES["a/robomaker.log"]


def test_nesting_is_bounded_and_said():
    data = b"steps"
    for depth in range(MAX_NESTING + 1):
        data = zipped({f"{depth}.zip": data}) if depth else zipped({"x.log": data})
    found, problems = unpacked([("deep.zip", io.BytesIO(data))])
    assert found == {}
    assert "nested" in problems[0][1]
    endless = b"steps"
    for _ in range(2000):
        endless = gzip.compress(endless, compresslevel=0, mtime=0)
    assert unpacked([("a.gz", io.BytesIO(endless))])[0] == {}


def test_a_source_may_be_any_iterable_or_a_single_pair(folder):
    path = folder / "metrics.json"
    pair = ("metrics.json", io.BytesIO(b"{}"))
    assert entries_of(path) == [path]
    assert entries_of(str(path)) == [str(path)]
    assert entries_of(pair) == [pair]
    for several in ([path, path], (path, path), (p for p in (path, path))):
        assert entries_of(several) == [path, path]
    assert unpacked(p for p in [path])[0] == {"metrics.json": b"{}"}
    assert unpacked(pair)[0] == {"metrics.json": b"{}"}


@pytest.mark.parametrize("path", ["", "no such folder", "/no/such/file.log"])
def test_a_path_that_leads_nowhere_is_named(path):
    with pytest.raises(LogError, match="There is no file or folder"):
        list(Members(path))


def test_hidden_files_and_links_are_passed_over(folder, tmp_path):
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / ".git").mkdir()
    (folder / ".git" / "a.log").write_bytes(b"x")
    (tmp_path / "outside.log").write_bytes(b"secret")
    (folder / "link.log").symlink_to(tmp_path / "outside.log")
    (folder / "linked").symlink_to(tmp_path)
    assert unpacked(folder)[0] == FILES


def test_links_in_a_tar_are_passed_over():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        link = tarfile.TarInfo("a.log")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        device = tarfile.TarInfo("b.log")
        device.type = tarfile.CHRTYPE
        archive.addfile(device)
        info = tarfile.TarInfo("c.log")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"c"))
    assert unpacked([("x.tar", io.BytesIO(out.getvalue()))])[0] == {"c.log": b"c"}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("logs\\training\\robomaker.log", "logs/training/robomaker.log"),
        ("../../etc/robomaker.log", "etc/robomaker.log"),
        ("/abs//./robomaker.log", "abs/robomaker.log"),
        ("..", "unnamed"),
        ("Füße/ログ.log", "Füße/ログ.log"),
        ("odd \udcff.log", "odd ?.log"),
    ],
)
def test_names_are_paths_inside_the_source(name, shown):
    assert list(unpacked([(name, io.BytesIO(b"x"))])[0]) == [shown]
    shown.encode()
    if "\udcff" not in name:
        assert list(unpacked([("a.zip", io.BytesIO(zipped({name: b"x"})))])[0]) == [shown]


def test_uploads_are_read_from_their_beginning_and_left_open():
    file = io.BytesIO(b"steps")
    file.read()
    assert unpacked([("a.log", file)])[0] == {"a.log": b"steps"}
    assert not file.closed
    assert unpacked([("a.log", file)])[0] == {"a.log": b"steps"}


# -------------------------------------------------------------------------------------------- damaged archives

# Bytes that do not pack, so that a cut removes a known share of them.
NOISE = os.urandom(300_000)


@pytest.mark.parametrize("kind", ["tar.gz", "gz", "tar"])
def test_a_cut_archive_gives_what_can_be_read_and_says_so(kind):
    whole = {
        "tar.gz": tar({"first.log": b"all of it", "second.log": NOISE}),
        "gz": gzip.compress(NOISE),
        "tar": tar({"first.log": b"all of it", "second.log": NOISE}, "w"),
    }[kind]
    found, problems = unpacked([(f"cut.{kind}", io.BytesIO(whole[: len(whole) * 2 // 3]))])
    assert found.get("first.log", b"all of it") == b"all of it"
    data = list(found.values())[-1]
    assert len(data) > 0.55 * len(NOISE) and NOISE.startswith(data)
    assert problems and all("cut off or damaged" in problem for _, problem in problems)


def test_a_cut_zip_says_so():
    whole = zipped({"first.log": NOISE})
    found, problems = unpacked([("cut.zip", io.BytesIO(whole[:-50]))])
    assert found == {} and "cut off or damaged" in problems[0][1]


def test_flipped_bytes_in_a_zip_end_that_member_alone():
    data = bytearray(zipped({"first.log": NOISE, "second.log": b"fine"}))
    data[1000] ^= 255
    found, problems = unpacked([("bad.zip", io.BytesIO(bytes(data)))])
    assert found["second.log"] == b"fine"
    assert problems[0][0] == "first.log"


def test_an_encrypted_zip_is_named():
    data = bytearray(zipped({"a.log": b"x" * 100}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    found, problems = unpacked([("locked.zip", io.BytesIO(bytes(data)))])
    assert found == {}
    assert problems[0][0] == "locked.zip" and "encrypted" in problems[0][1]


def test_a_file_that_cannot_be_opened_stops_no_other(folder, monkeypatch):
    opening = Path.open

    def refuse(self, *args, **kwargs):
        if self.name == "metrics.json":
            raise PermissionError(13, "Permission denied")
        return opening(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    calls = []
    members = Members(folder, lambda *call: calls.append(call))
    assert {member.name for member in members} == set(FILES) - {"metrics.json"}
    assert members.problems == [("metrics.json", "cannot be opened (Permission denied)")]
    assert calls[-1][0] == calls[-1][1]


def test_a_file_that_fails_while_it_is_read_is_named():
    class Failing(io.BytesIO):
        def read(self, size=-1):
            if self.tell() > 1000:
                raise OSError("the disk is gone")
            return super().read(min(size, 600))

    found, problems = unpacked([("a.log", Failing(b"x" * 5000))])
    assert len(found["a.log"]) > 1000
    assert problems[0][0] == "a.log" and "the disk is gone" in problems[0][1]


@pytest.mark.parametrize("kind", ["tar.gz", "zip", "gz"])
def test_what_a_source_may_unpack_to_is_bounded(kind, monkeypatch):
    monkeypatch.setattr(sources, "MAX_UNPACKED", 1 << 20)
    bomb = b"0" * (5 << 20)
    data = {"tar.gz": tar({"a.log": bomb}), "zip": zipped({"a.log": bomb}), "gz": gzip.compress(bomb)}[kind]
    found, problems = unpacked([(f"bomb.{kind}", io.BytesIO(data))])
    assert sum(map(len, found.values())) <= 1 << 20
    assert any("unpacks to more than" in problem for _, problem in problems)


def test_the_number_of_members_is_bounded(monkeypatch):
    monkeypatch.setattr(sources, "MAX_MEMBERS", 3)
    found, problems = unpacked([("many.zip", io.BytesIO(zipped({f"{i}.log": b"x" for i in range(9)})))])
    assert len(found) == 3
    assert "only the first 3 files" in problems[0][1]


# ------------------------------------------------------------------------------------------------- progress


@pytest.mark.parametrize("name", ["model.tar.gz", "model.tar", "model.zip", "folder", "several"])
def test_progress_only_grows_and_ends_at_the_total(name, folder, tmp_path):
    (folder / "noise.log").write_bytes(NOISE)
    files = {**FILES, "noise.log": NOISE}
    data = {"model.tar.gz": tar(files), "model.tar": tar(files, "w"), "model.zip": zipped(files)}
    if name == "folder":
        source, size = folder, sum(map(len, files.values()))
    elif name == "several":
        source = [(n, io.BytesIO(d)) for n, d in data.items()]
        size = sum(map(len, data.values()))
    else:
        source, size = [(name, io.BytesIO(data[name]))], len(data[name])
    calls = []
    for member in Members(source, lambda *call: calls.append(call)):
        while member.file.read(1000):
            pass
    done = [call[0] for call in calls]
    assert done == sorted(set(done)) and done[-1] == size
    assert {call[1] for call in calls} == {size}
    assert len(calls) <= 220


def test_what_a_zip_reads_twice_counts_once():
    data = zipped({"a.log": b"x"})
    calls = []
    for member in Members([("a.zip", io.BytesIO(data))], lambda *call: calls.append(call)):
        member.file.read()
    assert max(done for done, _ in calls) == len(data)


def test_members_that_are_not_read_count_as_done(folder):
    calls = []
    assert len(list(Members(folder, lambda *call: calls.append(call)))) == len(FILES)
    assert calls[-1] == (calls[-1][1], calls[-1][1])


def test_looking_ahead_takes_nothing():
    member = next(iter(Members([("a.log", io.BytesIO(bytes(range(200))))])))
    assert member.file.peek(10) == bytes(range(10))
    assert member.file.size == 0
    assert member.file.peek(50) == bytes(range(50))
    assert member.file.read(20) == bytes(range(20))
    assert member.file.peek(5) == bytes(range(20, 25))
    assert member.file.read() == bytes(range(20, 200))
    assert member.file.size == 200
    assert member.file.peek(5) == b"" and member.file.read(5) == b""


def test_numbers_in_names_sort_as_numbers():
    names = ["10-iteration.csv", "9-iteration.csv", "a", "2", "1b"]
    assert sorted(names, key=natural_key) == ["1b", "2", "9-iteration.csv", "10-iteration.csv", "a"]


def test_models_of_a_folder(tmp_path):
    (tmp_path / "b.tar.gz").write_bytes(b"")
    (tmp_path / "a.log").write_bytes(b"")
    (tmp_path / "notes.md").write_bytes(b"")
    (tmp_path / "drfc" / "0").mkdir(parents=True)
    (tmp_path / "drfc" / "0" / "0-iteration.csv").write_bytes(b"")
    (tmp_path / "season" / "deep").mkdir(parents=True)
    (tmp_path / "season" / "x.zip").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    assert list(find_models(tmp_path)) == ["a", "b", "drfc", "season/x"]
    assert find_models(tmp_path / "nowhere") == {}

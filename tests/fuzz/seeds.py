"""Small real-looking files to mutate, cut from the sample models."""

import gzip
import io
import re
import tarfile
import zipfile
from functools import cache
from pathlib import Path

SAMPLES = Path(__file__).resolve().parents[2] / "sample_logs"
EPISODES = (17, 18, 460)  # two of the first, and one that is a lap in each of the sample models


@cache
def members(model: str) -> dict[str, bytes]:
    """Every file of a sample model, by its path."""
    with tarfile.open(SAMPLES / f"{model}.tar.gz") as archive:
        return {info.name: archive.extractfile(info).read() for info in archive if info.isreg()}


def member(model: str, pattern: str) -> bytes:
    """The first file of a model whose path matches."""
    return next(data for name, data in members(model).items() if re.search(pattern, name))


def simulation_log(model: str = "planted-faults", episodes: tuple[int, ...] = EPISODES) -> bytes:
    """The settings and a few whole episodes of a training's simulation log."""
    lines = member(model, r"logs/training/.*(?:robomaker|simulation)\.log$").splitlines(keepends=True)
    first = next(i for i, line in enumerate(lines) if b"SIM_TRACE_LOG" in line)
    wanted = tuple(b"SIM_TRACE_LOG:%d," % episode for episode in episodes)
    return b"".join([*lines[:first], *(line for line in lines[first:] if any(w in line for w in wanted))])


def trainer_log(model: str = "planted-faults") -> bytes:
    """The beginning and the end of a trainer's log."""
    data = member(model, r"logs/training/.*(?:sagemaker|training)\.log$")
    return data[:6000] + data[-3000:]


def csv(rows: int = 60, model: str = "planted-faults") -> bytes:
    """The first rows of a sim-trace CSV file."""
    return b"".join(member(model, r"training-simtrace/.*csv$").splitlines(keepends=True)[: rows + 1])


def metrics(model: str = "planted-faults", kind: str = "training") -> bytes:
    """Some entries of a metrics JSON."""
    data = member(model, rf"metrics/{kind}/.*\.json$")
    entries = data.find(b"[") + 1
    end = data.find(b"}", min(entries + 4000, len(data) // 2)) + 1
    return data[:end] + data[data.rindex(b"]") :]


def route() -> bytes:
    """The sample models' route file."""
    return (SAMPLES / "harbour_loop.npy").read_bytes()


def files() -> dict[str, bytes]:
    """A small model, as a folder or an archive would hold it."""
    return {
        "job/logs/training/a-robomaker.log": simulation_log(),
        "job/logs/training/a-sagemaker.log": trainer_log(),
        "job/metrics/training/a.json": metrics(),
        "job/model/model_metadata.json": member("planted-faults", r"model_metadata\.json$"),
        "job/ip/hyperparameters.json": member("planted-faults", r"hyperparameters\.json$"),
        "job/sim-trace/training/training-simtrace/3-iteration.csv": csv(),
        "harbour_loop.npy": route(),
    }


def tar(content: dict[str, bytes], mode: str = "w") -> bytes:
    """Pack files into a tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zipped(content: dict[str, bytes]) -> bytes:
    """Pack files into a zip archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return out.getvalue()


def archives() -> list[bytes]:
    """The same small model packed in each way, one of them with an archive inside."""
    small = {
        "job/a.log": simulation_log(episodes=EPISODES[:1]),
        "job/b/m.json": metrics(),
        "x" * 120: b"long",
    }
    return [
        tar(small),
        tar(small, "w:gz"),
        zipped(small),
        gzip.compress(small["job/a.log"], mtime=0),
        tar({"inner.zip": zipped(small), "job/a.log": small["job/a.log"]}),
    ]

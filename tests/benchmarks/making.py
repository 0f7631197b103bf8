"""Make the large inputs of the benchmarks: the logs of one training, repeated as one long training.

    python tests/benchmarks/making.py FOLDER [--megabytes 300] [--training FOLDER]

The text is repeated as it stands, except that what counts up in it goes on counting: episodes and times of the
step lines, and the episodes, steps and checkpoints that the lines between them name.
"""

import argparse
import itertools
import math
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "sample_logs" / "over-trained.tar.gz"

EPISODES_PER_ITERATION = 20
"""As the sample model was set up, and the console's trainings are."""

TINY_EPISODES = 3 * EPISODES_PER_ITERATION

MEGABYTE = 10**6

_TOKEN = b"SIM_TRACE_LOG:"
_STEP = re.compile(rb"SIM_TRACE_LOG:([^\n]*\n)")
_COUNTING = re.compile(
    rb"SIM_TRACE_LOG:(?P<episode>\d+),(?:[^,\n]*,){13}(?P<second>\d+)(?=[.,\n])"
    rb"|\bEpisode=(?P<drive>\d+)"
    rb"|\bSteps=(?P<step>\d+)"
    rb"|\bTraining iteration=(?P<iteration>\d+)"
    rb"|\b(?P<checkpoint>\d+)_Step-(?P<saved_at>\d+)\.ckpt"
    rb"|\bmodel_(?P<model>\d+)\.pb"
    rb"|\bfor checkpoint (?P<uploaded>\d+)"
    rb"|\bBest checkpoint number: (?P<best>\d+), Last checkpoint number: (?P<last>\d+)"
)
_COUNTS = {
    "episode": "episodes",
    "drive": "episodes",
    "second": "seconds",
    "step": "steps",
    "saved_at": "steps",
    "iteration": "rounds",
    "checkpoint": "iterations",
    "model": "iterations",
    "uploaded": "iterations",
    "best": "iterations",
    "last": "iterations",
}
_FIELDS = (
    "episode,steps,X,Y,yaw,steer,throttle,action,reward,done,all_wheels_on_track,progress,closest_waypoint,"
    "track_len,tstamp,episode_status,pause_duration"
)


class Repeated:
    """A text of which a part can be written again and again.

    Parameters
    ----------
    text : bytes
    first : bytes
        Where the part begins that is repeated: at the first line with these words. It ends at the last line in
        which something counts.
    strides : dict of str to int
        By how much episodes, seconds, steps, iterations (of checkpoints) and rounds (where a log says "Training
        iteration") go up from one repetition to the next.
    """

    def __init__(self, text: bytes, first: bytes, strides: dict[str, int]):
        self.head = _before(text, first)
        begin = len(self.head)
        # The checkpoint that drives the first episodes is loaded before the first of them.
        loads = b"".join(line for line in self.head.splitlines(True) if first == _TOKEN and b"_Step-" in line)
        end = text.find(b"\n", [match.end() for match in _COUNTING.finditer(text)][-1]) + 1
        body = loads + text[begin:end]
        self.tail = text[end:]
        self._skip = len(loads)
        self._strides = strides
        self._texts, self._numbers, at = [], [], 0
        for match in _COUNTING.finditer(body):
            for name, number in match.groupdict().items():
                if number is not None:
                    self._texts.append(body[at : match.start(name)])
                    self._numbers.append((_COUNTS[name], number))
                    at = match.end(name)
        self._texts.append(body[at:])

    def part(self, repetition: int) -> bytes:
        """Return the part as it stands in a repetition, counted from 0."""
        moved = {
            (kind, number): b"%d" % (int(number) + repetition * self._strides[kind])
            for kind, number in set(self._numbers)
        }
        pieces = [b""] * (2 * len(self._numbers) + 1)
        pieces[::2] = self._texts
        pieces[1::2] = [moved[number] for number in self._numbers]
        part = b"".join(pieces)
        return part if repetition else part[self._skip :]


@dataclass(frozen=True)
class Seed:
    """The training that is repeated.

    Attributes
    ----------
    name : str
        The training's folder, or "sample" (made by our own generator), and whether it is tiny.
    log, trainer : Repeated
        Its simulation log and its trainer log.
    steps, episodes : int
        Step lines and episodes in one repetition.
    """

    name: str
    log: Repeated
    trainer: Repeated
    steps: int
    episodes: int


def find_seed(training: Path | None = None, tiny: bool = False) -> Seed:
    """Read the training to repeat.

    Parameters
    ----------
    training : pathlib.Path, optional
        Folder with its simulation log and its trainer log, called robomaker and sagemaker as the console calls
        them, 20 episodes an iteration; a sample model when omitted.
    tiny : bool
        Its first iterations alone.
    """
    name = training.resolve().name if training else "sample"
    if training:
        texts = {path.name: path.read_bytes() for path in training.glob("*.log")}
    else:
        with tarfile.open(SAMPLE) as archive:
            logs = (member for member in archive.getmembers() if member.name.endswith(".log"))
            texts = {member.name: archive.extractfile(member).read() for member in logs}
    log, trainer = (
        next((text for file, text in texts.items() if kind in file), None)
        for kind in ("robomaker", "sagemaker")
    )
    if log is None or trainer is None:
        raise SystemExit(f"{training} does not hold both a robomaker and a sagemaker log.")
    if tiny:
        log = _before(log, b"%b%d," % (_TOKEN, TINY_EPISODES))
        trainer = _before(trainer, b"Episode=%d," % (TINY_EPISODES + 1))
    rows = _STEP.findall(log)
    times = [float(row.split(b",")[14]) for row in (rows[0], rows[-1])]
    episodes = int(rows[-1].split(b",")[0]) + 1
    strides = {
        "episodes": episodes,
        "seconds": math.ceil(times[1] - times[0]) + 60,
        "steps": len(rows),
        "iterations": episodes // EPISODES_PER_ITERATION,
    }
    # Some simulators say iteration 0 throughout, the trainer counts.
    counting = {
        text: strides
        | {"rounds": strides["iterations"] if re.search(rb"Training iteration=[1-9]", text) else 0}
        for text in (log, trainer)
    }
    return Seed(
        f"{name}-tiny" if tiny else name,
        Repeated(log, _TOKEN, counting[log]),
        Repeated(trainer, b"Saving in path", counting[trainer]),
        len(rows),
        episodes,
    )


def _before(text: bytes, words: bytes) -> bytes:
    """Return the lines before the first one with these words."""
    return text[: text.rfind(b"\n", 0, text.index(words)) + 1]


def write_log(seed: Seed, path: Path, megabytes: float) -> int:
    """Write a simulation log of at least the given size; return its number of steps."""
    parts = 0
    with path.open("wb") as file:
        file.write(seed.log.head)
        while file.tell() < megabytes * MEGABYTE:
            file.write(seed.log.part(parts))
            parts += 1
        file.write(seed.log.tail)
    return parts * seed.steps


def write_model(seed: Seed, folder: Path, steps: int) -> int:
    """Write a model's folder of at least so many steps, simulation log and trainer log; return their number."""
    folder.mkdir(parents=True)
    parts = math.ceil(steps / seed.steps)
    for name, text in (("robomaker.log", seed.log), ("sagemaker.log", seed.trainer)):
        with (folder / name).open("wb") as file:
            file.write(text.head)
            for repetition in range(parts):
                file.write(text.part(repetition))
            file.write(text.tail)
    return parts * seed.steps


def write_csvs(seed: Seed, folder: Path, megabytes: float, files: int = 100) -> int:
    """Write a model's folder of sim-trace CSV files, one an iteration; return their number of steps."""
    traces = folder / "training-simtrace"
    traces.mkdir(parents=True)
    episodes = megabytes * MEGABYTE / len(seed.log.part(0)) * seed.episodes
    per_file = math.ceil(episodes / files / EPISODES_PER_ITERATION) * EPISODES_PER_ITERATION
    steps = 0
    groups = itertools.groupby(_rows(seed), lambda row: int(row[: row.index(b",")]) // per_file)
    for iteration, rows in itertools.islice(groups, files):
        rows = list(rows)
        steps += len(rows)
        header = ",".join(_FIELDS.split(",")[: rows[0].count(b",") + 1])
        path = traces / f"{iteration}-iteration.csv"
        path.write_bytes(header.encode() + b"\n" + b"".join(rows))
    return steps


def _rows(seed: Seed) -> Iterator[bytes]:
    for repetition in itertools.count():
        yield from _STEP.findall(seed.log.part(repetition))


def write_archive(log: Path, path: Path) -> None:
    """Pack a log as the console does."""
    with tarfile.open(path, "w:gz", compresslevel=6) as archive:
        archive.add(log, f"logs/training/{log.name}")


def once(path: Path, write) -> Path:
    """Have a file or folder written unless it is there from an earlier benchmark."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Under another name until it is whole, so that a benchmark that was stopped leaves no half of it.
        unfinished = path.with_name(f"unfinished-{path.name}")
        write(unfinished)
        unfinished.rename(path)
    return path


def add_training(parser: argparse.ArgumentParser) -> None:
    """Let the command line name the training that is repeated."""
    parser.add_argument(
        "--training",
        type=Path,
        help="folder of the training that is repeated, with its robomaker and its sagemaker log; else a sample model",
    )


def size_of(path: Path) -> int:
    """Bytes of a file, or of the files of a folder."""
    return sum(file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file())


def reading_inputs(seed: Seed, folder: Path, megabytes: float, tiny: bool = False) -> dict[str, Path]:
    """Have a log, the same as an archive, and a folder of CSV files of about the same size."""
    megabytes, files = (1, 3) if tiny else (megabytes, 100)
    name = f"{seed.name}-{megabytes:g}MB"
    log = once(folder / f"{name}.log", lambda path: write_log(seed, path, megabytes))
    return {
        "log": log,
        "tar.gz": once(folder / f"{name}.tar.gz", lambda path: write_archive(log, path)),
        f"{files} CSV files": once(
            folder / f"{name}.csv", lambda path: write_csvs(seed, path, megabytes, files)
        ),
    }


def main() -> None:
    """Make everything that the benchmarks read."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--megabytes", type=float, default=300)
    add_training(parser)
    parser.add_argument("--tiny", action="store_true", help="very small, to see whether it works")
    options = parser.parse_args()
    inputs = reading_inputs(
        find_seed(options.training, options.tiny), options.folder, options.megabytes, options.tiny
    )
    for what, path in inputs.items():
        print(f"{what}: {path}, {size_of(path) / MEGABYTE:.1f} MB")


if __name__ == "__main__":
    main()

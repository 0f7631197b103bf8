"""Point 1: how fast a model is read, beside deepracer-utils on the same file.

python tests/benchmarks/reading.py [--their-python /path/to/python]
"""

import argparse
import sys
from pathlib import Path

from making import MEGABYTE, add_training, find_seed, reading_inputs, size_of
from measuring import FOLDER, about_machine, installed, measure, show

OURS = (
    "from deepracer_viz import load_run",
    "run = load_run(path)\nrows, table = len(run.steps), int(run.steps.memory_usage().sum())",
)
UNPACKING = (
    "import tarfile",
    """
with tarfile.open(path) as archive:
    for member in archive:
        file = archive.extractfile(member)
        while file.read(8 << 20):
            pass
rows = table = 0
""",
)
_LOADER = "from deepracer.logs.log_utils import SimulationLogsIO"
THEIRS = {
    "log": (_LOADER, "steps = SimulationLogsIO.load_pandas(path)\nrows, table = len(steps), 0"),
    # What its users do with an archive's log.
    "tar.gz": (
        f"import tarfile, tempfile, glob\n{_LOADER}",
        """
with tempfile.TemporaryDirectory() as folder:
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    steps = SimulationLogsIO.load_pandas(glob.glob(folder + "/**/*.log", recursive=True)[0])
rows, table = len(steps), 0
""",
    ),
    "CSV files": (
        "from deepracer.logs import DeepRacerLog",
        """
log = DeepRacerLog(model_folder=path)
log.load_training_trace(ignore_metadata=True)
rows, table = len(log.dataframe()), 0
""",
    ),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=300)
    parser.add_argument(
        "--times", type=int, default=3, help="runs of ours; the middle one counts (theirs: 1)"
    )
    add_training(parser)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the inputs are kept")
    parser.add_argument("--their-python", default=sys.executable, help="interpreter that has deepracer-utils")
    parser.add_argument("--tiny", action="store_true", help="very small, to see whether it works")
    options = parser.parse_args()

    print(about_machine())
    compare = installed(options.their_python, "deepracer")
    rows = []
    for what, path in reading_inputs(
        find_seed(options.training, options.tiny), options.folder, options.megabytes, options.tiny
    ).items():
        ours = measure(*OURS, path, times=1 if options.tiny else options.times)
        row = {
            "input": what,
            "MB": size_of(path) / MEGABYTE,
            "steps": ours.rows,
            "ours (s)": ours.wall,
            "CPU (s)": ours.cpu,
            "MB/s": size_of(path) / MEGABYTE / ours.wall,
            "peak (MB)": ours.peak / MEGABYTE,
            "unpacking alone (s)": measure(*UNPACKING, path).wall if what == "tar.gz" else None,
            "theirs (s)": "not installed",
        }
        # Importing theirs takes seconds, and it is the same machinery for each input.
        if compare and not (options.tiny and rows):
            kind = next(kind for kind in THEIRS if kind in what)
            theirs = measure(*THEIRS[kind], path, options.their_python)
            row |= {
                "theirs (s)": theirs.wall,
                "their CPU (s)": theirs.cpu,
                "their peak (MB)": theirs.peak / MEGABYTE,
                "times faster": theirs.wall / ours.wall,
                "share of memory": ours.peak / theirs.peak,
                "their steps": theirs.rows,
            }
        rows.append(row)
    show(rows)


if __name__ == "__main__":
    main()

"""Point 2: whether time and memory grow with the log and no faster.

python tests/benchmarks/growth.py
"""

import argparse
from pathlib import Path

from making import MEGABYTE, add_training, find_seed, once, write_log
from measuring import FOLDER, about_machine, measure, show
from reading import OURS


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, nargs="+", default=[300, 3000])
    parser.add_argument("--times", type=int, default=3, help="runs of each; the middle one counts")
    add_training(parser)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the inputs are kept")
    parser.add_argument("--tiny", action="store_true", help="very small, to see whether it works")
    options = parser.parse_args()

    print(about_machine())
    seed, rows, first = find_seed(options.training, options.tiny), [], None
    for megabytes in [0.5, 1] if options.tiny else options.megabytes:
        path = once(
            options.folder / f"{seed.name}-{megabytes:g}MB.log",
            lambda path, megabytes=megabytes: write_log(seed, path, megabytes),
        )
        size = path.stat().st_size / MEGABYTE
        run = measure(*OURS, path, times=1 if options.tiny else options.times)
        first = first or run.wall / size
        rows.append(
            {
                "log": f"{size:,.0f} MB",
                "steps": run.rows,
                "wall (s)": run.wall,
                "CPU (s)": run.cpu,
                "MB/s": size / run.wall,
                "time per MB, first = 1": run.wall / size / first,
                "table (bytes a step)": run.table / run.rows,
                "resident (bytes a step)": (run.resident - run.before) / run.rows,
                "peak (bytes a step)": (run.peak - run.before) / run.rows,
                "peak (MB)": run.peak / MEGABYTE,
            }
        )
    show(rows)


if __name__ == "__main__":
    main()

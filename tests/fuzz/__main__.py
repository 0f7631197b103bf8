"""Fuzz the readers for as long as wanted: ``python -m tests.fuzz --minutes 60``; see ``tests/README.md``."""

import argparse
import random
import time
import traceback
from collections import Counter
from pathlib import Path

from tests.fuzz.mutations import damage, draw
from tests.fuzz.readers import READERS, feed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="how long, in minutes")
    parser.add_argument(
        "--reader", choices=READERS, action="append", help="this reader alone; may be repeated"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="number of the first input; the same number, the same input"
    )
    parser.add_argument("--once", action="store_true", help="that one input alone")
    parser.add_argument(
        "--keep", type=Path, default=Path("fuzz-failures"), help="folder for inputs that fail"
    )
    options = parser.parse_args()

    readers = {name: (READERS[name], READERS[name].seeds()) for name in options.reader or READERS}
    tried, refused, failed, slowest = Counter(), Counter(), Counter(), {}
    number, end = options.seed, time.monotonic() + options.minutes * 60
    while time.monotonic() < end:
        for name, (reader, starts) in readers.items():
            dice = random.Random(f"{name} {number}")
            data = damage(dice.choice(starts), draw(dice))
            begun = time.perf_counter()
            try:
                refused[name] += not feed(reader, data)
            except Exception:
                failed[name] += 1
                options.keep.mkdir(exist_ok=True)
                path = options.keep / f"{name.replace(' ', '-')}-{number}"
                path.write_bytes(data)
                print(f"\n{name}, input {number}, kept as {path}")
                traceback.print_exc(limit=-6)
            tried[name] += 1
            slowest[name] = max(slowest.get(name, (0.0, 0)), (time.perf_counter() - begun, number))
        number += 1
        if options.once:
            break
    for name in readers:
        seconds, at = slowest[name]
        print(
            f"{name}: {tried[name]:,} inputs, {refused[name]:,} refused with a message, {failed[name]:,} failed; "
            f"slowest {seconds:.2f} s (input {at})"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())

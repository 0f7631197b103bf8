"""Reads the evidence of findings back, and tells which of it speaks against its finding."""

import re

import numpy as np
import pandas as pd

_PAIRS = {
    "slows": (r"are down to ([\d.]+) m/s where ([\d.]+) m/s is possible", np.less),
    "line": (r"([\d.]+) m against the ([\d.]+) m of the centre-line", np.greater),
    "weaving": (r"swings by (\d+)° to each side, (\d+)° elsewhere", np.greater),
    "steering": (r"corrected by (\d+)° to and fro within the turn, (\d+)° in other", np.greater),
    "lock": (r"(\d+) % of \d+ \w+(?: \([^)]*\))? steer as far as they can, (\d+) % in other", np.greater),
    "command": (r"told to drive ([\d.]+) m/s and reach ([\d.]+) m/s", np.greater),
    "flips": (r"jumps to and fro by ([\d.]+) m/s in each step, ([\d.]+) m/s elsewhere", np.greater),
    "ends": (r"come there end \((\d+) %; elsewhere ([\d.]+) % on as many", np.greater),
    "completion": (r"about (\d+) % of the drives would come round instead of (\d+) %", np.greater_equal),
}
_AVERAGE = re.compile(r"average ([\d.]+) m/s")
_FASTEST = re.compile(r"the (\d+) fastest ([\d.]+) m/s")
_POSSIBLE = re.compile(r"and ([\d.]+) m/s is possible with what")


def contradictions(findings: pd.DataFrame) -> list[str]:
    """Evidence that does not support its finding; every sentence must hold at least one figure that does.

    Parameters
    ----------
    findings : pandas.DataFrame
        Answer of `find_inefficiencies`.

    Returns
    -------
    list of str
    """
    return [f"{row.kind}: {row.evidence}" for row in findings.itertuples() if not _supported(row.evidence)]


def _supported(evidence: str) -> bool:
    compared = []
    for pattern, holds in _PAIRS.values():
        compared += [holds(float(a), float(b)) for a, b in re.findall(pattern, evidence)]
    for average in _AVERAGE.findall(evidence):
        fastest, possible = _FASTEST.findall(evidence), _POSSIBLE.findall(evidence)
        said = [average, *(speed for _, speed in fastest), *possible]
        # From the average by way of the fast laps to what is possible; the last is truly more than the first.
        compared.append(
            len(said) > 1 and sorted(said, key=float) == said and float(said[-1]) > float(average)
        )
        compared += [float(speed) > float(average) and int(count) >= 3 for count, speed in fastest]
    return bool(compared) and all(compared) and "nan" not in evidence

"""What was read and what was not: the account that every reader adds to."""

from collections.abc import Iterator
from dataclasses import dataclass, field

EXAMPLE_LENGTH = 160
"""Longest piece of an unreadable line that is kept as an example (characters)."""

MAX_WARNINGS = 100
"""Warnings kept; nobody reads more, and a hostile archive can cause one for each of its files."""


@dataclass
class Skipped:
    """Lines or entries left out, counted by reason, each reason with its first example."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, example: str | bytes = "", count: int = 1) -> None:
        """Count ``count`` more lines under ``reason``; the first example given is kept."""
        if count <= 0:
            return
        self.counts[reason] = self.counts.get(reason, 0) + count
        if isinstance(example, bytes):
            example = example[: 4 * EXAMPLE_LENGTH].decode("utf-8", "replace")
        self.examples.setdefault(reason, example.strip()[:EXAMPLE_LENGTH])

    def update(self, other: "Skipped") -> None:
        """Add everything another tally counted."""
        for reason, count, example in other:
            self.add(reason, example, count)

    def __iter__(self) -> Iterator[tuple[str, int, str]]:
        """Yield (reason, count, first example)."""
        for reason, count in self.counts.items():
            yield reason, count, self.examples[reason]

    @property
    def total(self) -> int:
        """Number of lines left out for any reason."""
        return sum(self.counts.values())


@dataclass
class FileReport:
    """One file of the source and what came out of it.

    Attributes
    ----------
    name : str
        Name inside the source (path inside an archive or folder).
    kind : str
        What its content turned out to be, e.g. ``"simulation log"``, ``"sim-trace CSV"``, ``"not used"``.
    size : int
        Bytes read from it.
    steps : int
        Step rows read from it.
    skipped : Skipped
        Its lines that were left out.
    note : str
        One plain sentence when something about this file deserves attention, else empty.
    """

    name: str
    kind: str
    size: int = 0
    steps: int = 0
    skipped: Skipped = field(default_factory=Skipped)
    note: str = ""


@dataclass
class ReadReport:
    """The account of one reading.

    Attributes
    ----------
    files : list of FileReport
        Every file seen, in the order of reading.
    reordered : int
        Step rows that stood out of order and were put back in place.
    duplicates : int
        Exact duplicate step rows dropped.
    dummy_rows : int
        Rows of the 2019 simulator's dummy reset, dropped.
    only_in_log, only_in_csv, differing : int
        Where a log and CSV files describe the same job: steps that only one of them holds,
        and steps on which the two differ by more than the log's rounding.
    warnings : list of str
        Anything else the reader of the charts should know, in plain words.
    """

    files: list[FileReport] = field(default_factory=list)
    reordered: int = 0
    duplicates: int = 0
    dummy_rows: int = 0
    only_in_log: int = 0
    only_in_csv: int = 0
    differing: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """Step rows read from all files together, before log and CSV rows are united."""
        return sum(file.steps for file in self.files)

    @property
    def skipped(self) -> Skipped:
        """Lines left out of all files together."""
        together = Skipped()
        for file in self.files:
            together.update(file.skipped)
        return together

    def warn(self, sentence: str) -> None:
        """Add a warning once; of very many only the first :data:`MAX_WARNINGS` are kept, and that is said."""
        if sentence in self.warnings or len(self.warnings) > MAX_WARNINGS:
            return
        if len(self.warnings) == MAX_WARNINGS:
            sentence = f"There are more than these {MAX_WARNINGS} warnings; the list of files tells the rest."
        self.warnings.append(sentence)

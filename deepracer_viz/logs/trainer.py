"""The trainer's (SageMaker's) log: policy updates, checkpoints saved, the model that was cloned."""

import math
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepracer_viz.logs.metadata import LogFacts, Restored, find_restored, matches_at, read_log_facts
from deepracer_viz.logs.report import Skipped

_POLICY_COLUMNS = {
    "iteration": "int32",
    "epoch": "int32",
    "surrogate_loss": "float64",
    "kl_divergence": "float64",
    "entropy": "float64",
    "learning_rate": "float64",
}
_EPISODE_COLUMNS = {
    "worker": "int32",
    "episode": "int32",
    "reward": "float64",
    "steps_total": "int64",
    "iteration": "int32",
}
_CHECKPOINT_COLUMNS = {"checkpoint": "int32", "step": "int64", "after_iteration": "int32", "file": "str"}

_COLOUR = re.compile(rb"(?:\x1b|#033)\[[\d;]*m")
_NUMBER = rb"([-+]?(?:\d{1,40}(?:\.\d{0,40})?(?:[eE][-+]?\d{1,4})?|nan|inf))"
# Two styles of the same line: "Training> Name=a, Worker=0" and, in 2019, "Training - Name: a Worker: 0".
_IS = rb"[ \t]*[=:][ \t]*"
_NEXT = rb",?[ \t]+"

_TRAINER_TOKEN = re.compile(rb"Saving in path[ \t]*[=:]|Policy training(?:(?:\x1b|#033)\[[\d;]*m)*[ \t]*[>-]")
_POLICY_TOKEN = re.compile(rb"Policy training[ \t]*[>-]")
_POLICY_LINE = re.compile(
    rb"Policy training[ \t]*[>-][ \t]*Surrogate loss" + _IS + _NUMBER + _NEXT
    + rb"KL divergence" + _IS + _NUMBER + _NEXT
    + rb"Entropy" + _IS + _NUMBER + _NEXT
    + rb"training epoch" + _IS + rb"(\d{1,6})" + _NEXT
    + rb"learning_rate" + _IS + _NUMBER
)  # fmt: skip
_EPISODE_TOKEN = re.compile(rb"Training(?:>| -)[ \t]*Name")
_EPISODE_LINE = re.compile(
    rb"Training(?:>| -)[ \t]*Name" + _IS + rb"[^\s,]{1,200}" + _NEXT
    + rb"Worker" + _IS + rb"(\d{1,6})" + _NEXT
    + rb"Episode" + _IS + rb"(\d{1,9})" + _NEXT
    + rb"Total reward" + _IS + _NUMBER + _NEXT
    + rb"Steps" + _IS + rb"(\d{1,15})" + _NEXT
    + rb"Training iteration" + _IS + rb"(\d{1,9})"
)  # fmt: skip
_SAVED_TOKEN = re.compile(rb"Saving in path[ \t]*[=:]")
_SAVED_LINE = re.compile(
    rb"Saving in path[ \t]*[=:][ \t]*[\['\"]{0,2}[^\s'\"\]]{0,400}?((?<!\d)(\d{1,9})_Step-(\d{1,15})\.ckpt)"
)
_BEST = re.compile(rb"Best checkpoint number: ?(-?\d{1,9}), ?Last checkpoint number: ?(-?\d{1,9})\b")
_NEW_BEST = re.compile(rb'Updating the best checkpoint to "{1,2}(\d{1,9})_Step-')
_PRETRAINED = re.compile(
    rb"""pretrained_s3_prefix["']{0,3}[ \t]{0,9}[:,= \t][ \t]{0,9}["']{0,3}([^\s"',]{1,500})""", re.I
)


@dataclass(frozen=True, eq=False)
class TrainerLog:
    """What the trainer's log tells. Every table exists always, empty or not, with the same columns.

    Attributes
    ----------
    policy_updates : pandas.DataFrame
        One row per training epoch: iteration, epoch int32; surrogate_loss, kl_divergence, entropy,
        learning_rate float64 (NaN where the trainer wrote no finite number). Empty for SAC, which does not
        write them. The last iteration may have fewer epochs, when the job was stopped in it.
    checkpoints : pandas.DataFrame
        Checkpoints saved, in order: checkpoint int32, step int64 (steps of the job until then),
        after_iteration int32 (the iteration that produced it, -1 for the one the job began with), file str.
    episodes : pandas.DataFrame
        Episodes the trainer received: worker, episode (0-based), reward float64 (NaN throughout where the
        trainer writes 0 for all), steps_total int64 (steps of the job until its end), iteration.
    first_checkpoint : int or None
        Number c0 of the checkpoint that drove iteration 0; None where the log does not say.
    best_checkpoint, last_checkpoint : int or None
        By the last line that names them; the last one is the newest that was rated by then. A simulation log
        names the best alone.
    restored : tuple of (str, int, int) or None
        Path, number and step of the checkpoint a clone began with.
    pretrained_prefix, pretrained_model : str or None
        Storage prefix of the model that was cloned, and the model's name in it.
    hyperparameters : dict or None
    facts : LogFacts
    skipped : Skipped
        Lines left out.
    """

    policy_updates: pd.DataFrame
    checkpoints: pd.DataFrame
    episodes: pd.DataFrame
    first_checkpoint: int | None
    best_checkpoint: int | None
    last_checkpoint: int | None
    restored: tuple[str, int, int] | None
    pretrained_prefix: str | None
    pretrained_model: str | None
    hyperparameters: dict | None
    facts: LogFacts
    skipped: Skipped


def is_trainer_log(text: bytes) -> bool:
    """Tell whether a text holds lines that only the trainer writes: policy updates or saved checkpoints."""
    # The plain search comes first because it is many times faster than the pattern.
    return (b"Saving in path" in text or b"Policy training" in text) and bool(_TRAINER_TOKEN.search(text))


def read_trainer_log(text: bytes, with_episodes: bool = True) -> TrainerLog:
    """Read a trainer's log; a simulation log works too and gives the episodes, with their rewards.

    Parameters
    ----------
    text : bytes
        The log. Prefixes, colour codes, CRLF, lines that run into each other, broken characters and cut-off
        lines are all allowed; what cannot be read is counted in `skipped`.
    with_episodes : bool
        False: the lines of episodes are only checked. In a log without policy updates and saved checkpoints nothing
        but its table of episodes comes of them.

    Returns
    -------
    TrainerLog
    """
    facts = read_log_facts(text)
    plain = text
    if b"\x1b[" in text or b"#033[" in text:
        plain = _COLOUR.sub(b"", text)
    skipped = Skipped()
    saves = _read_saves(plain, skipped)
    episodes = _read_episodes(plain, skipped, with_episodes)
    policy = _read_policy(plain, skipped)
    restored = facts.restored if plain is text else find_restored(plain)

    # A trainer that writes policy lines (PPO) numbers its iterations; SAC writes a count of steps there.
    numbered = episodes if len(policy) else episodes[:0]
    first = _first_checkpoint(saves, restored, numbered)
    # Without saved checkpoints the ones that a simulation loaded tell the same.
    marks = saves if len(saves) else _table_of_restored(restored)
    origin = first
    if first is None and len(marks):
        # Iterations are then counted from the first one that the log holds anything of.
        begins_before = min([t["at"].iloc[0] for t in (episodes, policy) if len(t)], default=math.inf)
        origin = int(marks["checkpoint"].iloc[0]) - int(begins_before < marks["at"].iloc[0])
    policy["iteration"] = _iterations(policy, numbered, marks, origin)
    if len(marks) and numbered.empty:
        episodes["iteration"] = _by_checkpoint(episodes, marks, origin)
    if len(episodes) and not episodes["reward"].any():
        episodes["reward"] = math.nan
    saves["after_iteration"] = saves["checkpoint"] - (origin or 0) - 1
    saves = saves.drop_duplicates("checkpoint", keep="last")

    cloned = next((r for r in restored if "pretrained" in r[1]), None)
    # A job that is no clone may carry a placeholder as prefix.
    prefix = _pretrained_prefix(text) if cloned else None
    best, last = _best_and_last(plain)
    return TrainerLog(
        policy_updates=_finish(policy, _POLICY_COLUMNS),
        checkpoints=_finish(saves, _CHECKPOINT_COLUMNS),
        episodes=_finish(episodes, _EPISODE_COLUMNS),
        first_checkpoint=first,
        best_checkpoint=best,
        last_checkpoint=last,
        restored=cloned[1:] if cloned else None,
        pretrained_prefix=prefix,
        pretrained_model=_model_name(prefix) if prefix else None,
        hyperparameters=facts.hyperparameters,
        facts=facts,
        skipped=skipped,
    )


def _matches(text: bytes, token: re.Pattern, line: re.Pattern, reason: str, skipped: Skipped):
    """Yield the match of `line` at every `token`; count the tokens where it does not match."""
    for found in token.finditer(text):
        match = line.match(text, found.start())
        if match:
            yield match
        else:
            end = text.find(b"\n", found.start(), found.start() + 300)
            skipped.add(reason, text[found.start() : end if end >= 0 else found.start() + 300])


def _read_saves(text: bytes, skipped: Skipped) -> pd.DataFrame:
    rows = [
        (m.start(), int(m[2]), int(m[3]), m[1].decode())
        for m in _matches(text, _SAVED_TOKEN, _SAVED_LINE, "unreadable line of a saved checkpoint", skipped)
    ]
    return pd.DataFrame(rows, columns=["at", "checkpoint", "step", "file"])


def _read_episodes(text: bytes, skipped: Skipped, wanted: bool) -> pd.DataFrame:
    rows, before = [], 0
    for m in _matches(text, _EPISODE_TOKEN, _EPISODE_LINE, "unreadable line of a trained episode", skipped):
        episode, iteration = int(m[2]), int(m[5])
        # The last number may be cut off too, and then reads too small.
        if episode < 1 or (m.end() == len(text) and iteration < before):
            skipped.add("unreadable line of a trained episode", m[0])
            continue
        before = iteration
        if wanted:
            rows.append((m.start(), int(m[1]), episode - 1, _finite(m[3]), int(m[4]), iteration))
    return pd.DataFrame(rows, columns=["at", "worker", "episode", "reward", "steps_total", "iteration"])


def _read_policy(text: bytes, skipped: Skipped) -> pd.DataFrame:
    rows = []
    for m in _matches(text, _POLICY_TOKEN, _POLICY_LINE, "unreadable line of a policy update", skipped):
        loss, divergence, entropy, rate = (_finite(m[i]) for i in (1, 2, 3, 5))
        # A log may end in the middle of its last number; the rate never changes within a job.
        if m.end() == len(text) and not (rows and rate == rows[-1][5]):
            skipped.add("unreadable line of a policy update", m[0])
            continue
        values = np.array([loss, divergence, entropy])
        if not np.isfinite(values).all():
            skipped.add("policy update with a value that is no number", m[0])
            if not np.isfinite(values).any():
                continue
        rows.append((m.start(), int(m[4]), loss, divergence, entropy, rate))
    columns = ["at", "epoch", "surrogate_loss", "kl_divergence", "entropy", "learning_rate"]
    return pd.DataFrame(rows, columns=columns)


def _finite(value: bytes) -> float:
    number = float(value)
    return number if math.isfinite(number) else math.nan


def _table_of_restored(restored: tuple[Restored, ...]) -> pd.DataFrame:
    rows = [(at, number) for at, path, number, _ in restored if "pretrained" not in path]
    return pd.DataFrame(rows, columns=["at", "checkpoint"])


def _first_checkpoint(
    saves: pd.DataFrame, restored: tuple[Restored, ...], numbered: pd.DataFrame
) -> int | None:
    """Find c0, the number of the checkpoint a job begins with.

    It is saved at step 0 of the job; a clone continues the numbers of the model it came from; and where the
    beginning of the log is missing, the iteration before a save tells (iteration N produces c0 + N + 1).
    """
    begun = saves.loc[saves["step"] == 0, "checkpoint"]
    if len(begun):
        return int(begun.iloc[0])
    for _, path, number, step in restored:
        if "pretrained" in path:
            return number + 1
        if step == 0:
            return number
    if len(saves) and len(numbered):
        before = numbered[numbered["at"] < saves["at"].iloc[0]]
        if len(before):
            return max(int(saves["checkpoint"].iloc[0] - before["iteration"].iloc[-1]) - 1, 0)
    return None


def _by_checkpoint(rows: pd.DataFrame, marks: pd.DataFrame, origin: int) -> np.ndarray:
    """Tell the iteration of each row by the newest checkpoint before it."""
    newest = np.searchsorted(marks["at"], rows["at"], side="right") - 1
    number = marks["checkpoint"].to_numpy()
    return (np.where(newest >= 0, number[newest], number[0] - 1) - origin).clip(min=0)


def _iterations(policy: pd.DataFrame, numbered: pd.DataFrame, marks: pd.DataFrame, origin: int | None):
    """Tell the iteration a policy line was trained on: by episode lines, else by saves, else by epochs."""
    if len(numbered):
        number = numbered["iteration"].to_numpy()
        last = np.searchsorted(numbered["at"], policy["at"], side="right") - 1
        # Lines before the first episode line belong to the iteration before it.
        return np.where(last >= 0, number[last], max(number[0] - 1, 0))
    if len(marks):
        return _by_checkpoint(policy, marks, origin)
    return (policy["epoch"].diff() <= 0).cumsum()


def _best_and_last(text: bytes) -> tuple[int | None, int | None]:
    found = _BEST.findall(text)
    if not found:
        # A simulation writes only when the best one changes.
        found = [(number, b"-1") for number in _NEW_BEST.findall(text)] or [(b"-1", b"-1")]
    return tuple(int(number) if int(number) >= 0 else None for number in found[-1])


def _pretrained_prefix(text: bytes) -> str | None:
    for found in matches_at((b"pretrained_s3_prefix",), _PRETRAINED, text):
        prefix = found[1].decode("utf-8", "replace").strip("/")
        if prefix and prefix != "None" and not prefix.startswith("--"):
            return prefix
    return None


def _model_name(prefix: str) -> str:
    """Name of the model in a storage prefix: what follows "models/" on AWS, else the last part."""
    parts = prefix.split("/")
    if "models" in parts[:-1]:
        return parts[parts.index("models") + 1]
    return parts[-1]


def _finish(table: pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    return table.reindex(columns=list(columns)).astype(columns).reset_index(drop=True)

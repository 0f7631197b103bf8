"""Training runs whose truth is known: every checkpoint's chance to finish a lap and its lap time in a race.

A lap leads through a handful of corners. At each a checkpoint leaves the track with a chance of its own,
which falls as it learns and wanders from checkpoint to checkpoint; exploration raises it. A drive that fails
ends at the corner where it failed, training drives start from all round the track, evaluation drives at the
line. Nothing here knows of the model that is to find the truth again: chances are products over corners, no
curve of it is a logistic one, and no two corners are alike.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

KINDS = ("typical", "mature", "over-trained", "jumpy")
"""Typical learning; a clone that finishes often from the start; one that collapses at the end; one whose
checkpoints differ much from each other, with two evaluation drives each."""

HOSTILE = ("deaf", "one corner")
"""Runs that the model's assumptions do not fit: one whose training drives hardly tell what it does in a race,
and one in which all failures happen in a single corner close to the end, so that progress tells nothing."""


@dataclass(frozen=True, eq=False)
class SimulatedRun:
    """A run and its truth."""

    kind: str
    episodes: pd.DataFrame
    """Training drives, in the columns of ``run.episodes`` that the race model reads."""
    evaluations: pd.DataFrame
    """Evaluation drives, in the columns of ``run.checkpoint_evaluations``."""
    truth: pd.DataFrame
    """One row per checkpoint: ``checkpoint``, ``finish`` (chance, 0 to 1), ``lap_time``, ``lap_sd`` (s)."""


def simulate_run(seed: int, kind: str = "typical", checkpoints: int = 30, drives: int = 20) -> SimulatedRun:
    """Simulate a run of one of the `KINDS` or of the `HOSTILE` ones."""
    rng = np.random.default_rng([seed, (*KINDS, *HOSTILE).index(kind)])
    corners = 1 if kind == "one corner" else int(rng.integers(5, 10))
    places = np.array([0.9]) if kind == "one corner" else np.sort(rng.uniform(0.03, 0.99, corners))
    race = _hazards(rng, kind, checkpoints, corners)
    penalty = rng.uniform(0.3, 1.6)
    keeps = rng.uniform(0.6, 1.0)
    own = rng.normal(0, 1.2 if kind == "deaf" else 0.15, (checkpoints, 1))
    training = np.exp(keeps * np.log(race) + penalty + own)
    finish = np.exp(-race.sum(axis=1))

    level = rng.uniform(9, 32)
    gain = rng.uniform(0, 0.12) * np.linspace(1, 0, checkpoints) ** 1.5
    wander = np.cumsum(rng.normal(0, 0.008, checkpoints)) + rng.normal(0, 0.006, checkpoints)
    lap_time = level * (1 + gain + wander - wander.mean())
    lap_sd = np.full(checkpoints, level * rng.uniform(0.006, 0.02))
    carried = 0.0 if kind == "deaf" else rng.uniform(0.4, 1.0)
    training_time = (
        level * (1 + rng.normal(0, 0.05))
        + carried * (lap_time - level)
        + level * rng.normal(0, 0.006, checkpoints)
    )
    training_sd = level * rng.uniform(0.02, 0.05)

    per_evaluation = 2 if kind == "jumpy" else 5
    starts = np.tile(np.arange(20) / 20, drives // 20 + 1)[:drives]
    episodes = _drives(rng, training, places, starts, training_time, np.full(checkpoints, training_sd))
    evaluations = _drives(rng, race, places, np.zeros(per_evaluation), lap_time, lap_sd)
    numbers = np.arange(len(episodes), dtype="int32")
    return SimulatedRun(
        kind=kind,
        episodes=episodes.assign(
            iteration=episodes["checkpoint"],
            episode=numbers,
            unique_episode=numbers,
            time_source=pd.Categorical(["official"] * len(episodes)),
            traced=True,
        ),
        evaluations=evaluations,
        truth=pd.DataFrame(
            {
                "checkpoint": np.arange(checkpoints),
                "finish": finish,
                "lap_time": lap_time,
                "lap_sd": lap_sd,
            }
        ),
    )


def _hazards(rng, kind, checkpoints, corners):
    """Failures to expect at each corner of a lap in a race; shape (checkpoints, corners)."""
    learnt = 1 / (1 + np.exp(-(np.arange(checkpoints) / checkpoints - rng.uniform(0.2, 0.5)) * 12))
    first, last = np.log(rng.uniform(4, 12)), np.log(rng.uniform(0.05, 0.8))
    if kind == "mature":
        first = np.log(rng.uniform(0.3, 1.0))
    total = first + (last - first) * learnt
    if kind == "over-trained":
        total += 2.5 * np.clip(np.linspace(-2, 1, checkpoints), 0, None)
    total += np.cumsum(rng.normal(0, 0.12, checkpoints))
    total += rng.normal(0, 1.2 if kind == "jumpy" else 0.4, checkpoints)
    share = rng.normal(0, 1, corners) + np.cumsum(rng.normal(0, 0.12, (checkpoints, corners)), axis=0)
    share = np.exp(share)
    return np.exp(total)[:, None] * share / share.sum(axis=1, keepdims=True)


def _drives(rng, hazards, places, starts, lap_time, lap_sd):
    """Drive every checkpoint once from each of the starts (share of the lap)."""
    checkpoints, n = len(hazards), len(starts)
    ahead = (places[None, :] - starts[:, None]) % 1
    order = np.argsort(ahead, axis=1)
    fails = rng.random((checkpoints, n, len(places))) < -np.expm1(-hazards[:, order])
    complete = ~fails.any(axis=2)
    corner = np.take_along_axis(ahead, order, axis=1)[np.arange(n)[None, :], fails.argmax(axis=2)]
    reached = np.clip(corner + rng.normal(0, 0.015, corner.shape), 0.005, 0.995)
    progress = np.where(complete, 100.0, np.floor(100 * reached))
    laps = rng.normal(lap_time[:, None], lap_sd[:, None], (checkpoints, n))
    return pd.DataFrame(
        {
            "checkpoint": np.repeat(np.arange(checkpoints, dtype="int32"), n),
            "trial": np.tile(np.arange(n, dtype="int32"), checkpoints),
            "start_at": np.tile((starts * 120).astype("float32"), checkpoints),
            "progress": progress.ravel().astype("float32"),
            "complete": complete.ravel(),
            "time": (laps * np.where(complete, 1, reached)).ravel(),
            "end_status": np.where(complete, "lap_complete", "off_track").ravel(),
        }
    )

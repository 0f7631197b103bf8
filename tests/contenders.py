"""Contenders made to order, and those of the sample models."""

from dataclasses import replace

import numpy as np
import pandas as pd

from deepracer_viz.analysis.comparing import Contender


def of_run(run, name=None, iterations=None, evaluations=False) -> Contender:
    """A model, or a range of its iterations, as the page compares it."""
    drives = run.drives(evaluations, iterations)
    rated, updates = run.checkpoint_evaluations, run.policy_updates
    if iterations is not None:
        updates = updates[updates["iteration"].between(*iterations)]
    return Contender(
        name=name or run.name,
        steps=drives.steps,
        episodes=drives.episodes,
        track=drives.track,
        world=run.metadata.world,
        evaluations=rated[rated["checkpoint"].isin(drives.episodes["checkpoint"])],
        policy_updates=updates,
        hours=None if evaluations else drives.hours_by_iteration,
    )


def known_from_metrics(name, times, failures=0, world="loop", drives=20, progress=40.0) -> Contender:
    """A model of which only lap times and failures are known, ``drives`` of them in each iteration."""
    times = np.concatenate([np.asarray(times, dtype=float), np.full(failures, 5.0)])
    complete = np.arange(len(times)) < len(times) - failures
    # Laps and failures mixed evenly over the iterations.
    order = np.random.default_rng(3).permutation(len(times))
    times, complete = times[order], complete[order]
    iteration = (np.arange(len(times)) // drives).astype("int32")
    episodes = pd.DataFrame(
        {
            "worker": pd.Categorical(np.zeros(len(times), dtype=int)),
            "iteration": iteration,
            "checkpoint": iteration,
            "episode": np.arange(len(times), dtype="int32"),
            "unique_episode": np.arange(len(times), dtype="int32"),
            "start_at": np.float32(np.nan),
            "progress": np.where(complete, 100.0, progress).astype("float32"),
            "complete": complete,
            "time": times,
            "time_source": pd.Categorical(["official"] * len(times)),
            "driven_time": np.nan,
            "reward": np.where(complete, 100.0, 40.0),
            "end_status": np.where(complete, "lap_complete", "off_track"),
            "tstamp": np.cumsum(times) - times,
            "traced": False,
        }
    )
    columns = ["worker", "iteration", "steps", "x", "y", "closest_waypoint", "tstamp", "unique_episode"]
    steps = pd.DataFrame({column: [] for column in columns})
    hours = (episodes["tstamp"] + episodes["time"]).groupby(iteration).max() / 3600
    return Contender(name, steps, episodes, None, world, None, None, hours)


def named(contender: Contender, name: str) -> Contender:
    return replace(contender, name=name)

"""Runs made to order that try statistics hardest: next to nothing driven, everything alike, values beyond reason.

A `Shape` says what a run is like; `files` writes it as the files that a training leaves, and `run_of` reads them.
"""

import io
import json
from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepracer_viz import TrainingRun, load_run
from tests.step_lines import csv, lines

RADIUS = 3.0  # m


@dataclass(frozen=True)
class Shape:
    """What a run is like.

    Each worker drives `episodes` episodes of `steps` steps in each iteration, round a circle of `waypoints`
    waypoints that begins at (`away`, `away`) m.
    """

    iterations: int = 8
    episodes: int = 5
    steps: int = 40
    waypoints: int = 60
    workers: int = 1
    laps: float = 0.5  # share of the drives that get round; exactly one does where it is 0 < laps < 0.01
    pace: str = "varied"  # "varied", "equal", or "instant": a lap of 0.01 s
    reward: str = "varied"  # "varied", "negative", "constant", "zero", "huge"
    speed: str = "varied"  # "varied", "constant", or "unknown": no number in the table
    steering: str = "varied"  # "varied", "straight"
    away: float = 0.0
    gaps: bool = False  # the files of every third iteration and of a stretch in the middle are lost
    files: str = "all"  # "all", "log", "metrics", "csv", "trainer"
    job: str = "training"  # or "evaluation"
    clock: float = 10.0  # s, at the first step
    seed: int = 0


def driven(shape: Shape, worker: int = 0) -> pd.DataFrame:
    """Steps of one worker, with the columns of `tests.step_lines`."""
    rng = np.random.default_rng([shape.seed, worker])
    iteration = np.arange(shape.iterations)
    if shape.gaps:
        middle = (iteration > shape.iterations // 3) & (iteration < shape.iterations // 2)
        iteration = iteration[(iteration % 3 != 1) & ~middle]
    number = (iteration[:, None] * shape.episodes + np.arange(shape.episodes)).ravel()
    count = len(number)
    is_lap = rng.random(count) < shape.laps
    if 0 < shape.laps < 0.01:
        is_lap = np.arange(count) == count // 2
    share = np.where(is_lap, 1.0, rng.uniform(0.05, 0.95, count))
    tick = {"varied": rng.uniform(0.06, 0.075, count), "equal": np.full(count, 1 / 15)}
    tick["instant"] = np.full(count, 0.01 / max(shape.steps - 1, 1))
    tick = tick[shape.pace]
    begins = shape.clock + np.append(0, np.cumsum(tick * (shape.steps - 1) + 0.5))[:-1]

    drive = np.repeat(np.arange(count), shape.steps)
    step = np.tile(np.arange(1, shape.steps + 1), count)
    done = step == shape.steps
    progress = share[drive] * (step - 1) / max(shape.steps - 1, 1) if shape.steps > 1 else share[drive]
    start = (number % 20) / 20
    angle = 2 * np.pi * (start[drive] + progress)
    radius = RADIUS + 0.2 * np.sin(3 * angle) + rng.normal(0, 0.05, count)[drive]
    n = len(drive)
    status = np.full(n, "in_progress", dtype=object)
    if shape.steps > 1:
        status[step == 1] = "prepare"
    status[done] = np.where(is_lap, "lap_complete", "off_track")
    rewards = {
        "varied": rng.normal(1, 0.5, n),
        "negative": -rng.uniform(0, 10, n),
        "constant": np.full(n, 1.5),
        "zero": np.zeros(n),
        "huge": rng.choice([-9e5, 1e-4, 9e5], n),
    }
    action = rng.integers(0, 4, n)
    return pd.DataFrame(
        {
            "episode": number[drive],
            "steps": step,
            "x": (shape.away + radius * np.cos(angle)).round(4),
            "y": (shape.away + radius * np.sin(angle)).round(4),
            "yaw": ((np.degrees(angle) + 90) % 360 - 180).round(4),
            "steer": np.array([-20.0, 0.0, 10.0, 20.0])[action] if shape.steering == "varied" else 0.0,
            "speed": np.array([1.0, 1.5, 2.0, 3.0])[action] if shape.speed == "varied" else 1.0,
            "action": action,
            "reward": rewards[shape.reward].round(4),
            "done": done,
            "on_track": ~done | is_lap[drive],
            "progress": (100 * progress).round(4),
            "closest_waypoint": (angle / (2 * np.pi) * shape.waypoints).astype(int) % shape.waypoints,
            "track_len": round(2 * np.pi * RADIUS, 2),
            "tstamp": (begins[drive] + tick[drive] * (step - 1)).round(5),
            "episode_status": status,
            "pause_duration": 0.0,
            "obstacle_crash_counter": 0,
            "wall_clock": (1.77e9 + begins[drive] + tick[drive] * (step - 1)).round(4),
        }
    )


def metrics(steps: pd.DataFrame, shape: Shape) -> bytes:
    """Official results of these drives; of a training, with three evaluation drives after every iteration."""
    rng = np.random.default_rng([shape.seed, 99])
    last = steps.groupby("episode").tail(1)
    begin = steps.groupby("episode")["tstamp"].first().to_numpy()
    time = last["tstamp"].to_numpy() - begin + (0 if shape.pace == "instant" else 0.07)
    reward = steps.groupby("episode")["reward"].sum().to_numpy()
    entries = []
    for episode, seconds, progress, at, total in zip(
        last["episode"].to_numpy(), time, last["progress"].to_numpy(), begin, reward, strict=True
    ):
        one = {
            "trial": int(episode) + 1,
            "completion_percentage": int(progress),
            "elapsed_time_in_milliseconds": round(1000 * seconds),
            "start_time": round(1000 * at),
            "episode_status": "Lap complete" if progress >= 100 else "Off track",
        }
        if shape.job == "training":
            one |= {"phase": "training", "episode": int(episode) + 1, "reward_score": int(total)}
        entries.append(one)
    if shape.job == "training":
        ends = last["episode"].to_numpy()[shape.episodes - 1 :: shape.episodes]
        for after in np.repeat(ends, 3):
            lap = rng.random() < shape.laps
            entries.append(
                entries[0]
                | {"phase": "evaluation", "episode": int(after) + 1, "trial": 1}
                | {"completion_percentage": 100 if lap else 40}
                | {"episode_status": "Lap complete" if lap else "Off track"}
            )
    return json.dumps({"metrics": entries}).encode()


def trainer_log(shape: Shape) -> bytes:
    """Log of the trainer: each episode, and the losses of each iteration."""
    rng = np.random.default_rng([shape.seed, 98])
    out = ["Checkpoint> Saving in path=['./checkpoint/agent/0_Step-0.ckpt']"]
    for iteration in range(shape.iterations):
        out += [
            f"Training> Name=main_level/agent, Worker={worker}, Episode={iteration * shape.episodes + one + 1}, "
            f"Total reward=1, Steps=40, Training iteration={iteration}"
            for worker in range(shape.workers)
            for one in range(shape.episodes)
        ]
        out.append(
            f"Policy training> Surrogate loss={rng.normal():.4f}, KL divergence={rng.random():.4f}, "
            f"Entropy={rng.uniform(0, 2):.4f}, training epoch=0, learning_rate=0.0003"
        )
    return "\n".join([*out, ""]).encode()


def files(shape: Shape) -> dict[str, bytes]:
    """The files of a run, by name."""
    out = {}
    for worker in range(shape.workers):
        steps = driven(shape, worker)
        of_worker = f"_{worker}" if worker else ""
        facts = {"WORLD_NAME": "reinvent_base", "JOB_TYPE": shape.job.upper(), "RACE_TYPE": "TIME_TRIAL"}
        facts |= {"ROLLOUT_IDX": str(worker), "NUM_WORKERS": str(shape.workers)}
        out[f"logs/{worker}-robomaker.log"] = "\n".join([str(facts), *lines(steps), ""]).encode()
        name = "Training" if shape.job == "training" else "Evaluation"
        out[f"metrics/{name}Metrics{of_worker}.json"] = metrics(steps, shape)
        if shape.files == "csv":
            for iteration, rows in steps.groupby(steps["episode"] // shape.episodes):
                out[f"{worker}/{shape.job}-simtrace/{iteration}-iteration.csv"] = csv(rows)
    setup = {"batch_size": 64, "num_episodes_between_training": shape.episodes * shape.workers}
    if shape.job == "training":
        out["sagemaker.log"] = trainer_log(shape)
    out["hyperparameters.json"] = json.dumps(setup).encode()
    kinds = {"log": "robomaker", "metrics": "metrics/", "csv": "simtrace", "trainer": "sagemaker", "all": ""}
    return {name: data for name, data in out.items() if kinds[shape.files] in name or "hyper" in name}


def run_of(shape: Shape) -> TrainingRun:
    """Read the run."""
    run = load_run([(name, io.BytesIO(data)) for name, data in files(shape).items()], name="a")
    if shape.speed == "unknown":
        for steps in (run.steps, run.evaluation_steps):
            steps["speed"] = np.float32(np.nan)
        for episodes in (run.episodes, run.evaluation_episodes):
            episodes["speed"] = np.float32(np.nan)
    return run


SHAPES = {
    "usual": Shape(),
    "no lap": Shape(laps=0),
    "one lap": Shape(laps=0.001),
    "every drive a lap": Shape(laps=1),
    "all laps equal": Shape(laps=1, pace="equal"),
    "one iteration": Shape(iterations=1),
    "two iterations": Shape(iterations=2),
    "one episode": Shape(iterations=1, episodes=1),
    "one lap is all": Shape(iterations=1, episodes=1, laps=1),
    "one step an episode": Shape(steps=1),
    "two steps an episode": Shape(steps=2, laps=0.5),
    "one step is all": Shape(iterations=1, episodes=1, steps=1),
    "one waypoint": Shape(waypoints=1),
    "three waypoints": Shape(waypoints=3),
    "rewards below zero": Shape(reward="negative"),
    "rewards all alike": Shape(reward="constant"),
    "rewards all zero": Shape(reward="zero"),
    "rewards beyond reason": Shape(reward="huge"),
    "gaps in the iterations": Shape(iterations=40, gaps=True),
    "two workers": Shape(workers=2),
    "one speed, no steering": Shape(speed="constant", steering="straight"),
    "speeds unknown": Shape(speed="unknown"),
    "far away": Shape(away=9e3),
    "a lap in 0.01 s": Shape(laps=1, pace="instant"),
    "a clock of Unix": Shape(clock=1.55e9),
    "log alone": Shape(files="log"),
    "CSV files alone": Shape(files="csv"),
    "metrics alone": Shape(files="metrics"),
    "metrics alone, no lap": Shape(files="metrics", laps=0),
    "metrics of one drive": Shape(files="metrics", iterations=1, episodes=1),
    "trainer alone": Shape(files="trainer"),
    "evaluation": Shape(job="evaluation", iterations=1),
    "evaluation of one drive": Shape(job="evaluation", iterations=1, episodes=1),
    "evaluation without a lap": Shape(job="evaluation", iterations=1, laps=0),
    "evaluation, metrics alone": Shape(job="evaluation", files="metrics", iterations=1),
    "all of it at once": Shape(
        iterations=3, episodes=1, waypoints=3, laps=1, pace="equal", reward="constant", speed="constant"
    ),
    "10,000 iterations": Shape(iterations=10_000, episodes=1, steps=4),
}

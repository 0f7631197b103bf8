"""Write a simulated training run in the file formats of the AWS DeepRacer console and of DeepRacer on AWS.

A format is a function from a `Job` to the text of one file; `console_archive` and `droa_archive` put the files
into the folders that each service uses. Line formats: trace fields with the log's own rounding, CSV fields with
full precision, metrics in milliseconds of the simulation clock.
"""

from __future__ import annotations

import io
import json
import tarfile
import uuid
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
from circuit import Circuit
from simulation import Iteration, ModelStory

BUCKET = "sample-deepracer-data"
PREFIX_2026 = "[download_params_and_roslaunch_agent_node-1] [agent-9] "
PREFIX_2026_EVALUATION = "[download_params_and_roslaunch_agent.py-1] [run_evaluation_rl_agent.sh-9] "
# The 2026 evaluation log holds terminal colours as text: "#033" for the escape character.
RED, BLUE, CYAN, PLAIN = "#033[95m", "#033[94m", "#033[30;46m", "#033[0m"
HEADER = (
    "episode,steps,X,Y,yaw,steer,throttle,action,reward,done,all_wheels_on_track,progress,closest_waypoint,"
    "track_len,tstamp,episode_status,pause_duration"
)
STATUS_IN_METRICS = {
    "lap_complete": "Lap complete",
    "off_track": "Off track",
    "reversed": "Reversed",
    "time_up": "Time up",
}


@dataclass
class Job:
    """One training job: the story, what was simulated, and the names and dates its files carry.

    Attributes
    ----------
    story, circuit, iterations
        What was simulated.
    started : datetime.datetime
        Creation of the job; UTC.
    rng : numpy.random.Generator
        For the identifiers and for the trainer's figures that the simulation does not give.
    clone_of : str
        Checkpoint file that a clone starts from, such as `12_Step-24503.ckpt`; empty for a fresh model.
    csv_iterations : int
        How many of the last iterations get a sim-trace CSV.
    races : list of tuple
        Separate evaluations: the checkpoint's file name and its trials.
    layout : str
        "console" (2021 to 2024, 17 fields) or "2026" (DeepRacer on AWS, 19 fields).
    id, short_id : str
        The identifiers that name folders and files, drawn from `rng`.
    """

    story: ModelStory
    circuit: Circuit
    iterations: list[Iteration]
    started: datetime
    rng: np.random.Generator
    clone_of: str = ""
    csv_iterations: int = 5
    races: list[tuple[str, list[np.ndarray]]] = field(default_factory=list)
    layout: str = "console"
    id: str = field(init=False)
    short_id: str = field(init=False)

    def __post_init__(self) -> None:
        self.id = str(uuid.UUID(bytes=self.rng.bytes(16), version=4))
        letters = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"))
        self.short_id = "".join(letters[self.rng.integers(0, len(letters), 15)])

    @property
    def continuous(self) -> bool:
        """Whether the action space is continuous."""
        return self.story.actions is None

    @property
    def hyperparameters(self) -> str:
        """The racer's settings of the training algorithm, as JSON text."""
        values = {
            "batch_size": 64,
            "beta_entropy": 0.01,
            "discount_factor": 0.99,
            "e_greedy_value": 1.0,
            "epsilon_steps": 10000,
            "exploration_type": "categorical",
            "loss_type": "huber",
            "lr": 0.0003,
            "num_episodes_between_training": self.story.episodes,
            "num_epochs": 4,
            "stack_size": 1,
            "term_cond_avg_score": 100000.0,
            "term_cond_max_episodes": 100000,
        }
        return json.dumps(values, indent=2)

    @property
    def action_space(self) -> list | dict:
        """The action space as the simulator holds it."""
        if self.continuous:
            low, high = self.story.speed_limits
            return {"steering_angle": {"high": 30.0, "low": -30.0}, "speed": {"high": high, "low": low}}
        return [
            {"steering_angle": float(angle), "speed": float(speed), "index": index}
            for index, (angle, speed) in enumerate(self.story.actions)
        ]

    @property
    def sensor_line(self) -> str:
        """The log's line about sensors, network and algorithm."""
        kind = "continuous" if self.continuous else "discrete"
        return (
            "Sensor list ['FRONT_FACING_CAMERA'], network DEEP_CONVOLUTIONAL_NETWORK_SHALLOW, simapp_version "
            f"{'6.0' if self.layout == '2026' else '5.0'}, training_algorithm clipped_ppo, action_space_type {kind} "
            "lidar_config {'num_sectors': 8, 'num_values_per_sector': 8, 'clipping_dist': 2.0}"
        )

    @property
    def checkpoints(self) -> list[str]:
        """File names of the checkpoints, the one that drives iteration 0 first, the one never driven last."""
        steps = np.cumsum([0] + [sum(len(t) for t in i.episodes) for i in self.iterations])
        first = self.story.first_checkpoint
        return [f"{first + k}_Step-{n}.ckpt" for k, n in enumerate(steps)]

    @property
    def best_checkpoints(self) -> list[int]:
        """Position in `checkpoints` of the best one so far, after each iteration's evaluation.

        The simulator's rule: the mean progress of a checkpoint's evaluation drives, ties to the later one.
        """
        best, bests, record = 0, [], -np.inf
        for k, iteration in enumerate(self.iterations):
            mean = np.mean([trace["progress"][-1] for trace in iteration.evaluations])
            if mean >= record:
                best, record = k, mean
            bests.append(best)
        return bests


# --------------------------------------------------------------------------------------------- trace rows


def trace_lines(trace: np.ndarray, length: float, wall: float | None = None) -> list[str]:
    """Return the `SIM_TRACE_LOG` lines of one episode, without prefix.

    17 fields; with `wall` (Unix time at simulation time 0) 19, with crash counter and wall clock.
    """
    lines = []
    for row in trace.tolist():
        episode, steps, x, y, yaw, steer, throttle, action, *rest = row
        reward, done, on_track, progress, waypoint, t, status, pause = rest
        action = f"[{steer} {throttle}]" if action < 0 else action
        line = (
            f"SIM_TRACE_LOG:{episode},{steps},{x:.4f},{y:.4f},{yaw:.4f},{steer:.2f},{throttle:.2f},{action},"
            f"{reward:.4f},{done},{on_track},{progress:.4f},{waypoint},{length:.2f},{t},{status},{pause:.2f}"
        )
        lines.append(line if wall is None else f"{line},0,{wall + t:.4f}")
    return lines


def trace_csv(traces: list[np.ndarray], length: float, wall: float | None = None) -> str:
    """Return the sim-trace CSV of some episodes, with full precision."""
    lines = [HEADER if wall is None else HEADER + ",obstacle_crash_counter,wall_clock"]
    for trace in traces:
        for row in trace.tolist():
            episode, steps, x, y, yaw, steer, throttle, action, *rest = row
            reward, done, on_track, progress, waypoint, t, status, pause = rest
            action = f"[{steer} {throttle}]" if action < 0 else action
            progress = 100 if progress >= 100 else progress
            line = (
                f"{episode},{steps}.0,{x},{y},{yaw},{steer},{throttle},{action},{reward},{done},{on_track},"
                f"{progress},{waypoint},{length},{t},{status},{pause}"
            )
            lines.append(line if wall is None else f"{line},0,{wall + t}")
    return "\n".join(lines) + "\n"


# ------------------------------------------------------------------------------------------------ metrics


def _elapsed(trace: np.ndarray) -> tuple[int, int]:
    """Start and end of an episode in ms: the reset comes about one row before the first row."""
    start = round(trace["tstamp"][0] * 1000) - 67
    return start, round(trace["tstamp"][-1] * 1000)


def official_time(trace: np.ndarray) -> float:
    """Return an episode's time (s) as the metrics give it."""
    start, end = _elapsed(trace)
    return (end - start) / 1000


def training_metrics(job: Job) -> str:
    """Return the metrics JSON of the training job: training episodes, and evaluation drives per checkpoint."""
    entries = []
    for iteration in job.iterations:
        for phase, traces in (("training", iteration.episodes), ("evaluation", iteration.evaluations)):
            for n, trace in enumerate(traces):
                start, end = _elapsed(trace)
                entries.append(
                    {
                        "reward_score": round(float(trace["reward"].sum())),
                        "metric_time": end,
                        "start_time": start,
                        "elapsed_time_in_milliseconds": end - start,
                        "episode": int(trace["episode"][0]) + 1,
                        "trial": n + 1 if phase == "training" else len(iteration.episodes),
                        "phase": phase,
                        "completion_percentage": int(trace["progress"][-1]),
                        "episode_status": STATUS_IN_METRICS[str(trace["status"][-1])],
                    }
                )
    return json.dumps({"metrics": entries, "version": 2.0, "best_model_metric": "progress"})


def race_metrics(traces: list[np.ndarray]) -> str:
    """Return the metrics JSON of a separate evaluation."""
    entries = []
    for n, trace in enumerate(traces):
        start, end = _elapsed(trace)
        count = {s: int((trace["status"] == s).sum()) for s in ("off_track", "reversed")}
        entries.append(
            {
                "completion_percentage": int(trace["progress"][-1]),
                "metric_time": end,
                "start_time": start,
                "elapsed_time_in_milliseconds": end - start,
                "episode_status": STATUS_IN_METRICS[str(trace["status"][-1])],
                "crash_count": 0,
                "immobilized_count": 0,
                "off_track_count": count["off_track"],
                "reversed_count": count["reversed"],
                "reset_count": sum(count.values()),
                "trial": n + 1,
            }
        )
    return json.dumps({"metrics": entries})


def model_metadata(job: Job) -> str:
    """Return `model_metadata.json`."""
    return json.dumps(
        {
            "action_space": job.action_space,
            "sensor": ["FRONT_FACING_CAMERA"],
            "neural_network": "DEEP_CONVOLUTIONAL_NETWORK_SHALLOW",
            "version": "5",
            "training_algorithm": "clipped_ppo",
            "action_space_type": "continuous" if job.continuous else "discrete",
        },
        indent=2,
    )


# --------------------------------------------------------------------------------------------------- logs


def _parameters(job: Job, kind: str, trials: int = 0) -> str:
    """Return the job's settings as the simulator prints them: a Python dict on one line."""
    base = f"models/{job.id}"
    values = {
        "METRICS_S3_BUCKET": [BUCKET],
        "METRICS_S3_OBJECT_KEY": [f"{base}/metrics/{kind.lower()}.json"],
        "SIMTRACE_S3_PREFIX": f"{base}/sim-trace/{kind.lower()}",
        "JOB_TYPE": kind,
        "RACE_TYPE": "TIME_TRIAL",
        "WORLD_NAME": job.circuit.name,
        "CAR_NAME": job.story.name,
        "CAR_COLOR": ["Blue"],
        "BODY_SHELL_TYPE": ["deepracer"],
        "AWS_REGION": "us-east-1",
        "MODEL_METADATA_FILE_S3_KEY": [f"{base}/model_metadata.json"],
        "ALTERNATE_DRIVING_DIRECTION": "false",
    }
    if kind == "TRAINING":
        values |= {"CHANGE_START_POSITION": "true", "NUMBER_OF_EPISODES": "0", "TARGET_REWARD_SCORE": "None"}
    else:
        values |= {"NUMBER_OF_TRIALS": str(trials), "NUMBER_OF_RESETS": "10000", "IS_CONTINUOUS": "false"}
        values |= {"OFF_TRACK_PENALTY": "2.0", "COLLISION_PENALTY": "5.0"}
    return repr(values)


def simulation_log(job: Job, wall: float | None = None) -> str:
    """Return the log of the simulator: 17 fields a row, or 19 in the 2026 format when `wall` is given."""
    new = wall is not None
    rows: list[str] = [
        f"World name passed in YAML: {job.circuit.name}",
        _parameters(job, "TRAINING"),
        job.sensor_line,
        "Succeed to import user's reward function",
        f"Action space from file: {job.action_space}",
        "Using the following hyper-parameters",
        *job.hyperparameters.split("\n"),
        "## Creating graph - name: MultiAgentGraphManager",
        "## Creating agent - name: agent",
        "## Creating session",
    ]
    directory = "./checkpoint/agent" if new else "./checkpoint_robomaker/agent"
    names, bests = job.checkpoints, job.best_checkpoints
    record, steps, scores = None, 0, []
    for k, iteration in enumerate(job.iterations):
        rows.append(f"Checkpoint> Restoring from path={directory}/{names[k]}")
        rows.append(
            f"[BestModelSelection] Number of evaluations: {len(scores)} Evaluation episode progress: {scores}"
        )
        mean = float(np.mean(scores)) if scores else None
        rows.append(f"[BestModelSelection] Evaluation episode progress mean: {mean}")
        rows.append(f"[BestModelSelection] current progress mean: {mean} >= best progress mean: {record}")
        if k == 0:
            rows.append(f'[BestModelSelection] Updating the best checkpoint to "{names[0]}" from "None".')
        elif bests[k - 1] == k - 1:
            before = names[bests[k - 2]] if k > 1 else names[0]
            rows.append(
                f'[BestModelSelection] Updating the best checkpoint to "{names[k - 1]}" from "{before}".'
            )
            record = mean
        for trace in iteration.episodes:
            rows += ["Reset agent", "Reset agent finished"]
            for line, step in zip(trace_lines(trace, job.circuit.length, wall), trace["steps"], strict=True):
                if step % 100 == 0:
                    reward = trace["reward"][step - 1]
                    rows.append(f"step {step}: speed {trace['throttle'][step - 1]:.2f} reward {reward:.3f}")
                rows.append(line)
                if not new:
                    rows.append("")
            steps += len(trace)
            rows.append(
                f"Training> Name=main_level/agent, Worker=0, Episode={int(trace['episode'][0]) + 1}, Total "
                f"reward={_number(trace['reward'].sum())}, Steps={steps}, Training iteration=0"
            )
        scores = []
        for trace in iteration.evaluations:
            total = _number(trace["reward"].sum())
            rows += ["## agent: Starting evaluation phase", "Reset agent", "Reset agent finished"]
            rows.append(
                f"Testing> Name=main_level/agent, Worker=0, Episode={int(trace['episode'][0]) + 1}, Total "
                f"reward={total}, Steps={steps}, Training iteration=0"
            )
            rows.append(
                f"## agent: Finished evaluation phase. Success rate = 0.0, Avg Total Reward = {total}"
            )
            scores.append(float(trace["progress"][-1]))
        rows.append(
            f"[s3] Successfully uploaded simtrace_training to s3 bucket {BUCKET} with s3 key "
            f"models/{job.id}/sim-trace/training/training-simtrace/{k}-iteration.csv."
        )
    prefix = PREFIX_2026 if new else ""
    return "".join(f"{prefix}{row}\n" if row else "\n" for row in rows)


def _number(value: float) -> float:
    return round(float(value), 2)


def trainer_log(job: Job, real_rewards: bool = False) -> str:
    """Return the log of the trainer (SageMaker): episodes, one line per epoch, checkpoints.

    The console prints 0 for every episode's reward; `real_rewards` prints them.
    """
    rows = [
        "Writing training job pid to /opt/ml/training_worker.pid: 55",
        job.sensor_line,
        f"Action space from file: {job.action_space}",
        "Using the following hyper-parameters",
        *job.hyperparameters.split("\n"),
        "## Creating graph - name: MultiAgentGraphManager",
        "## Creating agent - name: agent",
        "## Creating session",
    ]
    if job.clone_of:
        rows.append(f"Checkpoint> Restoring from path=./pretrained_checkpoint_sagemaker/agent/{job.clone_of}")
    bests, first = job.best_checkpoints, job.story.first_checkpoint
    rows += _saving(job, 0, -1, -1)
    rows.append("DoorMan: installing SIGINT, SIGTERM")
    entropies = [i.entropy for i in job.iterations]
    entropies.append(entropies[-1])
    epochs = json.loads(job.hyperparameters)["num_epochs"]
    steps = 0
    for k, iteration in enumerate(job.iterations):
        for trace in iteration.episodes:
            steps += len(trace)
            total = _number(trace["reward"].sum()) if real_rewards else 0
            rows.append(
                f"Training> Name=main_level/agent, Worker=0, Episode={int(trace['episode'][0]) + 1}, Total "
                f"reward={total}, Steps={steps}, Training iteration={k}"
            )
        noise = job.rng.standard_normal((3, epochs))
        for e in range(epochs):
            share = (e + 1) / epochs
            loss = 0.015 - 0.09 * share**0.5 + 0.008 * noise[0, e]
            divergence = max(0.004 + 0.05 * share**0.7 + 0.004 * noise[1, e], 1e-4)
            entropy = entropies[k] + (entropies[k + 1] - entropies[k]) * share + 0.008 * noise[2, e]
            rows.append(
                f"Policy training> Surrogate loss={loss}, KL divergence={divergence}, Entropy={entropy}, "
                f"training epoch={e}, learning_rate=0.0003"
            )
        # A checkpoint's evaluation is known when the next one loads, so the figures lag one behind.
        known = max(k - 1, 0)
        best = first + (bests[known] if k else 0)
        rows += _saving(job, k + 1, best, first + known)
    return "\n".join(rows) + "\n"


def _saving(job: Job, position: int, best: int, last: int) -> list[str]:
    path = f"./checkpoint_sagemaker/agent/{job.checkpoints[position]}"
    number = job.story.first_checkpoint + position
    return [
        f"INFO:tensorflow:{path} is not in all_model_checkpoint_paths. Manually adding it.",
        f"Checkpoint> Saving in path=['{path}']",
        f"Uploaded 3 files for checkpoint {number}",
        f"saved intermediate frozen graph: models/{job.id}/model/model_{number}.pb",
        f"Best checkpoint number: {best}, Last checkpoint number: {last}",
    ]


def race_log(job: Job, checkpoint: str, traces: list[np.ndarray], wall: float) -> str:
    """Return the 2026 log of a separate evaluation."""
    rows = [
        f"World name passed in YAML: {job.circuit.name}",
        _parameters(job, "EVALUATION", len(traces)),
        job.sensor_line,
        f"Action space from file: {job.action_space}",
        f"{RED}Checkpoint{PLAIN} - {BLUE}Restoring from path: {PLAIN}./checkpoint/agent/{checkpoint} ",
    ]
    for trace in traces:
        rows += [f"{CYAN}agent: Starting evaluation phase{PLAIN}", "Reset agent", "Reset agent finished"]
        rows += trace_lines(trace, job.circuit.length, wall)
        total = _number(trace["reward"].sum())
        values = {"Name": "main_level/agent", "Worker": 0, "Episode": 0, "Total reward": total, "Steps": 0}
        values["Training iteration"] = 0
        pairs = "".join(f"{BLUE}{name}: {PLAIN}{value} " for name, value in values.items())
        rows.append(f"{RED}Testing{PLAIN} - {pairs}")
        rows.append(
            f"{CYAN}agent: Finished evaluation phase. Success rate = 0.0, Avg Total Reward = {total}{PLAIN}"
        )
    return "".join(f"{PREFIX_2026_EVALUATION}{row}\n" for row in rows)


# ---------------------------------------------------------------------------------------------- archives


def console_archive(job: Job) -> dict[str, str]:
    """Return path -> text of a console export of 2021 to 2024 (17 fields)."""
    stamp = f"{job.started:%Y%m%d%H%M%S}-{job.short_id}"
    logs = f"{job.id}/logs/training/training-{stamp}"
    files = {
        f"{logs}-robomaker.log": simulation_log(job),
        f"{logs}-sagemaker.log": trainer_log(job),
        f"{job.id}/metrics/training/training-{stamp}.json": training_metrics(job),
        f"{job.id}/model/model_metadata.json": model_metadata(job),
        f"{job.id}/ip/hyperparameters.json": job.hyperparameters,
    }
    for iteration in job.iterations[len(job.iterations) - job.csv_iterations :]:
        path = f"{job.id}/sim-trace/training/training-simtrace/{iteration.index}-iteration.csv"
        files[path] = trace_csv(iteration.episodes, job.circuit.length)
    return files


STALE_SHARE = 0.035  # of the prepare rows of 2026 logs


def make_prepare_rows_stale(job: Job) -> None:
    """Let some first rows of episodes still show where the car of the previous episode stopped, as 2026 logs do."""
    length, distance = job.circuit.length, job.circuit.distance
    traces = [trace for iteration in job.iterations for trace in iteration.episodes]
    for before, trace in pairwise(traces):
        if job.rng.random() < STALE_SHARE:
            gap = distance[before["closest_waypoint"][-1]] - distance[trace["closest_waypoint"][0]]
            gap = (gap + length / 2) % length - length / 2
            trace["progress"][0] += 100 * gap / length
            for name in ("x", "y", "yaw", "closest_waypoint", "on_track"):
                trace[name][0] = before[name][-1]


def droa_archive(job: Job) -> dict[str, str]:
    """Return path -> text of a DeepRacer on AWS export of 2026 (19 fields), with its separate evaluations.

    Some of the job's prepare rows become stale on the way.
    """
    make_prepare_rows_stale(job)
    folder = f"deepracerindy-{job.short_id}"
    name = f"{job.started:%Y-%m-%dT%H:%M:%S}.511Z-deepracerindy-training-{job.short_id}"
    wall = job.started.timestamp() + 240.0
    files = {
        f"{folder}/logs/training/{name}-simulation.log": simulation_log(job, wall),
        f"{folder}/logs/training/{name}-training.log": trainer_log(job, real_rewards=True),
        f"{folder}/metrics/training/{name}.json": training_metrics(job),
        f"{folder}/model/model_metadata.json": model_metadata(job),
        f"{folder}/ip/hyperparameters.json": job.hyperparameters,
    }
    length = job.circuit.length
    for iteration in job.iterations[len(job.iterations) - job.csv_iterations :]:
        path = f"{folder}/sim-trace/training/{name}/training-simtrace/{iteration.index}-iteration.csv"
        files[path] = trace_csv(iteration.episodes, length, wall)
    for n, (checkpoint, traces) in enumerate(job.races):
        when = job.started + timedelta(days=1, hours=n)
        name = f"{when:%Y-%m-%dT%H:%M:%S}.204Z-deepracerindy-evaluation-{job.short_id[:-1]}{n}"
        wall = when.timestamp() + 240.0
        files[f"{folder}/logs/evaluation/{name}-simulation.log"] = race_log(job, checkpoint, traces, wall)
        files[f"{folder}/metrics/evaluation/{name}.json"] = race_metrics(traces)
        path = f"{folder}/sim-trace/evaluation/{name}/evaluation-simtrace/0-iteration.csv"
        files[path] = trace_csv(traces, length, wall)
    return files


def pack(files: dict[str, str], modified: datetime) -> bytes:
    """Return a `.tar.gz` of the files: the same bytes for the same texts."""
    seconds = modified.astimezone(UTC).timestamp()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(files):
            content = files[path].encode()
            member = tarfile.TarInfo(path)
            member.size, member.mtime = len(content), int(seconds)
            archive.addfile(member, io.BytesIO(content))
    # Window bits 31 is gzip with an empty header; the "filtered" strategy suits columns of digits (5 % smaller).
    gzip = zlib.compressobj(9, zlib.DEFLATED, 31, 8, zlib.Z_FILTERED)
    return gzip.compress(packed.getvalue()) + gzip.flush()

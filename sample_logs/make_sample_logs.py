"""Make the sample models: logs in the real formats, from our own simulation, with a story each.

    python sample_logs/make_sample_logs.py              # all models, into sample_logs/
    python sample_logs/make_sample_logs.py over-trained --folder /somewhere/else

Beside each `<model>.tar.gz` stands `<model>.json` with what was planted in it, as simulated. The same seed gives
the same bytes (with the same NumPy).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import simulation as sim
import writing
from circuit import Circuit, build_circuit
from driving import Reward


def _grid(angles: tuple[float, ...], speeds: tuple[float, ...]) -> tuple[tuple[float, float], ...]:
    return tuple((float(a), float(v)) for a in angles for v in speeds)


def planted_faults(circuit: Circuit) -> tuple[sim.Fault, ...]:
    """Faults of the model `planted-faults`: four, at places of their own."""
    long, hairpin = circuit.section("long straight"), circuit.section("hairpin")
    middle, exit_ = circuit.section("middle straight"), circuit.section("left-hander onto")
    return (
        sim.Fault("running_wide", exit_.start + 0.7, exit_.end + 0.5, 0.3),
        sim.Fault("weaving", long.start + 1.0, hairpin.start - 2.6, 18.0),
        sim.Fault("early_braking", hairpin.start - 2.2, hairpin.start - 0.3, 1.6),
        sim.Fault("slow_straight", middle.start + 0.5, circuit.length - 0.1, 1.6),
    )


FAULT_WORDS = {
    "weaving": ("steers to and fro all along", "degrees of steering to each side"),
    "early_braking": ("brakes too early before", "m/s from there to the corner"),
    "running_wide": ("runs wide in", "m outside of its own line in mid-stretch"),
    "slow_straight": ("drives slowly on", "m/s at most"),
    "late_braking": ("brakes too late before", "m at top speed from where it should brake"),
    "slow_exit": ("leaves slowly", "m/s at most from within the corner to some way after it"),
    "over_steering": ("steers too much and corrects in", "degrees of steering too much and too little"),
    "under_steering": ("slides wide at full lock in", "share of the grip that is lost"),
    "not_reached": ("spins its wheels on", "share of the commanded speed that is not reached"),
    "fighting_actions": ("commands fast and slow in turn on", "m/s less in every other step"),
    "leaving": ("leaves the track in", "share of the steering needed that is missing"),
}


def stories(circuit: Circuit) -> dict[str, tuple[sim.ModelStory, dict]]:
    """Return the sample models: story, and how it is written."""
    models = [
        (
            sim.ModelStory(
                name="steady-and-slow",
                story="Completes nearly every lap with little spread, but is far from fast: its top speed is low.",
                iterations=30,
                actions=_grid((-30, -20, -10, 0, 10, 20, 30), (1.5, 1.9)),
                speed_limits=(1.5, 1.9),
                top_speed=1.9,
                pace=0.82,
                racing_line=0.15,
                learning=0.2,
                drift=0.11,
                lapses=0.8,
                exploration_end=0.22,
                exploration_half_life=6.0,
            ),
            {
                "layout": "console",
                "started": datetime(2023, 5, 8, 9, 14, 5, tzinfo=UTC),
                "csv_iterations": 1,
                "seed": 25,
            },
        ),
        (
            sim.ModelStory(
                name="fast-but-fragile",
                story="Drives the fastest laps of all four models, and leaves the track in most of its attempts.",
                iterations=30,
                actions=None,
                speed_limits=(1.4, 3.8),
                top_speed=3.7,
                ignorance=1.15,
                pace=0.96,
                pace_start=0.55,
                racing_line=0.9,
                learning=0.26,
                drift=0.12,
                lapses=1.75,
                exploration_end=0.25,
                exploration_half_life=8,
                reward=Reward(centre=0.5, speed=1.0),
            ),
            {
                "layout": "2026",
                "started": datetime(2026, 4, 11, 17, 2, 40, tzinfo=UTC),
                "csv_iterations": 1,
                "seed": 23,
            },
        ),
        (
            sim.ModelStory(
                name="over-trained",
                story="Learns early, is best about iteration 15, and gets worse the longer it is trained after that.",
                iterations=36,
                actions=_grid((-30, -15, 0, 15, 30), (1.4, 2.0, 2.6)),
                speed_limits=(1.4, 2.6),
                top_speed=2.5,
                pace=0.82,
                racing_line=0.5,
                ignorance=1.0,
                learning=0.27,
                drift=0.08,
                lapses=0.9,
                exploration_end=0.15,
                exploration_half_life=5,
                overtrained_from=15,
                overtraining=1.05,
            ),
            {
                "layout": "console",
                "started": datetime(2023, 6, 21, 20, 40, 12, tzinfo=UTC),
                "csv_iterations": 3,
                "seed": 27,
            },
        ),
        (
            sim.ModelStory(
                name="planted-faults",
                story="A clone that completes most laps, and throws time away at four places of the track.",
                iterations=30,
                first_checkpoint=13,
                actions=_grid((-25, 25), (1.5, 2.2)) + _grid((-15, -7, 0, 7, 15), (1.5, 2.2, 2.9)),
                speed_limits=(1.5, 2.9),
                top_speed=2.9,
                pace=0.9,
                racing_line=0.6,
                ignorance=0.6,
                learning=0.16,
                drift=0.12,
                lapses=1.0,
                exploration=0.8,
                exploration_end=0.22,
                exploration_half_life=7,
                faults=planted_faults(circuit),
            ),
            {
                "layout": "console",
                "started": datetime(2023, 7, 2, 6, 31, 27, tzinfo=UTC),
                "csv_iterations": 1,
                "seed": 25,
                "clone_of": "12_Step-21873.ckpt",
            },
        ),
    ]
    return {story.name: (story, how) for story, how in models}


def build(
    story: sim.ModelStory, how: dict, seed: int, circuit: Circuit, truth_drives: int = 100
) -> tuple[bytes, dict]:
    """Simulate one model and write it: the archive, and the facts about it.

    Parameters
    ----------
    story : simulation.ModelStory
    how : dict
        How it is written: `layout` ("console" or "2026"), `started` (datetime), `csv_iterations`, and for a clone
        `clone_of`.
    seed : int
    circuit : simulation.Circuit
    truth_drives : int
        Further drives of each checkpoint for its true completion.

    Returns
    -------
    archive : bytes
    facts : dict
    """
    iterations = sim.simulate_training(story, seed, circuit)
    job = writing.Job(
        story=story,
        circuit=circuit,
        iterations=iterations,
        started=how["started"],
        rng=np.random.default_rng([seed, 1]),
        clone_of=how.get("clone_of", ""),
        csv_iterations=how["csv_iterations"],
        layout=how["layout"],
    )
    if job.layout == "2026":
        best = job.best_checkpoints[-1]
        traces = sim.simulate_race(iterations[best].policy, seed + 3, trials=5, circuit=circuit)
        job.races = [(job.checkpoints[best], traces)]
        files = writing.droa_archive(job)
    else:
        files = writing.console_archive(job)
    facts = planted_facts(job, seed, truth_drives)
    return writing.pack(files, how["started"]), facts


def planted_facts(job: writing.Job, seed: int, truth_drives: int) -> dict:
    """Return what the simulation knows about a model and the page must find out."""
    story, circuit, iterations = job.story, job.circuit, job.iterations
    episodes = [(i.index, trace) for i in iterations for trace in i.episodes]
    complete = np.array([trace["status"][-1] == "lap_complete" for _, trace in episodes])
    index = np.array([k for k, _ in episodes])
    time = np.array([writing.official_time(trace) for _, trace in episodes])
    third = len(iterations) - max(len(iterations) // 3, 1)
    late = time[complete & (index >= third)]
    fastest = int(np.where(complete, time, np.inf).argmin()) if complete.any() else None
    chance = [sim.completion_chance(i.policy, seed + i.index, truth_drives, circuit) for i in iterations]
    smooth = np.convolve(np.pad(chance, 2, mode="edge"), np.ones(5) / 5, mode="valid")
    best = int(smooth.argmax())
    return {
        "model": story.name,
        "story": story.story,
        "seed": seed,
        "generator": sim.VERSION,
        "numpy": np.__version__,
        "track": circuit.name,
        "track_length_m": round(circuit.length, 3),
        "waypoints": len(circuit.center),
        "layout": "DeepRacer on AWS, 2026, 19 fields" if job.layout == "2026" else "console, 2023, 17 fields",
        "action_space": "continuous" if job.continuous else f"discrete, {len(story.actions)} actions",
        "clone_of": job.clone_of or None,
        "iterations": story.iterations,
        "episodes_per_iteration": story.episodes,
        "first_checkpoint": story.first_checkpoint,
        "last_checkpoint": story.first_checkpoint + story.iterations,
        "best_checkpoint_by_evaluation": story.first_checkpoint + job.best_checkpoints[-1],
        "csv_iterations": [i.index for i in iterations[story.iterations - job.csv_iterations :]],
        "training": {
            "episodes": len(episodes),
            "steps": int(sum(len(trace) for _, trace in episodes)),
            "laps": int(complete.sum()),
            "first_lap_in_iteration": int(index[complete].min()) if complete.any() else None,
            "fastest_official_lap_s": None if fastest is None else round(float(time[fastest]), 3),
            "fastest_lap_in_iteration": None if fastest is None else int(index[fastest]),
            "last_third_from_iteration": third,
            "last_third_completion": round(float(complete[index >= third].mean()), 3),
            "last_third_lap_mean_s": round(float(late.mean()), 3) if len(late) else None,
            "last_third_lap_sd_s": round(float(late.std(ddof=1)), 3) if len(late) > 1 else None,
        },
        "truth": {
            "what": f"completion chance of each iteration's checkpoint, from {truth_drives} further drives of it "
            "with exploration from all starts; best and converged: of its mean over five iterations, the highest, "
            "and the first within 5 points of that",
            "completion_by_iteration": [round(c, 3) for c in chance],
            "converged_at_iteration": int(np.argmax(smooth >= smooth.max() - 0.05)),
            "best_iteration": best,
            "best_checkpoint": story.first_checkpoint + best,
            "overtrained_from_iteration": story.overtrained_from,
        },
        "planted": [
            fault_facts(fault, iterations[-1], story, circuit, seed, 4 * truth_drives)
            for fault in story.faults
        ],
        "evaluations": [
            {
                "checkpoint": int(name.split("_")[0]),
                "times_s": [writing.official_time(trace) for trace in traces],
                "off_track": [int((trace["status"] == "off_track").sum()) for trace in traces],
            }
            for name, traces in job.races
        ],
    }


def fault_facts(
    fault: sim.Fault, last: sim.Iteration, story: sim.ModelStory, circuit: Circuit, seed: int, drives: int
) -> dict:
    """Say where a fault is, how bad, and what it costs: lap times of the last checkpoint with and without it."""
    # Braking is about the corner that follows, the others about the place where they begin.
    place = {"early_braking": fault.end + 0.5, "late_braking": fault.end}.get(fault.kind, fault.start)
    section = next(s for s in circuit.sections if s.contains(place))
    words, unit = FAULT_WORDS[fault.kind]
    without = last.twin(faults=tuple(f for f in story.faults if f != fault))
    cost = np.subtract(*(sim.mean_lap(policy, seed, drives, circuit) for policy in (last.policy, without)))
    return {
        "kind": fault.kind,
        "words": f"{words} the {section.words}",
        "section": section.name,
        "waypoint_from": circuit.waypoint(fault.start),
        "waypoint_to": circuit.waypoint(fault.end),
        "from_m": round(fault.start, 2),
        "to_m": round(fault.end, 2),
        "size": fault.size,
        "unit": unit,
        "true_cost_s_per_lap": round(float(cost), 3) if np.isfinite(cost) else None,
    }


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under another name first, so that a reader never sees half of it."""
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(content)
    os.replace(beside, path)


def main(arguments: list[str] | None = None) -> None:
    """Make the models named on the command line, or all."""
    circuit = build_circuit()
    models = stories(circuit)
    parser = argparse.ArgumentParser(description="Make the sample models.")
    parser.add_argument("models", nargs="*", metavar="model", help=f"of {', '.join(models)}; default: all")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent)
    parser.add_argument(
        "--other", type=int, default=0, help="added to the seeds: other runs of the same stories"
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.models) - set(models):
        parser.error(f"no such model: {', '.join(sorted(unknown))}")
    route = io.BytesIO()
    np.save(route, circuit.route)
    write_atomically(options.folder / f"{circuit.name}.npy", route.getvalue())
    for name, (story, how) in models.items():
        if options.models and name not in options.models:
            continue
        archive, facts = build(story, how, how["seed"] + options.other, circuit)
        write_atomically(options.folder / f"{name}.tar.gz", archive)
        write_atomically(options.folder / f"{name}.json", json.dumps(facts, indent=1).encode() + b"\n")
        print(f"{name}: {facts['training']['steps']} steps, {len(archive) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()

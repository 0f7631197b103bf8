"""Read AWS DeepRacer training logs: how fast, how steady, and where to improve."""

from deepracer_viz.chain import can_follow, chain_runs
from deepracer_viz.follow import FollowedRun
from deepracer_viz.logs.errors import LogError
from deepracer_viz.run import Drives, RunMetadata, TrainingRun, load_run
from deepracer_viz.track import Track, load_track

__all__ = [
    "Drives",
    "FollowedRun",
    "LogError",
    "RunMetadata",
    "Track",
    "TrainingRun",
    "can_follow",
    "chain_runs",
    "load_run",
    "load_track",
]

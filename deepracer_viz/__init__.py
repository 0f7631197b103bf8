"""Read AWS DeepRacer training logs: how fast, how steady, and where to improve."""

from deepracer_viz.logs.errors import LogError
from deepracer_viz.run import Drives, RunMetadata, TrainingRun, load_run
from deepracer_viz.track import Track, load_track

__all__ = ["Drives", "LogError", "RunMetadata", "Track", "TrainingRun", "load_run", "load_track"]

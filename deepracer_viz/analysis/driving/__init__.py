"""How the car drives, place by place: where it loses time, and by what."""

from deepracer_viz.analysis.driving.findings import DETECTORS, driving_verdict, find_inefficiencies
from deepracer_viz.analysis.driving.profile import driving_profile
from deepracer_viz.analysis.driving.timing import best_possible_lap, section_times, time_account, time_delta

__all__ = [
    "DETECTORS",
    "best_possible_lap",
    "driving_profile",
    "driving_verdict",
    "find_inefficiencies",
    "section_times",
    "time_account",
    "time_delta",
]

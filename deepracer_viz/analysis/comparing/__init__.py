"""Models, or ranges of iterations of one, held against each other in every question the page asks."""

from deepracer_viz.analysis.comparing.contenders import (
    MOST_CONTENDERS,
    Contender,
    on_one_track,
    shared_track,
    track_differs,
)
from deepracer_viz.analysis.comparing.driving import compare_driving
from deepracer_viz.analysis.comparing.envelopes import beats, compare_envelopes
from deepracer_viz.analysis.comparing.odds import compare_odds
from deepracer_viz.analysis.comparing.rewards import compare_rewards
from deepracer_viz.analysis.comparing.training import compare_training

__all__ = [
    "MOST_CONTENDERS",
    "Contender",
    "beats",
    "compare_driving",
    "compare_envelopes",
    "compare_odds",
    "compare_rewards",
    "compare_training",
    "on_one_track",
    "shared_track",
    "track_differs",
]

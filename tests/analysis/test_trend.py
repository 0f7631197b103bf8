"""How often a model finishes over its iterations, and the curve behind the verdicts on a training."""

import numpy as np
import pandas as pd
import pytest

from deepracer_viz.analysis.trend import completion_trend


def drives(*complete, iteration, status="off_track"):
    """Drives of one iteration; those that do not finish end after 40 % of the track."""
    done = np.array(complete, dtype=bool)
    return pd.DataFrame(
        {
            "iteration": np.full(len(done), iteration, dtype="int32"),
            "progress": np.where(done, 100.0, 40.0),
            "complete": done,
            "end_status": np.where(done, "lap_complete", status),
        }
    )


class TestCompletionTrend:
    @staticmethod
    def trained(*laps_of_20):
        return pd.concat(
            drives(*[True] * n, *[False] * (20 - n), iteration=i) for i, n in enumerate(laps_of_20)
        )

    def test_still_rising_has_not_declined(self):
        trend = completion_trend(self.trained(0, 1, 3, 6, 9, 12, 15, 18))
        assert (trend.laps, trend.drives) == (6 + 9 + 12 + 15 + 18, 100)
        assert (trend.best_from, trend.best_to) == (3, 7)
        assert trend.completion == pytest.approx(0.6)
        assert not trend.declined

    def test_over_trained_has_declined(self):
        trend = completion_trend(self.trained(2, 10, 18, 20, 19, 20, 18, 10, 4, 2, 1, 1))
        assert trend.declined
        assert (trend.best_from, trend.best_to) == (2, 6)
        assert (trend.best_laps, trend.best_drives) == (95, 100)
        assert trend.laps == 18

    def test_chance_alone_is_no_decline(self):
        rng = np.random.default_rng(3)
        declines = [completion_trend(self.trained(*rng.binomial(20, 0.5, 12))).declined for _ in range(100)]
        assert np.mean(declines) < 0.1

    def test_few_iterations_and_none(self):
        one = completion_trend(self.trained(5))
        assert (one.laps, one.drives, one.best_from, one.best_to) == (5, 20, 0, 0)
        assert one.state == "too short" and not one.declined and not one.settled
        assert completion_trend(self.trained(5).iloc[:0]) is None

    def test_drives_cut_off_do_not_count(self):
        cut_off = drives(False, iteration=0, status="in_progress")
        episodes = pd.concat([drives(True, False, iteration=0), cut_off])
        assert completion_trend(episodes).drives == 2

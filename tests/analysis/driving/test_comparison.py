import numpy as np
import pytest

from deepracer_viz.analysis.driving.comparison import LEAST_FAST, LEAST_LAPS, MOST_DRIVES, compare, runs
from tests.analysis.driving.oval import RADIUS, laps, oval, section_pace


@pytest.fixture(scope="module")
def track():
    return oval()


@pytest.fixture(scope="module")
def comparison(track):
    """Forty laps of one speed; every tenth is faster, and all of them are slower in S2."""
    speeds = [section_pace(track, {"S2": 1.5}, 2.2 if number % 10 == 0 else 2.0) for number in range(40)]
    return compare(*laps(track, speeds), track)


class TestCompare:
    def test_times_are_the_mean_over_the_laps(self, track, comparison):
        assert comparison.laps
        assert comparison.known.all()
        sections = track.sections.set_index("section")["length"]
        for name, speed in (("S2", 1.5), ("T1", 2.0)):
            usual = comparison.usual[0, comparison.cells_of(name)].sum()
            assert usual == pytest.approx(sections[name] / speed, rel=0.05)

    def test_the_fast_laps_are_the_fastest_tenth(self, comparison):
        assert comparison.fast.sum() == 4
        assert set(np.flatnonzero(comparison.fast)) == {0, 10, 20, 30}

    def test_what_is_slow_is_lost(self, track, comparison):
        straight = comparison.cells_of("S2")
        length = comparison.length[straight].sum()
        assert comparison.lost[0, straight].sum() == pytest.approx(length / 1.5 - length / 2.02, rel=0.1)
        assert abs(comparison.lost[0, comparison.cells_of("S1")].sum()) < 0.05
        np.testing.assert_allclose(comparison.lost_by_line, 0, atol=1e-9)
        assert (comparison.cost(straight) >= comparison.lost[:, straight].sum(axis=1)).all()

    def test_the_slow_stretch_is_where_it_is(self, track, comparison):
        [cells] = comparison.stretches()
        straight = comparison.cells_of("S2")
        assert np.isin(straight, cells).mean() > 0.9
        assert len(cells) < len(straight) + 20

    def test_all_drives_serve_where_laps_are_few(self, track):
        speeds = [section_pace(track, {}, 2.0)] * 20
        answer = compare(*laps(track, speeds, share=0.6), track)
        assert not answer.laps
        assert len(answer.seconds) == 20

    def test_too_few_drives_are_not_compared(self, track):
        speeds = [section_pace(track, {}, 2.0)] * (LEAST_LAPS - 1)
        assert compare(*laps(track, speeds), track) is None

    def test_a_place_that_few_passed_is_not_known(self, track):
        speeds = [section_pace(track, {}, 2.0)] * 20
        answer = compare(*laps(track, speeds, share=0.4, starts=1), track)
        assert answer.known[answer.cells_of("T1")].all()
        assert not answer.known[answer.cells_of("T2")].any()
        assert np.isnan(answer.lost[:, ~answer.known]).all()
        assert np.isfinite(answer.lost[:, answer.known]).all()

    def test_many_drives_are_thinned_evenly(self, track, monkeypatch):
        monkeypatch.setattr("deepracer_viz.analysis.driving.comparison.MOST_DRIVES", 12)
        answer = compare(*laps(track, [section_pace(track, {}, 2.0)] * 30), track)
        assert len(answer.seconds) == 12 < MOST_DRIVES
        assert len(answer.drives) == 30
        assert answer.traces.drives["unique_episode"].tolist()[::11] == [0, 29]
        assert answer.fast.sum() == LEAST_FAST

    def test_the_curvature_of_a_corner_is_that_of_its_arc(self, comparison):
        corner = comparison.cells_of("T1")
        assert comparison.curvature[corner].max() == pytest.approx(1 / RADIUS, rel=0.1)


class TestCells:
    def test_a_section_over_the_start_line_is_in_driving_order(self, comparison):
        cells = comparison.cells_of("S1")
        assert cells[0] > cells[-1]
        assert ((np.diff(cells) % len(comparison.length)) == 1).all()

    def test_around_sums_over_the_start_line(self, comparison):
        ones = np.ones(len(comparison.length))
        reach = comparison.window(0.5)
        np.testing.assert_allclose(comparison.around(ones, 0.5), reach)
        assert reach % 2 == 1

    def test_a_mean_leaves_out_what_is_not_known(self, comparison):
        values = np.full(len(comparison.length), 3.0)
        values[10:14] = np.nan
        mean = comparison.mean(values, 0.5)
        np.testing.assert_allclose(mean[np.isfinite(values)], 3.0)
        assert np.isnan(mean[10:14]).all()

    def test_runs(self):
        assert [list(cells) for cells in runs(np.array([True, False, True, True]))] == [[0], [2, 3]]
        assert runs(np.zeros(3, dtype=bool)) == []

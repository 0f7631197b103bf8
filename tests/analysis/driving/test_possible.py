import numpy as np
import pytest

from deepracer_viz.analysis.driving.possible import Limits, limits, possible_speed

CELL = 0.1  # m


def row(*values):
    """One sample of these values."""
    return np.atleast_2d(np.array(values, dtype=float))


def some_limits(cells, top=3.0, grip=4.0, hardest=2.0, push=2.0, braking=3.0):
    return Limits(
        top=row(top)[0],
        grip=np.full((1, cells), grip),
        hardest=row(hardest)[0],
        push=row(push)[0],
        braking=row(braking)[0],
    )


class TestPossibleSpeed:
    def test_a_circle_is_driven_at_the_speed_that_the_grip_holds(self):
        speed = possible_speed(some_limits(80), np.full((1, 80), -1.0), np.full((1, 80), CELL), closed=True)
        np.testing.assert_allclose(speed, 2.0)  # the root of 4 m/s2 over 1/m

    def test_a_straight_is_driven_at_top_speed(self):
        speed = possible_speed(some_limits(80), np.zeros((1, 80)), np.full((1, 80), CELL), closed=True)
        np.testing.assert_allclose(speed, 3.0)

    def test_brakes_before_a_corner_and_speeds_up_after_it(self):
        bend = np.zeros((1, 200))
        bend[:, 90:110] = 4.0
        speed = possible_speed(some_limits(200), bend, np.full((1, 200), CELL), closed=True)[0]
        np.testing.assert_allclose(speed[90:110], 1.0)
        before = np.arange(75, 90)
        np.testing.assert_allclose(speed[before], np.minimum(3, np.sqrt(1 + 2 * 3.0 * CELL * (90 - before))))
        gained = (speed[110:130] ** 2 - speed[109:129] ** 2) / (2 * CELL)
        assert gained.max() == pytest.approx(2.0)
        assert (np.diff(speed[110:140]) > 0).all()
        assert speed[-1] == pytest.approx(3.0, abs=0.05)

    def test_the_end_of_a_closed_track_bears_on_its_start(self):
        bend = np.zeros((1, 100))
        bend[:, :5] = 4.0
        lengths = np.full((1, 100), CELL)
        assert possible_speed(some_limits(100), bend, lengths, closed=True)[0, -1] < 1.5
        assert possible_speed(some_limits(100), bend, lengths, closed=False)[0, -1] > 2.5

    def test_samples_do_not_bear_on_each_other(self):
        bend = np.zeros((2, 60))
        bend[1, 20:30] = 2.0
        both = Limits(
            top=np.array([3.0, 2.5]),
            grip=np.array([[4.0], [3.0]]) * np.ones(60),
            hardest=np.array([2.0, 1.0]),
            push=np.array([2.0, 1.5]),
            braking=np.array([3.0, 2.0]),
        )
        lengths = np.full((2, 60), CELL)
        together = possible_speed(both, bend, lengths, closed=True)
        for sample in range(2):
            alone = Limits(
                *(getattr(both, name)[[sample]] for name in ("top", "grip", "hardest", "push", "braking"))
            )
            np.testing.assert_allclose(
                together[[sample]],
                possible_speed(alone, bend[[sample]], lengths[[sample]], closed=True),
            )


class TestLimits:
    def test_reads_back_the_limits_of_a_car_that_drives_by_them(self):
        bend = np.zeros((1, 300))
        corners = [np.arange(60, 90), np.arange(150, 190), np.arange(230, 260)]
        for cells, curvature in zip(corners, (1.0, -2.0, 1.5), strict=True):
            bend[:, cells] = curvature
        straight = bend[0] == 0
        lengths = np.full((1, 300), CELL)
        true = some_limits(300)
        speed = possible_speed(true, bend, lengths, closed=True)
        seen = limits(speed, bend, lengths, corners, straight, np.ones(300, dtype=bool), closed=True)
        assert seen.top[0] == pytest.approx(3.0, rel=0.02)
        np.testing.assert_allclose(seen.grip, 4.0, rtol=0.02)
        assert seen.braking[0] == pytest.approx(3.0, rel=0.1)
        assert 1.5 < seen.hardest[0] <= 2.0  # measured over some cells, a peak is lower
        again = possible_speed(seen, bend, lengths, closed=True)
        assert abs((CELL / again).sum() / (CELL / speed).sum() - 1) < 0.03

    def test_a_slow_corner_is_allowed_almost_the_grip_of_the_others(self):
        bend = np.zeros((1, 300))
        corners = [np.arange(60, 90), np.arange(150, 190), np.arange(230, 260)]
        for cells in corners:
            bend[:, cells] = 1.0
        speed = np.full((1, 300), 3.0)
        for cells, pace in zip(corners, (2.0, 2.0, 1.2), strict=True):
            speed[:, cells] = pace
        seen = limits(
            speed,
            bend,
            np.full((1, 300), CELL),
            corners,
            bend[0] == 0,
            np.ones(300, dtype=bool),
            closed=True,
        )
        assert seen.grip[0, 70] == pytest.approx(4.0)
        assert 3.6 < seen.grip[0, 240] <= 4.0

    def test_a_car_of_one_speed_has_no_limits_but_that(self):
        speed, lengths = np.full((1, 50), 2.0), np.full((1, 50), CELL)
        known = np.ones(50, dtype=bool)
        seen = limits(speed, np.zeros((1, 50)), lengths, [], known, known, closed=True)
        assert np.isinf(seen.braking[0])
        assert np.isinf(seen.hardest[0])
        np.testing.assert_allclose(possible_speed(seen, np.zeros((1, 50)), lengths, closed=True), 2.0)

    def test_what_is_not_known_does_not_count(self):
        speed, lengths = np.full((1, 80), 2.0), np.full((1, 80), CELL)
        speed[:, 40:60] = 9.0
        known = np.ones(80, dtype=bool)
        known[40:60] = False
        seen = limits(speed, np.zeros((1, 80)), lengths, [], np.ones(80, dtype=bool), known, closed=True)
        assert seen.top[0] == 2.0

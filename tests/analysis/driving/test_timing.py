import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepracer_viz import load_run
from deepracer_viz.analysis.driving import best_possible_lap, section_times, time_account, time_delta, timing
from deepracer_viz.analysis.driving.timing import STANDING, driven_lines, fast_and_typical
from deepracer_viz.analysis.driving.traces import lay_along
from deepracer_viz.track import load_track, rebuild_track, track_for
from tests.analysis.driving.oval import (
    ROW,
    SECTIONS,
    drive,
    joined,
    laps,
    oval,
    section_pace,
    steps_at,
    track_of,
)


@pytest.fixture(scope="module")
def track():
    return oval()


def steady(speed):
    return lambda place: np.full(np.shape(place), float(speed))


def table_of(matrix, loss=None, names=SECTIONS, complete=True):
    """Section times of laps, one row of the matrix each."""
    matrix = np.asarray(matrix, dtype=float)
    loss = np.zeros_like(matrix) if loss is None else np.asarray(loss, dtype=float)
    return pd.DataFrame(
        {
            "unique_episode": np.repeat(np.arange(len(matrix), dtype="int32"), matrix.shape[1]),
            "section": pd.array(list(names) * len(matrix), dtype="str"),
            "time": matrix.ravel(),
            "start_loss": loss.ravel(),
            "whole": True,
            "complete_lap": complete,
        }
    )


def random_laps(n=60, seed=0, mean=(2.0, 3.0, 2.5, 3.0), spread=0.1):
    return np.random.default_rng(seed).normal(mean, spread, (n, 4))


class TestSectionTimes:
    def test_times_are_those_that_were_driven(self, track):
        speeds = {"S1": 2.0, "T1": 1.0, "S2": 3.0, "T2": 1.5}
        pace = section_pace(track, speeds)
        times = section_times(*laps(track, [pace] * 20), track)
        assert times["complete_lap"].all() and len(times) == 80
        assert times["section"].tolist() == SECTIONS * 20
        length = track.sections.set_index("section")["length"]
        flying = times[times["start_loss"] == 0].groupby("section")["time"]
        assert (flying.count() >= 10).all()
        for section, speed in speeds.items():
            assert flying.median()[section] == pytest.approx(length[section] / speed, abs=0.05)

    def test_the_section_of_the_start_comes_in_two_pieces(self, track):
        steps, episodes = joined(drive(track, steady(2.0), begin=track.length / 2, standing=False))
        times = section_times(steps, episodes, track).set_index("section")
        assert times["whole"].to_dict() == {"S1": True, "T1": True, "S2": False, "T2": True}
        assert times["time"].sum() == pytest.approx(episodes["driven_time"].iloc[0], abs=1e-6)
        length = track.sections.set_index("section")["length"]
        assert times["time"]["S2"] == pytest.approx(length["S2"] / 2, abs=0.2)
        assert times["time"]["T1"] == pytest.approx(length["T1"] / 2, abs=0.01)

    @settings(max_examples=15, deadline=None)
    @given(st.floats(0, 1, exclude_max=True), st.floats(0.5, 4))
    def test_a_lap_from_anywhere_adds_up(self, begin, speed):
        track = oval()
        steps, episodes = joined(drive(track, steady(speed), begin=begin * track.length))
        times = section_times(steps, episodes, track)
        assert times["time"].sum() == pytest.approx(episodes["driven_time"].iloc[0], abs=1e-6)
        assert sorted(times["section"]) == sorted(SECTIONS)
        assert (times["time"] > 0).all()

    def test_unfinished_drives_have_the_sections_they_passed_whole(self, track):
        begin = track.sections.set_index("section").loc["T1", "start"] - 0.5
        share = (track.sections.set_index("section").loc["S2", "end"] + 0.5 - begin) / track.length
        steps, episodes = joined(drive(track, steady(2.0), begin=begin, share=share))
        times = section_times(steps, episodes, track)
        assert times["section"].tolist() == ["T1", "S2"]
        assert times["whole"].all() and not times["complete_lap"].any()
        length = track.sections.set_index("section")["length"]
        assert times["time"].iloc[1] == pytest.approx(length["S2"] / 2, abs=0.01)

    def test_a_drive_that_passes_the_start_line_has_the_straight_in_one_piece(self, track):
        begin = track.length - 4.0
        steps, episodes = joined(drive(track, steady(2.0), begin=begin, share=0.5))
        times = section_times(steps, episodes, track).set_index("section")
        length = track.sections.set_index("section")["length"]
        assert times["time"]["S1"] == pytest.approx(length["S1"] / 2, abs=0.01)

    def test_both_halves_of_a_straight_are_not_the_whole(self, track):
        # It starts right behind the start line and ends right before it: never through the straight.
        steps, episodes = joined(drive(track, steady(2.0), begin=0.0, share=0.99))
        assert section_times(steps, episodes, track)["section"].tolist() == ["T1", "S2", "T2"]

    def test_a_lap_put_back_on_the_track_keeps_its_pause(self, track):
        lap = drive(track, steady(2.0), begin=1.0)
        lap["tstamp"] += np.where(lap["steps"] > 65, 3.0, 0.0)
        lap.loc[60, "episode_status"] = "off_track"
        lap.loc[61:64, "episode_status"] = "pause"
        steps, episodes = joined(lap)
        assert episodes["complete"].all()
        times = section_times(steps, episodes, track)
        assert times["complete_lap"].all()
        assert times["time"].sum() == pytest.approx(episodes["driven_time"].iloc[0], abs=1e-6)
        place = np.interp(62, [0, len(lap)], [1.0, 1.0 + track.length])
        here = track.section_of([np.abs(track.distance - place).argmin()])[0]
        assert times.set_index("section")["time"][here] > 3.0

    def test_standing_starts_are_told(self, track):
        steps, episodes = laps(track, [steady(2.0)] * 20)
        times = section_times(steps, episodes, track)
        # Speeding up to 2 m/s at 2.5 m/s2 takes 0.8 s over 0.8 m, which flying takes 0.4 s; and one row stands.
        lost = times.groupby("unique_episode")["start_loss"].sum()
        np.testing.assert_allclose(lost, 0.4 + ROW, atol=0.05)
        flying = times["time"] - times["start_loss"]
        length = track.sections.set_index("section")["length"].reindex(times["section"]).to_numpy()
        np.testing.assert_allclose(flying, length / 2.0, atol=0.05)

    def test_where_all_start_at_one_place_nothing_is_told_of_the_start(self, track):
        times = section_times(*laps(track, [steady(2.0)] * 20, starts=1), track)
        assert (times["start_loss"] == 0).all()

    def test_without_a_track_it_is_rebuilt(self, track):
        steps, episodes = laps(track, [section_pace(track, {"S2": 1.0})] * 40)
        rebuilt = section_times(steps, episodes)
        pd.testing.assert_frame_equal(rebuilt, section_times(steps, episodes, rebuild_track(steps)))
        sums = rebuilt.groupby("unique_episode")["time"].sum()
        np.testing.assert_allclose(sums, episodes["driven_time"], atol=1e-6)

    def test_traces_at_hand_serve(self, track):
        steps, episodes = laps(track, [steady(2.0)] * 20)
        traces = lay_along(steps, episodes, track)
        pd.testing.assert_frame_equal(
            section_times(steps, episodes, track, traces), section_times(steps, episodes, track)
        )

    def test_an_open_track(self):
        along = np.linspace(0, 12, 61)
        track = track_of(np.stack([along, 0.5 * np.maximum(along - 6, 0) ** 1.5], axis=1))
        assert not track.closed
        end = track.length
        drives = [drive(track, steady(2.0)), drive(track, steady(2.0), share=0.9, unique_episode=1)]
        steps, episodes = joined(*drives)
        times = section_times(steps, episodes, track)
        sums = times.groupby("unique_episode")["time"].sum()
        assert sums[0] == pytest.approx(episodes["driven_time"][0], abs=1e-6)
        assert sums.get(1, 0) < sums[0]
        assert end > 12

    def test_a_track_of_one_section(self):
        turn = np.linspace(0, 2 * np.pi, 80)
        ring = track_of(2 * np.stack([np.cos(turn), np.sin(turn)], axis=1))
        assert len(ring.sections) == 1
        steps, episodes = joined(
            drive(ring, steady(2.0)), drive(ring, steady(2.0), share=0.9, unique_episode=1)
        )
        times = section_times(steps, episodes, ring)
        assert times["unique_episode"].tolist() == [0]
        assert times["time"].tolist() == pytest.approx([episodes["driven_time"][0]])

    @pytest.mark.parametrize("rows", [0, 1, 2])
    def test_next_to_no_steps(self, track, rows):
        steps, episodes = joined(drive(track, steady(2.0), share=0.3))
        times = section_times(steps.iloc[:rows], episodes, track)
        assert times.empty
        assert list(times.dtypes) == list(section_times(*joined(drive(track, steady(2.0))), track).dtypes)
        assert section_times(steps.iloc[:rows], episodes).empty

    def test_laps_without_their_steps_are_left_out(self, track):
        steps, episodes = laps(track, [steady(2.0)] * 3)
        more = pd.concat(
            [episodes, episodes.assign(unique_episode=episodes["unique_episode"] + 10, traced=False)]
        )
        pd.testing.assert_frame_equal(
            section_times(steps, more, track), section_times(steps, episodes, track)
        )


class TestRealLogs:
    @pytest.mark.parametrize(
        "name", ["drfc-one-worker", "drfc-three-workers", "console-2020-clone", "console-2022-robomaker.log"]
    )
    def test_sections_of_laps_add_up(self, real_logs, name):
        run = load_run(real_logs / name)
        assert self.worst_sum(run.steps, run.episodes, run.track) < 1e-3
        if len(run.evaluation_steps):
            # Among them a race of several laps without a stop, and laps with resets.
            assert self.worst_sum(run.evaluation_steps, run.evaluation_episodes, run.evaluation_track) < 1e-3

    def test_reversed_and_given_tracks(self, real_logs, real_tracks):
        run = load_run(real_logs / "drfc-one-worker")
        route = load_track(real_tracks / "reinvent_base.npy")
        given, _ = track_for(run.steps, route)
        assert given.source == "route file"
        assert self.worst_sum(run.steps, run.episodes, given) < 1e-3
        turned = track_of(route.center[::-1])
        backwards, _ = track_for(run.steps, turned)
        assert backwards.source == "route file"
        times = section_times(run.steps, run.episodes, given)
        again = section_times(run.steps, run.episodes, backwards)
        pd.testing.assert_frame_equal(times, again, rtol=0.02, atol=0.05)

    @pytest.mark.parametrize(
        "name", ["console-2023-sac.tar.gz", "console-2022-continuous.tar.gz", "droa-2026.tar.gz"]
    )
    def test_logs_without_laps(self, real_logs, name):
        run = load_run(real_logs / name)
        times = section_times(run.steps, run.episodes, run.track)
        assert not times["complete_lap"].any()
        assert (times["time"] > 0).all()

    @staticmethod
    def worst_sum(steps, episodes, track):
        times = section_times(steps, episodes, track)
        known = episodes[episodes["complete"] & episodes["traced"]].set_index("unique_episode")["driven_time"]
        sums = times[times["complete_lap"]].groupby("unique_episode")["time"].sum()
        assert len(sums) == len(known) > 0
        return (sums - known).abs().max()


def test_sections_of_sample_laps_add_up(sample_logs):
    run = load_run(sample_logs / "fast-but-fragile.tar.gz")
    assert TestRealLogs.worst_sum(run.steps, run.episodes, run.track) < 1e-3
    times = section_times(run.steps, run.episodes, run.track)
    assert (~times["complete_lap"]).sum() > 100


class TestFastAndTypical:
    @given(st.integers(0, 200))
    def test_shares(self, n):
        times = np.random.default_rng(n).uniform(10, 20, n)
        fast, typical = fast_and_typical(times)
        assert len(fast) == min(n, max(3, n // 10))
        assert len(typical) == n - 2 * (n // 4)
        if n:
            assert times[fast].max() <= np.delete(times, fast).min(initial=99)
            below, above = (times < times[typical].min()).sum(), (times > times[typical].max()).sum()
            assert below == above == n // 4


class TestAccount:
    @settings(max_examples=15, deadline=None)
    @given(st.integers(10, 80), st.integers(0, 1000), st.booleans())
    def test_parts_add_up_to_the_whole(self, n, seed, standing):
        times = random_laps(n, seed, spread=0.4)
        loss = np.zeros_like(times)
        loss[np.arange(n), np.arange(n) % 4] = 0.3 * standing
        account = time_account(table_of(times + loss, loss))
        total = np.sort((times + loss).sum(axis=1))
        assert account.typical == pytest.approx(np.median(total))
        assert account.fast == pytest.approx(total[: max(3, n // 10)].mean())
        sums = account.sections[["typical", "fast", "lost"]].sum()
        assert sums["typical"] == pytest.approx(account.typical, abs=1e-9)
        assert sums["fast"] == pytest.approx(account.fast, abs=1e-9)
        assert sums["lost"] == pytest.approx(account.lost, abs=1e-9)
        assert account.sections["section"].tolist() == [*SECTIONS, *([STANDING] if standing else [])]
        assert not account.sections.isna().any(axis=None)
        assert (account.laps, account.fast_laps, account.typical_laps) == (
            n,
            max(3, n // 10),
            n - 2 * (n // 4),
        )

    def test_the_section_that_differs_is_named(self):
        times = random_laps(100, spread=0.02)
        times[:70, 2] += 0.5
        account = time_account(table_of(times))
        parts = account.sections.set_index("section")
        assert parts["lost"].idxmax() == "S2"
        assert parts.loc["S2", "lost"] == pytest.approx(0.5, abs=0.05)
        assert 0 < parts.loc["S2", "low"] <= parts.loc["S2", "lost"] <= parts.loc["S2", "high"]
        assert (parts.drop(index="S2")["lost"].abs() < 0.05).all()
        assert (
            "0.5" in account.verdict and "lost in S2" in account.verdict and "n = 100 laps" in account.verdict
        )

    def test_a_section_where_fast_laps_are_slower_is_negative(self):
        times = random_laps(100, spread=0.01)
        fast = np.arange(100) < 15
        times[fast] += [0.1, -0.4, 0.0, 0.0]
        parts = time_account(table_of(times)).sections.set_index("section")
        assert parts.loc["S1", "lost"] == pytest.approx(-0.1, abs=0.03)
        assert parts.loc["T1", "lost"] == pytest.approx(0.4, abs=0.03)

    def test_where_laps_start_is_not_mistaken_for_driving(self, track):
        """Fast laps all start on the straight at the line, the others in the corner T1, where it costs more."""
        rng = np.random.default_rng(1)
        frames = []
        corner = track.sections.set_index("section").loc["T1"]
        for number in range(40):
            quick = number < 5
            speed = 2.0 * rng.normal(1.03 if quick else 1.0, 0.002)
            begin = 0.5 if quick else corner["start"] + 1.0 + 0.02 * number
            frames.append(drive(track, steady(speed), begin=begin, unique_episode=number))
        account = time_account(section_times(*joined(*frames), track))
        parts = account.sections.set_index("section")
        share = parts["typical"] / parts["typical"].drop(STANDING).sum()
        expected = share * account.lost
        # Without the starts each section loses its share of what driving 3 % faster gains.
        for section in SECTIONS:
            assert parts.loc[section, "lost"] == pytest.approx(expected[section], abs=0.03)

    def test_intervals_cover_the_truth(self):
        covered = []
        truth = time_account(table_of(random_laps(20_000, seed=99, spread=0.2))).sections["lost"].to_numpy()
        for seed in range(30):
            parts = time_account(table_of(random_laps(100, seed=seed, spread=0.2)), seed=seed).sections
            covered.append((parts["low"] <= truth) & (truth <= parts["high"]))
        assert 0.85 <= np.mean(covered) <= 1.0

    def test_unfinished_drives_do_not_count(self):
        times = table_of(random_laps(30))
        some = table_of(random_laps(20, seed=5) / 2, complete=False).assign(
            unique_episode=lambda t: t["unique_episode"] + 100
        )
        one, other = time_account(times), time_account(pd.concat([times, some], ignore_index=True))
        pd.testing.assert_frame_equal(one.sections, other.sections)

    @pytest.mark.parametrize("n", [0, 1, timing.LEAST_LAPS - 1])
    def test_too_few_laps(self, n):
        account = time_account(table_of(random_laps(n)))
        assert account.laps == n and account.sections.empty and np.isnan(account.lost)
        assert "cannot say" in account.verdict and f"at least {timing.LEAST_LAPS}" in account.verdict
        assert "nan" not in account.verdict
        assert (
            account.sections.columns.tolist()
            == time_account(table_of(random_laps(30))).sections.columns.tolist()
        )

    def test_laps_that_are_all_equal(self):
        account = time_account(table_of(np.tile([2.0, 3.0, 2.5, 3.0], (20, 1))))
        np.testing.assert_allclose(account.sections[["lost", "low", "high"]], 0, atol=1e-12)
        assert "nothing between them" in account.verdict

    def test_no_section_stands_out(self):
        account = time_account(table_of(random_laps(12, spread=0.5)))
        assert (account.sections["low"] <= 0).any()
        weak = time_account(table_of(random_laps(11, seed=3, spread=0.3)))
        assert ("with certainty" in weak.verdict) == bool(
            (weak.sections.loc[weak.sections["lost"].idxmax(), "low"]) <= 0
        )

    def test_same_answer_each_time(self):
        times = table_of(random_laps(40))
        pd.testing.assert_frame_equal(time_account(times).sections, time_account(times).sections)


class TestBestLap:
    def test_sum_of_the_best(self):
        times = random_laps(30)
        answer = best_possible_lap(table_of(times))
        assert answer.best_sections == pytest.approx(times.min(axis=0).sum())
        assert answer.fastest == pytest.approx(times.sum(axis=1).min())
        assert answer.unique_episode == times.sum(axis=1).argmin()
        np.testing.assert_allclose(answer.sections["fastest"], times[answer.unique_episode])
        np.testing.assert_array_equal(answer.sections["unique_episode"], times.argmin(axis=0))
        assert answer.best_sections <= answer.shuffled_low <= answer.shuffled <= answer.shuffled_high

    def test_independent_sections_leave_nothing_but_luck(self):
        """If sections know nothing of each other, the real laps are one of the deals."""
        inside, gains = 0, []
        for seed in range(40):
            answer = best_possible_lap(table_of(random_laps(50, seed=seed)))
            inside += answer.shuffled_low <= answer.fastest <= answer.shuffled_high
            gains.append(answer.fastest - answer.shuffled)
        assert inside >= 34
        assert abs(np.mean(gains)) < 0.03

    def test_sections_bought_from_each_other_leave_a_gain(self):
        times = random_laps(100, spread=0.02)
        trade = np.random.default_rng(1).normal(0, 0.4, 100)
        times[:, 0] += trade
        times[:, 1] -= trade
        answer = best_possible_lap(table_of(times))
        assert answer.gain > 0.5
        assert answer.gain + answer.luck == pytest.approx(answer.fastest - answer.best_sections)
        assert f"{answer.gain:.2f} s are there to be had" in answer.verdict

    def test_laps_that_are_good_all_round_leave_no_gain(self):
        times = random_laps(100, spread=0.2) * np.random.default_rng(1).normal(1, 0.05, (100, 1))
        answer = best_possible_lap(table_of(times))
        assert answer.gain == 0 and answer.shuffled > answer.fastest
        assert answer.luck == pytest.approx(answer.fastest - answer.best_sections)
        assert "as well as can be expected" in answer.verdict

    def test_a_start_is_not_a_bad_section(self):
        times = np.tile([2.0, 3.0, 2.5, 3.0], (20, 1))
        loss = np.zeros_like(times)
        loss[:, 1] = 0.4
        answer = best_possible_lap(table_of(times + loss, loss))
        assert answer.fastest == pytest.approx(10.9)
        assert answer.best_sections == pytest.approx(10.9)
        assert answer.shuffled == pytest.approx(10.9)
        assert "nothing to be joined" in answer.verdict

    @pytest.mark.parametrize("n", [1, timing.LEAST_LAPS - 1])
    def test_few_laps(self, n):
        answer = best_possible_lap(table_of(random_laps(n)))
        assert answer.laps == n and answer.best_sections <= answer.fastest
        assert "says little" in answer.verdict

    def test_no_lap(self):
        answer = best_possible_lap(table_of(random_laps(5), complete=False))
        assert answer.laps == 0 and answer.unique_episode == -1 and answer.sections.empty
        assert "no complete lap" in answer.verdict


class TestDelta:
    def test_two_laps_differ_by_their_section_times(self, track):
        slow, fast = section_pace(track, {"T1": 1.0}), section_pace(track, {"T1": 1.5})
        traces = lay_along(*laps(track, [slow, fast], starts=1), track)
        delta = time_delta(traces.pick([0]), traces.pick([1]))
        length = track.sections.set_index("section").loc["T1"]
        assert delta["delta"].iloc[-1] == pytest.approx(length["length"] * (1 - 1 / 1.5), abs=0.05)
        at = delta.set_index("place")["delta"]
        assert at[at.index < length["start"] - 0.2].abs().max() < 0.02
        assert at[at.index > length["end"] + 0.3].std() < 0.02
        np.testing.assert_array_equal(delta["delta_low"], delta["delta"])
        np.testing.assert_array_equal(delta["delta_high"], delta["delta"])
        inside = delta["place"].between(length["start"] + 0.5, length["end"] - 0.5)
        np.testing.assert_allclose(delta.loc[inside, "speed_a"], 1.0, rtol=0.02)
        np.testing.assert_allclose(delta.loc[inside, "speed_b"], 1.5, rtol=0.02)
        assert delta.attrs == {"drives_a": 1, "drives_b": 1}

    def test_two_laps_from_one_place_differ_by_their_lap_times(self, track):
        traces = lay_along(*laps(track, [steady(2.0), steady(2.3)], starts=1), track)
        one, other = traces.drives["time"]
        total = time_delta(traces.pick([0]), traces.pick([1]))["delta"].iloc[-1]
        # Where one still counts as standing and the other does not, nothing is compared.
        assert total == pytest.approx(one - other, abs=0.05)

    def test_turned_round(self, track):
        traces = lay_along(*laps(track, [steady(2.0), steady(2.3), steady(2.1)] * 7), track)
        ahead, back = (
            time_delta(traces.pick([0, 3]), traces.pick([1, 4])),
            time_delta(traces.pick([1, 4]), traces.pick([0, 3])),
        )
        np.testing.assert_allclose(ahead["delta"], -back["delta"], atol=1e-9)
        np.testing.assert_allclose(ahead["speed_a"], back["speed_b"])

    def test_groups_have_an_interval(self, track):
        rng = np.random.default_rng(0)
        speeds = [steady(s) for s in np.append(rng.normal(2.0, 0.05, 20), rng.normal(2.2, 0.05, 20))]
        traces = lay_along(*laps(track, speeds), track)
        delta = time_delta(traces.pick(range(20)), traces.pick(range(20, 40)))
        last = delta.iloc[-1]
        assert last["delta"] == pytest.approx(track.length * (1 / 2.0 - 1 / 2.2), abs=0.2)
        assert 0 < last["delta_low"] < last["delta"] < last["delta_high"]
        assert (delta["delta_low"] <= delta["delta"] + 1e-9).all()
        pd.testing.assert_frame_equal(delta, time_delta(traces.pick(range(20)), traces.pick(range(20, 40))))

    def test_standing_starts_do_not_count_where_others_fly(self, track):
        traces = lay_along(*laps(track, [steady(2.0)] * 40), track)
        # These start at the line, those anywhere else.
        here = traces.drives["begins"] < 0.5
        delta = time_delta(traces.pick(~here), traces.pick(here))
        assert delta["delta"].isna().any()  # where these have only standing starts
        assert delta["delta"].dropna().abs().max() < 0.02

    def test_one_section_with_what_is_around(self, track):
        traces = lay_along(*laps(track, [section_pace(track, {"T1": 1.0}), steady(2.0)], starts=1), track)
        pair = traces.pick([0]), traces.pick([1])
        corner = track.sections.set_index("section").loc["T1"]
        part = time_delta(*pair, section="T1")
        assert part["place"].min() == pytest.approx(corner["start"] - 1.0, abs=0.25)
        assert part["place"].max() == pytest.approx(corner["end"] + 1.0, abs=0.25)
        assert abs(part["delta"].iloc[0]) < 0.01
        assert part["delta"].iloc[-1] == pytest.approx(corner["length"] / 2, abs=0.05)
        with pytest.raises(ValueError, match="no section 'T9'"):
            time_delta(*pair, section="T9")

    def test_a_section_over_the_start_line_is_in_one_piece(self, track):
        traces = lay_along(*laps(track, [steady(2.0)] * 20), track)
        part = time_delta(traces, traces, section="S1")
        straight = track.sections.set_index("section").loc["S1"]
        assert (np.diff(part["place"]) > 0).all()
        assert part["place"].min() == pytest.approx(straight["start"] - 1.0, abs=0.25)
        assert part["place"].max() == pytest.approx(straight["end"] + track.length + 1.0, abs=0.25)
        assert (part["section"] == "S1").sum() == (traces.section == "S1").sum()
        np.testing.assert_allclose(part["delta"], 0, atol=1e-9)

    def test_unfinished_drives_can_be_compared_where_both_drove(self, track):
        frames = [
            drive(track, steady(2.0), begin=b, share=0.5, unique_episode=k) for k, b in enumerate([0, 5.0])
        ]
        traces = lay_along(*joined(*frames), track)
        delta = time_delta(traces.pick([0]), traces.pick([1]))
        known = delta["delta"].notna()
        assert 0 < known.sum() < len(delta) / 2
        assert delta.loc[known, "place"].between(5.0, 12.0).all()

    def test_an_empty_group(self, track):
        traces = lay_along(*laps(track, [steady(2.0)] * 3), track)
        delta = time_delta(traces, traces.pick([]))
        assert delta[["delta", "delta_low", "delta_high", "speed_b", "steering_b"]].isna().all(axis=None)
        assert delta["speed_a"].notna().all()

    def test_different_tracks_are_refused(self, track):
        other = oval(90)
        with pytest.raises(ValueError, match="two different tracks"):
            time_delta(
                lay_along(*joined(drive(track, steady(2))), track),
                lay_along(*joined(drive(other, steady(2))), other),
            )


class TestLines:
    def test_pieces_join_up(self, track):
        steps, _ = laps(track, [steady(2.0), steady(1.0)])
        lines = driven_lines(steps, [1])
        driven = steps[(steps["unique_episode"] == 1) & (steps["episode_status"] != "prepare")]
        assert len(lines) == len(driven) - 1
        np.testing.assert_array_equal(lines["x2"].to_numpy()[:-1], lines["x"].to_numpy()[1:])
        np.testing.assert_array_equal(lines["y2"], driven["y"].to_numpy()[1:])
        np.testing.assert_allclose(lines["speed"][20:], 1.0, rtol=0.02)
        assert lines.attrs == {"drives": 1, "asked": 1}

    def test_drives_are_not_joined(self, track):
        steps, _ = laps(track, [steady(2.0)] * 5)
        lines = driven_lines(steps, range(5))
        assert np.hypot(lines["x2"] - lines["x"], lines["y2"] - lines["y"]).max() < 0.3
        assert lines["unique_episode"].nunique() == 5

    def test_resets_are_not_joined(self, track):
        lap = drive(track, steady(2.0))
        lap.loc[60:90, "episode_status"] = "pause"
        lines = driven_lines(joined(lap)[0], [0])
        assert np.hypot(lines["x2"] - lines["x"], lines["y2"] - lines["y"]).max() < 0.3

    def test_whole_drives_are_left_out_first(self, track):
        steps, _ = laps(track, [steady(2.0)] * 10)
        lines = driven_lines(steps, [7, 3, 5, 1], most=400)
        assert lines.attrs == {"drives": 2, "asked": 4}
        assert set(lines["unique_episode"]) == {7, 3}
        thin = driven_lines(steps, [7], most=50)
        assert len(thin) <= 51
        assert np.hypot(thin["x2"] - thin["x"], thin["y2"] - thin["y"]).sum() == pytest.approx(
            track.length, rel=0.05
        )

    def test_nothing_to_draw(self, track):
        steps, _ = laps(track, [steady(2.0)])
        for lines in (driven_lines(steps, []), driven_lines(steps, [99]), driven_lines(steps.iloc[:0], [0])):
            assert lines.empty and lines.attrs == {"drives": 0, "asked": 0}
        assert driven_lines(steps_at(track, [1, 1.1], [0, ROW]), [0]).empty

import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepracer_viz.analysis import driving
from deepracer_viz.analysis.driving import driving_profile, driving_verdict, find_inefficiencies
from deepracer_viz.track import load_track, rebuild_track

ROW = 1 / 15  # s
CELL = 0.02  # m
STRAIGHT, RADIUS = 6.0, 1.5  # m


def oval():
    """Two straights and two left-hand corners; the start line is in the middle of the first straight."""
    bend = np.pi * RADIUS
    length = 2 * (STRAIGHT + bend)
    along = (np.linspace(0, length, 109) + STRAIGHT / 2) % length
    turn = (along - STRAIGHT) / RADIUS, (along - 2 * STRAIGHT - bend) / RADIUS
    parts = [along < STRAIGHT, along < STRAIGHT + bend, along < 2 * STRAIGHT + bend, along >= 0]
    half = STRAIGHT / 2
    x = [
        along - half,
        half + RADIUS * np.sin(turn[0]),
        half - along + STRAIGHT + bend,
        -half - RADIUS * np.sin(turn[1]),
    ]
    y = [-RADIUS + 0 * along, -RADIUS * np.cos(turn[0]), RADIUS + 0 * along, RADIUS * np.cos(turn[1])]
    file = io.BytesIO()
    np.save(file, np.stack([np.select(parts, x), np.select(parts, y)], axis=1))
    file.seek(0)
    return load_track(file)


@pytest.fixture(scope="module")
def track():
    track = oval()
    assert list(track.sections["section"]) == ["S1", "T1", "S2", "T2"]
    return track


def pace(track, corner=1.5, top=3.0, gain=2.0, loss=3.0):
    """Speed (m/s) at every cell of a car that speeds up and brakes as it can."""
    along = np.arange(0, track.length, CELL)
    speed = np.full(len(along), top)
    for row in track.sections.itertuples():
        if row.kind == "corner":
            speed[(along >= row.start) & (along < row.end)] = corner
    for cell in [*range(len(speed))] * 2:
        speed[cell] = min(speed[cell], np.sqrt(speed[cell - 1] ** 2 + 2 * gain * CELL))
    for cell in [*reversed(range(len(speed)))] * 2:
        speed[cell] = min(speed[cell], np.sqrt(speed[(cell + 1) % len(speed)] ** 2 + 2 * loss * CELL))
    return speed


def drive(track, speeds, steering=None, seed=0, noise=0.03, share=1.0, starts=20):
    """Steps and episodes of a run.

    speeds holds the pace of each episode; they start in turn from places all round the track, from standstill, and
    drive that share of it. noise is how much the speed of one section differs from lap to lap. The steering is
    exploration if it is not a function of place (m) and row.
    """
    rng = np.random.default_rng(seed)
    count, rows = len(speeds), 600
    begin = np.arange(count) % starts / starts * track.length
    place, speed = begin.copy(), np.zeros(count)
    borders = np.sort(track.sections["start"].to_numpy())
    factor = rng.normal(1, noise, (count, len(borders) + 1))
    record = []
    for row in range(rows):
        here = place % track.length
        cell = np.minimum((here / CELL).astype(int), speeds.shape[1] - 1)
        wanted = speeds[np.arange(count), cell] * factor[np.arange(count), np.searchsorted(borders, here)]
        if row:
            standing = (wanted - speed > 0.5) & (row < 25)
            speed = np.where(standing, speed + 2.5 * ROW, wanted)
            place = place + speed * ROW
        angle = (
            rng.choice([-15, 0, 15], count, p=[0.2, 0.6, 0.2]) if steering is None else steering(here, row)
        )
        record.append([place.copy(), wanted, np.broadcast_to(angle, count), np.full(count, row)])
    place, wanted, angle, row = np.moveaxis(np.array(record), 2, 0).transpose(2, 0, 1)
    driven = place - begin[:, None]
    before = np.concatenate([np.zeros((count, 1)), driven[:, :-1]], axis=1)
    kept = before < share * track.length
    assert not kept[:, -1].any()
    steps = pd.DataFrame(
        {
            "unique_episode": np.repeat(np.arange(count, dtype="int32"), kept.sum(axis=1)),
            "steps": row[kept].astype("int32") + 1,
            "speed": wanted[kept].astype("float32"),
            "steering_angle": angle[kept].astype("float32"),
            "tstamp": (100.0 * np.arange(count)[:, None] + row * ROW)[kept],
        }
    )
    along = place[kept] % track.length
    at = np.append(track.distance, track.length)
    for name, values in zip("xy", np.append(track.center, track.center[:1], axis=0).T, strict=True):
        steps[name] = np.interp(along, at, values).astype("float32")
    nearest = np.abs(along[:, None] - track.distance).argmin(axis=1)
    last = np.append(np.diff(steps["unique_episode"]) > 0, True)
    status = np.select([steps["steps"] == 1, last], ["prepare", "lap_complete"], "in_progress")
    ahead = np.roll(track.center, -1, axis=0) - np.roll(track.center, 1, axis=0)
    steps = steps.assign(
        closest_waypoint=nearest.astype("int32"),
        episode_status=pd.Categorical(status),
        yaw=np.degrees(np.arctan2(ahead[nearest, 1], ahead[nearest, 0])).astype("float32"),
        on_track=True,
        track_len=np.float32(track.length),
    )
    clock = steps.groupby("unique_episode")["tstamp"]
    episodes = pd.DataFrame(
        {
            "unique_episode": np.arange(count, dtype="int32"),
            "complete": share >= 1,
            "progress": np.float32(100 * min(share, 1)),
            "time": (clock.last() - clock.first()).to_numpy(),
            "traced": True,
        }
    )
    return steps, episodes


def faulty(track, fault, laps=40, every=1):
    """Pace of laps of which every so many-th is as it should be, the others have the fault; and what it costs."""
    ideal = pace(track)
    along = np.arange(0, track.length, CELL)
    straight = track.sections.set_index("section").loc["S2"]
    bad = fault(ideal.copy(), along - straight["start"], straight["length"])
    speeds = np.where((np.arange(laps) % every == 0)[:, None] & (every > 1), ideal, bad)
    return speeds, float((CELL / speeds).sum(axis=1).mean() - (CELL / ideal).sum())


def slow_straight(speed, along, length):
    inside = (along > 0) & (along < length)
    speed[inside] = np.minimum(speed[inside], 1.9)
    return speed


def early_braking(speed, along, length):
    speed[(along > length - 2) & (along < length)] = 1.5
    return speed


def late_exit(speed, along, length):
    speed[(along > 0) & (along < 1.5)] = 1.5
    # From there it speeds up as it can.
    for cell in np.flatnonzero((along >= 1.5) & (along < length)):
        speed[cell] = min(speed[cell], np.sqrt(speed[cell - 1] ** 2 + 2 * 2.0 * CELL))
    return speed


def waypoints_of(track, finding):
    return track.distance[finding["waypoint_from"]], track.distance[finding["waypoint_to"]]


class TestProfile:
    def test_constant_speed_is_found_everywhere(self, track):
        steps, _ = drive(track, np.full((20, len(pace(track))), 2.0), noise=0)
        profile = driving_profile(steps.assign(speed=np.float32(2.5)), track)
        assert list(profile["waypoint"]) == list(range(len(track.center)))
        seen = profile[profile["visits"] > 0]
        # The last waypoint is where the first one is; steps are given to one of them.
        assert len(seen) >= len(track.center) - 1
        for name in ("speed", "speed_low", "speed_high"):
            np.testing.assert_allclose(seen[name], 2.5)
        on_straight = seen[seen["section"].str.startswith("S")]
        for name in ("true_speed", "true_speed_low", "true_speed_high"):
            np.testing.assert_allclose(on_straight[name], 2.0, rtol=1e-3)
            np.testing.assert_allclose(seen[name], 2.0, rtol=2e-2)  # chords are shorter than the bend
        assert profile["visits"].sum() == (steps["episode_status"] != "prepare").sum()
        assert profile["episodes"].max() == 20
        np.testing.assert_allclose(profile["distance"], track.distance)
        np.testing.assert_allclose(profile[["x", "y"]], track.center)

    @given(
        st.lists(
            st.tuples(st.integers(0, 12), st.floats(-30, 30, width=32), st.floats(0.5, 4, width=32)),
            min_size=1,
        )
    )
    def test_means_and_quartiles_are_those_of_the_steps(self, rows):
        waypoint, angle, speed = (np.array(column) for column in zip(*rows, strict=True))
        steps = table(waypoint, speed=speed, steering_angle=angle)
        profile = driving_profile(steps).set_index("waypoint")
        for number in range(waypoint.max() + 1):
            mine = waypoint == number
            assert profile.loc[number, "visits"] == mine.sum()
            for name, prefix, values in (("speed", "speed", speed), ("steering_angle", "steering", angle)):
                columns = [name, f"{prefix}_low", f"{prefix}_high"]
                if mine.any():
                    expected = [values[mine].mean(), *np.quantile(values[mine], [0.25, 0.75])]
                    np.testing.assert_allclose(profile.loc[number, columns].tolist(), expected, atol=1e-5)
                else:
                    assert profile.loc[number, columns].isna().all()

    def test_true_speed_is_distance_over_time_not_the_mean_of_speeds(self):
        steps = table([3, 3, 3], x=[0, 0.1, 0.5], tstamp=[0, 0.1, 0.2])
        row = driving_profile(steps).loc[3]
        assert row["true_speed"] == pytest.approx(0.5 / 0.2)
        assert row["true_speed_low"] == pytest.approx(1.75)
        assert row["true_speed_high"] == pytest.approx(3.25)

    def test_held_still_rows_do_not_count(self):
        steps = table(
            [9, 0, 0, 1, 1, 1],
            x=[50, 0, 0.1, 0.2, 0.2, 0.3],
            episode_status=["prepare", "in_progress", "in_progress", "off_track", "pause", "in_progress"],
            speed=[9, 1, 1, 1, 9, 1],
        )
        profile = driving_profile(steps)
        assert len(profile) == 2
        assert profile["visits"].tolist() == [2, 2]
        assert profile["speed"].tolist() == [1, 1]
        # Neither from the pose before the start nor over the pause.
        np.testing.assert_allclose(profile["true_speed"], [0.1 / ROW, 0.1 / ROW])

    def test_waypoints_never_visited_are_gaps(self, track):
        profile = driving_profile(table([2, 2, 5]), track)
        assert len(profile) == len(track.center)
        assert profile["visits"].sum() == 3
        values = profile.drop(columns=["waypoint", "visits", "episodes", "section", "distance", "x", "y"])
        assert values.drop(index=[2, 5]).isna().all(axis=None)
        assert not values[["speed", "steering_angle", "steering_low"]].loc[[2, 5]].isna().any(axis=None)

    def test_waypoints_beyond_the_track_are_kept(self, track):
        count = len(track.center)
        profile = driving_profile(table([0, count + 1]), track)
        assert len(profile) == count + 2
        assert profile["visits"].iloc[-1] == 1
        assert profile.loc[count:, ["distance", "x", "y"]].isna().all(axis=None)
        assert (profile.loc[count:, "section"] == "").all()

    def test_true_speed_does_not_reach_over_episodes_or_back_in_time(self):
        steps = table([0, 0, 1, 1], unique_episode=[0, 0, 4, 4], x=[0, 0.2, 9, 9.2], tstamp=[0, ROW, 5, 5])
        profile = driving_profile(steps)
        assert profile.loc[0, "true_speed"] == pytest.approx(0.2 / ROW)
        assert np.isnan(profile.loc[1, "true_speed"])
        assert profile["episodes"].tolist() == [1, 1]

    def test_steps_in_which_the_simulator_halted_have_no_true_speed(self):
        x = [0, 0.1, 0.2, 2.2, 2.3]
        steps = table([0, 0, 1, 2, 2], x=x, tstamp=[0, ROW, 2, 2 + ROW, 2 + 2 * ROW])
        profile = driving_profile(steps)
        np.testing.assert_allclose(profile["true_speed"], [0.1 / ROW, np.nan, 0.1 / ROW])

    def test_standing_starts_count_only_where_nothing_else_was_seen(self):
        rows = 60
        x = np.append(np.linspace(0, 0.5, 10), 0.5 + 0.2 * np.arange(1, rows - 9))
        steps = table(np.append(np.zeros(30, int), np.ones(30, int)), x=x)
        second = steps.assign(unique_episode=1, closest_waypoint=1)
        profile = driving_profile(pd.concat([steps, second], ignore_index=True))
        assert profile.loc[1, "true_speed"] == pytest.approx(0.2 / ROW)
        assert profile.loc[0, "true_speed"] < 0.2 / ROW
        assert profile["visits"].tolist() == [30, 90]

    def test_no_step(self, track):
        assert len(driving_profile(table([]))) == 0
        profile = driving_profile(table([]), track)
        assert len(profile) == len(track.center)
        assert profile["visits"].sum() == 0
        assert profile["true_speed"].isna().all()
        assert list(profile.columns) == list(driving_profile(table([1, 2]), track).columns)


def table(waypoint, **columns):
    """Steps of one episode with nothing remarkable but what is given."""
    count = len(waypoint)
    usual = {
        "unique_episode": np.zeros(count, dtype="int32"),
        "x": 0.1 * np.arange(count),
        "y": np.zeros(count),
        "yaw": np.zeros(count),
        "on_track": np.ones(count, dtype=bool),
        "track_len": np.full(count, 20.0),
        "speed": np.ones(count, dtype="float32"),
        "steering_angle": np.zeros(count, dtype="float32"),
        "closest_waypoint": np.asarray(waypoint, dtype="int32"),
        "tstamp": ROW * np.arange(count),
        "episode_status": ["in_progress"] * count,
    }
    steps = pd.DataFrame(usual | columns)
    return steps.assign(episode_status=steps["episode_status"].astype("category"))


class TestFindings:
    @pytest.mark.parametrize("every", [1, 5])
    @pytest.mark.parametrize(
        ("fault", "kind", "section", "begin", "end"),
        [
            (slow_straight, "slow on a straight", "S2", 0, 5.7),
            (early_braking, "hard braking", "T2", 3.7, 5.7),
            (late_exit, "slow exit", "T1", 0, 3.5),
        ],
    )
    def test_planted_faults_are_found_where_they_are(self, track, fault, kind, section, begin, end, every):
        speeds, cost = faulty(track, fault, every=every)
        findings = find_inefficiencies(*drive(track, speeds), track)
        assert len(findings) == 1
        [row] = findings.to_dict("records")
        assert (row["kind"], row["section"]) == (kind, section)
        straight = track.distance[int(track.sections.set_index("section").loc["S2", "waypoint_from"])]
        first, last = waypoints_of(track, row)
        assert straight + begin - 0.5 <= first < last <= straight + end + 0.5
        assert last - first > 0.5 * (end - begin)
        assert row["seconds_per_lap"] == pytest.approx(cost, rel=0.3)
        assert 0 < row["low"] < row["seconds_per_lap"] < row["high"]
        assert row["share_of_laps"] == pytest.approx(1 if every == 1 else 0.8, abs=0.15)
        assert driving.LEAST_LAPS <= row["laps"] <= 40
        assert f"{row['laps']} laps" in row["evidence"]
        assert row["advice"].endswith(".")

    def test_weaving_is_found_on_its_straight(self, track):
        straight = track.sections.set_index("section").loc["S2"]

        def weave(place, row):
            swing = np.where(row // 6 % 2 == 0, 20, -20)
            return np.where((place > straight["start"]) & (place < straight["end"]), swing, 0)

        speeds = np.tile(pace(track), (40, 1))
        findings = find_inefficiencies(*drive(track, speeds, steering=weave), track)
        assert findings["kind"].tolist() == ["weaving"]
        row = findings.iloc[0]
        assert row["section"] == "S2"
        assert (row["waypoint_from"], row["waypoint_to"]) == (
            straight["waypoint_from"],
            straight["waypoint_to"],
        )
        assert row["share_of_laps"] > 0.9
        assert row["seconds_per_lap"] < 0.15  # these swings cost no speed
        assert "times a metre" in row["evidence"]

    def test_weaving_does_not_claim_the_seconds_of_a_slow_straight(self, track):
        straight = track.sections.set_index("section").loc["S2"]

        def weave(place, row):
            return np.where(
                (place > straight["start"]) & (place < straight["end"]), 20 * (-1) ** (row // 6), 0
            )

        speeds, cost = faulty(track, slow_straight)
        findings = find_inefficiencies(*drive(track, speeds, steering=weave), track)
        assert findings["kind"].tolist() == ["slow on a straight", "weaving"]
        assert findings["seconds_per_lap"].sum() == pytest.approx(cost, rel=0.3)

    def test_exploration_is_no_weaving(self, track):
        jitter = np.random.default_rng(5).choice([-30, 0, 30], (600, 40))
        steps, episodes = drive(track, np.tile(pace(track), (40, 1)), steering=lambda place, row: jitter[row])
        assert find_inefficiencies(steps, episodes, track).empty

    @pytest.mark.parametrize("seed", range(8))
    def test_a_faultless_run_has_no_findings(self, track, seed):
        speeds = np.tile(pace(track), (40, 1))
        findings = find_inefficiencies(*drive(track, speeds, seed=seed), track)
        assert findings.empty
        assert findings.attrs["straights"] == ["S1", "S2"]

    def test_a_track_rebuilt_from_the_steps_serves_as_well(self, track):
        steps, episodes = drive(track, faulty(track, slow_straight)[0])
        rebuilt = find_inefficiencies(steps, episodes)
        pd.testing.assert_frame_equal(rebuilt, find_inefficiencies(steps, episodes, rebuild_track(steps)))
        assert rebuilt["kind"].tolist() == ["slow on a straight"]
        true = find_inefficiencies(steps, episodes, track)
        assert rebuilt["seconds_per_lap"].iloc[0] == pytest.approx(true["seconds_per_lap"].iloc[0], rel=0.2)

    def test_costliest_first(self, track):
        speeds, _ = faulty(track, slow_straight)
        along = np.arange(0, track.length, CELL)
        first = track.sections.set_index("section").loc["S1"]
        speeds[:, (along > first["end"] - 0.8) & (along < first["end"])] = 1.2
        findings = find_inefficiencies(*drive(track, speeds), track)
        assert findings["kind"].tolist() == ["slow on a straight", "hard braking"]
        assert findings["section"].tolist() == ["S2", "T1"]
        assert findings["seconds_per_lap"].is_monotonic_decreasing

    def test_a_finding_over_the_start_line_begins_at_the_higher_waypoint(self, track):
        speeds = np.tile(pace(track), (40, 1))
        along = np.arange(0, track.length, CELL)
        speeds[:, (along < 2) | (along > track.length - 2)] = 1.6
        findings = find_inefficiencies(*drive(track, speeds), track)
        row = findings.iloc[0]
        assert (row["kind"], row["section"]) == ("hard braking", "T1") or row["section"] == "S1"
        assert row["waypoint_from"] > row["waypoint_to"]

    def test_a_fault_of_every_lap_that_reaches_into_the_corner_has_its_price(self, track):
        def brake_and_stay_slow(speed, along, length):
            speed[(along > length - 2) & (along < length)] = 1.1
            speed[(along >= length) & (along < length + 1.5)] = 1.1
            return speed

        speeds, _ = faulty(track, brake_and_stay_slow)
        # A few laps are better from just before the corner on: the fast laps show only that part of the fault.
        along = np.arange(0, track.length, CELL) - track.sections.set_index("section").loc["T2", "start"]
        speeds[::8, (along >= -0.6) & (along < 1.5)] = 1.5
        findings = find_inefficiencies(*drive(track, speeds, noise=0.01), track)
        assert findings["kind"].tolist() == ["hard braking"]
        row = findings.iloc[0]
        assert track.section_of([row["waypoint_to"]])[0] == "T2"
        lost = CELL / speeds.mean(axis=0) - CELL / pace(track)
        assert row["seconds_per_lap"] > 0.7 * lost[(along > -2) & (along < 0)].sum()
        assert "is possible" in row["evidence"]

    def test_same_answer_each_time(self, track):
        steps, episodes = drive(track, faulty(track, slow_straight, every=3)[0])
        first = find_inefficiencies(steps, episodes, track)
        pd.testing.assert_frame_equal(first, find_inefficiencies(steps, episodes, track))

    def test_advice_depends_on_what_the_car_is_told(self, track):
        steps, episodes = drive(track, faulty(track, slow_straight)[0])
        assert "more reward" in find_inefficiencies(steps, episodes, track)["advice"].iloc[0]
        at_top = find_inefficiencies(steps.assign(speed=np.float32(3)), episodes, track)
        assert "top speed of the action space" in at_top["advice"].iloc[0]

    def test_an_open_track_has_findings_without_corners_beside(self):
        along = np.linspace(0, 12, 61)
        file = io.BytesIO()
        np.save(file, np.stack([along, 0 * along], axis=1))
        file.seek(0)
        track = load_track(file)
        assert track.sections["section"].tolist() == ["S1"]
        speeds = np.full((30, 600), 2.0)
        speeds[:25, 400:] = 1.2
        steps, episodes = drive(track, speeds, starts=1, share=0.99)
        findings = find_inefficiencies(steps, episodes.assign(complete=True), track)
        assert findings["kind"].tolist() == ["hard braking"]
        assert findings["section"].tolist() == ["S1"]
        assert findings["evidence"].iloc[0].startswith("Late on S1")
        assert findings["seconds_per_lap"].iloc[0] == pytest.approx(
            3.9 * (1 / 1.2 - 1 / 2) * 25 / 30, rel=0.3
        )

    def test_passes_serve_where_laps_are_too_few(self, track):
        steps, episodes = drive(track, faulty(track, slow_straight)[0], share=0.75)
        findings = find_inefficiencies(steps, episodes, track)
        assert findings["kind"].tolist() == ["slow on a straight"]
        assert "passes (too few complete laps)" in findings["evidence"].iloc[0]

    def test_laps_that_are_all_equal(self, track):
        speeds, cost = faulty(track, slow_straight)
        row = find_inefficiencies(*drive(track, speeds, noise=0, starts=1), track).iloc[0]
        assert row["kind"] == "slow on a straight"
        assert row["low"] == pytest.approx(row["seconds_per_lap"]) == row["high"]
        # All start from the line, so half of S1 is a standing start and shows little of what the car can do.
        assert 0.3 * cost < row["seconds_per_lap"] < cost
        ideal = np.tile(pace(track), (40, 1))
        assert find_inefficiencies(*drive(track, ideal, noise=0, starts=1), track).empty

    def test_standing_starts_are_no_finding(self, track):
        steps, episodes = drive(track, np.tile(pace(track), (40, 1)), starts=1)
        assert find_inefficiencies(steps, episodes, track).empty

    def test_a_lap_put_back_on_the_track_has_no_time_over_the_pause(self, track):
        speeds, _ = faulty(track, slow_straight)
        steps, episodes = drive(track, speeds)
        before = find_inefficiencies(steps, episodes, track)
        # Every third lap stands for two seconds halfway round.
        halfway = (steps["steps"] > 90) & (steps["unique_episode"] % 3 == 0)
        late = steps.assign(tstamp=steps["tstamp"] + 2.0 * halfway)
        stood = steps["steps"].eq(90) & (steps["unique_episode"] % 3 == 0)
        status = steps["episode_status"].cat.add_categories("pause").where(~stood, "pause")
        after = find_inefficiencies(late.assign(episode_status=status), episodes, track)
        assert after["kind"].tolist() == before["kind"].tolist()
        assert after["seconds_per_lap"].iloc[0] == pytest.approx(before["seconds_per_lap"].iloc[0], rel=0.15)

    @pytest.mark.parametrize("laps", [1, driving.LEAST_LAPS - 1])
    def test_too_few_laps_make_an_empty_table(self, track, laps):
        steps, episodes = drive(track, faulty(track, slow_straight, laps=laps)[0])
        findings = find_inefficiencies(steps, episodes, track)
        assert findings.empty
        assert findings.attrs["straights"] == []
        full = find_inefficiencies(*drive(track, faulty(track, slow_straight)[0]), track)
        pd.testing.assert_series_equal(findings.dtypes, full.dtypes)

    @pytest.mark.parametrize("waypoints", [[], [0], [7] * 50, [0, 1, 2]])
    def test_next_to_no_data(self, track, waypoints):
        steps = table(waypoints)
        episodes = pd.DataFrame(
            {"unique_episode": [0], "complete": [False], "progress": [1.0], "time": [1.0], "traced": [True]}
        )
        for geometry in (None, track):
            findings = find_inefficiencies(steps, episodes, geometry)
            assert findings.empty
            assert "cannot say" in driving_verdict(findings, episodes)

    def test_laps_known_without_their_steps_are_no_hindrance(self, track):
        steps, episodes = drive(track, faulty(track, slow_straight)[0])
        untraced = episodes.assign(unique_episode=episodes["unique_episode"] + 100, time=5.0, traced=False)
        both = pd.concat([episodes, untraced], ignore_index=True)
        expected = find_inefficiencies(steps, episodes, track)
        pd.testing.assert_frame_equal(find_inefficiencies(steps, both, track), expected)


class TestVerdict:
    def test_names_the_costliest_place(self, track):
        steps, episodes = drive(track, faulty(track, slow_straight)[0])
        findings = find_inefficiencies(steps, episodes, track)
        verdict = driving_verdict(findings, episodes)
        row = findings.iloc[0]
        assert verdict.startswith("Work on S2 first: slow on a straight")
        assert f"{row['seconds_per_lap']:.2f} s a lap" in verdict
        assert f"n = {row['laps']}" in verdict
        assert verdict.endswith(row["advice"])

    def test_tells_no_seconds_that_are_not_worth_telling(self, track):
        steps, episodes = drive(track, faulty(track, slow_straight)[0])
        findings = find_inefficiencies(steps, episodes, track).assign(kind="weaving", seconds_per_lap=-0.01)
        assert "costs less than 0.05 s a lap" in driving_verdict(findings, episodes)

    def test_says_when_nothing_was_found(self, track):
        steps, episodes = drive(track, np.tile(pace(track), (40, 1)))
        verdict = driving_verdict(find_inefficiencies(steps, episodes, track), episodes)
        assert verdict.startswith("Nothing costs")
        assert "S1, S2" in verdict
        assert "40 complete laps" in verdict

    def test_says_what_is_missing(self, track):
        steps, episodes = drive(track, np.tile(pace(track), (4, 1)))
        verdict = driving_verdict(find_inefficiencies(steps, episodes, track), episodes)
        assert "cannot say" in verdict
        assert "4 drives were traced" in verdict

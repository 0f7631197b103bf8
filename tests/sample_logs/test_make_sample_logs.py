"""The sample logs: the simulation, the formats it is written in, and the archives that are committed."""

import io
import json
import re
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

SAMPLES = Path(__file__).parents[2] / "sample_logs"
sys.path.insert(0, str(SAMPLES))

import circuit as tracks  # noqa: E402
import driving  # noqa: E402
import make_sample_logs as maker  # noqa: E402
import simulation as sim  # noqa: E402
import writing  # noqa: E402

CIRCUIT = tracks.build_circuit()
STORIES = maker.stories(CIRCUIT)
TINY = {"iterations": 3, "episodes": 6, "evaluations": 2, "ignorance": 0.0}
STATUSES = {"prepare", "in_progress", "off_track", "lap_complete", "reversed", "pause", "time_up"}


def tiny(name, **changes):
    """Return a story of the samples, cut to a few short iterations."""
    story, how = STORIES[name]
    return replace(story, **(TINY | changes)), how


@pytest.fixture(scope="module")
def console():
    story, how = tiny("planted-faults")
    archive, facts = maker.build(story, how, 3, CIRCUIT, truth_drives=4)
    return unpack(archive), facts, story


@pytest.fixture(scope="module")
def droa():
    story, how = tiny("fast-but-fragile")
    archive, facts = maker.build(story, how, 3, CIRCUIT, truth_drives=4)
    return unpack(archive), facts, story


def unpack(archive):
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        return {m.name: packed.extractfile(m).read().decode() for m in packed.getmembers() if m.isfile()}


def pick(files, ending):
    """Return the text of the only file whose path matches."""
    found = [text for path, text in files.items() if re.search(ending, path)]
    assert len(found) == 1, ending
    return found[0]


def trace_rows(log):
    """Fields of each trace line, a bracketed action kept in one piece."""
    bodies = re.findall(r"SIM_TRACE_LOG:(.*)", log)
    return [re.sub(r"\[(\S+) (\S+)\]", r"[\1_\2]", body).split(",") for body in bodies]


# ------------------------------------------------------------------------------------------------ circuit


def test_circuit_is_closed_and_of_the_promised_size():
    assert CIRCUIT.route.shape == (132, 6) and CIRCUIT.route.dtype == np.float64
    assert np.array_equal(CIRCUIT.route[0], CIRCUIT.route[-1])
    assert 22 < CIRCUIT.length < 30
    step = np.hypot(*np.diff(CIRCUIT.center, axis=0).T)
    assert step.min() > 0.9 * step.max()
    assert np.allclose(np.hypot(*(CIRCUIT.inner - CIRCUIT.outer).T), CIRCUIT.width)


def test_circuit_sections_go_round_once():
    turns = [s.turn for s in CIRCUIT.sections if s.turn]
    assert sum(turns) == pytest.approx(360, abs=1)
    assert 5 <= len(turns) <= 7 and min(turns) < 0 and max(turns) > 170
    for before, after in zip(CIRCUIT.sections, CIRCUIT.sections[1:], strict=False):
        assert before.end == pytest.approx(after.start)
    assert CIRCUIT.sections[-1].end == pytest.approx(CIRCUIT.sections[0].start)
    assert CIRCUIT.section("long straight").contains(9.0) and not CIRCUIT.section("hairpin").contains(9.0)
    assert CIRCUIT.section("S1").contains(0.1) and CIRCUIT.section("S1").contains(CIRCUIT.length - 0.1)


def test_curvature_of_borders_has_no_fold():
    along = np.diff(CIRCUIT.center, axis=0)
    for border in (CIRCUIT.inner, CIRCUIT.outer):
        assert (np.einsum("ij,ij->i", np.diff(border, axis=0), along) > 0).all()


def test_a_mirror_swaps_left_and_right():
    mirror = CIRCUIT.mirrored()
    assert [s.turn for s in mirror.sections] == [-s.turn for s in CIRCUIT.sections]
    assert mirror.length == CIRCUIT.length
    for circuit in (CIRCUIT, mirror):
        along, left = np.diff(circuit.center, axis=0), (circuit.inner - circuit.center)[:-1]
        assert (along[:, 0] * left[:, 1] - along[:, 1] * left[:, 0] > 0).all()
    assert np.array_equal(mirror.mirrored().route, CIRCUIT.route)


# ---------------------------------------------------------------------------------------------- simulation


@pytest.fixture(scope="module")
def iterations():
    return sim.simulate_training(tiny("steady-and-slow", iterations=4, episodes=20)[0], 5, CIRCUIT)


def test_same_seed_same_rows(iterations):
    again = sim.simulate_training(tiny("steady-and-slow", iterations=4, episodes=20)[0], 5, CIRCUIT)
    for one, two in zip(iterations, again, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one.episodes, two.episodes, strict=True))
    other = sim.simulate_training(tiny("steady-and-slow", iterations=4, episodes=20)[0], 6, CIRCUIT)
    assert not np.array_equal(iterations[0].episodes[0], other[0].episodes[0])


def test_rows_of_an_episode(iterations):
    traces = [trace for iteration in iterations for trace in iteration.episodes]
    assert [int(t["episode"][0]) for t in traces] == list(range(80))
    for trace in traces:
        assert np.array_equal(trace["steps"], np.arange(1, len(trace) + 1))
        assert trace["status"][0] == "prepare" and trace["reward"][0] == 0
        assert (trace["status"][1:-1] == "in_progress").all()
        assert trace["status"][-1] in {"off_track", "lap_complete", "reversed"}
        assert trace["done"][-1] and not trace["done"][:-1].any()
        assert (trace["reward"][1:] > 0).all() and trace["progress"].max() <= 100
        assert (np.diff(trace["tstamp"]) > 0).all()
        assert (trace["progress"][-1] == 100) == (trace["status"][-1] == "lap_complete")
        assert not trace["on_track"][-1] or trace["status"][-1] != "off_track"
    gaps = np.concatenate([np.diff(t["tstamp"]) for t in traces])
    assert gaps.mean() == pytest.approx(1 / 15, rel=0.01) and 0.005 < gaps.std() < 0.015


def test_episodes_start_round_robin_and_progress_is_relative(iterations):
    for n, trace in enumerate(iterations[0].episodes):
        start, _ = CIRCUIT.at(np.array(n * 0.05 * CIRCUIT.length))
        front = np.array([trace["x"][0], trace["y"][0]])
        assert np.hypot(*(front - start)) == pytest.approx(driving.FRONT, abs=0.01)
        assert trace["progress"][0] == pytest.approx(100 * driving.FRONT / CIRCUIT.length, abs=0.1)


def test_closest_waypoint_is_about_the_nearest(iterations):
    trace = max(iterations[-1].episodes, key=len)
    away = np.hypot(*(np.stack([trace["x"], trace["y"]])[:, :, None] - CIRCUIT.center.T[:, None, :]))
    told = away[np.arange(len(trace)), trace["closest_waypoint"]]
    assert (told - away.min(axis=1)).max() < CIRCUIT.length / 131


def test_speed_follows_the_command_with_a_lag_and_stays_physical(iterations):
    for trace in iterations[-1].episodes:
        moved = np.hypot(np.diff(trace["x"]), np.diff(trace["y"]))
        speed = moved / np.diff(trace["tstamp"])
        assert speed[0] < 0.5 and speed.max() < 1.35 * max(STORIES["steady-and-slow"][0].speed_limits)


def test_exploration_and_entropy_fall_together():
    story = tiny("over-trained", iterations=8, episodes=4, evaluations=1)[0]
    found = sim.simulate_training(story, 1, CIRCUIT)
    assert found[0].entropy > 1.5 * found[-1].entropy > 0
    assert found[0].policy.spread > found[-1].policy.spread


def test_learning_completes_laps_and_overtraining_loses_them():
    changes = {"ignorance": 1.0, "learning": 0.5, "overtrained_from": 12, "overtraining": 3.0}
    story = tiny("over-trained", iterations=22, episodes=10, evaluations=1, **changes)[0]
    found = sim.simulate_training(story, 2, CIRCUIT)
    chance = [sim.completion_chance(found[k].policy, 1, 40, CIRCUIT) for k in (0, 12, 21)]
    assert chance[0] < 0.1 and chance[1] > 0.7 and chance[2] < 0.3


def test_a_car_that_turns_round_ends_as_reversed(iterations):
    circling = replace(iterations[-1].policy, actions=((28.0, 0.8),))
    room = replace(CIRCUIT, width=2.0)
    traces, _, _ = driving.drive(circling, room, np.full(4, 9.0), np.random.default_rng(1), False)
    assert {str(trace["status"][-1]) for trace in traces} == {"reversed"}
    assert all((np.diff(trace["progress"][-driving.REVERSED_AFTER :]) < 0).all() for trace in traces)


def test_evaluation_pauses_and_drives_on():
    story = tiny("fast-but-fragile", ignorance=1.0)[0]
    policy = sim.simulate_training(story, 1, CIRCUIT)[-1].policy
    policy = replace(policy, lapses=(25.0, 0.5), gain=np.ones(len(policy.gain)))
    traces = sim.simulate_race(policy, 1, trials=6, penalty=2.0, circuit=CIRCUIT)
    left = [t for t in traces if (t["status"] == "off_track").any()]
    assert left
    for trace in left:
        at = int(np.flatnonzero(trace["status"] == "off_track")[0])
        waiting = int((trace["status"][at + 1 :] != "pause").argmax())
        assert 25 <= waiting <= 33
        pause = trace[at : at + 1 + waiting]
        assert pause["pause"][0] == 2.0 and (np.diff(pause["pause"]) < 0).all()
        assert (pause["reward"][1:] == 0).all() and not pause["done"].any()
        assert np.ptp(pause["x"][1:]) == 0
    assert traces[1]["tstamp"][0] > traces[0]["tstamp"][-1]


# -------------------------------------------------------------------------------------------------- faults


@pytest.fixture(scope="module")
def able():
    """The last checkpoint of a model without errors of its own, and its story."""
    story = replace(STORIES["planted-faults"][0], iterations=12, ignorance=0.0, drift=0.01, lapses=0.3)
    return sim.simulate_training(replace(story, episodes=4, evaluations=1), 1, CIRCUIT)[-1], story


def laps_of(policy):
    starts = np.arange(40) * 0.05 % 1 * CIRCUIT.length
    traces = driving.drive(policy, CIRCUIT, starts, np.random.default_rng(2), False)[0]
    laps = [t for t in traces if t["status"][-1] == "lap_complete"]
    assert len(laps) >= 25
    return laps


def stretch(laps, fault):
    """Rows of the laps in the stretch of a fault, the first second after the start left out."""
    first, last = CIRCUIT.waypoint(fault.start), CIRCUIT.waypoint(fault.end)
    return [
        t[(t["steps"] > 15) & (t["closest_waypoint"] >= first) & (t["closest_waypoint"] <= last)]
        for t in laps
    ]


def true_speed(rows):
    """Metres driven over seconds, per lap that passes the stretch in one go."""
    found = []
    for row in rows:
        if len(row) > 5 and (np.diff(row["steps"]) == 1).all():
            metres = np.hypot(np.diff(row["x"]), np.diff(row["y"])).sum()
            found.append(metres / (row["tstamp"][-1] - row["tstamp"][0]))
    return np.mean(found)


def outside(rows):
    """Mean distance (m) from the centre-line, left positive."""
    row = np.concatenate(rows)
    near = CIRCUIT.center[row["closest_waypoint"]]
    heading = CIRCUIT.at(CIRCUIT.distance[row["closest_waypoint"]])[1]
    return np.mean(np.cos(heading) * (row["y"] - near[:, 1]) - np.sin(heading) * (row["x"] - near[:, 0]))


def fault_of(story, kind):
    return next(f for f in story.faults if f.kind == kind)


IN_THE_SAMPLES = [fault.kind for fault in STORIES["planted-faults"][0].faults]


@pytest.mark.parametrize("kind", IN_THE_SAMPLES)
def test_a_planted_fault_holds_against_the_twin_without_it(able, kind):
    last, story = able
    fault = fault_of(story, kind)
    bad, good = (stretch(laps_of(last.twin(faults=faults)), fault) for faults in ((fault,), ()))
    if kind == "weaving":
        effort = [
            np.mean([np.abs(np.diff(r["yaw"])).mean() for r in rows if len(r) > 5]) for rows in (bad, good)
        ]
        assert effort[0] > 2 * effort[1]
        turns = [
            np.concatenate([np.sign(r["steer"][np.abs(r["steer"]) > 5]) for r in rows])
            for rows in (bad, good)
        ]
        assert (np.diff(turns[0]) != 0).sum() > 2 * (np.diff(turns[1]) != 0).sum()
    elif kind == "running_wide":
        assert outside(bad) < outside(good) - 0.08  # a left-hander: outside is right
    else:
        assert true_speed(bad) < true_speed(good) - 0.5


def test_braking_begins_earlier(able):
    last, story = able
    fault = fault_of(story, "early_braking")
    begins = []
    for faults in ((fault,), ()):
        rows = np.concatenate(laps_of(last.twin(faults=faults)))
        before = rows[(rows["steps"] > 15) & (rows["closest_waypoint"] > CIRCUIT.waypoint(9.0))]
        means = [before["throttle"][before["closest_waypoint"] == w].mean() for w in range(55, 80)]
        begins.append(55 + int(np.argmax(np.array(means) < 2.2)))
    assert CIRCUIT.distance[begins[1]] - CIRCUIT.distance[begins[0]] > 1.0


def test_a_fault_costs_time_and_the_facts_say_how_much(able):
    last, story = able
    fault = fault_of(story, "slow_straight")
    slow = replace(story, faults=(fault,))
    facts = maker.fault_facts(fault, replace(last, policy=last.twin(faults=(fault,))), slow, CIRCUIT, 1, 60)
    assert 0.3 < facts["true_cost_s_per_lap"] < 1.2
    assert facts["section"] == "S1" and "middle straight" in facts["words"]
    hairpin = maker.fault_facts(fault_of(story, "early_braking"), last, story, CIRCUIT, 1, 20)
    assert "hairpin" in hairpin["words"]


def test_every_fault_has_words():
    assert set(maker.FAULT_WORDS) == set(sim.FAULTS)


def test_a_fault_is_told_of_the_corner_that_it_is_about(able):
    last, story = able
    hairpin = CIRCUIT.section("hairpin")
    late = sim.Fault("late_braking", hairpin.start - 0.9, hairpin.start + 2.0, 2.0)
    told = maker.fault_facts(late, last, replace(story, faults=(late,)), CIRCUIT, 1, 20)
    assert told["section"] == hairpin.name and told["unit"].startswith("m at top speed")


def test_a_drive_between_two_policies(able):
    last, _ = able
    good, bad = last.twin(faults=()), last.twin(faults=(fault_of(able[1], "slow_straight"),))
    starts = np.arange(6) * 0.15 * CIRCUIT.length

    def driven(policy, **between):
        traces = driving.drive(policy, CIRCUIT, starts, np.random.default_rng(2), False, **between)[0]
        return traces, np.array([len(trace) for trace in traces])

    usual, planted, none, all_ = (
        driven(policy, **between)[0]
        for policy, between in (
            (good, {}),
            (bad, {}),
            (bad, {"usual": good, "strength": np.zeros(6)}),
            (bad, {"usual": good, "strength": np.ones(6)}),
        )
    )
    for one, same in zip(usual + planted, none + all_, strict=True):
        assert len(one) == len(same)
        np.testing.assert_allclose(one["x"], same["x"], atol=1e-9)
    rows = driven(bad, usual=good, strength=np.array([0, 1, 0, 1, 0, 1]))[1]
    assert np.array_equal(rows[::2], driven(good)[1][::2])
    assert (rows[1::2] > driven(good)[1][1::2]).all()


def slow_policy():
    policy = sim.trained_policy(STORIES["planted-faults"][0], CIRCUIT)
    return replace(policy, speed=np.full(len(policy.speed), 1.0), actions=None, speed_limits=(0.5, 1.0))


def sideways(circuit, tyres, push=0.0):
    """How far (m) a car gets round in a second and how fast it is, at full lock from 3 m/s."""
    car = driving._Cars(circuit, np.array([8.0]), np.random.default_rng(0), tyres)
    car.speed[:] = 3.0
    for _ in range(15):
        car.move(np.array([30.0]), np.array([3.0]), np.array([1 / 15]), np.array([push]))
    return float(car.yaw[0]), float(car.speed[0])


def test_tyres_that_slide_drag_and_hold_less():
    turned, speed = sideways(CIRCUIT, driving.GRIPPING)
    assert sideways(CIRCUIT, driving.Tyres(drag=0.8))[1] < speed - 0.2
    assert sideways(CIRCUIT, driving.Tyres(fade=0.5))[0] < turned - 0.2
    assert sideways(CIRCUIT, driving.GRIPPING, push=0.3)[0] < turned - 0.2
    # At a walking pace nothing slides.
    slow = [
        driving.drive(slow_policy(), CIRCUIT, np.array([8.0]), np.random.default_rng(1), False, tyres=tyres)[
            0
        ][0]
        for tyres in (driving.GRIPPING, driving.Tyres(drag=0.8, fade=0.5))
    ]
    assert len(slow[0]) > 200 and np.array_equal(slow[0], slow[1])


def test_a_trained_policy_has_no_errors_of_its_own():
    story = replace(STORIES["planted-faults"][0], lapses=0.3)
    policy = sim.trained_policy(story, CIRCUIT)
    assert (policy.gain == 1).all() and not policy.bias.any() and not policy.weave.any()
    assert sim.completion_chance(policy, 1, 20, CIRCUIT) == 1
    planted = sim.trained_policy(story, CIRCUIT, story.faults)
    assert sim.mean_lap(planted, 1, 20, CIRCUIT) > sim.mean_lap(policy, 1, 20, CIRCUIT) + 0.5


# ------------------------------------------------------------------------------------------------- formats


def test_same_seed_same_bytes():
    story, how = tiny("planted-faults", iterations=2, faults=())
    one, two = (maker.build(story, how, 3, CIRCUIT, truth_drives=2) for _ in range(2))
    assert one == two
    assert one[0] != maker.build(story, how, 4, CIRCUIT, truth_drives=2)[0]


def test_archive_carries_no_time_of_packing_and_no_owner(console):
    story, how = tiny("planted-faults", iterations=1, faults=())
    archive, _ = maker.build(story, how, 3, CIRCUIT, truth_drives=2)
    assert archive[4:8] == b"\0\0\0\0"
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        assert {(m.uid, m.gid, m.uname, m.mtime) for m in packed} == {
            (0, 0, "", int(how["started"].timestamp()))
        }


@pytest.mark.parametrize(("kind", "count"), [("console", 17), ("droa", 19)])
def test_trace_lines_have_the_documented_fields(kind, count, request):
    files, facts, _ = request.getfixturevalue(kind)
    rows = trace_rows(pick(files, r"logs/training/.*(robomaker|simulation)\.log"))
    assert len(rows) == facts["training"]["steps"]
    assert {len(row) for row in rows} == {count}
    for row in rows:
        assert row[9] in {"True", "False"} and row[10] in {"True", "False"} and row[15] in STATUSES
        assert re.fullmatch(r"-?\d+\.\d{4}", row[2]) and re.fullmatch(r"-?\d+\.\d{2}", row[5])
        assert row[13] == f"{CIRCUIT.length:.2f}"
    if kind == "console":
        assert all(0 <= int(row[7]) < len(STORIES["planted-faults"][0].actions) for row in rows)
    else:
        assert all(re.fullmatch(r"\[-?[\d.]+_[\d.]+\]", row[7]) for row in rows)
        assert all(row[17] == "0" and re.fullmatch(r"17\d{8}\.\d{4}", row[18]) for row in rows)


def test_console_log_has_its_surroundings(console):
    files, _, story = console
    log = pick(files, "robomaker.log")
    lines = log.split("\n")
    assert all(lines[k + 1] == "" for k, line in enumerate(lines) if line.startswith("SIM_TRACE_LOG"))
    assert (
        "'WORLD_NAME': 'harbour_loop'" in log
        and "'RACE_TYPE': 'TIME_TRIAL'" in log
        and "'JOB_TYPE': 'TRAINING'" in log
    )
    assert log.count("\nTraining> Name=") == 18 and log.count("\nTesting> Name=") == 6
    assert log.count("Checkpoint> Restoring from path=./checkpoint_robomaker/agent/") == 3
    actions = re.search(r"^Action space from file: (.*)$", log, re.MULTILINE)[1].replace("'", '"')
    assert [(a["steering_angle"], a["speed"]) for a in json.loads(actions)] == list(story.actions)
    block = re.search(r"Using the following hyper-parameters\n(\{.*?\})", log, re.DOTALL)[1]
    assert json.loads(block) == json.loads(pick(files, "ip/hyperparameters.json"))
    rewards = re.findall(r"Training> .*Total reward=([\d.]+)", log)
    rows = trace_rows(log)
    first = sum(float(row[8]) for row in rows if row[0] == "0")
    assert float(rewards[0]) == pytest.approx(first, abs=0.01)


def test_2026_log_wears_the_launcher_prefix(droa):
    files, _, _ = droa
    log = pick(files, "training/.*simulation.log")
    assert all(line.startswith(writing.PREFIX_2026) for line in log.splitlines())
    evaluation = pick(files, "evaluation/.*simulation.log")
    assert all(line.startswith(writing.PREFIX_2026_EVALUATION) for line in evaluation.splitlines())
    assert "'JOB_TYPE': 'EVALUATION'" in evaluation and "'OFF_TRACK_PENALTY': '2.0'" in evaluation


def test_trainer_log_numbers_checkpoints_of_a_clone(console):
    files, facts, _ = console
    log = pick(files, "sagemaker.log")
    saved = re.findall(r"Saving in path=\['./checkpoint_sagemaker/agent/(\d+)_Step-(\d+).ckpt'\]", log)
    assert [int(number) for number, _ in saved] == [13, 14, 15, 16]
    assert "Restoring from path=./pretrained_checkpoint_sagemaker/agent/12_Step-21873.ckpt" in log
    steps = [int(s) for s in re.findall(r"Training> .*Steps=(\d+)", log)]
    assert steps == sorted(steps) and steps[-1] == facts["training"]["steps"] == int(saved[-1][1])
    assert [int(step) for _, step in saved] == [0, steps[5], steps[11], steps[17]]
    assert log.count("Policy training> Surrogate loss=") == 3 * 4
    numbers = re.findall(r"Best checkpoint number: (-?\d+), Last checkpoint number: (-?\d+)", log)
    assert numbers[0] == ("-1", "-1") and numbers[1] == ("13", "13")
    assert [int(last) for _, last in numbers[1:]] == [13, 13, 14]


@pytest.mark.parametrize("kind", ["console", "droa"])
def test_metrics_agree_with_the_trace(kind, request):
    files, facts, _ = request.getfixturevalue(kind)
    metrics = json.loads(pick(files, r"metrics/training/.*\.json"))["metrics"]
    training = [m for m in metrics if m["phase"] == "training"]
    assert len(training) == 18 and len(metrics) == 18 + 6
    rows = trace_rows(pick(files, r"logs/training/.*(robomaker|simulation)\.log"))
    for entry in training:
        mine = [row for row in rows if int(row[0]) == entry["episode"] - 1]
        driven = float(mine[-1][14]) - float(mine[0][14])
        assert entry["elapsed_time_in_milliseconds"] == pytest.approx(1000 * driven + 67, abs=1)
        assert entry["completion_percentage"] == int(float(mine[-1][11]))
    laps = [m["elapsed_time_in_milliseconds"] for m in training if m["episode_status"] == "Lap complete"]
    assert facts["training"]["fastest_official_lap_s"] == pytest.approx(min(laps) / 1000)


@pytest.mark.parametrize("kind", ["console", "droa"])
def test_csv_and_log_hold_the_same_rows(kind, request):
    assert_same_rows(request.getfixturevalue(kind)[0])


def assert_same_rows(files):
    logged = {}
    for row in trace_rows(pick(files, r"logs/training/.*(robomaker|simulation)\.log")):
        logged[row[0], row[1]] = row
    tables = [
        text for path, text in files.items() if re.search(r"/training-simtrace/\d+-iteration.csv", path)
    ]
    assert tables
    compared = 0
    for text in tables:
        header, *lines = text.splitlines()
        places = [4, 4, 4, 2, 2, None, 4, None, None, 4, None, 2, None, None, 2, None, 4]
        for line in lines:
            values = (
                line.replace("[", "").replace("]", "")
                if "[" not in line
                else re.sub(r"\[(\S+) (\S+)\]", r"[\1_\2]", line)
            )
            values = values.split(",")
            assert len(values) == len(header.split(","))
            row = logged[values[0], str(int(float(values[1])))]
            for k, (told, exact) in enumerate(zip(row[2:], values[2:], strict=True)):
                digits = places[k]
                assert told == (exact if digits is None else f"{float(exact):.{digits}f}"), (line, k)
            compared += 1
    return compared


def test_stale_prepare_rows_of_2026_keep_time_and_reward():
    story, how = tiny("fast-but-fragile", episodes=20)
    found = sim.simulate_training(story, 3, CIRCUIT)
    before = [t.copy() for i in found for t in i.episodes]
    job = writing.Job(story, CIRCUIT, found, how["started"], np.random.default_rng(1))
    writing.make_prepare_rows_stale(job)
    after = [t for i in found for t in i.episodes]
    changed = [k for k, (a, b) in enumerate(zip(before, after, strict=True)) if not np.array_equal(a, b)]
    assert 0 < len(changed) < 10
    for k in changed:
        assert np.array_equal(before[k][1:], after[k][1:])
        assert after[k]["x"][0] == before[k - 1]["x"][-1] and after[k]["tstamp"][0] == before[k]["tstamp"][0]
        assert -50.5 <= after[k]["progress"][0] <= 51.5


# ----------------------------------------------------------------------------------------------- committed


@pytest.fixture(scope="module")
def committed():
    return {name: json.loads((SAMPLES / f"{name}.json").read_text()) for name in STORIES}


def test_committed_archives_are_small_and_have_their_facts(committed):
    archives = sorted(SAMPLES.glob("*.tar.gz"))
    assert [path.name for path in archives] == sorted(f"{name}.tar.gz" for name in STORIES)
    assert sum(path.stat().st_size for path in archives) < 8_000_000
    assert all(facts["generator"] == sim.VERSION for facts in committed.values())
    assert np.allclose(np.load(SAMPLES / "harbour_loop.npy"), CIRCUIT.route, atol=1e-9)


@pytest.mark.parametrize("name", ["planted-faults", "fast-but-fragile"])  # one of each layout
def test_committed_archive_is_what_its_story_and_seed_make(name, committed):
    if committed[name]["numpy"] != np.__version__:
        pytest.skip("the same bytes are promised with the same NumPy")
    story, how = STORIES[name]
    archive, _ = maker.build(story, how, how["seed"], CIRCUIT, truth_drives=1)
    assert archive == (SAMPLES / f"{name}.tar.gz").read_bytes()


@pytest.mark.parametrize("name", STORIES)
def test_committed_archive_holds_what_its_facts_say(name, committed):
    files, facts = unpack((SAMPLES / f"{name}.tar.gz").read_bytes()), committed[name]["training"]
    log = pick(files, r"logs/training/.*(robomaker|simulation)\.log")
    assert log.count("SIM_TRACE_LOG:") == facts["steps"]
    assert log.count(",prepare,") == facts["episodes"]
    assert log.count(",lap_complete,") == facts["laps"]
    assert assert_same_rows(files) > 1000
    metrics = json.loads(pick(files, r"metrics/training/.*\.json"))["metrics"]
    training = [m for m in metrics if m["phase"] == "training"]
    laps = [m["elapsed_time_in_milliseconds"] for m in training if m["episode_status"] == "Lap complete"]
    assert min(laps) / 1000 == facts["fastest_official_lap_s"]
    late = [
        m["completion_percentage"] == 100
        for m in training
        if (m["episode"] - 1) // 20 >= facts["last_third_from_iteration"]
    ]
    assert np.mean(late) == pytest.approx(facts["last_third_completion"], abs=1e-3)
    entropy = [float(e) for e in re.findall(r"Entropy=(\S+),", pick(files, r"(sagemaker|-training)\.log"))]
    assert len(entropy) == 4 * committed[name]["iterations"]
    assert np.mean(entropy[-12:]) < np.mean(entropy[:12]) - 0.8


def test_committed_models_tell_their_stories(committed):
    training = {name: facts["training"] for name, facts in committed.items()}
    spread = {name: t["last_third_lap_sd_s"] / t["last_third_lap_mean_s"] for name, t in training.items()}
    assert training["steady-and-slow"]["last_third_completion"] > 0.85
    assert min(spread, key=spread.get) == "steady-and-slow"
    fastest = {name: t["fastest_official_lap_s"] for name, t in training.items()}
    assert min(fastest, key=fastest.get) == "fast-but-fragile"
    assert max(fastest, key=fastest.get) == "steady-and-slow"
    assert 0.3 <= training["fast-but-fragile"]["last_third_completion"] <= 0.5
    truth = committed["over-trained"]["truth"]
    assert 12 <= truth["best_iteration"] <= 18 and 12 <= truth["converged_at_iteration"] <= 18
    assert np.mean(truth["completion_by_iteration"][-5:]) < 0.2 < 0.9 < max(truth["completion_by_iteration"])
    assert all(fault["true_cost_s_per_lap"] > 0.1 for fault in committed["planted-faults"]["planted"])
    assert [fault["kind"] for fault in committed["planted-faults"]["planted"]] == IN_THE_SAMPLES
    assert committed["planted-faults"]["first_checkpoint"] == 13
    assert sum(committed["fast-but-fragile"]["evaluations"][0]["off_track"]) > 0

"""What a job says about itself: settings in logs, and the JSON and YAML files beside them."""

import json
import math
import tarfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepracer_viz.logs.errors import LogError
from deepracer_viz.logs.metadata import (
    ActionSpace,
    LogFacts,
    kind_of_json,
    read_checkpoints,
    read_hyperparameters,
    read_log_facts,
    read_metrics,
    read_model_metadata,
    read_training_params,
)

SETTINGS_LINE = (
    b"{'AWS_REGION': 'eu-west-1', 'JOB_TYPE': 'TRAINING', 'VIDEO_JOB_TYPE': 'EVALUATION', "
    b"'MODEL_NAME': ['fast'], 'RACE_TYPE': 'TIME_TRIAL', 'WORLD_NAME': '2022_reinvent_champ', "
    b"'ALTERNATE_DRIVING_DIRECTION': 'false', 'TRACK_DIRECTION_CLOCKWISE': True, 'REVERSE_DIR': 'True', "
    b"'CHANGE_START_POSITION': 'true', 'NUMBER_OF_TRIALS': '3', 'NUMBER_OF_RESETS': 10000, "
    b"'IS_CONTINUOUS': False, 'OFF_TRACK_PENALTY': '3.00', 'COLLISION_PENALTY': 5.0, 'NUM_WORKERS': '3', "
    b"'CAR_COLOR': ['Black']}\n"
)
SETTINGS = LogFacts(
    world="2022_reinvent_champ",
    race_type="TIME_TRIAL",
    job_type="TRAINING",
    model_name="fast",
    workers=3,
    clockwise=True,
    reverse=True,
    alternate=False,
    change_start=True,
    number_of_trials=3,
    number_of_resets=10000,
    is_continuous=False,
    off_track_penalty=3.0,
    collision_penalty=5.0,
)
SENSOR_LINE = (
    b"Sensor list [u'SECTOR_LIDAR', u'STEREO_CAMERAS'], network DEEP_CONVOLUTIONAL_NETWORK_SHALLOW, "
    b"simapp_version 5.0, training_algorithm clipped_ppo, action_space_type discrete lidar_config {'a': 8}\n"
)
HYPERPARAMETERS = (
    b'Using the following hyper-parameters\n{\n  "batch_size": 64,\n  "exploration_type": "categorical",\n'
    b'  "lr": 2e-05,\n  "num_episodes_between_training": 20\n}\nnext line\n'
)
ROS_2 = b"[download_params_and_roslaunch_agent_node-1] [agent-9] "


def prefixed(text: bytes, prefix: bytes) -> bytes:
    return b"".join(prefix + line for line in text.splitlines(keepends=True))


def member(archive, ending: str) -> bytes:
    with tarfile.open(archive) as tar:
        (name,) = [name for name in tar.getnames() if name.endswith(ending) and "/." not in name]
        return tar.extractfile(name).read()


# ----------------------------------------------------------------------------------------- facts of real logs


def test_facts_of_the_2020_console_simulation_log(real_logs):
    (path,) = (real_logs / "console-2020-clone").glob("*robomaker.log")
    text = path.read_bytes()
    facts = read_log_facts(text)
    assert (facts.world, facts.race_type, facts.job_type) == ("reinvent_base", "TIME_TRIAL", "TRAINING")
    assert (facts.worker, facts.alternate, facts.change_start) == (0, False, True)
    assert (facts.sensors, facts.simapp_version) == (("FRONT_FACING_CAMERA",), "3.0")
    assert facts.algorithm is None
    assert facts.action_space.describe() == "9 actions, 0.33-1.0 m/s, steering -30 to 30 deg"
    assert len(facts.hyperparameters) == 13
    assert facts.hyperparameters["num_epochs"] == 10
    assert [number for _, _, number, _ in facts.restored] == [7, 8, 9, 10, 11, 12, 13, 14]
    for at, path, number, step in facts.restored:
        assert text[at : at + 200].startswith(b"Restoring from path=" + path.encode())
        assert path.endswith(f"{number}_Step-{step}.ckpt")
    # 31 August 2020, about an hour.
    assert facts.start == pytest.approx(1598891264.3, abs=0.1)
    assert facts.end == pytest.approx(1598894942.8, abs=0.1)


def test_facts_of_the_2019_evaluation_log_come_from_the_listing(real_logs):
    facts = read_log_facts((real_logs / "workshop-2019-evaluation.log").read_bytes())
    assert (facts.world, facts.job_type, facts.number_of_trials) == ("reinvent_base", "EVALUATION", 3)
    assert facts.race_type is None
    assert facts.action_space is None
    assert [restored[1:] for restored in facts.restored] == [("./checkpoint/36_Step-39399.ckpt", 36, 39399)]
    assert facts.hyperparameters["lr"] == 0.0003


def test_facts_of_a_fast_2022_model(real_logs):
    facts = read_log_facts((real_logs / "console-2022-robomaker.log").read_bytes())
    assert facts.world == "reinvent_base"
    assert facts.hyperparameters["lr"] == 2e-05
    assert facts.action_space.describe() == "11 actions, 1.2-3.0 m/s, steering -30 to 30 deg"
    assert facts.action_space.max_speed == 3.0
    assert [number for _, _, number, _ in facts.restored] == [208]


@pytest.mark.parametrize(
    ("name", "world", "race", "algorithm", "space"),
    [
        ("2022-continuous", "2022_september_pro", "TIME_TRIAL", "sac", "1.0-4.0 m/s, steering -28 to 27 deg"),
        ("2023-sac", "2022_reinvent_champ", "TIME_TRIAL", "sac", "0.5-1.0 m/s, steering -28 to 30 deg"),
        (
            "2023-head-to-head",
            "2022_reinvent_champ",
            "HEAD_TO_HEAD_RACING",
            "sac",
            "1.2-3.1 m/s, steering -26 to 25 deg",
        ),
    ],
)
def test_facts_of_continuous_console_models(real_logs, name, world, race, algorithm, space):
    facts = read_log_facts(member(real_logs / f"console-{name}.tar.gz", "robomaker.log"))
    assert (facts.world, facts.race_type, facts.algorithm) == (world, race, algorithm)
    assert facts.action_space.kind == facts.action_space_type == "continuous"
    assert facts.action_space.describe() == f"continuous, {space}"
    assert facts.hyperparameters["sac_alpha"] == 0.2


def test_facts_of_the_2026_logs_under_ros_2_prefixes(real_logs):
    archive = real_logs / "droa-2026.tar.gz"
    training = read_log_facts(member(archive, "training-ACGVRmRuFNU9NkQ-simulation.log"))
    assert (training.world, training.job_type, training.model_name) == (
        "Spain_track",
        "TRAINING",
        "Progress-Test-B-1",
    )
    assert len(training.hyperparameters) == 13
    assert training.action_space.describe() == "11 actions, 1.0-2.5 m/s, steering -25 to 25 deg"
    assert [restored[2:] for restored in training.restored] == [(0, 0), (1, 373)]

    evaluation = read_log_facts(member(archive, "evaluation-9oJ3QbS0SYm7Iag-simulation.log"))
    assert (evaluation.world, evaluation.job_type, evaluation.clockwise) == (
        "Spain_track",
        "EVALUATION",
        True,
    )
    assert (evaluation.number_of_trials, evaluation.number_of_resets) == (3, 10000)
    assert evaluation.is_continuous is False
    assert [restored[2:] for restored in evaluation.restored] == [(27, 46417)]
    # The dates in front of lines are five hours off there; the ROS clock is right.
    assert evaluation.start == pytest.approx(1772906098.847, abs=0.001)


# ---------------------------------------------------------------------------------------- statements of a log


def test_settings_line_gives_every_field():
    assert read_log_facts(b"before\n" + SETTINGS_LINE + b"after\n") == SETTINGS


@pytest.mark.parametrize(
    "mangle",
    [
        lambda text: prefixed(text, ROS_2),
        lambda text: prefixed(text, b"2019-05-18T13:37:59.298Z "),
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: b"\xff\xfe broken \xc3\n" + text + b"\xe2\x82",
        lambda text: b"\x1b]2;launch\x07\n\x1b[1m" + text.replace(b"\n", b"\x1b[0m\n"),
    ],
    ids=["ros 2", "iso", "crlf", "invalid utf-8", "escapes"],
)
def test_statements_survive_every_wrapping(mangle):
    facts = read_log_facts(mangle(SETTINGS_LINE + SENSOR_LINE + HYPERPARAMETERS))
    assert facts.world == "2022_reinvent_champ"
    assert facts.off_track_penalty == 3.0
    assert facts.sensors == ("SECTOR_LIDAR", "STEREO_CAMERAS")
    assert (facts.network, facts.simapp_version) == ("DEEP_CONVOLUTIONAL_NETWORK_SHALLOW", "5.0")
    assert (facts.algorithm, facts.action_space_type) == ("clipped_ppo", "discrete")
    assert facts.hyperparameters == {
        "batch_size": 64,
        "exploration_type": "categorical",
        "lr": 2e-05,
        "num_episodes_between_training": 20,
    }


def test_a_settings_line_cut_anywhere_never_gives_a_wrong_value():
    whole = vars(SETTINGS)
    for end in range(len(SETTINGS_LINE)):
        for field, value in vars(read_log_facts(SETTINGS_LINE[:end])).items():
            assert value in (None, (), whole[field]), (end, field)


def test_hyperparameters_cut_anywhere_never_give_a_wrong_value():
    whole = read_log_facts(HYPERPARAMETERS).hyperparameters
    for end in range(len(HYPERPARAMETERS)):
        found = read_log_facts(HYPERPARAMETERS[:end]).hyperparameters or {}
        assert found.items() <= whole.items(), end


def test_the_listing_counts_only_where_it_is_not_cut():
    listing = b" * /WORLD_NAME: 2022_reinvent_c...\n * /RACE_TYPE: OBJECT_AVOIDANCE\n"
    facts = read_log_facts(listing)
    assert (facts.world, facts.race_type) == (None, "OBJECT_AVOIDANCE")
    facts = read_log_facts(listing + b"World name passed in YAML: 2022_reinvent_champ_cw\n")
    assert facts.world == "2022_reinvent_champ_cw"


def test_the_job_environment_stands_in_for_settings():
    text = (
        b'  "hyperparameters": {\n    "aws_region": "eu-central-1",\n    "batch_size": 64,\n'
        b'    "lr": 0.0003,\n'
        b'    "track_direction_clockwise": true,\n    "world_name": "Spain_track"\n  },\n'
    )
    facts = read_log_facts(text)
    assert (facts.world, facts.clockwise) == ("Spain_track", True)
    assert facts.hyperparameters == {"batch_size": 64, "lr": 0.0003}
    compact = b'SM_HPS={"aws_region":"x","batch_size":32,"num_epochs":3,"world_name":"Monaco"}\n'
    assert read_log_facts(compact).hyperparameters == {"batch_size": 32, "num_epochs": 3}


@pytest.mark.parametrize(
    "line",
    [b"+ ROLLOUT_IDX=2\n", b"+ python3 -m markov.rollout_worker --rollout_idx 2\n"],
    ids=["env", "flag"],
)
def test_worker_number(line):
    assert read_log_facts(line).worker == 2


def test_old_penalty_setting_stands_for_both_penalties():
    facts = read_log_facts(b"{'JOB_TYPE': 'EVALUATION', 'PENALTY_SECONDS': '5'}")
    assert (facts.off_track_penalty, facts.collision_penalty) == (5.0, 5.0)


def test_restored_checkpoints_in_every_style():
    text = (
        b"Checkpoint> Restoring from path=./checkpoint/agent/7_Step-0.ckpt\n"
        b"Loading checkpoint: ./checkpoint/36_Step-39399.ckpt\n"
        b"#033[95mCheckpoint#033[0m - #033[94mRestoring from path: #033[0m"
        b"./checkpoint/agent/27_Step-46417.ckpt \n"
        b"\x1b[95mCheckpoint\x1b[0m - \x1b[94mRestoring from path: \x1b[0m./checkpoint/agent/28_Step-5.ckpt\n"
        b"Checkpoint> Restoring from path=./checkpoint/agent/no number\n"
    )
    restored = read_log_facts(text).restored
    assert [r[1:] for r in restored] == [
        ("./checkpoint/agent/7_Step-0.ckpt", 7, 0),
        ("./checkpoint/36_Step-39399.ckpt", 36, 39399),
        ("./checkpoint/agent/27_Step-46417.ckpt", 27, 46417),
        ("./checkpoint/agent/28_Step-5.ckpt", 28, 5),
    ]
    assert text[restored[1][0] :].startswith(b"Loading checkpoint")


def test_action_space_of_a_log():
    discrete = b"Action space from file: [{'speed': 1, 'steering_angle': -25}, "
    discrete += b"{'speed': 2.5, 'steering_angle': 0}]\r\n"
    space = read_log_facts(b"Loaded a" + discrete[1:]).action_space
    assert space.kind == "discrete"
    assert space.actions.to_dict("list") == {
        "index": [0, 1],
        "steering_angle": [-25.0, 0.0],
        "speed": [1.0, 2.5],
    }
    for end in range(len(discrete) - 2):
        assert read_log_facts(discrete[:end]).action_space is None
    python_2 = b"Action space from file: {u'steering_angle': {u'high': 30.0, u'low': -28.0}, "
    python_2 += b"u'speed': {u'high': 4.0, u'low': 1.0}}"
    space = read_log_facts(python_2).action_space
    assert (space.steering_low, space.steering_high, space.speed_low, space.max_speed) == (-28, 30, 1, 4)


def test_time_of_a_log_is_the_ros_clock_where_there_is_one():
    dated = b"2020-08-31 16:28:19,845 INFO a\n2020-08-31 16:30:43.804595: I b\n"
    facts = read_log_facts(dated)
    assert facts.start == pytest.approx(1598891299.845)
    assert facts.end == pytest.approx(1598891443.804595)
    ros = (
        b"x [ INFO] [1598891269.5, 2.8]: c\n[ERROR] [1598891271.25]: d\n[INFO] [12345.0]: simulation clock\n"
    )
    facts = read_log_facts(dated + ros)
    assert (facts.start, facts.end) == (1598891269.5, 1598891271.25)
    assert read_log_facts(b"2020-13-41 25:61:61,000 no date\n").start is None


def test_an_empty_log_says_nothing():
    assert read_log_facts(b"") == LogFacts()


# ---------------------------------------------------------------------------------------------- action spaces


def test_action_space_in_words():
    table = pd.DataFrame({"index": [0], "steering_angle": [0.0], "speed": [1.0]})
    assert ActionSpace("discrete", table).describe() == "1 action, 1.0 m/s, steering 0 deg"
    assert ActionSpace("continuous", None, -7.5, 30.0, 0.75, 4.0).describe() == (
        "continuous, 0.75-4.0 m/s, steering -7.5 to 30 deg"
    )


def test_an_unreadable_action_keeps_the_numbers_of_the_others():
    actions = [{"steering_angle": "-30", "speed": 1}, None, {"steering_angle": 30, "speed": "fast"}]
    space = read_model_metadata(json.dumps({"action_space": actions}).encode()).action_space
    assert space.actions["index"].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(space.actions["steering_angle"], [-30, math.nan, 30])
    np.testing.assert_array_equal(space.actions["speed"], [1, math.nan, math.nan])
    assert space.describe() == "3 actions, 1.0 m/s, steering -30 to 30 deg"


# ---------------------------------------------------------------------------------------------------- metrics


@pytest.mark.parametrize(
    ("name", "episodes", "laps", "fastest", "rated", "rated_complete"),
    [
        ("drfc-one-worker/metrics/TrainingMetrics.json", 541, 42, 12.276, 59, 17),
        ("drfc-three-workers/metrics/TrainingMetrics.json", 239, 10, 12.995, 59, 20),
        ("drfc-three-workers/metrics/TrainingMetrics_1.json", 240, 6, 12.598, 0, 0),
        ("drfc-three-workers/metrics/TrainingMetrics_2.json", 240, 11, 13.137, 0, 0),
    ],
)
def test_training_metrics_of_community_jobs(real_logs, name, episodes, laps, fastest, rated, rated_complete):
    metrics = read_metrics((real_logs / name).read_bytes(), name)
    assert (metrics.kind, metrics.best_model_metric, metrics.skipped.total) == ("training", "progress", 0)
    table = metrics.episodes
    assert table["episode"].tolist() == list(range(episodes))
    assert table["complete"].sum() == laps
    assert table.loc[table["complete"], "time"].min() == fastest
    assert set(table["end_status"]) == {"off_track", "lap_complete"}
    assert len(metrics.checkpoint_evaluations) == rated
    assert metrics.checkpoint_evaluations["complete"].sum() == rated_complete
    assert metrics.evaluation.empty


@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("drfc-one-worker/metrics/EvaluationMetrics-20220709200242.json", [14.792, 13.801, 14.731]),
        ("drfc-one-worker/metrics/EvaluationMetrics-20220709200509.json", [14.325, 13.99, 13.944]),
        ("drfc-one-worker/metrics/EvaluationMetrics-20220709200711.json", [14.198, 13.392, 14.201]),
        ("drfc-three-workers/metrics/EvaluationMetrics-20220709201503.json", [15.579, 15.946, 16.074]),
        ("drfc-three-workers/metrics/EvaluationMetrics-20220709201704.json", [15.522, 15.87, 18.356]),
        ("drfc-three-workers/metrics/EvaluationMetrics-20220709201920.json", [14.792, 18.343, 15.017]),
    ],
)
def test_evaluation_metrics_of_community_jobs(real_logs, name, times):
    metrics = read_metrics((real_logs / name).read_bytes(), name)
    assert metrics.kind == "evaluation"
    assert metrics.evaluation["trial"].tolist() == [0, 1, 2]
    assert metrics.evaluation["time"].tolist() == times
    # The first one is a continuous race whose laps stay "In progress" at 100 %.
    assert metrics.evaluation["complete"].all()
    assert set(metrics.evaluation["end_status"]) == {"lap_complete"}
    assert metrics.episodes.empty
    assert metrics.checkpoint_evaluations.empty


@pytest.mark.parametrize(
    ("archive", "ending", "episodes", "laps", "rated", "statuses"),
    [
        ("console-2022-continuous", ".json", 20, 0, 100, {"off_track": 20}),
        ("console-2023-head-to-head", ".json", 5, 0, 24, {"off_track": 5}),
        (
            "console-2023-object-avoidance",
            ".json",
            100,
            0,
            23,
            {"off_track": 91, "crashed": 8, "reversed": 1},
        ),
        ("console-2023-sac", ".json", 4, 0, 20, {"off_track": 4}),
        ("droa-2026", "training-ACGVRmRuFNU9NkQ.json", 580, 32, 56, {"off_track": 548, "lap_complete": 32}),
    ],
)
def test_training_metrics_in_archives(real_logs, archive, ending, episodes, laps, rated, statuses):
    metrics = read_metrics(member(real_logs / f"{archive}.tar.gz", ending))
    assert len(metrics.episodes) == episodes
    assert metrics.episodes["complete"].sum() == laps
    assert len(metrics.checkpoint_evaluations) == rated
    assert metrics.episodes["end_status"].value_counts().to_dict() == statuses
    if archive == "droa-2026":
        assert metrics.episodes.loc[metrics.episodes["complete"], "time"].min() == 29.442
        assert metrics.checkpoint_evaluations["complete"].sum() == 14


def test_evaluation_metrics_of_2026(real_logs):
    table = read_metrics(member(real_logs / "droa-2026.tar.gz", "evaluation-9oJ3QbS0SYm7Iag.json")).evaluation
    assert table["time"].tolist() == [30.884, 28.573, 28.312]
    assert table["off_track"].tolist() == table["resets"].tolist() == [1, 0, 0]
    assert table["start"].tolist() == [37.288, 68.237, 96.882]
    assert table[["crashed", "reversed", "immobilized"]].to_numpy().sum() == 0


def entry(**values) -> dict:
    return {
        "reward_score": 10,
        "start_time": 1000,
        "elapsed_time_in_milliseconds": 9000,
        "episode": 1,
        "trial": 1,
        "phase": "training",
        "completion_percentage": 50,
        "episode_status": "Off track",
    } | values


def metrics_of(*entries, **rest):
    return read_metrics(json.dumps({"metrics": list(entries), **rest}).encode(), "m.json")


@pytest.mark.parametrize(
    ("progress", "status", "complete", "end_status"),
    [
        (100, "Lap complete", True, "lap_complete"),
        (99, "Lap complete", True, "lap_complete"),
        (100, "In progress", True, "lap_complete"),
        (100, None, True, "lap_complete"),
        (100, "Off track", False, "off_track"),
        (99, "In progress", False, "in_progress"),
        (99, None, False, None),
        (None, "Time up", False, "time_up"),
    ],
)
def test_when_a_drive_is_complete(progress, status, complete, end_status):
    table = metrics_of(entry(completion_percentage=progress, episode_status=status)).episodes
    assert table["complete"].tolist() == [complete]
    assert [None if pd.isna(s) else s for s in table["end_status"]] == [end_status]


def test_drives_that_rate_one_checkpoint_are_numbered_in_order():
    rating = entry(phase="evaluation", trial=20)
    table = metrics_of(
        entry(), rating | {"episode": 20}, rating | {"episode": 20}, rating | {"episode": 40}
    ).checkpoint_evaluations
    assert table["after_episode"].tolist() == [20, 20, 40]
    assert table["trial"].tolist() == [0, 1, 0]


def test_bad_entries_are_skipped_and_counted():
    metrics = metrics_of(
        entry(episode=2),
        "no entry",
        None,
        entry(episode="three"),
        entry(episode=10**400),
        entry(phase="warm-up"),
        entry(
            episode="3", reward_score="7.5", elapsed_time_in_milliseconds=1e300, completion_percentage=None
        ),
        entry(episode=4, completion_percentage=250, start_time=True),
        entry(episode=2, reward_score=99),
    )
    table = metrics.episodes
    assert table["episode"].tolist() == [1, 2, 3]
    np.testing.assert_array_equal(table["time"], [9, math.nan, 9])
    np.testing.assert_array_equal(table["progress"], [50, math.nan, math.nan])
    np.testing.assert_array_equal(table["reward"], [99, 7.5, 10])
    assert not table["complete"].any()
    assert metrics.skipped.counts == {
        "metrics entry is not an object": 2,
        "metrics entry without episode number or known phase": 3,
        "metrics value out of range: elapsed_time_in_milliseconds": 1,
        "metrics value out of range: completion_percentage": 2,
        "metrics value out of range: start_time": 1,
        "metrics hold an episode twice": 1,
    }


def test_an_entry_without_numbers_of_2019_reads_as_evaluation():
    table = metrics_of(
        {"completion_percentage": 100, "elapsed_time_in_milliseconds": 19800, "trial": 1}, {}
    ).evaluation
    assert table["trial"].tolist() == [0, 1]
    assert table["complete"].tolist() == [True, False]
    assert table["off_track"].tolist() == [0, 0]


@pytest.mark.parametrize(("rest", "kind"), [({"version": 2.0}, "training"), ({}, "evaluation")])
def test_metrics_without_entries_have_all_tables(rest, kind):
    metrics = metrics_of(**rest)
    assert metrics.kind == kind
    full = metrics_of(entry(), entry(phase="evaluation"))
    for table in ("episodes", "checkpoint_evaluations"):
        assert getattr(metrics, table).empty
        assert getattr(metrics, table).dtypes.equals(getattr(full, table).dtypes)
    assert metrics.evaluation.dtypes.equals(metrics_of({"trial": 1}).evaluation.dtypes)


# ------------------------------------------------------------------------------------ other files beside logs


def test_model_metadata_of_a_community_job(real_logs):
    found = read_model_metadata((real_logs / "drfc-one-worker/model/model_metadata.json").read_bytes())
    assert found.action_space.describe() == "14 actions, 1.0-2.0 m/s, steering -30 to 30 deg"
    assert found.action_space.actions["steering_angle"].tolist()[::2] == [-30, -20, -10, 0, 10, 20, 30]
    assert (found.sensors, found.algorithm, found.version) == (("FRONT_FACING_CAMERA",), "clipped_ppo", "4")
    assert (found.network, found.action_space_type) == ("DEEP_CONVOLUTIONAL_NETWORK_SHALLOW", "discrete")


def test_model_metadata_with_continuous_actions():
    bounds = {"steering_angle": {"high": 30.0, "low": -20.0}, "speed": {"high": "2.5", "low": 0.5}}
    found = read_model_metadata(json.dumps({"action_space": bounds, "sensor": "SECTOR_LIDAR"}).encode())
    assert found.action_space.describe() == "continuous, 0.5-2.5 m/s, steering -20 to 30 deg"
    assert (found.sensors, found.network) == (("SECTOR_LIDAR",), None)


def test_hyperparameters_of_a_community_job(real_logs):
    found = read_hyperparameters((real_logs / "drfc-three-workers/ip/hyperparameters.json").read_bytes())
    assert len(found) == 13
    assert (found["num_episodes_between_training"], found["loss_type"]) == (30, "huber")


@pytest.mark.parametrize("key", ["avg_eval_metric", "avg_comp_pct"])
def test_best_and_last_checkpoint(key):
    data = {
        "best_checkpoint": {"name": "140_Step-123889.ckpt", key: 100.0, "time_stamp": 1},
        "last_checkpoint": {"name": "145_Step-136982.ckpt", key: "nothing"},
    }
    found = read_checkpoints(json.dumps(data).encode())
    assert (found.best.number, found.best.step, found.best.metric) == (140, 123889, 100.0)
    assert (found.last.name, found.last.metric) == ("145_Step-136982.ckpt", None)
    assert read_checkpoints(b'{"best_checkpoint": {"name": "model.ckpt"}}').best is None


@pytest.mark.parametrize(
    ("obj", "kind"),
    [
        ({"metrics": []}, "metrics"),
        ({"metrics": "none"}, None),
        ({"action_space": []}, "model metadata"),
        ({"sensor": ["FRONT_FACING_CAMERA"], "neural_network": "SHALLOW"}, "model metadata"),
        ({"batch_size": 64, "lr": 0.1}, "hyperparameters"),
        ({"lr": 0.1}, None),
        ({"last_checkpoint": {}}, "checkpoints"),
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_kind_of_json(obj, kind):
    assert kind_of_json(obj) == kind


def test_training_parameters():
    text = (
        b'\xef\xbb\xbfWORLD_NAME: "2022_reinvent_champ"  # track\r\n'
        b"RACE_TYPE: time_trial\r\n'JOB_TYPE': 'TRAINING'\r\n"
        b'NUM_WORKERS: "3"\r\nMODEL_NAME:\r\n- fast one\r\n- other\r\nNUMBER_OF_TRIALS: ["5"]\r\n'
        b"REVERSE_DIR: False\r\nOFF_TRACK_PENALTY: 2.0\r\nIS_CONTINUOUS: null\r\nSOMETHING_ELSE: 1\r\n"
    )
    assert read_training_params(text) == LogFacts(
        world="2022_reinvent_champ",
        race_type="TIME_TRIAL",
        job_type="TRAINING",
        workers=3,
        model_name="fast one",
        number_of_trials=5,
        reverse=False,
        off_track_penalty=2.0,
    )


JSON_READERS = [read_metrics, read_model_metadata, read_hyperparameters, read_checkpoints]


@pytest.mark.parametrize("read", [*JSON_READERS, read_training_params])
@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"null", b'{"metrics": 3}', b"[" * 200_000, b"9" * 9000])
def test_what_is_not_such_a_file_raises_with_its_name(read, data):
    with pytest.raises(LogError, match=r"^some/file\.x "):
        read(data, "some/file.x")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("Lap complete"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
keys = st.sampled_from(
    [
        "metrics",
        "action_space",
        "sensor",
        "neural_network",
        "best_checkpoint",
        "last_checkpoint",
        "name",
        "avg_eval_metric",
        "batch_size",
        "lr",
        "num_epochs",
        "version",
        "phase",
        "episode",
        "trial",
        "completion_percentage",
        "episode_status",
        "elapsed_time_in_milliseconds",
        "start_time",
        "reward_score",
        "off_track_count",
        "steering_angle",
        "speed",
        "low",
        "high",
    ]
)
objects = st.recursive(
    st.dictionaries(keys, anything, max_size=9),
    lambda inner: st.dictionaries(keys, inner | st.lists(inner, max_size=3) | anything, max_size=9),
    max_leaves=6,
)


@settings(deadline=None)
@given(st.one_of(objects, st.builds(lambda m, r: r | {"metrics": m}, st.lists(objects | anything), objects)))
def test_json_readers_take_any_object_or_say_why_not(obj):
    data = json.dumps(obj).encode()
    for read in JSON_READERS:
        try:
            result = read(data, "x.json")
        except LogError:
            continue
        if read is read_metrics:
            assert result.episodes["episode"].is_unique
            assert np.isfinite(result.episodes["time"].dropna()).all()
        elif read is read_model_metadata and result.action_space is not None:
            assert "nan" not in result.action_space.describe()


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_text_readers_take_any_bytes(data):
    read_log_facts(data)
    read_log_facts(SETTINGS_LINE[:-40] + data + SENSOR_LINE + data + HYPERPARAMETERS[:50] + data)
    for read in (*JSON_READERS, read_training_params):
        with pytest.raises(LogError):
            read(data, "x")

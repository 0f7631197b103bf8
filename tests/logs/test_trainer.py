"""The trainer's log: policy updates, checkpoints, clones, episodes."""

import tarfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepracer_viz.logs.trainer import is_trainer_log, read_trainer_log

ROS_2 = b"[download_params_and_roslaunch_agent_node-1] [agent-9] "


def episode(number: int, steps: int, iteration: int, reward="0", worker: int = 0) -> bytes:
    return (
        f"Training> Name=main_level/agent, Worker={worker}, Episode={number}, Total reward={reward}, "
        f"Steps={steps}, Training iteration={iteration}\n"
    ).encode()


def update(epoch: int, loss="-0.07", divergence="0.02", entropy="1.8", rate="0.0003") -> bytes:
    return (
        f"Policy training> Surrogate loss={loss}, KL divergence={divergence}, Entropy={entropy}, "
        f"training epoch={epoch}, learning_rate={rate}\n"
    ).encode()


def save(number: int, step: int) -> bytes:
    return f"Checkpoint> Saving in path=['./checkpoint/agent/{number}_Step-{step}.ckpt']\n".encode()


def restore(number: int, step: int, folder="pretrained_checkpoint") -> bytes:
    return f"Checkpoint> Restoring from path=./{folder}/agent/{number}_Step-{step}.ckpt\n".encode()


ARGUMENTS = (
    b'INFO SM_USER_ARGS=["--pretrained_s3_bucket","b","--pretrained_s3_prefix",'
    b'"data-1/models/first try/sagemaker-robomaker-artifacts","--s3_bucket","b"]\n'
).replace(b"first try", b"first-try")

# A clone of checkpoint 4 with two episodes and two epochs an iteration, stopped in its third update.
JOB = (
    ARGUMENTS
    + restore(4, 900)
    + save(5, 0)
    + b"Best checkpoint number: -1, Last checkpoint number: -1\n"
    + (episode(1, 10, 0) + episode(2, 30, 0) + update(0) + update(1) + save(6, 30))
    + b"Best checkpoint number: 5, Last checkpoint number: 5\n"
    + (episode(3, 44, 1) + episode(4, 60, 1) + update(0) + update(1) + save(7, 60))
    + b"Best checkpoint number: 6, Last checkpoint number: 5\n"
    + (episode(5, 75, 2) + episode(6, 80, 2) + update(0))
)


def prefixed(text: bytes, prefix: bytes) -> bytes:
    return b"".join(prefix + line for line in text.splitlines(keepends=True))


def member(archive, ending: str) -> bytes:
    with tarfile.open(archive) as tar:
        (name,) = [name for name in tar.getnames() if name.endswith(ending) and "/." not in name]
        return tar.extractfile(name).read()


def epochs(log) -> list[int]:
    return log.policy_updates.groupby("iteration").size().tolist()


# -------------------------------------------------------------------------------------------------- real logs


def test_clone_of_2020(real_logs):
    (path,) = (real_logs / "console-2020-clone").glob("*sagemaker.log")
    text = path.read_bytes()
    assert is_trainer_log(text)
    log = read_trainer_log(text)
    assert len(log.policy_updates) == 77
    assert epochs(log) == [10] * 7 + [7]
    assert log.policy_updates["iteration"].is_monotonic_increasing
    assert log.policy_updates.iloc[0].tolist() == [
        0,
        0,
        0.010759986937046051,
        0.022174382582306862,
        1.8321278095245361,
        0.0003,
    ]
    assert log.policy_updates["entropy"].iloc[-1] == 1.5112709999084473
    assert log.first_checkpoint == 7
    assert log.checkpoints["checkpoint"].tolist() == list(range(7, 15))
    assert log.checkpoints["after_iteration"].tolist() == list(range(-1, 7))
    assert log.checkpoints["step"].tolist()[-2:] == [17701, 21882]
    assert log.checkpoints["file"].iloc[1] == "8_Step-2433.ckpt"
    assert log.restored == ("./pretrained_checkpoint/agent/6_Step-6545.ckpt", 6, 6545)
    assert log.pretrained_model == "30minTest"
    assert log.pretrained_prefix.endswith("/models/30minTest/sagemaker-robomaker-artifacts")
    assert (log.best_checkpoint, log.last_checkpoint) == (7, 12)
    assert len(log.episodes) == 160
    assert log.episodes.groupby("iteration").size().tolist() == [20] * 8
    assert log.episodes["reward"].isna().all()
    # The steps of the job at the end of an iteration are the number in the name of its checkpoint.
    ends = log.episodes.groupby("iteration")["steps_total"].last()
    assert ends.tolist()[:7] == log.checkpoints["step"].tolist()[1:]
    assert log.hyperparameters["num_epochs"] == 10
    assert log.skipped.total == 0


def test_simulation_log_of_2020_gives_rewards_and_the_same_iterations(real_logs):
    (path,) = (real_logs / "console-2020-clone").glob("*robomaker.log")
    text = path.read_bytes()
    assert not is_trainer_log(text)
    log = read_trainer_log(text)
    assert log.policy_updates.empty
    assert log.checkpoints.empty
    assert log.restored is None
    assert (log.first_checkpoint, log.best_checkpoint, log.last_checkpoint) == (7, 7, None)
    assert log.episodes.groupby("iteration").size().tolist() == [20] * 8
    assert log.episodes["episode"].tolist() == list(range(160))
    assert log.episodes["reward"].iloc[:2].tolist() == [59.01, 78.21]
    assert log.episodes["reward"].max() == 316.22


def test_clone_of_2023(real_logs):
    log = read_trainer_log(member(real_logs / "console-2023-object-avoidance.tar.gz", "sagemaker.log"))
    assert epochs(log) == [8, 8, 8, 8]
    assert log.checkpoints["checkpoint"].tolist() == [2, 3, 4, 5, 6]
    assert log.checkpoints["after_iteration"].tolist() == [-1, 0, 1, 2, 3]
    assert log.first_checkpoint == 2
    assert log.restored == ("./pretrained_checkpoint_sagemaker/agent/1_Step-590.ckpt", 1, 590)
    assert log.pretrained_model == "12849541-6c55-4512-8a6b-8158d62d64dc"
    assert (log.best_checkpoint, log.last_checkpoint) == (4, 4)
    assert log.episodes.groupby("iteration").size().tolist() == [20, 20, 20, 20, 19]
    assert log.skipped.total == 0


@pytest.mark.parametrize(
    ("name", "episodes", "saves", "last"),
    [
        ("console-2022-continuous", 19, 20, 16),
        ("console-2023-sac", 4, 4, 1),
        ("console-2023-head-to-head", 4, 4, 1),
    ],
)
def test_sac_jobs_have_no_policy_updates(real_logs, name, episodes, saves, last):
    archive = real_logs / f"{name}.tar.gz"
    text = member(archive, "sagemaker.log")
    assert is_trainer_log(text)
    log = read_trainer_log(text)
    assert log.policy_updates.empty
    assert log.checkpoints["checkpoint"].tolist() == list(range(saves))
    # One episode an iteration, although the lines count steps in that place.
    assert log.episodes["iteration"].tolist() == list(range(episodes))
    assert log.first_checkpoint == 0
    assert (log.best_checkpoint, log.last_checkpoint) == (0, last)
    assert (log.restored, log.pretrained_model) == (None, None)
    simulation = read_trainer_log(member(archive, "robomaker.log"))
    assert simulation.episodes["iteration"].tolist() == list(range(episodes))
    assert (simulation.episodes["reward"] > 0).all()


def test_simulation_log_of_2026(real_logs):
    log = read_trainer_log(member(real_logs / "droa-2026.tar.gz", "training-ACGVRmRuFNU9NkQ-simulation.log"))
    assert log.episodes.groupby("iteration").size().tolist() == [20, 20]
    assert log.episodes["steps_total"].iloc[-1] == 846
    assert log.episodes["reward"].iloc[0] == 2.66
    assert log.first_checkpoint == 0


def test_other_logs_hold_no_trainer_lines(real_logs):
    fast = (real_logs / "console-2022-robomaker.log").read_bytes()
    assert not is_trainer_log(fast)
    assert (read_trainer_log(fast).first_checkpoint, len(read_trainer_log(fast).episodes)) == (208, 20)
    for text in (
        (real_logs / "workshop-2019-evaluation.log").read_bytes(),
        member(real_logs / "droa-2026.tar.gz", "evaluation-9oJ3QbS0SYm7Iag-simulation.log"),
    ):
        assert not is_trainer_log(text)
        log = read_trainer_log(text)
        assert log.episodes.empty
        assert log.first_checkpoint is None
        assert log.skipped.total == 0


# ------------------------------------------------------------------------------------------- one line's forms


def check_job(log):
    assert log.policy_updates["iteration"].tolist() == [0, 0, 1, 1, 2]
    assert log.policy_updates["epoch"].tolist() == [0, 1, 0, 1, 0]
    assert log.checkpoints["checkpoint"].tolist() == [5, 6, 7]
    assert log.checkpoints["after_iteration"].tolist() == [-1, 0, 1]
    assert log.episodes["episode"].tolist() == [0, 1, 2, 3, 4, 5]
    assert log.episodes["iteration"].tolist() == [0, 0, 1, 1, 2, 2]
    assert log.episodes["steps_total"].tolist() == [10, 30, 44, 60, 75, 80]
    assert log.first_checkpoint == 5
    assert (log.best_checkpoint, log.last_checkpoint) == (6, 5)
    assert log.restored == ("./pretrained_checkpoint/agent/4_Step-900.ckpt", 4, 900)
    assert log.pretrained_model == "first-try"
    assert log.skipped.total == 0


@pytest.mark.parametrize(
    "mangle",
    [
        lambda text: text,
        lambda text: prefixed(text, ROS_2),
        lambda text: prefixed(text, b"2021-03-01T10:00:00.123Z "),
        lambda text: prefixed(text, b"algo-1-x2f  | "),
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"\n", b"\n\xff\xc3 noise\n"),
        lambda text: text.replace(b"training>", b"training\x1b[0m>").replace(b"Saving", b"\x1b[94mSaving"),
        lambda text: text.replace(b"0.0003\nPolicy", b"0.0003Policy"),
        lambda text: text.rstrip(b"\n"),
    ],
    ids=[
        "plain",
        "ros 2",
        "iso",
        "compose",
        "crlf",
        "invalid utf-8",
        "colours",
        "glued lines",
        "no last newline",
    ],
)
def test_a_job_in_every_wrapping(mangle):
    text = mangle(JOB)
    assert is_trainer_log(text)
    check_job(read_trainer_log(text))


def test_the_style_of_2019():
    def old(text: bytes) -> bytes:
        return text.replace(b">", b" -", 1).replace(b",", b"").replace(b"=", b": ")

    text = b"".join(
        map(old, (save(0, 0), episode(1, 10, 0, "83.5"), update(0), update(1), save(1, 10), update(0)))
    )
    assert b"Training - Name: main_level/agent Worker: 0 Episode: 1 Total reward: 83.5 Steps: 10" in text
    assert is_trainer_log(text)
    log = read_trainer_log(text)
    assert log.episodes["reward"].tolist() == [83.5]
    assert log.policy_updates["epoch"].tolist() == [0, 1, 0]
    assert log.checkpoints["checkpoint"].tolist() == [0, 1]
    assert log.skipped.total == 0


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b"train.sh --pretrained_s3_prefix my-model --s3_bucket b\n", "my-model"),
        (b"Namespace(pretrained_s3_bucket='b', pretrained_s3_prefix='d/models/abc/artifacts', x=1)\n", "abc"),
        (b'"pretrained_s3_prefix":"d/models/abc/artifacts/","s3_bucket":"b"\n', "abc"),
        (b"'SM_HP_PRETRAINED_S3_PREFIX': 'rl/my-model'\n", "my-model"),
        (b"--pretrained_s3_prefix --s3_bucket b\n", None),
        (b"pretrained_s3_prefix=None, x=1\n", None),
        (b"", None),
    ],
)
def test_name_of_the_cloned_model(text, name):
    assert read_trainer_log(text + restore(3, 50)).pretrained_model == name


def test_a_placeholder_is_no_cloned_model():
    assert read_trainer_log(b"pretrained_s3_prefix='sagemaker'\n" + save(0, 0)).pretrained_prefix is None


def test_values_that_are_no_numbers_become_gaps_and_are_counted():
    text = (
        episode(1, 10, 0)
        + update(0, loss="nan")
        + update(1, *["nan"] * 3)
        + update(2, entropy="-inf")
        + update(3)
    )
    log = read_trainer_log(text)
    table = log.policy_updates
    assert table["epoch"].tolist() == [0, 2, 3]
    np.testing.assert_array_equal(table["surrogate_loss"], [np.nan, -0.07, -0.07])
    np.testing.assert_array_equal(table["entropy"], [1.8, np.nan, 1.8])
    assert log.skipped.counts == {"policy update with a value that is no number": 3}


def test_unreadable_lines_are_counted_with_an_example():
    text = b"Policy training> Surrogate loss=-0.05, KL diver\n" + b"Policy training> broken\n" + update(0)
    text += b"Checkpoint> Saving in path=['./checkpoint/agent/model.ckpt']\n" + episode(0, 1, 0)
    text += episode(2, 10, 0).replace(b"Steps=10", b"Steps=ten")
    log = read_trainer_log(text)
    assert len(log.policy_updates) == 1
    assert log.skipped.counts == {
        "unreadable line of a saved checkpoint": 1,
        "unreadable line of a trained episode": 2,
        "unreadable line of a policy update": 2,
    }
    assert log.skipped.examples["unreadable line of a policy update"].startswith(
        "Policy training> Surrogate loss"
    )


def test_rewards_are_kept_where_any_is_written():
    log = read_trainer_log(episode(1, 5, 0, "0") + episode(2, 9, 0, "12.5", worker=1))
    assert log.episodes["reward"].tolist() == [0.0, 12.5]
    assert log.episodes["worker"].tolist() == [0, 1]


# -------------------------------------------------------------------------------------------- incomplete logs


def test_a_job_cut_after_any_line():
    lines = JOB.splitlines(keepends=True)
    for end in range(len(lines) + 1):
        text = b"".join(lines[:end])
        log = read_trainer_log(text)
        n = text.count(b"Policy training>")
        assert log.policy_updates["iteration"].tolist() == [0, 0, 1, 1, 2][:n]
        saves = text.count(b"Saving")
        assert log.checkpoints["after_iteration"].tolist() == [-1, 0, 1][:saves]
        assert log.first_checkpoint == (5 if b"Restoring" in text else None)
        n = text.count(b"Training>")
        assert log.episodes["iteration"].tolist() == [0, 0, 1, 1, 2, 2][:n]
        assert log.skipped.total == 0


def test_a_job_cut_at_any_byte_holds_no_wrong_number():
    job = (
        restore(9, 5)
        + save(10, 0)
        + episode(1, 99, 0)
        + update(0)
        + save(11, 99)
        + episode(2, 120, 1)
        + update(0)
    )
    whole = read_trainer_log(job)
    for end in range(len(job)):
        log = read_trainer_log(job[:end])
        for table in ("policy_updates", "checkpoints"):
            found = getattr(log, table)
            assert found.equals(getattr(whole, table).iloc[: len(found)]), end
        assert log.skipped.total <= 1


def test_a_job_that_lost_its_beginning_keeps_its_iterations():
    lines = JOB.splitlines(keepends=True)
    for begin in range(len(lines)):
        text = b"".join(lines[begin:])
        log = read_trainer_log(text)
        n = text.count(b"Policy training>")
        if n and b"Training> Name" in text:
            assert log.policy_updates["iteration"].tolist() == [0, 0, 1, 1, 2][5 - n :]
            assert log.episodes["iteration"].tolist() == [0, 0, 1, 1, 2, 2][6 - text.count(b"Training> ") :]
        if log.first_checkpoint is not None:
            assert log.first_checkpoint == 5
            saves = len(log.checkpoints)
            assert log.checkpoints["after_iteration"].tolist() == [-1, 0, 1][3 - saves :]


def test_without_episode_lines_the_saves_number_the_iterations():
    text = save(5, 0) + update(0) + update(1) + save(6, 30) + update(0) + save(7, 60) + update(0)
    assert read_trainer_log(text).policy_updates["iteration"].tolist() == [0, 0, 1, 2]


def test_with_policy_lines_alone_the_epochs_number_the_iterations():
    text = update(0) + update(1) + update(2) + update(0) + update(1) + update(0)
    log = read_trainer_log(text)
    assert log.policy_updates["iteration"].tolist() == [0, 0, 0, 1, 1, 2]
    assert log.first_checkpoint is None


def test_a_sac_job_that_lost_its_beginning_counts_from_what_is_there():
    text = episode(8, 300, 270) + save(8, 300) + episode(9, 340, 300) + save(9, 340)
    log = read_trainer_log(text)
    assert log.first_checkpoint is None
    assert log.episodes["iteration"].tolist() == [0, 1]
    assert log.checkpoints["after_iteration"].tolist() == [0, 1]


def test_an_empty_log_has_all_tables():
    empty, full = read_trainer_log(b""), read_trainer_log(JOB)
    for table in ("policy_updates", "checkpoints", "episodes"):
        assert getattr(empty, table).empty
        assert getattr(empty, table).dtypes.equals(getattr(full, table).dtypes)
    assert not is_trainer_log(b"")


@pytest.mark.parametrize("text", [b"my policy: Policy training is fun\n", b"Saving in path of the user\n"])
def test_words_alone_make_no_trainer_log(text):
    assert not is_trainer_log(text)


pieces = st.sampled_from(
    [*JOB.splitlines(keepends=True), b"Policy training> ", b"Training> Name", b"\x1b[", b"\n"]
)


@settings(deadline=None)
@given(st.lists(pieces | st.binary(max_size=20), max_size=30))
def test_any_mixture_reads_without_an_error(parts):
    text = b"".join(parts)
    log = read_trainer_log(text)
    is_trainer_log(text)
    assert (log.policy_updates["iteration"] >= 0).all()
    assert (log.episodes["iteration"] >= 0).all()
    assert log.checkpoints["checkpoint"].is_unique

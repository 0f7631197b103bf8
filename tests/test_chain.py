"""A model and its clones joined: numbers and hours run on, seams and differences are told."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from deepracer_viz import LogError, can_follow, chain_runs, load_run
from deepracer_viz.chain import begins_afresh


@pytest.fixture(scope="module")
def models(sample_logs):
    names = ("steady-and-slow", "over-trained", "fast-but-fragile", "planted-faults")
    return {name: load_run(sample_logs / f"{name}.tar.gz") for name in names}


def cut(run, first, last, own_first=None, **about):
    """Part of a training as if it were a job of its own, its numbers and clock beginning again."""
    drives = run.drives(iterations=(first, last))
    c0 = run.metadata.first_checkpoint if own_first is None else own_first
    start = drives.episodes["tstamp"].min()
    begun = {
        "episode": drives.episodes["episode"].min(),
        "unique_episode": drives.episodes["unique_episode"].min(),
    }

    def begin(table):
        less = {name: (table[name] - by).astype("int32") for name, by in begun.items()}
        return table.assign(
            iteration=table["iteration"] - np.int32(first), tstamp=table["tstamp"] - start, **less
        )

    episodes = begin(drives.episodes).reset_index(drop=True)
    episodes["checkpoint"] = episodes["iteration"] + np.int32(c0)
    updates = run.policy_updates[run.policy_updates["iteration"].between(first, last)]
    rated = run.checkpoint_evaluations
    number = rated["checkpoint"] - run.metadata.first_checkpoint
    rated = rated[number.between(first, last)]
    rated = rated.assign(
        checkpoint=(rated["checkpoint"] - run.metadata.first_checkpoint - first + c0).astype("int32")
    )
    jobs = run.jobs.assign(last_iteration=np.int32(last - first), first_checkpoint=np.int32(c0))
    return replace(
        run,
        steps=begin(drives.steps).reset_index(drop=True),
        episodes=episodes,
        policy_updates=updates.assign(iteration=updates["iteration"] - np.int32(first)).reset_index(
            drop=True
        ),
        checkpoint_evaluations=rated.reset_index(drop=True),
        metadata=replace(run.metadata, first_checkpoint=c0, **about),
        jobs=jobs,
    )


def test_a_training_cut_in_two_and_joined_is_the_whole_again(models):
    whole = models["steady-and-slow"]
    last = int(whole.episodes["iteration"].max())
    one = cut(whole, 0, 9)
    two = cut(whole, 10, last, own_first=4, cloned_from="steady-and-slow, checkpoint 3")
    chain = chain_runs([two, one])
    for name in ("episodes", "steps", "policy_updates", "checkpoint_evaluations"):
        joined, expected = getattr(chain, name), getattr(whole, name)
        # The pause in which the policy is trained lies between the two jobs, and does not count.
        timeless = [c for c in expected.columns if c != "tstamp"]
        pd.testing.assert_frame_equal(joined[timeless], expected[timeless], obj=name)
    assert (np.diff(chain.episodes["tstamp"].dropna()) > 0).all()
    assert chain.hours == pytest.approx(one.hours + two.hours)
    assert chain.jobs.to_dict("list") == {
        "name": ["steady-and-slow"] * 2,
        "first_iteration": [0, 10],
        "last_iteration": [9, last],
        "first_checkpoint": [0, 4],
    }
    assert chain.track is one.track
    assert chain.metadata.last_checkpoint == two.metadata.last_checkpoint + 6
    assert [w for w in chain.report.warnings if "Checkpoints run on" in w] == [
        "Checkpoints run on: checkpoint 10 is the one that steady-and-slow calls 4, and so on, and its files carry its "
        "own numbers."
    ]


def test_sections_of_the_page_find_the_same_drives_in_a_chain(models):
    chain = chain_runs([models["steady-and-slow"], models["planted-faults"]], as_given=True)
    second = chain.jobs.iloc[1]
    drives = chain.drives(iterations=(second["first_iteration"], second["last_iteration"]))
    own = models["planted-faults"].drives()
    assert drives.laps["time"].to_list() == own.laps["time"].to_list()
    assert len(drives.steps) == len(own.steps) and drives.hours == pytest.approx(own.hours)
    assert chain.steps["unique_episode"].is_monotonic_increasing
    assert not chain.episodes["unique_episode"].duplicated().any()
    assert not chain.episodes.duplicated(["worker", "episode"]).any()
    for name in ("steps", "episodes"):
        table, expected = getattr(chain, name), getattr(own, name)
        pd.testing.assert_series_equal(table.dtypes.astype(str), expected.dtypes.astype(str))


def test_differences_are_told_in_plain_words(models):
    one, two = models["steady-and-slow"], models["fast-but-fragile"]
    two = replace(two, metadata=replace(two.metadata, world="elsewhere"), track=None)
    warnings = " ".join(chain_runs([one, two], as_given=True).report.warnings)
    assert "drives another track (harbour_loop before, elsewhere then)" in warnings
    assert "has other actions (14 actions" in warnings
    assert not can_follow(one, two).possible


def test_order_by_beginning_by_name_and_by_number(models):
    def known(name, **about):
        run = models[name]
        return replace(run, name=name, metadata=replace(run.metadata, **{"started": None, **about}))

    a, b, c = "steady-and-slow", "over-trained", "planted-faults"
    late = [known(a, started=300.0), known(b, started=100.0), known(c, started=200.0)]
    assert list(chain_runs(late).jobs["name"]) == [b, c, a]
    assert list(chain_runs(late, as_given=True).jobs["name"]) == [a, b, c]
    named = [known(c, cloned_from=f"{b}, checkpoint 2"), known(b, cloned_from=f"{a}, checkpoint 9"), known(a)]
    assert list(chain_runs(named).jobs["name"]) == [a, b, c]
    circle = [known(c, cloned_from=f"{b}, checkpoint 2"), known(b, cloned_from=f"{c}, checkpoint 9")]
    assert len(chain_runs(circle).jobs) == 2
    numbered = [known(c, cloned_from=None, first_checkpoint=13), known(a)]
    assert list(chain_runs(numbered).jobs["name"]) == [a, c]


def test_one_run_none_and_the_same_twice(models):
    run = models["over-trained"]
    assert chain_runs([run]) is run
    with pytest.raises(LogError, match="no model"):
        chain_runs([])
    with pytest.raises(LogError, match="the same drives"):
        chain_runs([run, replace(run, name="again")])


def test_a_job_known_from_its_trainer_log_alone(models):
    run = models["over-trained"]
    bare = replace(run, steps=run.steps[:0], episodes=run.episodes[:0], jobs=run.jobs[:0], name="bare")
    chain = chain_runs([bare, run], as_given=True)
    begun = int(run.policy_updates["iteration"].max()) + 1
    assert chain.episodes["iteration"].min() == begun and chain.hours == pytest.approx(run.hours)


def test_who_can_follow_whom(models):
    one, clone = models["steady-and-slow"], models["planted-faults"]
    clone = replace(clone, metadata=replace(clone.metadata, action_space=one.metadata.action_space))

    def says(**about):
        return can_follow(one, replace(clone, metadata=replace(clone.metadata, **about)))

    assert says() == (
        True,
        "planted-faults is a clone of checkpoint 12; nothing tells whether that is steady-and-slow.",
        False,
        True,
    )
    named = says(cloned_from="steady-and-slow, checkpoint 12")
    assert named.named and named.why == "planted-faults is a clone of steady-and-slow, checkpoint 12."
    learnt = replace(one, metadata=replace(one.metadata, algorithm="sac"))
    other = can_follow(learnt, replace(clone, metadata=replace(clone.metadata, algorithm="clipped_ppo")))
    assert not other.possible and "learnt by sac" in other.why
    assert begins_afresh(one) and not begins_afresh(clone)
    assert not says(cloned_from="checkpoint 99").possible
    assert "checkpoints 0 to 30 alone" in says(cloned_from="else, checkpoint 99").why
    assert not says(cloned_from=None).possible
    assert not can_follow(one, one).possible and "same drives" in can_follow(one, one).why
    dated = replace(one, metadata=replace(one.metadata, ended=50.0))
    early = replace(clone, metadata=replace(clone.metadata, started=10.0))
    assert can_follow(dated, early)[:2] == (False, "planted-faults began before steady-and-slow ended.")
    assert not can_follow(one, replace(clone, episodes=clone.episodes[:0])).possible
    untold = replace(
        clone, policy_updates=clone.policy_updates[:0], metadata=replace(clone.metadata, cloned_from=None)
    )
    assert can_follow(one, untold).possible and "does not tell its origin" in can_follow(one, untold).why


def test_a_real_clone_after_another_training(real_logs):
    clone = load_run(real_logs / "console-2020-clone")
    assert clone.jobs.iloc[0].to_dict() == {
        "name": "console-2020-clone",
        "first_iteration": 0,
        "last_iteration": 7,
        "first_checkpoint": 7,
    }
    first = load_run(real_logs / "drfc-one-worker")
    chain = chain_runs([first, clone], as_given=True)
    # One of them is on Unix time, the other on the simulation's.
    assert chain.hours == pytest.approx(first.hours + clone.hours)
    assert chain.episodes["iteration"].max() == first.episodes["iteration"].max() + 8
    assert chain.episodes["checkpoint"].is_monotonic_increasing
    raced = chain.evaluation_episodes
    assert (
        len(raced) == len(first.evaluation_episodes)
        and raced["stream"].str.startswith("drfc-one-worker: ").all()
    )

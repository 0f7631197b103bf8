from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from deepracer_viz.analysis.comparing import compare_driving, compare_rewards
from deepracer_viz.analysis.comparing.rewards import ENDS_OF_RANGE
from deepracer_viz.analysis.driving.timing import section_times
from tests.contenders import known_from_metrics, named, of_run


def test_sections_add_up_to_what_separates_the_laps(samples):
    pair = [samples["planted-faults"], samples["over-trained"]]
    answer = compare_driving(pair)
    sections = answer.sections
    totals = sections.groupby("name")["time"].sum()
    assert sections[sections["name"] == "over-trained"]["lost"].sum() == pytest.approx(
        totals["over-trained"] - totals["planted-faults"]
    )
    assert list(sections["section"].unique()) == list(pair[0].track.sections["section"])
    least = sections.groupby("section")["time"].transform("min")
    assert (sections["fastest"] == (sections["time"] == least)).all()
    inside = sections[sections["name"] == "over-trained"]
    assert (inside["low"] <= inside["lost"]).all() and (inside["lost"] <= inside["high"]).all()


def test_seconds_are_the_mean_of_the_middle_half(samples):
    one = samples["steady-and-slow"]
    answer = compare_driving([one, samples["over-trained"]])
    times = section_times(one.steps, one.episodes, one.track)
    times = times[times["complete_lap"]]
    laps = one.episodes[one.episodes["complete"] & one.episodes["traced"]].sort_values(
        "driven_time", kind="stable"
    )
    n = len(laps)
    middle = times[times["unique_episode"].isin(laps["unique_episode"].iloc[n // 4 : n - n // 4])]
    by_lap = middle.assign(net=middle["time"] - middle["start_loss"]).groupby("section")["net"].mean()
    own = answer.sections[answer.sections["name"] == "steady-and-slow"].set_index("section")["time"]
    assert own.to_numpy() == pytest.approx(by_lap.reindex(own.index).to_numpy(), abs=0.01)
    assert answer.laps["steady-and-slow"] == pytest.approx(n - 2 * (n // 4), abs=2)


@pytest.mark.parametrize("group", ["typical", "fast"])
def test_the_line_along_the_track_agrees_with_the_sections(samples, group):
    names = ["steady-and-slow", "fast-but-fragile", "over-trained"]
    answer = compare_driving([samples[name] for name in names], group)
    assert list(answer.laps) == names
    assert set(answer.delta["name"]) == set(names[1:])
    for name in names[1:]:
        end = answer.delta.loc[answer.delta["name"] == name, "delta"].iloc[-1]
        lost = answer.sections.loc[answer.sections["name"] == name, "lost"].sum()
        assert end < 0 and end == pytest.approx(lost, abs=0.15)
    assert "fast-but-fragile is" in answer.verdict and "faster than steady-and-slow" in answer.verdict


def test_a_model_beside_itself_loses_nothing(samples):
    one = samples["planted-faults"]
    answer = compare_driving([one, named(one, "again")])
    assert answer.delta["delta"].dropna().to_numpy() == pytest.approx(0, abs=1e-6)
    assert (answer.sections["lost"] == 0).all()
    assert "No section makes that difference with certainty" in answer.verdict


def test_who_cannot_be_compared_is_left_out_and_why(samples):
    one = samples["planted-faults"]
    away = known_from_metrics("away", [12.0] * 20, world="oval")
    unseen = known_from_metrics("unseen", [12.0] * 20, world=one.world)
    few = replace(one, name="few", episodes=one.episodes.head(3), steps=one.steps.head(0))
    answer = compare_driving([one, away, unseen, few])
    assert list(answer.laps) == ["planted-faults"] and answer.delta.empty
    for words in ("away drove on oval", "unseen has no lap that can be followed", "few has no lap"):
        assert words in answer.verdict
    alone = compare_rewards([one, away, unseen])
    assert list(alone.maps) == ["planted-faults"]
    assert "unseen has no traced step" in alone.verdict and "away drove on oval" in alone.verdict
    nobody = compare_rewards([unseen])
    assert nobody.cells.empty and nobody.sections.empty and "nan" not in nobody.verdict.lower().split()
    assert compare_driving([unseen]).sections.empty


def test_an_unknown_group_is_an_error(samples):
    with pytest.raises(ValueError, match="typical, fast"):
        compare_driving([samples["planted-faults"]], "slow")


def test_rewards_are_shares_of_each_ones_own_range(samples):
    one = samples["planted-faults"]
    richer = replace(one, name="richer", steps=one.steps.assign(reward=one.steps["reward"] * 50 - 7))
    answer = compare_rewards([one, richer])
    both = answer.cells.pivot(index=["x", "y"], columns="name", values="share")
    assert both["richer"].to_numpy() == pytest.approx(both["planted-faults"].to_numpy(), abs=1e-4)
    for name in ("planted-faults", "richer"):
        rewards = answer.cells.loc[answer.cells["name"] == name, "reward"]
        assert answer.ranges[name] == pytest.approx(tuple(np.percentile(rewards, ENDS_OF_RANGE)))
    assert answer.cells["share"].between(0, 1).all()


def test_equal_rewards_are_in_the_middle(samples):
    one = samples["planted-faults"]
    flat = replace(one, steps=one.steps.assign(reward=np.float32(1)))
    assert (compare_rewards([flat]).cells["share"] == 0.5).all()


def test_the_steadiest_sample_is_found(samples):
    answer = compare_rewards(list(samples.values()))
    assert answer.verdict.startswith("steady-and-slow holds the steadiest line")
    assert list(answer.sections["section"].unique()) == list(answer.track.sections["section"])
    for name, alone in answer.maps.items():
        own = answer.sections[answer.sections["name"] == name].set_index("section")["lateral_spread"]
        expected = alone.sections.set_index("section")["lateral_spread"]
        pd.testing.assert_series_equal(own, expected.reindex(own.index))


def test_ranges_of_one_model_share_its_track(runs):
    run = runs["planted-faults"]
    answer = compare_driving([of_run(run, "before", (0, 21)), of_run(run, "after", (22, 29))])
    assert len(answer.laps) == 2 and not answer.left_out

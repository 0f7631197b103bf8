"""Each sample model tells a story; the analyses find it without being told."""

import json
import re

import pytest

from deepracer_viz import load_run, load_track
from deepracer_viz.analysis.checkpoints import choose_checkpoint
from deepracer_viz.analysis.driving import find_inefficiencies
from deepracer_viz.analysis.envelope import performance_envelope
from deepracer_viz.analysis.races import FORMATS, RaceFormat
from deepracer_viz.export import answer
from tests.analysis.driving.evidence import contradictions

NAMES = ["fast-but-fragile", "over-trained", "planted-faults", "steady-and-slow"]

FOUND_AS = {
    "weaving": "weaving",
    "early_braking": "brakes too early",
    "slow_straight": "slow on a straight",
    "running_wide": "line too long",
}
"""What the detectors call each kind of planted fault."""


@pytest.fixture(scope="module")
def models(sample_logs) -> dict:
    route = load_track(sample_logs / "harbour_loop.npy")
    return {
        name: (
            load_run(sample_logs / f"{name}.tar.gz", track=route),
            json.loads((sample_logs / f"{name}.json").read_text()),
        )
        for name in NAMES
    }


@pytest.mark.parametrize("name", NAMES)
def test_read_as_simulated(models, name):
    run, facts = models[name]
    told = facts["training"]
    assert len(run.steps) == told["steps"]
    assert len(run.episodes) == told["episodes"]
    assert len(run.laps) == told["laps"]
    assert run.laps["time"].min() == pytest.approx(told["fastest_official_lap_s"], abs=5e-4)
    assert set(run.laps["time_source"]) == {"official"}
    assert run.metadata.world == facts["track"]
    assert run.metadata.first_checkpoint == facts["first_checkpoint"]
    assert run.episodes["iteration"].max() == facts["iterations"] - 1
    assert run.report.skipped.total == 0
    assert run.report.warnings == []
    assert not run.track.approximate


def completion(run, share: float = 1 / 3) -> float:
    last = run.episodes["iteration"] >= run.episodes["iteration"].max() * (1 - share)
    return run.episodes.loc[last, "complete"].mean()


def test_the_fast_one_is_fast_and_fragile(models):
    fast, steady = models["fast-but-fragile"][0], models["steady-and-slow"][0]
    envelopes = {name: performance_envelope(run.laps["time"]) for name, (run, _) in models.items()}
    assert min(envelopes, key=lambda name: envelopes[name].fastest) == "fast-but-fragile"
    assert max(envelopes, key=lambda name: envelopes[name].fastest) == "steady-and-slow"
    assert completion(fast) < 0.5 < 0.8 < completion(steady)
    late = steady.laps[steady.laps["iteration"] >= 20]["time"]
    late_of_fast = fast.laps[fast.laps["iteration"] >= 20]["time"]
    assert late.std() / late.mean() < 0.75 * late_of_fast.std() / late_of_fast.mean()


@pytest.mark.parametrize("kind", FORMATS)
def test_the_over_trained_one_should_race_an_early_checkpoint(models, kind):
    run, facts = models["over-trained"]
    # A lap that every second of its laps beats; for a faster one a late, fragile checkpoint may be worth the risk.
    race = RaceFormat(kind, target=run.laps["time"].median())
    ranking = choose_checkpoint(run.episodes, run.checkpoint_evaluations, race=race).ranking
    truth = facts["truth"]["completion_by_iteration"]
    assert truth[ranking["iteration"].iloc[0]] > max(truth) - 0.1
    assert ranking["iteration"].iloc[0] < facts["iterations"] * 2 / 3
    newest = ranking.set_index("iteration").loc[facts["iterations"] - 1]
    assert newest.win_chance < 0.5 * ranking["win_chance"].iloc[0]


def test_planted_faults_are_found_where_they_are(models):
    run, facts = models["planted-faults"]
    findings = find_inefficiencies(run.steps, run.episodes, run.track)
    for fault in facts["planted"]:
        here = findings[
            (findings["section"] == fault["section"]) & (findings["kind"] == FOUND_AS[fault["kind"]])
        ]
        assert len(here) == 1, f"{fault['words']}: not found in {fault['section']}"
        middle = (fault["waypoint_from"] + fault["waypoint_to"]) / 2
        first, last = here["waypoint_from"].iloc[0], here["waypoint_to"].iloc[0]
        assert first <= middle <= (last if last >= first else len(run.track.center))


@pytest.mark.parametrize("name", NAMES)
def test_no_evidence_speaks_against_its_finding(models, name):
    run, _ = models[name]
    for steps in (run.steps, run.drives().steps_of_laps):
        assert not contradictions(find_inefficiencies(steps, run.episodes, run.track))


@pytest.mark.parametrize("name", NAMES)
def test_verdicts_are_in_plain_words(models, name):
    run, _ = models[name]
    told = answer(run)
    verdicts = [
        told.envelope.verdict,
        told.choice.verdict,
        told.progress.verdict,
        told.progress.evaluation_note,
        told.account.verdict,
        told.driving,
        told.rewards.verdict,
        told.actions.verdict,
        *told.findings["advice"],
    ]
    # A term of the trade stands in brackets, after what it means.
    plain = re.sub(r"\([^)]*\)", "", " ".join(verdicts)).lower()
    assert not re.findall(r"entropy|action space|hyperparameter|learning rate|odds|exploration|policy", plain)


def test_a_model_without_planted_faults_has_no_costly_finding(models):
    run, facts = models["steady-and-slow"]
    assert not facts["planted"]
    findings = find_inefficiencies(run.steps, run.episodes, run.track)
    # Its drives end early here and there as those of every training do; that is no fault of the driving style.
    assert findings.loc[findings["kind"] != "episode ends here", "seconds_per_lap"].sum() < 0.1

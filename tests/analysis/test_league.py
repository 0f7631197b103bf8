from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from deepracer_viz import load_run
from deepracer_viz.analysis.checkpoints import rank_checkpoints
from deepracer_viz.analysis.driving.findings import find_inefficiencies
from deepracer_viz.analysis.league import (
    TREND_POINTS,
    UNKNOWN_TRACK,
    best_checkpoint,
    league_entry,
    league_table,
    league_tracks,
    league_verdict,
)
from deepracer_viz.analysis.races import RaceFormat
from tests.loop_drives import loop


def entry_of(run, name="model"):
    drives = run.drives(evaluations=run.episodes.empty)
    return league_entry(
        name,
        drives.episodes,
        drives.steps,
        drives.track,
        run.checkpoint_evaluations,
        run.policy_updates,
        run.metadata.world,
    )


@pytest.fixture(scope="module")
def run(sample_logs):
    return load_run(str(sample_logs / "over-trained.tar.gz"))


@pytest.fixture(scope="module")
def entry(run):
    return entry_of(run)


def test_an_entry_says_what_the_sections_say(run, entry):
    assert entry.laps == len(run.laps) and entry.episodes == len(run.episodes)
    assert entry.completion[0] == len(run.laps) / len(run.episodes)
    assert entry.completion[1] < entry.completion[0] < entry.completion[2]
    assert entry.fastest == run.laps["time"].min()
    assert entry.mean == pytest.approx(run.laps["time"].mean())
    assert entry.track == "harbour_loop" and entry.route is run.track
    assert league_table([entry])["track_length"].item() == pytest.approx(run.track.length)
    assert entry.state == "over-trained" and 10 <= entry.converged_at <= 14
    worst = find_inefficiencies(run.steps, run.episodes, run.track).iloc[0]
    assert entry.fault == f"{worst['kind']}, {worst['section']}"
    assert entry.fault_cost == worst["seconds_per_lap"]


@pytest.mark.parametrize("target", [None, 10.6])
def test_the_checkpoint_is_the_one_that_the_ranking_puts_first(run, entry, target):
    race = RaceFormat(target=target)
    [row] = league_table([entry], race).itertuples()
    first = rank_checkpoints(run.episodes, run.checkpoint_evaluations, race=race, model=entry.odds).iloc[0]
    assert row.checkpoint == first["checkpoint"]
    assert row.finish_chance == first["finish_chance"] and row.lap_time == first["lap_time"]
    if target is None:
        assert np.isnan(row.win_chance)
    else:
        assert (row.win_chance, row.win_low, row.win_high) == tuple(
            first[["win_chance", "win_low", "win_high"]]
        )


def test_the_trend_is_the_median_of_each_iteration(run, entry):
    medians = run.laps.groupby("iteration")["time"].median()
    assert entry.trend == pytest.approx(medians.tolist(), abs=1e-3)


def test_the_trend_of_a_long_training_is_summed_up(run):
    count = 10 * TREND_POINTS + 3
    laps = run.laps.iloc[np.arange(count) % len(run.laps)].assign(
        iteration=np.arange(count), checkpoint=np.arange(count), time=np.linspace(20, 10, count)
    )
    trend = league_entry("long", laps, run.steps.iloc[:0]).trend
    assert len(trend) <= TREND_POINTS
    assert trend == sorted(trend, reverse=True)


def test_models_without_laps_checkpoints_or_training(real_logs):
    names = ("console-2022-continuous.tar.gz", "workshop-2019-evaluation.log", "console-2020-clone")
    table = league_table(
        [entry_of(load_run(str(real_logs / name)), name) for name in names], RaceFormat(target=26)
    )
    never, evaluated, clone = table.itertuples()
    assert never.laps == 0 and np.isnan(never.fastest) and np.isnan(never.good_lap) and never.trend == []
    assert evaluated.state == "" and pd.isna(evaluated.checkpoint) and evaluated.laps == 3
    assert (clone.episodes, clone.laps) == (160, 13)
    assert clone.fastest == pytest.approx(25.672, abs=1e-3)
    assert clone.training_odds and 0 <= clone.win_low <= clone.win_chance <= clone.win_high <= 1


def test_models_that_were_not_rated_yet_keep_their_own_figures(entry):
    race = RaceFormat(target=10.6)
    best = best_checkpoint(entry, race)
    rated, waiting = league_table([entry, entry], race, [best, {}]).itertuples()
    assert rated.fastest == waiting.fastest and rated.win_chance == best["win_chance"]
    assert np.isnan(waiting.win_chance) and pd.isna(waiting.checkpoint)
    assert best_checkpoint(replace(entry, odds=None), race) == {}


def test_a_track_has_one_name_with_and_without_one_in_the_logs(entry):
    other = replace(entry, track="oval")
    back = replace(entry, route=replace(entry.route, center=entry.route.center[::-1]))
    nameless, away = replace(entry, track=""), replace(entry, track="", route=loop())
    lost = replace(entry, track="", route=None)
    assert league_tracks([nameless, away, entry, lost]) == [
        "harbour_loop, 23.0 m",
        f"{away.route.length:.1f} m",
        "harbour_loop, 23.0 m",
        UNKNOWN_TRACK,
    ]
    # Without a step the name decides; the other way round is another track; two names leave the nameless alone.
    assert league_tracks([replace(entry, route=None), entry])[0] == "harbour_loop, 23.0 m"
    assert league_tracks([entry, back]) == ["harbour_loop, 23.0 m", "harbour_loop, 23.0 m (2)"]
    assert league_tracks([entry, other, nameless])[2] == "23.0 m"
    assert league_tracks([]) == []


def test_real_models_of_one_track_meet_whatever_their_year(real_logs):
    names = ("drfc-one-worker", "console-2020-clone", "console-2023-sac.tar.gz")
    tracks = league_tracks([entry_of(load_run(str(real_logs / name))) for name in names])
    assert tracks == ["reinvent_base, 17.7 m", "reinvent_base, 17.7 m", "2022_reinvent_champ, 33.3 m"]


def test_no_models_is_an_empty_table():
    table = league_table([])
    assert table.empty and "win_chance" in table


def test_the_verdict_names_the_best_chance_or_the_fastest(entry):
    assert "fastest lap of 1 model on harbour_loop is model's 9.53 s" in league_verdict(
        league_table([entry]), RaceFormat()
    )
    race = RaceFormat(target=10.6)
    steady = replace(entry, model="steady", odds=None)
    said = league_verdict(league_table([steady, entry], race), race)
    assert said.startswith(
        "The best chance to beat 10.60 s on harbour_loop in 3 attempts has model with checkpoint"
    )
    assert "Next is" not in said
    twins = league_verdict(league_table([entry, replace(entry, model="twin")], race), race)
    assert "Next is twin" in twins and "overlap" in twins


def test_models_without_a_lap_are_told_to_finish_first(entry):
    table = league_table([replace(entry, fastest=None)])
    assert "has finished a lap yet" in league_verdict(table, RaceFormat())

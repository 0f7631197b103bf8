"""Everything that can be said and drawn of a run, and what no reader must ever see in it."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from deepracer_viz import TrainingRun
from deepracer_viz.analysis.actions import action_use, choose_steps, flat_out, presets
from deepracer_viz.analysis.checkpoints import choose_checkpoint, describe_drives, fast_laps, rank_checkpoints
from deepracer_viz.analysis.comparing import (
    Contender,
    compare_driving,
    compare_envelopes,
    compare_odds,
    compare_rewards,
    compare_training,
)
from deepracer_viz.analysis.convergence import training_progress
from deepracer_viz.analysis.driving import (
    best_possible_lap,
    driving_profile,
    driving_verdict,
    find_inefficiencies,
    section_times,
    time_account,
    time_delta,
)
from deepracer_viz.analysis.driving.timing import driven_lines, fast_and_typical
from deepracer_viz.analysis.driving.traces import lay_along
from deepracer_viz.analysis.envelope import performance_envelope
from deepracer_viz.analysis.lap import lap_trace
from deepracer_viz.analysis.league import league_entry, league_table, league_verdict
from deepracer_viz.analysis.races import FORMATS, RaceFormat, predict_races, race_odds
from deepracer_viz.analysis.rewards import reward_map
from deepracer_viz.analysis.trend import completion_trend
from deepracer_viz.charts.checkpoints import fast_laps_sheet, rank_checkpoints_sheet
from deepracer_viz.charts.comparing import (
    CLOCKS,
    compare_envelopes_sheet,
    compare_odds_sheet,
    compare_training_sheet,
    line_spread_sheet,
    reward_share_sheets,
    section_times_sheet,
    time_lost_sheet,
)
from deepracer_viz.charts.convergence import (
    REWARDS,
    policy_update_sheet,
    reward_sheet,
    training_progress_sheet,
)
from deepracer_viz.charts.driving import driving_profile_sheet
from deepracer_viz.charts.envelope import performance_envelope_sheet
from deepracer_viz.charts.lap import lap_map_sheet, lap_sheet
from deepracer_viz.charts.rewards import action_use_sheet, reward_map_sheet
from deepracer_viz.charts.sheet import Sheet
from deepracer_viz.charts.timing import driven_lines_sheet, time_account_sheet, time_delta_sheet

MOST_MARKS = 6_000
LARGEST_CHART = 300_000  # bytes, as it is sent

NOT_A_WORD = re.compile(
    r"(?<![\w-])(nan|NaN|NAN|None(?! of )|NaT|<NA>|-?inf|-?Infinity|null|undefined)(?![\w-])"
)
"""What a number or a field that is not there looks like where somebody forgot to ask."""


def everything(run: TrainingRun, evaluations: bool = False) -> tuple[dict, dict[str, list[Sheet]]]:
    """Answer every question on a run, and draw every chart of the answers.

    Returns
    -------
    answers : dict
        By the name of the analysis.
    charts : dict of str to list
        By the name of the chart.
    """
    drives = run.drives(evaluations)
    steps, episodes, track = drives.steps, drives.episodes, drives.track
    rated, actions = (
        run.checkpoint_evaluations,
        run.metadata.action_space and run.metadata.action_space.actions,
    )
    best = float(episodes["time"].min()) if len(episodes) else 10.0
    answers: dict = {
        "hours": drives.hours,
        "describe_drives": [describe_drives(t) for t in (episodes, rated)],
    }
    charts: dict[str, list] = {}

    trend = completion_trend(episodes)
    envelopes = [
        performance_envelope(drives.laps["time"], target, trend) for target in (None, best, 0.1, 1e6)
    ]
    answers["performance_envelope"] = envelopes
    charts["performance_envelope_sheet"] = [performance_envelope_sheet(answer) for answer in envelopes]

    model = predict_races(episodes, rated)
    # Each choice looks at every format of a race.
    races = [RaceFormat(FORMATS[0], 3, 3, 2.0), RaceFormat(FORMATS[-1], 3, 3, 2.0, best)]
    # Odds of thousands of checkpoints take many seconds a race: of those, one race is enough.
    few = len(model.checkpoints) <= 1000
    choices = [
        choose_checkpoint(episodes, rated, race=race, best=0, last=1, model=model, other_races=few)
        for race in (races if few else races[:1])
    ]
    answers["choose_checkpoint"] = choices
    if few:
        answers["race_odds"] = race_odds(model, races[1])
        answers["rank_checkpoints"] = rank_checkpoints(episodes, None, best)
    laps = answers["fast_laps"] = fast_laps(episodes)
    charts["fast_laps_sheet"] = [
        fast_laps_sheet(laps, choice.ranking, every) for choice in choices[:1] for every in (False, True)
    ]
    charts["rank_checkpoints_sheet"] = [
        rank_checkpoints_sheet(choice.ranking, 0, 1, choice.training_odds) for choice in choices
    ]

    progress = [training_progress(episodes, run.policy_updates, window, rated) for window in (1, 3, 9)]
    answers["training_progress"] = [*progress, training_progress(episodes)]
    charts["training_progress_sheet"] = [training_progress_sheet(answer) for answer in progress]
    charts["reward_sheet"] = [reward_sheet(progress[1], measure) for measure in REWARDS]
    charts["policy_update_sheet"] = [policy_update_sheet(progress[1])]

    traces = None if track is None or steps.empty else lay_along(steps, episodes, track)
    findings = find_inefficiencies(steps, episodes, track, traces)
    profile = driving_profile(steps, track)
    times = section_times(steps, episodes, track, traces)
    account = time_account(times)
    answers |= {
        "find_inefficiencies": findings,
        "driving_verdict": driving_verdict(findings, episodes),
        "driving_profile": profile,
        "section_times": times,
        "time_account": account,
        "best_possible_lap": best_possible_lap(times),
    }
    sections = [None] if track is None else [None, *track.sections["section"].head(1)]
    charts["driving_profile_sheet"] = [
        driving_profile_sheet(profile, findings, track, section, account, with_map=section is None)
        for section in sections
    ]
    charts["time_account_sheet"] = [time_account_sheet(account, section) for section in sections]
    fast, _ = fast_and_typical(drives.laps["time"])
    lines = driven_lines(steps, drives.laps["unique_episode"].iloc[fast])
    charts["driven_lines_sheet"] = [
        driven_lines_sheet(lines, track, account, section) for section in sections
    ]
    if traces is not None and len(traces.drives) >= 2:
        half = len(traces.drives) // 2
        pair = traces.pick(np.arange(half)), traces.pick(np.arange(half, len(traces.drives)))
        answers["time_delta"] = time_delta(*pair)
        charts["time_delta_sheet"] = [time_delta_sheet(answers["time_delta"], "these", "those")]

    traced = episodes["unique_episode"][episodes["steps"] > 0]
    if len(traced):
        ends = [lap_trace(steps, episodes, int(traced.iloc[row]), track) for row in (0, -1)]
        answers["lap_trace"] = ends
        charts["lap_map_sheet"] = [lap_map_sheet(ends[0], track), lap_map_sheet(ends[0], track, ends[1], 1)]
        charts["lap_sheet"] = [lap_sheet(ends[0]), lap_sheet(*ends, 1)]
    if few and len(episodes):
        entry = league_entry("a", episodes, steps, track, rated, run.policy_updates, run.metadata.world)
        league = answers["league_table"] = league_table([entry, entry], races[1])
        answers["league_verdict"] = league_verdict(league, races[1])

    later = episodes.iloc[len(episodes) // 2 :]
    contenders = [
        Contender(
            name,
            steps[steps["unique_episode"].isin(table["unique_episode"])],
            table,
            track,
            run.metadata.world,
            rated[rated["checkpoint"].isin(table["checkpoint"])],
            run.policy_updates,
            None if evaluations else drives.hours_by_iteration,
        )
        for name, table in (("whole", episodes), ("later", later))
    ]
    compared = {
        "compare_envelopes": compare_envelopes(contenders),
        "compare_odds": compare_odds(contenders if few else contenders[1:], races[1]),
        "compare_training": compare_training(contenders),
        "compare_driving": compare_driving(contenders),
        "compare_rewards": compare_rewards(contenders),
    }
    answers |= compared
    over = compared["compare_training"]
    charts |= {
        "compare_envelopes_sheet": [compare_envelopes_sheet(compared["compare_envelopes"])],
        "compare_odds_sheet": [compare_odds_sheet(compared["compare_odds"])],
        "compare_training_sheet": [compare_training_sheet(over, clock) for clock in CLOCKS],
        "time_lost_sheet": [time_lost_sheet(compared["compare_driving"])],
        "section_times_sheet": [section_times_sheet(compared["compare_driving"])],
        "line_spread_sheet": [line_spread_sheet(compared["compare_rewards"])],
        "reward_share_sheets": list(reward_share_sheets(compared["compare_rewards"]).values()),
    }

    shown = [choose_steps(steps, **preset) for preset in presets(steps, actions).values()]
    maps = [reward_map(steps, track, episodes=episodes, shown=part) for part in (None, *shown[:1])]
    use = action_use(steps, actions)
    answers |= {"reward_map": maps, "action_use": use, "flat_out": flat_out(steps, track, actions)}
    charts["reward_map_sheet"] = [
        reward_map_sheet(answer, faint) for answer in maps if len(answer.cells) for faint in (False, True)
    ]
    charts["action_use_sheet"] = [action_use_sheet(use)]
    return answers, charts


def sentences(answer) -> Iterator[str]:
    """Every text in an answer: fields and properties, words in tables, however deep."""
    if isinstance(answer, str):
        yield answer
    elif isinstance(answer, dict):
        for value in answer.values():
            yield from sentences(value)
    elif isinstance(answer, list | tuple):
        for value in answer:
            yield from sentences(value)
    elif isinstance(answer, pd.DataFrame):
        for name in answer.columns:
            if not pd.api.types.is_numeric_dtype(answer[name]):
                yield from {str(value) for value in answer[name].dropna() if not isinstance(value, list)}
    elif is_dataclass(answer):
        properties = [n for n, value in vars(type(answer)).items() if isinstance(value, property)]
        for name in [*(field.name for field in fields(answer)), *properties]:
            yield from sentences(getattr(answer, name))


def texts_of(chart: dict) -> Iterator[str]:
    """Every text that a chart writes: titles, values of its words, and of fields that are words in its data."""
    if isinstance(chart, dict):
        for key, value in chart.items():
            if key == "datasets":
                for rows in value.values():
                    if isinstance(rows, pd.DataFrame):
                        yield from sentences(rows)
                    else:
                        yield from (word for row in rows for word in row.values() if isinstance(word, str))
            elif key in ("title", "text", "subtitle", "description") or isinstance(value, dict | list):
                yield from sentences(value) if isinstance(value, str) else texts_of(value)
    elif isinstance(chart, list):
        for value in chart:
            yield from sentences(value) if isinstance(value, str) else texts_of(value)


def units(chart: dict, data: dict | None = None) -> Iterator[tuple[dict, dict]]:
    """Every single chart of a layered or joined one, with the data that it draws."""
    data = chart.get("data", data)
    parts = [part for kind in ("layer", "hconcat", "vconcat", "concat") for part in chart.get(kind, [])]
    if "spec" in chart:
        parts.append(chart["spec"])
    for part in parts:
        yield from units(part, data)
    if "mark" in chart:
        yield chart, data or {}


def empty_tooltips(chart: dict) -> list[str]:
    """Fields that a tooltip shows as "null": rows that are drawn without a value in them."""
    found = []
    gaps = {name: set(rows.columns[rows.isna().any()]) for name, rows in chart["datasets"].items()}
    for unit, data in units(chart):
        encoding = unit.get("encoding", {})
        tooltips = encoding.get("tooltip", [])
        tooltips = tooltips if isinstance(tooltips, list) else [tooltips]
        tooltips = [tip for tip in tooltips if tip.get("field") in gaps.get(data.get("name"), ())]
        if not tooltips:
            continue
        rows = chart["datasets"][data["name"]]
        filters = [str(step.get("filter")) for step in unit.get("transform", [])]
        valid = [name for filter in filters for name in re.findall(r"isValid\(datum\.(\w+)\)", filter)]
        # What a chart works out or leaves out by itself in another way is not in the data.
        if len(valid) < len(filters) or not set(valid) <= set(rows) or "transform" in chart:
            continue
        rows = rows.dropna(subset=valid)
        places = [encoding[axis]["field"] for axis in ("x", "y") if encoding.get(axis, {}).get("field")]
        drawn = rows[rows[[name for name in places if name in rows]].notna().all(axis=1)]
        for tooltip in tooltips:
            empty = drawn[tooltip["field"]].isna().sum()
            if empty:
                found.append(f"{tooltip.get('title', tooltip['field'])} ({empty} of {len(drawn)})")
    return found


def faults(answers: dict, charts: dict[str, list[Sheet]]) -> list[str]:
    """What is wrong with answers and charts, in words."""
    found = []
    for name, answer in answers.items():
        found += [f"{name} says {text!r}" for text in sentences(answer) if NOT_A_WORD.search(text)]
    for name, drawn in charts.items():
        for chart in drawn:
            spec = chart.vega_lite()
            tables = spec["datasets"]
            # As the page sends it: the drawing as text, the tables as Arrow.
            size = len(json.dumps(spec | {"datasets": {}}))
            size += sum(pa.Table.from_pandas(table).nbytes for table in tables.values())
            marks = sum(len(tables.get(data.get("name"), [0])) for _, data in units(spec))
            found += [f"{name} shows {text!r}" for text in texts_of(spec) if NOT_A_WORD.search(text)]
            found += [f"{name}: no value to point at for {what}" for what in empty_tooltips(spec)]
            if marks > MOST_MARKS:
                found.append(f"{name} has {marks:,} marks")
            if size > LARGEST_CHART:
                found.append(f"{name} has {size:,} bytes")
    return sorted(set(found))

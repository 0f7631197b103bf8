import json
from dataclasses import replace

import numpy as np
import pytest

from deepracer_viz import load_run, load_track
from deepracer_viz.analysis.comparing import (
    compare_driving,
    compare_envelopes,
    compare_odds,
    compare_rewards,
    compare_training,
)
from deepracer_viz.analysis.races import RaceFormat
from deepracer_viz.charts.comparing import (
    CLOCKS,
    compare_driving_chart,
    compare_envelopes_chart,
    compare_envelopes_sheet,
    compare_odds_chart,
    compare_odds_sheet,
    compare_training_chart,
    compare_training_sheet,
    line_spread_sheet,
    reward_share_sheets,
    section_times_sheet,
    time_lost_sheet,
)
from deepracer_viz.charts.theme import MODEL_DASHES, MODEL_SHAPES, MODELS
from tests.contenders import known_from_metrics, of_run


@pytest.fixture
def rng():
    return np.random.default_rng(6)


@pytest.fixture(scope="module")
def four(sample_logs):
    route = load_track(sample_logs / "harbour_loop.npy")
    return [
        of_run(load_run(path, track=route), path.name.removesuffix(".tar.gz"))
        for path in sorted(sample_logs.glob("*.tar.gz"))
    ]


def all_sheets(contenders):
    names = [contender.name for contender in contenders]
    training, driving, rewards = (
        question(contenders) for question in (compare_training, compare_driving, compare_rewards)
    )
    return {
        "envelopes": compare_envelopes_sheet(compare_envelopes(contenders)),
        "odds": compare_odds_sheet(compare_odds(contenders, RaceFormat(target=11.0)), names),
        **{clock: compare_training_sheet(training, clock, names) for clock in CLOCKS},
        "lost": time_lost_sheet(driving, names),
        "sections": section_times_sheet(driving, names),
        "spread": line_spread_sheet(rewards, names),
        **{f"map of {name}": sheet for name, sheet in reward_share_sheets(rewards).items()},
    }


def scales(spec, channel):
    """Scales of one channel over names of models, wherever in the chart."""
    found = []
    if isinstance(spec, dict):
        if channel in spec and isinstance(spec[channel], dict) and spec[channel].get("field") == "name":
            found.append(spec[channel]["scale"])
        for part in spec.values():
            found += scales(part, channel)
    elif isinstance(spec, list):
        for part in spec:
            found += scales(part, channel)
    return found


def bare(sheet):
    spec = sheet.chart().to_dict()  # validates against the schema, too
    return spec, {key: part for key, part in spec.items() if key not in ("datasets", "config")}


def is_sentence(sheet):
    return set(sheet.tables) == {"words"}


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_charts_of_one_to_four_models(four, count):
    chosen = four[:count]
    names = [contender.name for contender in chosen]
    for key, sheet in all_sheets(chosen).items():
        spec, drawn = bare(sheet)
        assert len(json.dumps(spec)) < 300_000, key
        assert sum(len(rows) for rows in spec["datasets"].values()) <= 6000, key
        assert "NaN" not in json.dumps(spec) and "⟪" not in json.dumps(spec)
        if key.startswith("map of"):
            assert drawn["title"]["text"][0] in names
            continue
        if count == 1 and key in ("lost", "sections"):
            assert is_sentence(sheet)
            continue
        for channel, looks in (("color", MODELS), ("strokeDash", MODEL_DASHES), ("shape", MODEL_SHAPES)):
            for scale in scales(drawn, channel):
                assert scale["domain"] == names and scale["range"] == list(looks[:count]), key
        assert scales(drawn, "color") and (scales(drawn, "strokeDash") or scales(drawn, "shape"))


def test_a_model_keeps_its_colour_where_another_is_left_out(four):
    away = replace(four[0], name="away", track=None, world="oval", steps=four[0].steps.head(0))
    contenders = [four[1], away, four[2]]
    names = [contender.name for contender in contenders]
    sheet = time_lost_sheet(compare_driving(contenders), names)
    assert set(sheet.tables["delta"]["name"]) == {four[2].name}
    [scale, *_] = scales(bare(sheet)[1], "color")
    assert dict(zip(scale["domain"], scale["range"], strict=True))[four[2].name] == MODELS[2]


@pytest.mark.parametrize("laps", [0, 1, 12])
def test_few_laps_and_no_steps_are_charts_or_sentences(laps, rng):
    one = known_from_metrics("one", rng.normal(12, 0.3, laps), failures=20)
    other = known_from_metrics('"two" <b>⟪title⟫</b>', [], failures=20)
    for sheet in all_sheets([one, other]).values():
        text = json.dumps(sheet.chart().to_dict())
        assert "NaN" not in text and "Infinity" not in text
    envelopes = compare_envelopes_sheet(compare_envelopes([one, other]))
    assert is_sentence(envelopes) == (laps == 0)


def test_no_drives_at_all_are_sentences():
    nothing = [known_from_metrics("one", []), known_from_metrics("two", [])]
    assert all(is_sentence(sheet) for sheet in all_sheets(nothing).values())


def test_outlines_hold_all_laps_and_figures_are_those_of_the_answer(four):
    answer = compare_envelopes(four)
    tables = compare_envelopes_sheet(answer).tables
    laps = tables["outline"].groupby("name")["laps"].sum()
    beyond = answer.bins[answer.bins["beyond"].astype(bool)].groupby("name")["laps"].sum()
    expected = answer.models.set_index("name")["laps"].sub(beyond, fill_value=0)
    assert laps.to_dict() == expected.to_dict()
    mean = tables["figures"][tables["figures"]["figure"].str.startswith("Mean")].set_index("name")
    models = answer.models.set_index("name")
    assert (mean["high"] - mean["time"]).to_numpy() == pytest.approx(models["sd"].reindex(mean.index))


def test_maps_share_places_and_colours(four):
    sheets = list(reward_share_sheets(compare_rewards(four)).values())
    reach = {
        tuple(sheet.values[key] for key in ("x_middle", "x_half", "y_middle", "y_half")) for sheet in sheets
    }
    assert len(reach) == 1 and len({sheet.drawing for sheet in sheets}) == 1
    assert all(sheet.tables["cells"]["percent"].between(0, 100).all() for sheet in sheets)


def test_in_notebooks_each_is_an_altair_chart(four):
    pair = four[:2]
    for chart in (
        compare_envelopes_chart(compare_envelopes(pair)),
        compare_odds_chart(compare_odds(pair, RaceFormat())),
        compare_training_chart(compare_training(pair), "hours"),
        compare_driving_chart(compare_driving(pair)),
    ):
        assert chart.to_dict()["datasets"]

import re

import pytest
import vl_convert

from deepracer_viz import load_run
from deepracer_viz.analysis.lap import lap_trace
from deepracer_viz.charts.lap import STEPS, lap_chart, lap_map_chart, lap_map_sheet, lap_sheet


@pytest.fixture(scope="module")
def run(sample_logs):
    return load_run(str(sample_logs / "steady-and-slow.tar.gz"))


@pytest.fixture(scope="module")
def traces(run):
    laps = run.laps.sort_values("time")["unique_episode"]
    return [lap_trace(run.steps, run.episodes, int(n), run.track) for n in (laps.iloc[-1], laps.iloc[0])]


def test_charts_are_valid(run, traces):
    trace, fastest = traces
    lap_map_chart(trace, run.track, fastest, 3).to_dict()
    lap_chart(trace, fastest, 3).to_dict()


def test_every_step_is_drawn_and_the_chosen_one_marked(run, traces):
    trace, fastest = traces
    for sheet in (lap_map_sheet(trace, run.track, fastest, 3), lap_sheet(trace, fastest, 3)):
        tables = sheet.to_dict()["datasets"]
        assert [row["step"] for row in tables["line"]] == trace.steps["step"].tolist()
        assert [row["step"] for row in tables["here"]] == [3]
        assert tables["other"]
    assert f"{fastest.time:.3f}" in sheet_title(lap_map_sheet(trace, run.track, fastest))
    assert f"{trace.time:.3f}" in sheet_title(lap_map_sheet(trace, run.track, fastest))


def sheet_title(sheet):
    return "\n".join(sheet.to_dict()["title"]["text"])


def test_moving_the_step_changes_data_alone(run, traces):
    trace, fastest = traces
    one, two = (lap_sheet(trace, fastest, step).vega_lite() for step in (3, 9))
    assert {**one, "datasets": 0} == {**two, "datasets": 0}


def test_progress_of_another_lap_is_not_drawn(traces):
    trace, fastest = traces
    rows = lap_sheet(trace, fastest).to_dict()["datasets"]["other"]
    assert {row["progress"] for row in rows} == {None}


@pytest.mark.parametrize("steps", [0, 1])
def test_hardly_anything_driven(run, traces, steps):
    trace = lap_trace(
        run.steps[run.steps["unique_episode"] == traces[0].unique_episode].iloc[1 : 1 + steps],
        run.episodes,
        traces[0].unique_episode,
        run.track,
    )
    for other in (None, traces[1]):
        lap_map_chart(trace, run.track, other, 5).to_dict()
        lap_chart(trace, other, 5).to_dict()
        lap_map_sheet(trace, None, other, 5).to_dict()


def test_a_long_drive_is_thinned_and_says_so(run, traces):
    number = traces[0].unique_episode
    rows = run.steps[run.steps["unique_episode"] == number]
    long = rows.loc[rows.index.repeat(3 * STEPS // len(rows) + 1)]
    trace = lap_trace(long, run.episodes, number, run.track)
    sheet = lap_map_sheet(trace, run.track)
    assert len(sheet.tables["line"]) <= STEPS
    assert "every" in sheet_title(sheet)


def test_the_nearest_step_is_told_by_its_own_figures(traces):
    compiled = vl_convert.vegalite_to_vega(lap_sheet(traces[0], traces[1], 3).to_dict())
    nearest = []

    def look(mark: dict) -> None:
        if any(change["type"] == "voronoi" for change in mark.get("transform", [])):
            nearest.append(mark["encode"]["update"]["tooltip"]["signal"])
        for inner in mark.get("marks", []):
            look(inner)

    look(compiled)
    assert nearest
    # Each of these areas is a mark of its own, with the step inside.
    assert all(set(re.findall(r"\bdatum\.(\w+)", told)) == {"datum"} for told in nearest)

import pandas as pd
import pytest

from deepracer_viz import load_run
from deepracer_viz.export import LOG_TABLES, log_table, tables_with_rows
from deepracer_viz.export.tables import STEP_COLUMNS


@pytest.mark.parametrize("name", LOG_TABLES)
def test_tables_have_the_rows_and_values_of_the_run(run, name):
    table, source = log_table(run, name), getattr(run, name)
    assert len(table) == len(source) and set(table.columns) == set(source.columns)
    assert not any(isinstance(type_, pd.CategoricalDtype) for type_ in table.dtypes)
    for column in table:
        values = source[column].reset_index(drop=True)
        if isinstance(values.dtype, pd.CategoricalDtype):
            values = values.astype(table[column].dtype)
        pd.testing.assert_series_equal(table[column], values)


def test_the_run_keeps_its_types(run):
    log_table(run, "steps")
    assert isinstance(run.steps["worker"].dtype, pd.CategoricalDtype)


def test_no_column_of_the_steps_is_left_out(run):
    for name in ("steps", "evaluation_steps"):
        table = log_table(run, name)
        assert set(getattr(run, name)) <= set(STEP_COLUMNS)
        assert list(table) == [column for column in STEP_COLUMNS if column in table]


def test_chosen_drives_narrow_their_own_tables_alone(run):
    few = run.drives(iterations=(3, 4))
    assert set(log_table(run, "episodes", few)["iteration"]) == {3, 4}
    assert set(log_table(run, "steps", few)["unique_episode"]) == set(few.episodes["unique_episode"])
    assert len(log_table(run, "laps", few)) == few.episodes["complete"].sum()
    for name in ("policy_updates", "checkpoint_evaluations", "evaluation_episodes"):
        assert len(log_table(run, name, few)) == len(getattr(run, name))


def test_chosen_evaluations_narrow_the_tables_of_evaluations(real_logs):
    run = load_run(real_logs / "drfc-three-workers")
    stream = run.evaluation_episodes["stream"].iloc[0]
    few = run.drives(evaluations=True, streams=[stream])
    assert 0 < len(few.episodes) < len(run.evaluation_episodes)
    for name in ("evaluation_steps", "evaluation_episodes"):
        assert set(log_table(run, name, few)["stream"]) == {stream}
    assert len(log_table(run, "steps", few)) == len(run.steps)


def test_empty_tables_are_not_named(real_logs):
    run = load_run(real_logs / "workshop-2019-evaluation.log")
    assert tables_with_rows(run) == ["evaluation_steps", "evaluation_episodes", "evaluation_laps"]
    assert log_table(run, "steps").empty


def test_an_unknown_table_is_refused_by_name(run):
    with pytest.raises(ValueError, match="'rewards'"):
        log_table(run, "rewards")

import io
import re

import numpy as np
import pandas as pd
import pytest

from deepracer_viz.export import (
    ANSWER_TABLES,
    LOG_TABLES,
    files,
    log_table,
    safe_name,
    write_csv,
    write_parquet,
)


def back_from_parquet(table):
    file = io.BytesIO()
    write_parquet(table, file)
    return pd.read_parquet(io.BytesIO(file.getvalue()))


def back_from_csv(table, **how):
    file = io.BytesIO()
    write_csv(table, file)
    return pd.read_csv(io.BytesIO(file.getvalue()), **how)


@pytest.mark.parametrize("name", LOG_TABLES)
def test_tables_of_the_logs_come_back_as_they_were(run, name):
    table = log_table(run, name)
    pd.testing.assert_frame_equal(back_from_parquet(table), table)
    # A spreadsheet knows no types; with them, every digit is there.
    pd.testing.assert_frame_equal(back_from_csv(table, dtype=table.dtypes.to_dict()), table)


@pytest.mark.parametrize("name", ANSWER_TABLES)
def test_tables_of_the_answers_come_back_as_they_were(answers, name):
    table = ANSWER_TABLES[name][1](answers).reset_index(drop=True)
    assert len(table)
    back = back_from_parquet(table)
    pd.testing.assert_frame_equal(back, table)
    assert list(back_from_csv(table)) == list(table) and len(back_from_csv(table)) == len(table)


def test_long_tables_are_written_in_pieces(monkeypatch):
    monkeypatch.setattr(files, "ROWS_AT_ONCE", 7)
    table = pd.DataFrame({"n": np.arange(30, dtype="int32"), "x": np.linspace(0, 1, 30, dtype="float32")})
    # A text that stands in the last piece alone must not change the type of the column.
    table["word"] = pd.Series([None] * 29 + ["lap"], dtype="str")
    pd.testing.assert_frame_equal(back_from_parquet(table), table)
    pd.testing.assert_frame_equal(back_from_csv(table, dtype=table.dtypes.to_dict()), table)


def test_paths_are_written_to_as_well(run, tmp_path):
    write_csv(run.laps[["time"]], tmp_path / "laps.csv")
    write_parquet(run.laps[["time"]], str(tmp_path / "laps.parquet"))
    assert len(pd.read_csv(tmp_path / "laps.csv")) == len(pd.read_parquet(tmp_path / "laps.parquet"))


def test_text_that_a_spreadsheet_would_run_does_not_run():
    texts = ["=1+1", "+1", "@SUM(A1)", "-1", "\t=1", "in_progress", "", 'a "quoted", one\nof two lines']
    table = pd.DataFrame({"stream": pd.Series(texts, dtype="str"), "x": -1.0})
    back = back_from_csv(table, keep_default_na=False)
    assert back["stream"].tolist() == [f"'{text}" for text in texts[:5]] + texts[5:]
    assert (back["x"] == -1).all()
    assert back_from_parquet(table)["stream"].tolist() == texts


def test_lists_are_one_cell_of_a_csv():
    table = pd.DataFrame({"trend": [[12.5, 11.25], [], [10.0]]})
    assert back_from_csv(table, keep_default_na=False)["trend"].tolist() == ["12.5;11.25", "", "10.0"]
    assert [list(cell) for cell in back_from_parquet(table)["trend"]] == table["trend"].tolist()


@pytest.mark.parametrize(
    "name", ["a b", "../../etc/passwd", "..", "", "模型", "C:\\x", "a\r\nb: c", 'q"; x="', "n" * 999]
)
def test_file_names_are_safe_whatever_the_model_is_called(name):
    made = safe_name(name, "steps", "csv")
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*_steps\.csv", made)
    assert ".." not in made and len(made) < 100


def test_file_names_keep_what_they_can():
    assert safe_name("over-trained (sample)", "steps", "csv") == "over-trained-sample_steps.csv"
    assert safe_name("模型", "report", "md") == "model_report.md"

"""A comparison that is taken along says what the page says."""

import io

import pandas as pd
import pytest

from deepracer_viz import load_run
from deepracer_viz.analysis.races import RaceFormat
from deepracer_viz.export import COMPARISON_TABLES, compare, comparison_report, write_csv, write_parquet
from deepracer_viz.export.report import escape
from tests.contenders import known_from_metrics, of_run


@pytest.fixture(scope="module")
def answers(sample_logs):
    runs = [load_run(sample_logs / f"{name}.tar.gz") for name in ("planted-faults", "over-trained")]
    return compare([of_run(run) for run in runs], RaceFormat(target=11.0))


def test_the_report_holds_every_verdict_and_a_row_for_each(answers):
    text = comparison_report(answers, "http://here/?compare=over-trained")
    assert text.startswith("# planted-faults and over-trained\n")
    for part in (answers.envelopes, answers.odds, answers.training, answers.driving, answers.rewards):
        assert escape(part.verdict) in text
    assert text.count("\n| over-trained |") == 3  # lap times, odds, training
    sections = answers.driving.sections["section"].nunique()
    assert sum(line.startswith(("| T", "| S")) for line in text.splitlines()) >= 2 * sections
    assert "nan" not in text.lower() and "<http://here/?compare=over-trained>" in text


def test_every_table_is_a_file_in_both_formats(answers):
    for name, (_, take) in COMPARISON_TABLES.items():
        table, parquet, text = take(answers), io.BytesIO(), io.BytesIO()
        assert len(table), name
        write_parquet(table, parquet)
        write_csv(table, text)
        assert len(pd.read_parquet(io.BytesIO(parquet.getvalue()))) == len(table)
        assert len(pd.read_csv(io.BytesIO(text.getvalue()))) == len(table)


def test_models_without_steps_and_with_evil_names_have_a_report_too():
    contenders = [known_from_metrics("a | b", [10.0] * 9), known_from_metrics("# <c>", [11.0] * 9)]
    answers = compare(contenders)
    text = comparison_report(answers)
    assert "a \\| b" in text and "<c>" not in text and "nan" not in text.lower()
    for _, take in COMPARISON_TABLES.values():
        write_parquet(take(answers), io.BytesIO())

"""What can be taken along: tables as CSV and Parquet, and a report of one page.

>>> from deepracer_viz import load_run
>>> from deepracer_viz.export import answer, log_table, report, write_parquet
>>> run = load_run("sample_logs/over-trained.tar.gz")
>>> len(log_table(run, "laps")) == len(run.laps)
True
>>> print(report(answer(run)).splitlines()[0])
# over-trained
"""

from deepracer_viz.export.answers import ANSWER_TABLES, Answers, answer
from deepracer_viz.export.comparison import COMPARISON_TABLES, Comparison, compare, comparison_report
from deepracer_viz.export.files import safe_name, write_csv, write_parquet
from deepracer_viz.export.report import report
from deepracer_viz.export.tables import LOG_TABLES, log_table, tables_with_rows

__all__ = [
    "ANSWER_TABLES",
    "COMPARISON_TABLES",
    "LOG_TABLES",
    "Answers",
    "Comparison",
    "answer",
    "compare",
    "comparison_report",
    "log_table",
    "report",
    "safe_name",
    "tables_with_rows",
    "write_csv",
    "write_parquet",
]

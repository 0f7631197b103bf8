"""Answers in, Altair charts out: one module per question, named like its analysis.

Importing this package enables the shared theme of :mod:`deepracer_viz.charts.theme`.
"""

from deepracer_viz.charts import theme

__all__ = ["theme"]

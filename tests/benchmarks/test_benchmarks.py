"""Every benchmark runs in a tiny setting, so that none of them rots; what it measured is nobody's business here.

Those of the page run with the browser's tests.
"""

import pytest

from deepracer_viz import load_run
from tests.tiny_benchmarks import PROGRAMS, rows_of


@pytest.fixture
def making(monkeypatch):
    """The module that makes the inputs, found as the programs find it."""
    monkeypatch.syspath_prepend(PROGRAMS)
    import making

    return making


@pytest.mark.parametrize("training", ["sample", "real"])
def test_a_repeated_training_reads_as_one_long_training(training, making, request, tmp_path):
    folder = request.getfixturevalue("real_logs") / "console-2020-clone" if training == "real" else None
    seed = making.find_seed(folder, tiny=True)
    steps = making.write_model(seed, tmp_path / "model", seed.steps + 1)
    long = load_run(str(tmp_path / "model"))
    assert len(long.steps) == steps == 2 * seed.steps
    assert len(long.episodes) == 2 * seed.episodes
    assert long.report.skipped.total == long.report.reordered == long.report.duplicates == 0
    assert long.report.warnings == []
    assert (long.episodes.groupby("iteration").size() == 20).all()
    assert long.episodes["checkpoint"].max() == long.metadata.first_checkpoint + 2 * seed.episodes // 20 - 1
    once, again = long.episodes[: seed.episodes], long.episodes[seed.episodes :].reset_index(drop=True)
    assert (again["steps"] == once["steps"]).all()
    assert (again["time"] - once["time"]).abs().max() < 1e-3
    assert again["tstamp"].min() > once["tstamp"].max()


def test_a_folder_without_both_logs_is_no_training(making, tmp_path):
    (tmp_path / "robomaker.log").write_text("nothing\n")
    with pytest.raises(SystemExit, match="sagemaker"):
        making.find_seed(tmp_path)


def test_reading_and_growth(tmp_path):
    rows = rows_of("reading.py", "--folder", tmp_path)
    assert [row["input"] for row in rows] == ["log", "tar.gz", "3 CSV files"]
    assert rows[0]["steps"] == rows[1]["steps"] != "0"
    small, large = rows_of("growth.py", "--folder", tmp_path)
    assert int(large["steps"].replace(",", "")) >= int(small["steps"].replace(",", "")) > 0

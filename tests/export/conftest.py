"""One run read and answered once for all tests of what is taken along."""

import pytest

from deepracer_viz import load_run
from deepracer_viz.export import answer


@pytest.fixture(scope="session")
def run(sample_logs):
    return load_run(sample_logs / "planted-faults.tar.gz", track=sample_logs / "harbour_loop.npy")


@pytest.fixture(scope="session")
def answers(run):
    return answer(run)

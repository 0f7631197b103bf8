"""The sample models as contenders."""

import pytest

from deepracer_viz import load_run, load_track
from tests.contenders import of_run


@pytest.fixture(scope="session")
def runs(sample_logs) -> dict:
    route = load_track(sample_logs / "harbour_loop.npy")
    return {
        path.name.removesuffix(".tar.gz"): load_run(path, track=route)
        for path in sample_logs.glob("*.tar.gz")
    }


@pytest.fixture(scope="session")
def samples(runs) -> dict:
    return {name: of_run(run, name) for name, run in runs.items()}

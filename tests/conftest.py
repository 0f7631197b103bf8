"""Fixtures that find the real logs and the ready-made sample models, and settings that all tests share."""

import gc
from pathlib import Path

import pytest
from hypothesis import settings

# What an example takes depends on what else the machine does.
settings.register_profile("deepracer_viz", deadline=None)
settings.load_profile("deepracer_viz")

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_finish():
    """Keep what thousands of collected tests consist of out of every later search for garbage."""
    gc.collect()
    gc.freeze()


def _beside_the_checkout(name: str) -> Path:
    folder = ROOT.parent / "shared" / name
    if not folder.is_dir():
        pytest.skip(f"the folder of {name.replace('_', ' ')} is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def real_logs() -> Path:
    """Folder of real logs with known counts; tests that need it skip where it is absent."""
    return _beside_the_checkout("real_logs")


@pytest.fixture(scope="session")
def real_tracks() -> Path:
    """Folder of real route files; tests that need it skip where it is absent."""
    return _beside_the_checkout("real_tracks")


@pytest.fixture(scope="session")
def sample_logs() -> Path:
    """Folder of the sample models that come with the project."""
    return ROOT / "sample_logs"

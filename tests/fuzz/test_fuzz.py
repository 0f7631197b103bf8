"""A short run of the fuzzer over each reader; a long one is ``python -m tests.fuzz``."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutations import MUTATIONS, damage, draw
from tests.fuzz.readers import READERS, feed

OPERATIONS = st.lists(
    st.tuples(st.sampled_from(tuple(MUTATIONS)), st.floats(0, 1), st.integers(0, 65_535)), max_size=8
)
EXAMPLES = {"run": 40, "step log": 60}


@pytest.mark.parametrize("name", READERS)
def test_readers_take_any_damage_or_say_why_not(name):
    reader, seeds = READERS[name], READERS[name].seeds()

    @settings(max_examples=EXAMPLES.get(name, 100), deadline=None, suppress_health_check=list(HealthCheck))
    @given(start=st.sampled_from(seeds), operations=OPERATIONS)
    def take(start, operations):
        feed(reader, damage(start, operations))

    take()


@pytest.mark.parametrize("name", READERS)
def test_every_seed_is_read_as_it_is(name):
    for seed in READERS[name].seeds():
        accepted = feed(READERS[name], seed)
        assert accepted or name == "route", "a seed that is refused teaches the fuzzer nothing"


@pytest.mark.parametrize("kind", MUTATIONS)
def test_every_kind_of_damage_damages(kind):
    data = READERS["step log"].seeds()[0]
    dice = random.Random(1)
    assert any(damage(data, [(kind, dice.random(), dice.getrandbits(16))]) != data for _ in range(10))
    assert isinstance(damage(b"", [(kind, 0.5, 7)]), bytes)


def test_the_same_number_draws_the_same_damage():
    assert draw(random.Random("a 7")) == draw(random.Random("a 7")) != draw(random.Random("a 8"))


def test_a_broken_promise_is_noticed(monkeypatch):
    from deepracer_viz.logs import metadata

    monkeypatch.setattr(metadata, "_PLAUSIBLE", [(key, -1e400, 1e400) for key, *_ in metadata._PLAUSIBLE])
    data = b'{"metrics": [{"episode": 1, "completion_percentage": 101}]}'
    with pytest.raises(AssertionError):
        feed(READERS["JSON and YAML"], data)

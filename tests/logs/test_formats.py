"""Vintages of the step line, told apart by their fields."""

import pytest

from deepracer_viz.logs.errors import LogError
from deepracer_viz.logs.formats import (
    STATUSES,
    STEP_COLUMNS,
    STEP_FORMATS,
    csv_format,
    fields_of,
    identify,
    is_whole,
    status_code,
)
from tests.step_lines import VINTAGES, as_vintage, bodies, random_steps


@pytest.mark.parametrize("name", VINTAGES)
def test_each_vintage_is_told_by_its_fields(name):
    for body in bodies(as_vintage(random_steps(1), name), name):
        assert identify(fields_of(body)).name == name


def test_vintages_with_equally_many_fields_are_told_apart():
    counts = [len(form.fields) for form in STEP_FORMATS]
    twins = [form.name for form in STEP_FORMATS if counts.count(len(form.fields)) > 1]
    assert sorted(twins) == ["2018 preview", "2019 workshop", "2021 to 2024", "2024 to 2025"]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "episode, step, x-coordinate, y-coordinate,",
        "0,1,3.0,0.6,0.5,-30.00,0.67,1,1.0,False,True,0.79,0,17.67,15.4,flying",
        "0,1,3.0,0.6,0.5,-30.00,0.67,1,1.0,0.5,True,0.79,0,17.67,15.4,in_progress",
        "0,1,3.0,0.6,0.5,-30.00,0.67,1,1.0,False,True,0.79,0,17.67",
    ],
)
def test_other_text_is_no_vintage(body):
    assert identify(fields_of(body)) is None


def test_every_column_that_readers_fill_is_written_by_some_vintage():
    written = {name for form in STEP_FORMATS for name in form.fields}
    assert set(STEP_COLUMNS) <= written


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("pause", "pause"),
        (" park\r", "park"),
        ("lap_completeTraining>", "lap_complete"),
        ("", None),
        ("flying", None),
    ],
)
def test_status_by_the_beginning_of_its_field(word, expected):
    code = status_code(word)
    assert (STATUSES[code] if code >= 0 else None) == expected


def test_no_status_begins_with_another():
    assert not [(a, b) for a in STATUSES for b in STATUSES if a != b and a.startswith(b)]


def test_a_cut_last_field_shows_where_it_can():
    by_name = {form.name: form for form in STEP_FORMATS}
    for name in ("2020", "2019", "2026"):
        body = bodies(as_vintage(random_steps(2), name), name)[0]
        assert is_whole(body, by_name[name])
        assert not is_whole(body[: body.rindex(",") + 4], by_name[name])
        assert not is_whole(body.rpartition(",")[0], by_name[name])


def test_csv_names_become_those_of_the_step_table():
    header = "episode,steps,X,Y,yaw,steer,throttle,action,reward,done,all_wheels_on_track,progress,"
    header += "closest_waypoint,track_len"
    form = csv_format(header.encode() + b",tstamp,episode_status\r\n", "a.csv")
    assert form.fields[2:7] == ("x", "y", "yaw", "steering_angle", "speed")
    assert not form.radians
    with pytest.raises(LogError, match=r"a\.csv .* has no column tstamp;"):
        csv_format(header.encode(), "a.csv")

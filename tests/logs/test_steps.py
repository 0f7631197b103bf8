"""Step lines of every vintage, in every wrapping, and sim-trace CSV files."""

import io
import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from deepracer_viz.logs import steps as reader
from deepracer_viz.logs.errors import LogError
from deepracer_viz.logs.steps import (
    BAD_NUMBER,
    CUT_OFF,
    NOT_A_STEP,
    OVERLONG,
    REPEATED_HEADER,
    StepFile,
    empty_steps,
    read_step_csv,
    read_step_log,
)
from tests.step_lines import (
    ACTIONS,
    CSV_COLUMNS,
    VINTAGES,
    as_vintage,
    bodies,
    csv,
    drive,
    lines,
    log,
    random_steps,
)

# Half of the last written digit, and what float32 adds.
PRECISION = {
    "x": 6e-5,
    "y": 6e-5,
    "yaw": 6e-5,
    "steer": 6e-3,
    "speed": 6e-3,
    "reward": 1e-4,
    "progress": 6e-5,
}


def read(data: bytes, block: int = 8 << 20) -> StepFile:
    return read_step_log(io.BytesIO(data), block)


def read_csv(data: bytes, name: str = "0-iteration.csv") -> StepFile:
    return read_step_csv(io.BytesIO(data), name)


def assert_same_steps(found: pd.DataFrame, table: pd.DataFrame, name: str, action: str = "number") -> None:
    """Compare what was read with what was written; ``table`` as `as_vintage` gives it."""
    about = VINTAGES[name]
    assert len(found) == len(table)

    def near(column: str, expected, tolerance: float) -> None:
        off = np.abs(found[column].to_numpy(dtype=float) - np.asarray(expected, dtype=float)).max()
        assert off <= tolerance, (column, off)

    for column in ("episode", "steps", "done", "on_track", "closest_waypoint", "tstamp"):
        assert found[column].tolist() == table[column].tolist(), column
    for column, tolerance in PRECISION.items():
        expected = table[column]
        if about.radians and column in ("yaw", "steer"):
            expected, tolerance = np.degrees(expected), 1e-3
        near({"steer": "steering_angle"}.get(column, column), expected, tolerance)
    near("track_len", table["track_len"], 6e-3)
    assert found["action"].tolist() == (table["action"].tolist() if action == "number" else [-1] * len(table))
    if "episode_status" in about.written:
        assert found["episode_status"].tolist() == table["episode_status"].tolist()
    else:
        assert found["episode_status"].isna().all()
    near("pause_duration", table["pause_duration"] if "pause_duration" in about.written else 0, 6e-3)
    counter = "obstacle_crash_counter"
    near(counter, table[counter] if counter in about.written else 0, 0)
    if "wall_clock" in about.written:
        near("wall_clock", table["wall_clock"], 1e-4)
    else:
        assert found["wall_clock"].isna().all()


# ------------------------------------------------------------------ what tools and simulators put around steps


def insights(rows: list[str], order, header: str = "@timestamp,@message", more: str = "") -> bytes:
    stamped = [
        f"2020-05-21 03:36:{i % 60:02d}.115," + '"{}"'.format(row.replace('"', '""')) + more
        for i, row in enumerate(rows)
    ]
    return "\n".join([header, *(stamped[i] for i in order)]).encode() + b"\n"


def newest_first_in_batches(count: int) -> list[int]:
    """Newest batch first; inside a batch the order of driving."""
    batches = [range(start, min(start + 4, count)) for start in range(0, count, 4)]
    return [i for batch in reversed(batches) for i in batch]


ROS_2 = (
    "[download_params_and_roslaunch_agent_node-1] [agent-9] ",
    "[run_evaluation_rl_agent.sh-1] [agent-10] ",
)

WRAPPINGS = {
    "nothing": lambda rows: "".join(f"{row}\n" for row in rows).encode(),
    "no final newline": lambda rows: "\n".join(rows).encode(),
    "BOM": lambda rows: "\ufeff".encode() + "".join(f"{row}\n" for row in rows).encode(),
    "CRLF": lambda rows: "".join(f"{row}\r\n" for row in rows).encode(),
    "blank lines": lambda rows: "".join(f"{row}\n\n" for row in rows).encode(),
    "blank CRLF lines": lambda rows: "".join(f"{row}\r\n\r\n" for row in rows).encode(),
    "ISO time": lambda rows: "".join(f"2019-05-18T13:37:59.298Z {row}\n" for row in rows).encode(),
    "tab and time": lambda rows: "".join(f"{row}\t1555730996431\n" for row in rows).encode(),
    "ROS 2, two nodes": lambda rows: "".join(f"{ROS_2[i % 2]}{r}\n" for i, r in enumerate(rows)).encode(),
    "Insights": lambda rows: insights(rows, newest_first_in_batches(len(rows))),
    "Insights, newest row first": lambda rows: insights(rows, range(len(rows))[::-1]),
    "Insights, more columns": lambda rows: insights(
        rows,
        newest_first_in_batches(len(rows)),
        "@timestamp,@message,@logStream,@log",
        ",sim-1/2020,/aws/1:robomaker",
    ),
    "Insights of ROS 2": lambda rows: insights([ROS_2[0] + row for row in rows], range(len(rows))),
    "quoted action": lambda rows: "".join(
        f"{row}\n".replace("[", '"[').replace("]", ']"') for row in rows
    ).encode(),
    "reward prints": lambda rows: "".join(
        f"{r}\n{i} -> 0.5 0.25 = 0.75, ok\n" for i, r in enumerate(rows)
    ).encode(),
    "other text": lambda rows: "".join(
        f"Training> Name=main_level/agent, Worker=0, Episode={i}\n\x1b]2;a title\x07\n{r}\n"
        for i, r in enumerate(rows)
    ).encode(),
    "broken characters": lambda rows: (
        "".join(f"{r}\n" for r in rows).encode().replace(b"\n", b"\n\xff\xfe\x00 log\n")
    ),
}


@pytest.mark.parametrize("name", VINTAGES)
@settings(max_examples=2, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), block=st.sampled_from([8 << 20, 500]))
def test_every_vintage_reads_back_the_same(name, seed, block):
    table = as_vintage(random_steps(seed), name)
    rows = {action: lines(table, name, action) for action in ACTIONS}
    for action, wrapping in itertools.product(ACTIONS, WRAPPINGS):
        note(f"{wrapping}, action as {action}")
        found = read(WRAPPINGS[wrapping](rows[action]), block)
        assert found.format == name
        assert found.skipped.total == 0, list(found.skipped)
        in_order = found.steps.sort_values(["episode", "steps"], ignore_index=True)
        assert_same_steps(in_order, table, name, action)


def test_rows_stand_in_the_order_of_the_file():
    table = random_steps(5)
    found = read(insights(lines(table), range(len(table))[::-1]))
    assert found.steps["tstamp"].tolist() == table["tstamp"].tolist()[::-1]


def test_types_are_compact_and_the_same_for_every_vintage_and_for_none():
    tables = [read(log(as_vintage(random_steps(1), name), name)).steps for name in VINTAGES]
    tables += [read_csv(csv(random_steps(1), 19)).steps, empty_steps(), read(b"no steps here\n").steps]
    kinds = [table.dtypes.astype(str).to_dict() for table in tables]
    assert all(kind == kinds[0] for kind in kinds)
    assert kinds[0]["x"] == "float32" and kinds[0]["tstamp"] == "float64" and kinds[0]["steps"] == "int32"
    assert kinds[0]["episode_status"] == "category"


def test_radians_become_degrees_in_2019_and_degrees_stay():
    old = b"SIM_TRACE_LOG:0,1,3.0554,0.6766,-0.0500,-0.52,2.50,0,1.0,False,True,0.8227,0,17.67,1555730996.4312932\n"
    new = b"SIM_TRACE_LOG:0,1,3.05,0.6852,0.5202,-30.00,0.67,1,1.0,False,True,0.7955,0,17.67,1598891475.4,in_progress\n"
    assert read(old).steps.loc[0, "yaw"] == pytest.approx(-2.8648, abs=1e-4)
    assert read(old).steps.loc[0, "steering_angle"] == pytest.approx(-29.794, abs=1e-3)
    assert read(new).steps.loc[0, "yaw"] == pytest.approx(0.5202)
    assert read(new).steps.loc[0, "steering_angle"] == -30


def test_verbatim_lines_of_each_year():
    rows = {
        "2021 to 2024": "SIM_TRACE_LOG:0,1,-2.2896,-4.6243,2.7800,0.00,3.80,7,0.0000,False,True,0.1577,0,89.24,35.413,"
        "prepare,0.00",
        "2024 to 2025": "SIM_TRACE_LOG:0,1,3.1999,0.6831,0.1831,-20.00,3.62,[-20.0 3.6195427934404245],0.0000,"
        "False,True,0.7915,1,17.71,6.224,prepare,0.00,0",
        "2026": "[download_params_and_roslaunch_agent_node-1] [agent-9] SIM_TRACE_LOG:0,1,0.2078,-2.1730,179.9865,"
        "15.00,1.50,8,0.0000,False,True,0.2333,0,60.00,36.721000000000004,prepare,0.00,0,1772822267.7927",
    }
    for name, row in rows.items():
        found = read(row.encode() + b"\n")
        assert found.format == name
        assert found.steps.loc[0, "episode_status"] == "prepare"
    assert found.steps.loc[0, "tstamp"] == 36.721000000000004
    assert found.steps.loc[0, "wall_clock"] == 1772822267.7927
    assert found.steps.loc[0, "action"] == 8


def test_negative_progress_is_kept():
    table = random_steps(2).assign(progress=-2.04)
    assert (read(log(table)).steps["progress"] < -2).all()


# ------------------------------------------------------------------------------------ lines that are not whole


@pytest.mark.parametrize("name", VINTAGES)
def test_a_log_may_end_anywhere_in_its_last_line(name):
    table = as_vintage(random_steps(11, episodes=2, longest=3), name)
    data = log(table, name)
    last = data.rindex(b"SIM_TRACE_LOG")
    whole = read(data).steps
    for end in range(last, len(data) + 1):
        found = read(data[:end])
        assert len(found.steps) + found.skipped.total == len(table) - (end < last + len(b"SIM_TRACE_LOG:"))
        pd.testing.assert_frame_equal(found.steps.iloc[: len(table) - 1], whole.iloc[:-1])
        if len(found.steps) == len(table):
            # All that can be missing then are decimals of the last number.
            kept, true = found.steps.iloc[-1], whole.iloc[-1]
            for column in whole.columns:
                if column in ("tstamp", "wall_clock") and not pd.isna(true[column]):
                    assert abs(kept[column] - true[column]) < 1
                elif column == "pause_duration":
                    assert abs(kept[column]) <= abs(true[column])
                elif not pd.isna(true[column]):
                    assert kept[column] == true[column], (end, column)
    assert len(read(data[:-1]).steps) == len(table)


def test_what_is_left_of_a_line_is_not_taken_for_an_older_vintage():
    rows = lines(random_steps(3), "2021 to 2024")
    rows[2] = rows[2].rsplit(",", 1)[0]
    rows[4] = rows[4].rsplit(",", 2)[0]
    found = read("".join(f"{row}\n" for row in rows).encode())
    assert found.skipped.counts == {CUT_OFF: 2}
    assert len(found.steps) == len(rows) - 2


def test_glued_lines_are_both_read():
    table = random_steps(4)
    for name in VINTAGES:
        table_of = as_vintage(table, name)
        data = log(table_of, name)
        third = data.split(b"\n")[2]
        glued = data.replace(third + b"\n", third)
        found = read(glued)
        assert found.skipped.total == 0, name
        assert_same_steps(found.steps, table_of, name)


def test_a_line_glued_in_its_middle_is_counted_and_the_next_one_read():
    rows = lines(as_vintage(random_steps(4), "2019"), "2019")
    # The rest of the time stamp is gone.
    rows[1] = rows[1][:-12]
    glued = "\n".join([rows[0], rows[1] + rows[2], *rows[3:]]).encode() + b"\n"
    found = read(glued)
    assert found.skipped.counts == {CUT_OFF: 1}
    assert len(found.steps) == len(rows) - 1


def test_a_line_glued_to_the_cut_end_of_a_file_is_read():
    rows = lines(random_steps(4))
    found = read(("\n".join(rows[:3]) + rows[3][:60]).encode())
    assert len(found.steps) == 3 and found.skipped.counts == {CUT_OFF: 1}


def test_text_that_merely_holds_the_token_is_counted_with_an_example():
    data = log(random_steps(6))
    keys = b"SIM_TRACE_LOG: episode, step, x-coordinate, y-coordinate,\n"
    found = read(keys + data + b"grep SIM_TRACE_LOG: the steps\n")
    assert len(found.steps) == len(random_steps(6))
    assert found.skipped.counts == {NOT_A_STEP: 2}
    assert found.skipped.examples[NOT_A_STEP].startswith("episode, step")
    alone = read(keys)
    assert alone.steps.empty and alone.format == "" and alone.skipped.counts == {NOT_A_STEP: 1}


def test_many_lines_of_text_with_the_token_hide_no_step():
    keys = b"SIM_TRACE_LOG: episode, step, x-coordinate\n" * 2000
    found = read(keys + log(random_steps(6)), block=1 << 14)
    assert len(found.steps) == len(random_steps(6))
    assert found.skipped.counts == {NOT_A_STEP: 2000}


BAD_VALUES = {
    "episode": ["-1", "1e12", "", "x", "0.5", "nan"],
    "steps": ["99999999999999999999", "1.5", "-3", "inf"],
    "x": ["nan", "inf", "-inf", "1e400", "1e30", "", "1,5"],
    "tstamp": ["", "nan", "-1", "1e300"],
    "done": ["", "yes", "0.5"],
    "closest_waypoint": ["-1", "2000000000", "1.5"],
    "progress": ["100.5", "nan", "-1e9"],
    "reward": ["nan", "None"],
}


@pytest.mark.parametrize(("column", "value"), [(c, v) for c, values in BAD_VALUES.items() for v in values])
@pytest.mark.parametrize("form", ["log", "csv"])
def test_a_row_with_an_unreadable_value_is_counted_and_stops_no_other(column, value, form):
    table = random_steps(7)
    place = list(CSV_COLUMNS).index(column)
    rows = [line.split(",") for line in bodies(table, "2021 to 2024")]
    rows[3][place] = value
    rows = [",".join(row) for row in rows]
    if form == "log":
        found = read("".join(f"SIM_TRACE_LOG:{row}\n" for row in rows).encode())
    else:
        found = read_csv("\n".join([csv(table).decode().split("\n")[0], *rows]).encode() + b"\n")
    assert found.steps["tstamp"].tolist() == table["tstamp"].drop(3).tolist()
    assert found.skipped.total == 1
    reason, _, example = next(iter(found.skipped))
    assert reason == (NOT_A_STEP if value == "1,5" else BAD_NUMBER)
    assert example


def test_values_that_only_some_vintages_write_never_cost_a_row():
    table = random_steps(8)
    rows = [line.split(",") for line in bodies(table, "2026")]
    for i, (place, value) in enumerate([(7, "x"), (15, "flying"), (16, "nan"), (17, ""), (18, "nan")]):
        rows[i][place] = value
    found = read("".join(f"SIM_TRACE_LOG:{','.join(row)}\n" for row in rows).encode())
    assert len(found.steps) == len(table) and found.skipped.total == 0
    assert found.steps.loc[0, "action"] == -1
    assert pd.isna(found.steps.loc[1, "episode_status"])
    assert found.steps.loc[2, "pause_duration"] == 0
    assert found.steps.loc[3, "obstacle_crash_counter"] == 0
    assert np.isnan(found.steps.loc[4, "wall_clock"])


def test_one_bad_row_among_many_costs_that_row_alone(monkeypatch):
    judged = []
    judge = reader._judged
    monkeypatch.setattr(
        reader, "_judged", lambda table, *rest: judged.append(len(table)) or judge(table, *rest)
    )
    table = pd.concat([random_steps(seed) for seed in range(600)], ignore_index=True)
    rows = lines(table)
    assert sum(map(len, rows)) > 3 * reader._SAMPLE
    bad = len(rows) // 3
    rows[bad] = rows[bad].replace(",False,", ",Fal,").replace(",True,", ",Tr,")
    found = read("\n".join(rows).encode() + b"\n")
    assert found.steps["tstamp"].tolist() == table["tstamp"].drop(bad).tolist()
    assert found.skipped.counts == {BAD_NUMBER: 1}
    # The many rows around it are parsed by type all the same.
    assert sum(judged) < len(rows) / 2


def test_text_glued_to_a_status_does_not_hide_it():
    rows = lines(as_vintage(random_steps(9), "2020"), "2020")
    rows[1] += "2020-05-21 ready"
    found = read("\n".join(rows).encode() + b"\n")
    assert (
        found.steps.loc[1, "episode_status"] == as_vintage(random_steps(9), "2020").loc[1, "episode_status"]
    )


def test_broken_characters_in_a_step_cost_that_step_alone():
    data = log(random_steps(10)).split(b"\n")
    data[2] = data[2].replace(b",", b"\xff", 1)
    data[3] = data[3].replace(b",", b"\x00,", 1)
    found = read(b"\n".join(data))
    assert len(found.steps) == len(random_steps(10)) - 2
    assert found.skipped.total == 2


def test_an_endless_line_is_passed_over(monkeypatch):
    monkeypatch.setattr(reader, "LONGEST_LINE", 2000)
    table = random_steps(12)
    rows = lines(table)
    data = "\n".join([*rows[:3], "x" * 9000, *rows[3:]]).encode() + b"\n"
    found = read(data, block=500)
    assert found.steps["tstamp"].tolist() == table["tstamp"].tolist()
    assert found.skipped.counts == {OVERLONG: 1}
    assert len(read(data[:2500], block=500).steps) == 3


def test_two_vintages_in_one_file_keep_their_order():
    old, new = as_vintage(random_steps(13), "2020"), random_steps(14)
    both = log(old, "2020") + log(new, "2021 to 2024")
    found = read(both)
    assert found.skipped.total == 0
    assert found.format == "2020"
    assert found.steps["tstamp"].tolist() == [*old["tstamp"], *new["tstamp"]]
    assert found.steps["pause_duration"].tolist()[len(old) :] == pytest.approx(new["pause_duration"].tolist())


def test_nothing_to_read():
    for data in (b"", b"\n\n", b"SIM_TRACE_LOG:", b"SIM_TRACE_LOG:\n", b"hello"):
        assert read(data).steps.empty
    assert read(b"").skipped.total == 0


# ------------------------------------------------------------------------------------ the text between steps


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    block=st.sampled_from([50, 200, 700, 8 << 20]),
    faults=st.lists(st.sampled_from(["good", "cut", "text", "number", "glued"]), min_size=20, max_size=20),
)
def test_the_place_of_a_line_among_the_steps_is_known(seed, block, faults):
    rows = lines(random_steps(seed, episodes=4))
    data, good, expected = b"", 0, {}
    for i, row in enumerate(rows):
        fault = faults[i % len(faults)]
        if i % 3 == 0:
            data += f"Restoring from path=./{i}_Step-1.ckpt\n".encode()
            expected[f"./{i}_".encode()] = good
        if fault == "cut":
            row = row.rsplit(",", 3)[0]
        elif fault == "text":
            row = "SIM_TRACE_LOG: nothing"
        elif fault == "number":
            row = row.replace("SIM_TRACE_LOG:", "SIM_TRACE_LOG:nan", 1)
        good += fault in ("good", "glued")
        data += row.encode() + (b"" if fault == "glued" and (i + 1) % 3 else b"\n")
    found = read(data, block)
    assert len(found.steps) == good
    for mark, before in expected.items():
        assert found.rows_before(found.text.index(mark)) == before


def test_blank_lines_between_steps_are_no_text():
    for wrapping in ("blank lines", "blank CRLF lines", "nothing"):
        assert read(WRAPPINGS[wrapping](lines(random_steps(15)))).text == b""


def test_text_is_kept_whole_without_what_stands_before_a_step():
    rows = [f"2020-05-21 03:36:43 {row}" for row in lines(random_steps(15))]
    data = "\n".join(["first", *rows[:2], "between", "more", *rows[2:], "last"]).encode()
    assert read(data).text == b"first\nbetween\nmore\nlast"


def test_of_very_much_text_the_lines_that_say_something_are_kept(monkeypatch):
    monkeypatch.setattr(reader, "TEXT_KEPT_WHOLE", 100)
    step = lines(random_steps(16))[0]
    told = [
        "Training> Name=main_level/agent, Worker=0, Episode=1",
        "Policy training> Surrogate loss=1",
        "  * Checkpoint> Restoring from path=./checkpoint/agent/7_Step-0.ckpt",
        "Best checkpoint number: 7, Last checkpoint number: 7",
        "{'WORLD_NAME': 'a', 'JOB_TYPE': 'TRAINING'}",
        "Action space from file: [1]",
        "Sensor list ['FRONT_FACING_CAMERA']",
    ]
    mixed = list(itertools.chain.from_iterable((line, "reward 1.0 -> 2.0", "x" * 30, step) for line in told))
    found = read("\n".join(["x" * 90, step, *mixed]).encode() + b"\n")
    assert found.text.decode() == "\n".join(["x" * 90, *told, ""])
    assert found.rows_before(found.text.index(b"Sensor")) == len(told)


# ----------------------------------------------------------------------------------------------- CSV files


@pytest.mark.parametrize("columns", [16, 17, 18, 19])
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), block=st.sampled_from([150, 1000, 8 << 20]))
def test_csv_of_every_width_reads_back_the_same(columns, seed, block):
    table = random_steps(seed)
    found = read_step_csv(io.BytesIO(csv(table, columns)), "0-iteration.csv", block)
    name = {16: "2020", 17: "2021 to 2024", 18: "2024 to 2025", 19: "2026"}[columns]
    assert found.skipped.total == 0
    assert_same_steps(found.steps, table, name)


@pytest.mark.parametrize("direction", [1, -1])
def test_csv_is_read_by_its_header_in_any_order_with_columns_nobody_knows(direction):
    table = random_steps(20)
    frame = table.rename(columns=CSV_COLUMNS)
    frame.insert(5, "speed", 9.9)
    frame = frame[[*frame.columns[::direction]]]
    found = read_csv(frame.to_csv(index=True).encode())
    assert_same_steps(found.steps, table, "2026")


def test_csv_with_two_columns_of_one_name_is_read_by_the_first():
    table = random_steps(20)
    frame = table.rename(columns=CSV_COLUMNS)
    frame.insert(19, "X", 9.9, allow_duplicates=True)
    assert_same_steps(read_csv(frame.to_csv(index=False).encode()).steps, table, "2026")


def test_csv_in_scientific_notation_and_with_bare_hundreds():
    table = random_steps(21).assign(yaw=1.25e-05, reward=-3.5e-05, pause_duration=9.9e-17)
    table.loc[3, "progress"] = 100.0
    data = csv(table)
    assert b"1.25e-05" in data and b",100," in data
    found = read_csv(data)
    assert found.skipped.total == 0
    assert found.steps.loc[0, "yaw"] == pytest.approx(1.25e-05)
    assert found.steps.loc[3, "progress"] == 100


@pytest.mark.parametrize("action", ['"[30.0, 0.56]"', "[30.0 0.56]", "[ 30.0   0.56]", '"[30.0 0.56]"'])
def test_csv_with_continuous_actions(action):
    table = random_steps(22).assign(action=action)
    found = read_csv(csv(table))
    assert found.skipped.total == 0
    assert len(found.steps) == len(table) and (found.steps["action"] == -1).all()


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: "\ufeff".encode() + data,
        lambda data: b"\n\n" + data,
        lambda data: data[:-1],
        lambda data: data.replace(b"True", b"TRUE").replace(b"False", b"FALSE"),
        lambda data: b"\n".join(b'"' + line.replace(b",", b'","') + b'"' for line in data[:-1].split(b"\n")),
    ],
    ids=["CRLF", "BOM", "blank lines first", "no final newline", "capitals", "everything quoted"],
)
def test_csv_as_other_tools_save_it(change):
    table = random_steps(23)
    assert_same_steps(read_csv(change(csv(table))).steps, table, "2021 to 2024")


def test_csv_files_joined_end_to_end_are_read_by_each_header():
    one, other = random_steps(24), random_steps(25)
    found = read_csv(csv(one, 16) + csv(other, 18))
    assert found.skipped.counts == {REPEATED_HEADER: 1}
    assert found.steps["tstamp"].tolist() == [*one["tstamp"], *other["tstamp"]]
    assert (
        found.steps["obstacle_crash_counter"].tolist()[len(one) :] == other["obstacle_crash_counter"].tolist()
    )
    broken = read_csv(csv(one, 17) + b"episode,steps\n" + csv(other, 17).partition(b"\n")[2])
    assert len(broken.steps) == len(one) + len(other)


def test_csv_may_end_in_the_middle_of_a_row():
    table = random_steps(26)
    data = csv(table, 17)
    whole = read_csv(data).steps
    for end in range(data[:-1].rindex(b"\n") + 2, len(data) - 5):
        found = read_csv(data[:end])
        assert found.skipped.counts == {CUT_OFF: 1}, data[:end][-30:]
        pd.testing.assert_frame_equal(found.steps, whole.iloc[:-1])


@pytest.mark.parametrize("missing", ["X", "done", "all_wheels_on_track", "tstamp", "throttle"])
def test_csv_without_a_needed_column_says_which(missing):
    frame = random_steps(27).rename(columns=CSV_COLUMNS).drop(columns=missing)
    with pytest.raises(LogError, match=rf"trace\.csv.*has no column {_here(missing)}"):
        read_csv(frame.to_csv(index=False).encode(), "trace.csv")


def _here(name: str) -> str:
    return {"X": "x", "all_wheels_on_track": "on_track", "throttle": "speed"}.get(name, name)


def test_csv_without_rows_or_without_a_header():
    assert read_csv(csv(random_steps(28)).partition(b"\n")[0]).steps.empty
    with pytest.raises(LogError, match="no header"):
        read_csv(b"1,2,3\n")


def test_csv_without_an_action_column_has_no_actions():
    frame = drive(1).rename(columns=CSV_COLUMNS).drop(columns="action")
    assert (read_csv(frame.to_csv(index=False).encode()).steps["action"] == -1).all()

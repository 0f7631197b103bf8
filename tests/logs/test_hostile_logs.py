"""Logs cut, glued, garbled and joined: every readable step is read, and no lap is ever wrong.

What "never wrong" means exactly stands in `check_laps`.
"""

import io
import tracemalloc
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepracer_viz import LogError, TrainingRun, load_run
from deepracer_viz.logs.contents import read_contents
from deepracer_viz.logs.report import ReadReport
from deepracer_viz.logs.sources import Members
from deepracer_viz.logs.steps import BAD_NUMBER, CUT_OFF, NOT_A_STEP, OVERLONG, read_step_log
from deepracer_viz.logs.streams import MAX_STREAMS, streams_of
from tests.fuzz.mutations import MUTATIONS, damage
from tests.step_lines import as_vintage, csv, drive, lines, log, random_steps

TABLE = drive(6, length=12, laps=(1, 3, 4))
SETTINGS = b"{'WORLD_NAME': 'reinvent_base', 'JOB_TYPE': 'TRAINING', 'NUM_WORKERS': '1'}\n"
LOG = SETTINGS + log(TABLE)
STEP = 1 / 15
ROW = ["steps", "x", "y", "reward", "done", "progress", "tstamp"]


def read(*files: bytes) -> TrainingRun:
    return load_run([(f"{i}.log", io.BytesIO(data)) for i, data in enumerate(files)])


def rows_of(steps: pd.DataFrame) -> list[tuple]:
    return list(steps[ROW].itertuples(index=False, name=None))


# --------------------------------------------------------------------------------------------- laps, told exactly

TRUTH = read(LOG)
EPISODE_OF_ROW = dict(zip(rows_of(TRUTH.steps), TRUTH.steps["episode"], strict=True))
TRUE_TIMES = TRUTH.laps.set_index("episode")["time"]


def check_laps(run: TrainingRun) -> int:
    """Hold every lap of a damaged log to the truth; returns how many could be held to it.

    A lap is held to it when each row of its episode is a row of one true episode, number of the episode aside:
    then that true episode is a lap, and the time is the true one, but for one step where the first row is lost.
    Any other lap holds a row that the damage turned into another one which a simulator could have written.
    """
    held = 0
    for unique, time in zip(run.laps["unique_episode"], run.laps["time"], strict=True):
        rows = rows_of(run.steps[run.steps["unique_episode"] == unique])
        came_from = {EPISODE_OF_ROW.get(row) for row in rows}
        if None in came_from or len(came_from) > 1:
            continue
        held += 1
        true = TRUE_TIMES[came_from.pop()]
        lost = rows[0][0] - 1
        assert lost in (0, 1)
        assert true - time == pytest.approx(lost * STEP, abs=2e-3)
    return held


def test_the_truth_is_what_was_written():
    assert TRUE_TIMES.index.tolist() == [1, 3, 4] and len(TRUTH.steps) == len(TABLE)
    assert np.allclose(TRUE_TIMES, 11 * STEP + STEP, atol=2e-3)
    assert check_laps(TRUTH) == 3


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(tuple(MUTATIONS)), st.floats(0, 1), st.integers(0, 65_535)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(operations=OPERATIONS)
def test_no_damage_makes_a_wrong_lap(operations):
    try:
        run = read(damage(LOG, operations))
    except LogError:
        return
    check_laps(run)


@settings(max_examples=40, deadline=None)
@given(operations=OPERATIONS)
def test_no_damage_of_a_csv_makes_a_wrong_lap(operations):
    try:
        run = read(damage(csv(TABLE), operations))
    except LogError:
        return
    check_laps(run)


def test_lines_lost_repeated_and_moved_leave_the_other_laps_true():
    held = 0
    rows = LOG.splitlines(keepends=True)
    for i in range(0, len(rows), 8):
        for damaged in (
            rows[:i] + rows[i + 1 :],
            rows[: i + 1] + rows[i:],
            rows[i:] + rows[:i],
            [*rows[:i], *rows[i + 5 : i + 6], *rows[i : i + 5], *rows[i + 6 :]],
        ):
            run = read(b"".join(damaged))
            assert set(rows_of(run.steps)) <= set(EPISODE_OF_ROW)
            assert check_laps(run) == len(run.laps) >= 2
            held += len(run.laps)
    assert held > 80


# ------------------------------------------------------------------------------------------------ cut anywhere


def test_a_log_cut_at_any_byte_gives_every_whole_line_before_the_cut():
    table = drive(2, length=4)
    text = b"Reset agent finished\n\n"
    data = SETTINGS + text.join(line + b"\n" for line in log(table).splitlines())
    whole = read_step_log(io.BytesIO(data)).steps
    ends = [
        i
        for i in range(len(data))
        if data[i : i + 1] == b"\n" and b"SIM_TRACE" in data[data.rfind(b"\n", 0, i) + 1 : i]
    ]
    assert len(ends) == len(table)
    for end in range(len(data) + 1):
        found = read_step_log(io.BytesIO(data[:end]))
        lines_before = sum(at < end for at in ends)
        more = len(found.steps) - lines_before
        assert more in (0, 1)
        pd.testing.assert_frame_equal(found.steps.iloc[:lines_before], whole.iloc[:lines_before])
        if more:
            # A last line without its end counts where all that can be missing are zeros of the pause.
            # Of the very first line nobody can tell that it is not one of 2020, which wrote no pause.
            assert data[:end].rpartition(b",")[2] in (b"0", b"0.", b"0.0", b"0.00") or not lines_before
            pd.testing.assert_frame_equal(found.steps, whole.iloc[: lines_before + 1])


def test_a_run_cut_at_any_line_or_in_it_has_only_true_laps():
    for end in range(len(SETTINGS) + 200, len(LOG), 191):
        run = read(LOG[:end])
        assert check_laps(run) == len(run.laps) <= 3
        assert run.report.skipped.counts.keys() <= {CUT_OFF, NOT_A_STEP}


# ----------------------------------------------------------------------------------------- line ends, odd bytes


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n\r", "\r\r\n", "\n\n"])
@pytest.mark.parametrize("kind", ["log", "CSV"])
def test_lines_may_end_as_on_any_system(end, kind, monkeypatch):
    data = LOG if kind == "log" else csv(TABLE)
    run = read(data.replace(b"\n", end.encode()))
    assert check_laps(run) == 3 and len(run.steps) == len(TABLE)
    assert run.report.skipped.total == 0
    assert run.metadata.world == ("reinvent_base" if kind == "log" else None)


def test_a_log_with_carriage_returns_alone_may_be_longer_than_a_line():
    table = drive(900, length=12)
    data = (SETTINGS + log(table)).replace(b"\n", b"\r")
    assert len(data) > 1 << 20
    found = read_step_log(io.BytesIO(data), block=1 << 16)
    assert len(found.steps) == len(table) and found.skipped.total == 0


def test_line_ends_that_blocks_part_cost_nothing():
    data = LOG.replace(b"\n", b"\r\n")
    for block in range(90, 130):
        found = read_step_log(io.BytesIO(data), block)
        assert len(found.steps) == len(TABLE) and found.skipped.total == 0


ODD = {
    "NULs between lines": lambda d: d.replace(b"\n", b"\n\0\0\0\n", 20),
    "a block of NULs": lambda d: d[:2000] + bytes(4096) + b"\n" + d[2000:],
    "NULs at the end": lambda d: d + bytes(100_000),
    "Latin-1 text": lambda d: d.replace(b"\n", b"\nR\xfcckmeldung \xe9\xff\n", 20),
    "surrogates": lambda d: d.replace(b"\n", b"\n\xed\xa0\x80\xed\xb0\x80\n", 20),
    "byte order marks": lambda d: b"\xef\xbb\xbf" + d.replace(b"\n", b"\n\xef\xbb\xbf", 20),
    "terminal codes": lambda d: d.replace(b"\n", b"\n\x1b[2J\x1b]0;x\x07", 20),
    "form feeds": lambda d: d.replace(b"\n", b"\n\x0c\x0b\x1c\x85\n", 20),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_bytes_between_steps_cost_at_most_the_line_they_stand_in(case):
    run = read(ODD[case](LOG))
    assert len(run.steps) >= len(TABLE) - 1
    assert check_laps(run) == len(run.laps) >= 2


def test_a_line_of_a_hundred_megabytes_is_passed_over_in_little_memory():
    class Endless(io.RawIOBase):
        """One line of 100 MB between two halves of a log, never held whole."""

        parts = (LOG[:3000].rpartition(b"\n")[0] + b"\n", *[b"x" * (1 << 20)] * 100, b"\n" + LOG)
        place, rest = 0, b""

        def read(self, size: int = -1) -> bytes:
            while len(self.rest) < size and self.place < len(self.parts):
                self.rest += self.parts[self.place]
                self.place += 1
            out, self.rest = self.rest[:size], self.rest[size:]
            return out

    tracemalloc.start()
    try:
        found = read_step_log(Endless())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.skipped.counts == {OVERLONG: 1} and peak < 60 << 20
    assert len(found.steps) == LOG[:3000].count(b"\nSIM") - 1 + len(TABLE)


@pytest.mark.parametrize(
    "word", [b"", b"\n", b" \r\n\t\n", b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff\x00"]
)
def test_files_with_nothing_in_them_stop_no_other(word):
    assert check_laps(read(word, LOG, word)) == 3
    with pytest.raises(LogError, match="recognised"):
        read(word)


@pytest.mark.parametrize("nuls", [1, 5000, 70_000])
def test_a_log_that_begins_with_nuls_and_whose_first_step_comes_late(nuls):
    late = b"\0" * nuls + b"\n" + b"2021-01-01 waiting for the simulator\n" * 3000 + LOG
    assert check_laps(read(late)) == 3


# ------------------------------------------------------------------------------------------------ values, words

VALUES = {
    "nan": (BAD_NUMBER, ("x", "progress", "tstamp", "reward", "episode")),
    "NaN": (BAD_NUMBER, ("x", "progress", "tstamp")),
    "inf": (BAD_NUMBER, ("x", "progress", "tstamp", "steps")),
    "-Infinity": (BAD_NUMBER, ("y", "progress", "tstamp")),
    "1e400": (BAD_NUMBER, ("x", "progress", "tstamp", "closest_waypoint")),
    "-1e400": (BAD_NUMBER, ("x", "progress")),
    "9" * 5000: (BAD_NUMBER, ("episode", "steps", "x", "closest_waypoint", "tstamp")),
    "0x10": (BAD_NUMBER, ("x", "steps")),
    "1_0": (BAD_NUMBER, ("x", "steps")),
    "١٢": (BAD_NUMBER, ("x", "steps")),
    "": (BAD_NUMBER, ("x", "progress", "done", "steps")),
}
PLACES = list(TABLE.columns)


@pytest.mark.parametrize(("value", "column"), [(v, c) for v, (_, columns) in VALUES.items() for c in columns])
def test_what_is_no_number_costs_its_line_and_makes_no_lap(value, column):
    rows = [row.split(",") for row in lines(TABLE)]
    last = int(np.flatnonzero(TABLE["episode"] == 3)[-1])
    place = PLACES.index(column)
    rows[last][place] = ("SIM_TRACE_LOG:" if place == 0 else "") + value
    run = read(SETTINGS + "\n".join(",".join(row) for row in rows).encode() + b"\n")
    assert run.report.skipped.counts == {VALUES[value][0]: 1}
    assert run.laps["episode"].tolist() == [1, 4] and check_laps(run) == 2
    assert len(run.steps) == len(TABLE) - 1


@pytest.mark.parametrize("true", ["True", "true", "TRUE", "tRuE", " True", "True "])
@pytest.mark.parametrize("kind", ["log", "CSV"])
def test_booleans_are_read_in_any_case(true, kind):
    data = LOG if kind == "log" else csv(TABLE)
    false = (
        true.replace("True", "False")
        .replace("true", "false")
        .replace("TRUE", "FALSE")
        .replace("tRuE", "fAlSe")
    )
    run = read(data.replace(b"True", true.encode()).replace(b"False", false.encode()))
    assert check_laps(run) == 3 and len(run.steps) == len(TABLE)
    assert run.steps["done"].tolist() == TABLE["done"].tolist()


def test_text_that_only_holds_the_token_or_a_header_is_no_step():
    text = (
        b"Parsing lines that begin with SIM_TRACE_LOG: and a number\n"
        b"SIM_TRACE_LOG\nSIM_TRACE_LOG:\nSIM_TRACE_LOG:,,,,,,,,,,,,,,,,\nSIM_TRACE_LOG:episode,steps,X,Y\n"
        b"print('SIM_TRACE_LOG:%d,%d,%.4f' % (1, 2, 3))\n"
    )
    run = read(text + LOG + text)
    assert check_laps(run) == 3 and len(run.steps) == len(TABLE)
    assert run.report.skipped.total >= 8
    with pytest.raises(LogError, match="recognised"):
        read(text)


def test_every_line_left_out_is_counted_under_its_reason():
    rows = lines(TABLE)
    rows[5] = rows[5].rsplit(",", 4)[0]
    rows[20] = rows[20].replace(",True,", ",maybe,").replace(",False,", ",maybe,")
    rows[30] = rows[30].replace("SIM_TRACE_LOG:", "SIM_TRACE_LOG:nan", 1)
    run = read(SETTINGS + "\n".join(rows).encode() + b"\n")
    assert run.report.skipped.total == 3 and len(run.steps) == len(TABLE) - 3
    assert sum(count for _, count, _ in run.report.skipped) == 3
    assert all(example for _, _, example in run.report.skipped)


# ------------------------------------------------------------------------------------- several jobs in one file


def joined_warnings(run: TrainingRun) -> list[str]:
    return [w for w in run.report.warnings if "joined" in w]


def test_two_jobs_in_one_file_with_the_same_numbers():
    other = drive(4, length=9, laps=(2,), begins=7.3)
    run = read(LOG + log(other))
    assert len(run.steps) == len(TABLE) + len(other) and len(run.laps) == 4
    assert len(joined_warnings(run)) == 1 and "episode counter starts again 1 time" in joined_warnings(run)[0]


def test_two_jobs_in_one_file_whose_numbers_do_not_clash():
    later = drive(4, length=9, first=6, laps=(7,), begins=7.3)
    for data in (LOG + log(later), log(later) + LOG):
        run = read(data)
        assert len(run.steps) == len(TABLE) + len(later)
        [warning] = joined_warnings(run)
        assert "the clock starts again 1 time(s), first at episode 6" in warning


def test_two_jobs_on_different_tracks_in_one_file():
    later = drive(4, length=9, first=6, begins=700.0).assign(track_len=60.0)
    [warning] = joined_warnings(read(LOG + log(later)))
    assert "18.85 m and 60.00 m" in warning


def test_one_job_in_one_file_is_not_taken_for_two():
    for data in (LOG, csv(TABLE), log(as_vintage(TABLE, "2020"), "2020")):
        rows = data.splitlines(keepends=True)
        assert not joined_warnings(read(data))
        # Nor where lines stand in any order, or a few are garbled.
        assert not joined_warnings(read(b"".join([*rows[40:], *rows[:40]]) if data == LOG else data))
    garbled = LOG.replace(b",18.85,", b",99.85,", 1)
    at = garbled.index(b"SIM_TRACE_LOG:3,5,")
    line = garbled[at : garbled.index(b"\n", at)]
    fields = line.split(b",")
    fields[14] = b"0.001"
    assert not joined_warnings(read(garbled.replace(line, b",".join(fields))))
    alone = drive([9], length=1, begins=0.5).assign(track_len=60.0)
    assert not joined_warnings(read(LOG + log(alone)))


def test_no_real_log_is_taken_for_two(real_logs):
    for path in sorted(real_logs.iterdir()):
        if path.suffix != ".md":
            assert not joined_warnings(load_run(path)), path.name


def test_a_missing_worker_is_named():
    def job(*workers: int) -> list[tuple[str, io.BytesIO]]:
        tables = {w: drive(3, length=8, begins=10 + w) for w in workers}
        return [(f"{w}/training-simtrace/0-iteration.csv", io.BytesIO(csv(t))) for w, t in tables.items()]

    run = load_run(job(0, 3))
    assert [w for w in run.report.warnings if "no steps of worker" in w] == [
        "The training had 4 workers, but there are no steps of worker 1, 2: laps and means are of the others alone. "
        "Add the logs of the missing workers."
    ]
    for complete in (job(0, 1, 2), job(2)):
        assert not any("no steps of worker" in w for w in load_run(complete).report.warnings)
    told = SETTINGS.replace(b"'NUM_WORKERS': '1'", b"'NUM_WORKERS': '3', 'ROLLOUT_IDX': '1'")
    assert any("no steps of worker 0, 2" in w for w in read(told + log(TABLE)).report.warnings)
    claimed = told.replace(b"'NUM_WORKERS': '3'", b"'NUM_WORKERS': '2147483647'")
    assert any("2, 3, 4, 5, 6, 7, 8, 9, 10, ...:" in w for w in read(claimed + log(TABLE)).report.warnings)


def test_very_many_jobs_end_at_a_limit():
    one = csv(drive(1, length=2))
    files = [
        (f"{i}/x.csv", io.BytesIO(one.replace(b"18.85", b"18.%d" % (i % 90))))
        for i in range(MAX_STREAMS + 20)
    ]
    report = ReadReport()
    contents = read_contents(Members(files), report)
    assert len(streams_of(contents, report)) == MAX_STREAMS
    assert any(f"only the first {MAX_STREAMS:,} were used" in warning for warning in report.warnings)


def test_episodes_that_start_again_and_again_are_numbered_on():
    parts = [drive(2, length=6, laps=(1,), begins=10 + 100 * i) for i in range(5)]
    run = read(SETTINGS + b"".join(map(log, parts)))
    assert len(run.episodes) == 10 and len(run.laps) == 5
    assert run.laps["time"].round(3).nunique() == 1
    assert Counter(run.steps.groupby("unique_episode").size()) == {6: 10}


def test_random_logs_of_all_vintages_joined_read_whole():
    names = ["2019", "2020", "2021 to 2024", "2026"]
    tables = {name: as_vintage(random_steps(i), name) for i, name in enumerate(names)}
    found = read_step_log(io.BytesIO(b"".join(log(table, name) for name, table in tables.items())))
    assert len(found.steps) == sum(map(len, tables.values())) and found.skipped.total == 0

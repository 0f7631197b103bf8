"""The page through Streamlit's own test harness: what it says for each kind of model."""

import io
import json
import re
import tarfile
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

APP = Path(__file__).resolve().parent.parent / "streamlit_app.py"
SECTIONS = [
    "What lap time can this model do?",
    "Which checkpoint should race?",
    "Has the training converged, and how steady is it?",
    "Where does the car drive inefficiently?",
    "Which turn should I work on next?",
    "What happened on this drive?",
    "Take it along",
    "What was read",
]


def open_page(**query) -> AppTest:
    page = AppTest.from_file(str(APP), default_timeout=300)
    for name, value in ({"whole": "true"} | query).items():
        page.query_params[name] = value
    return page.run()


def said(page: AppTest) -> str:
    """All text on the page, with the escapes that keep it from acting as Markdown taken out again."""
    elements = [
        *page.markdown,
        *page.caption,
        *page.info,
        *page.warning,
        *page.error,
        *page.header,
        *page.title,
    ]
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", "\n".join(str(e.value) for e in elements)).replace(
        "\u200b", ""
    )


def charts(page: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in page.get("vega_lite_chart")]


def metric(page: AppTest, label: str) -> str:
    return next(m.value for m in page.metric if m.label == label)


def assert_whole(page: AppTest) -> None:
    assert not page.exception, page.exception
    assert [header.value for header in page.header] == SECTIONS
    assert "nan" not in said(page).lower().replace("dominan", "").split()


@pytest.fixture(scope="module")
def sample_names(sample_logs) -> list[str]:
    return sorted(path.name.removesuffix(".tar.gz") for path in sample_logs.glob("*.tar.gz"))


def test_opens_on_a_sample_with_every_section_filled(sample_names):
    page = open_page()
    assert_whole(page)
    assert page.selectbox(key="model").value == f"{sample_names[0]} (sample)"
    assert len(charts(page)) >= 4
    assert len(page.dataframe) >= 2


def test_each_sample_model_has_its_own_figures(sample_names):
    fastest = {}
    for name in sample_names:
        page = open_page(model=f"{name} (sample)")
        assert_whole(page)
        fastest[name] = metric(page, "Fastest lap")
    assert len(set(fastest.values())) == len(sample_names)


def test_iteration_range_narrows_every_section():
    page = open_page()
    _, last = page.slider(key="iterations").value
    before = metric(page, "Completed laps"), said(page), [json.dumps(c) for c in charts(page)]
    page.slider(key="iterations").set_value((last - 2, last)).run()
    assert_whole(page)
    assert metric(page, "Iterations") == "3"
    assert metric(page, "Completed laps") != before[0]
    assert said(page) != before[1]


def test_url_opens_the_same_view(sample_names):
    page = open_page(model=f"{sample_names[-1]} (sample)", target="11.5", which="Completed laps")
    assert page.selectbox(key="model").value == f"{sample_names[-1]} (sample)"
    assert page.number_input(key="target").value == 11.5
    assert "11.50 s" in said(page)


def test_unknown_model_in_the_url_opens_the_first():
    assert_whole(open_page(model="../../etc/passwd"))


def test_picked_checkpoint_narrows_the_driving_section():
    page = open_page(model="over-trained (sample)")
    options = page.selectbox(key="checkpoint").options
    assert len(options) > 20
    before = said(page)
    page.selectbox(key="checkpoint").set_value("20").run()
    assert_whole(page)
    assert said(page) != before
    again = open_page(model="over-trained (sample)", checkpoint="20")
    assert again.selectbox(key="checkpoint").value == "20"
    assert said(again) == said(page)


def chart_with(page: AppTest, words: str) -> dict:
    """The chart of which these words are a part."""
    [found] = [chart for chart in charts(page) if words in json.dumps(chart)]
    return found


def test_a_section_in_the_address_narrows_map_curves_and_findings():
    page = open_page(model="planted-faults (sample)")
    findings = next(t.value for t in page.dataframe if "seconds_per_lap" in t.value)
    name = findings["section"].iloc[0]
    chosen = open_page(model="planted-faults (sample)", section=name)
    assert_whole(chosen)
    assert chosen.selectbox(key="section").value == name
    assert f"in {name} and 1 m around it" in json.dumps(charts(chosen))
    assert "around it" not in json.dumps(charts(page))
    told = [element.value for element in chosen.markdown if "*Try:*" in element.value]
    assert told and all(words.startswith(f"**{name}: ") for words in told)
    chosen.selectbox(key="section").set_value("Whole track").run()
    assert_whole(chosen)
    assert said(chosen) == said(page)


def test_a_section_without_a_finding_says_so():
    page = open_page(model="planted-faults (sample)")
    findings = next(t.value for t in page.dataframe if "seconds_per_lap" in t.value)
    options = page.selectbox(key="section").options
    name = next(option for option in options[1:] if option not in set(findings["section"]))
    assert f"{name}. No finding" in said(open_page(model="planted-faults (sample)", section=name)).replace(
        "*", ""
    )


def test_the_section_is_let_go_of_on_another_track(real_logs, monkeypatch):
    monkeypatch.setenv("DEEPRACER_LOGS", str(real_logs))
    page = open_page(model="drfc-one-worker", section="T2")
    assert page.selectbox(key="section").value == "T2"
    page.selectbox(key="model").set_value("planted-faults (sample)").run()
    assert_whole(page)
    assert page.selectbox(key="section").value == "Whole track"


def test_an_unknown_section_in_the_address_is_the_whole_track():
    page = open_page(section="T99", pair="Nothing", lap_a="1.00 s, drive 999999", map="Mars")
    assert_whole(page)
    assert page.selectbox(key="section").value == "Whole track"


def test_fast_laps_or_speed_on_the_map():
    speed, lines = open_page(), open_page(map="Fast laps")
    assert_whole(lines)
    assert len(charts(lines)) == len(charts(speed)) + 1


@pytest.mark.parametrize("compared", ["Two laps", "Two iterations"])
def test_two_are_compared_along_the_track(compared):
    page = open_page(pair=compared)
    assert_whole(page)
    key = "lap" if compared == "Two laps" else "iteration"
    first, second = (page.selectbox(key=f"{key}_{end}") for end in "ab")
    chart = chart_with(page, "It rises where the first loses")
    assert chart["title"]["text"][0] == f"Time lost: {first.value} against {second.value}."
    second.set_value(second.options[1]).run()
    assert_whole(page)
    after = chart_with(page, "It rises where the first loses")
    assert after["title"]["text"][0] == f"Time lost: {first.value} against {second.options[1]}."


def test_two_laps_of_another_model_are_let_go_of():
    page = open_page(model="planted-faults (sample)", pair="Two laps")
    before = page.selectbox(key="lap_a")
    before.set_value(before.options[4]).run()
    page.selectbox(key="model").set_value("fast-but-fragile (sample)").run()
    assert_whole(page)
    assert page.selectbox(key="lap_a").value in page.selectbox(key="lap_a").options


def test_without_enough_laps_the_page_says_what_is_missing(real_logs, monkeypatch):
    monkeypatch.setenv("DEEPRACER_LOGS", str(real_logs))
    page = open_page(model="workshop-2019-evaluation")
    assert_whole(page)
    assert "3 complete laps could be timed" in said(page)
    assert "Lost on a fast lap" not in json.dumps(charts(page))
    page = open_page(model="console-2023-sac", pair="Two iterations")
    assert_whole(page)
    assert "nothing to compare" in said(page)


def test_over_trained_model_is_told_to_go_back():
    page = open_page(model="over-trained (sample)")
    assert "it has got worse" in said(page)
    assert "Clone one of the models saved then (checkpoints)" in said(page)


RACE = {"race": "Mean of K laps in a row", "attempts": "5", "race_laps": "2", "penalty": "4.5"}


def test_the_race_is_in_the_address_and_stays_for_another_model():
    page = open_page(model="over-trained (sample)", target="11.2", other_races="true", **RACE)
    assert_whole(page)
    assert "to beat 11.20 s on the mean of 2 laps in a row, best of 5 tries" in said(page)
    assert "on the total of 2 laps with 4.5 s per off-track" in said(page)
    page.selectbox(key="model").set_value("steady-and-slow (sample)").run()
    assert_whole(page)
    assert "on the mean of 2 laps in a row, best of 5 tries" in said(page)
    assert page.number_input(key="penalty").value == 4.5


def test_impossible_races_in_the_address_fall_back():
    page = open_page(race="Rally", attempts="99", race_laps="0", penalty="-3")
    assert_whole(page)
    assert page.selectbox(key="race").value == "Best lap of N attempts"
    assert [page.number_input(key=key).value for key in ("attempts", "race_laps", "penalty")] == [3, 3, 2.0]


def test_attempts_change_the_odds():
    odds = {}
    for attempts in ("1", "10"):
        page = open_page(model="fast-but-fragile (sample)", target="9.5", attempts=attempts)
        odds[attempts] = int(re.search(r"Submit checkpoint \d+: (\d+) %", said(page))[1])
    assert odds["10"] > odds["1"] + 20


def test_without_a_target_the_page_says_what_winning_is():
    asks = "Enter the lap time to beat in the sidebar"
    assert asks in said(open_page(model="over-trained (sample)"))
    assert asks not in said(open_page(model="over-trained (sample)", target="11.2"))


def test_the_first_three_are_explained_and_other_races_listed():
    folded = open_page(model="over-trained (sample)", target="11.2")
    page = open_page(model="over-trained (sample)", target="11.2", other_races="true")
    assert len(page.dataframe) == len(folded.dataframe) + 1
    ranking, others = page.dataframe[0].value, page.dataframe[1].value
    for place, checkpoint in enumerate(ranking["checkpoint"].head(3), 1):
        assert f"{place}. **Checkpoint {checkpoint}.** " in said(page)
    assert others["In other races"].tolist() == ["Mean of 3 laps in a row", "Total of 3 laps with penalties"]
    assert ranking["win_chance"].is_monotonic_decreasing
    assert ranking["win_interval"].str.fullmatch(r"(under 1|\d+) % to (over 99|\d+) %").all()


def test_training_odds_are_called_so(real_logs, monkeypatch):
    monkeypatch.setenv("DEEPRACER_LOGS", str(real_logs))
    page = open_page(model="console-2020-clone")
    assert "(training odds)" in said(page)
    assert "training odds" in json.dumps(charts(page)[2]["title"])
    assert "AWS's best, checkpoint 7" in said(page)
    assert "(training odds)" not in said(open_page(model="drfc-one-worker"))


def test_without_a_trainer_log_the_page_says_which_file_would_bring_the_entropy(real_logs, monkeypatch):
    monkeypatch.setenv("DEEPRACER_LOGS", str(real_logs))
    assert "log would bring the entropy" in said(open_page(model="drfc-one-worker"))
    assert "log would bring the entropy" not in said(open_page(model="console-2020-clone"))


def test_lines_and_window_of_the_training_chart_are_in_the_address():
    page = open_page(window="5", policy="true")
    assert_whole(page)
    assert page.number_input(key="window").value == 5
    drawn = json.dumps(charts(page))
    assert "mean of 5 iterations" in drawn and "KL divergence" in drawn
    fewer = open_page(lines="Entropy")
    assert_whole(fewer)
    assert len(charts(fewer)[3]["layer"]) < len(charts(page)[3]["layer"])


def test_the_training_chart_offers_the_lines_that_it_has_and_shows_a_few(real_logs, monkeypatch):
    monkeypatch.setenv("DEEPRACER_LOGS", str(real_logs))
    page = open_page(model="fast-but-fragile (sample)")
    few = ["Entropy", "Mean progress", "Completed laps", "Total reward, scaled"]
    pills = page.button_group(key="lines")
    assert pills.value == few and {"Least progress", "Evaluations"} < set(pills.options)
    page.selectbox(key="model").set_value("console-2022-robomaker").run()
    pills = page.button_group(key="lines")
    assert pills.value == few[1:]
    assert not {"Entropy", "Evaluations"} & set(pills.options)
    page.selectbox(key="model").set_value("fast-but-fragile (sample)").run()
    assert page.button_group(key="lines").value == few


def test_sections_that_name_two_places_refer_to_each_other():
    page = said(open_page(model="fast-but-fragile (sample)"))
    by_time, by_ends = (re.search(rf"Work on (\w+) {word}[:,]? ?", page)[1] for word in ("first", "next"))
    assert by_time != by_ends
    assert f"By where drives end early it is {by_ends}: see" in page
    assert f"In seconds it is {by_time}: see" in page
    page = said(open_page(model="planted-faults (sample)"))
    assert "Work on T4 first" in page and "Work on T4 next" in page
    assert "By where drives end early it is" not in page and "In seconds it is" not in page


def test_a_lap_has_one_time_on_the_page():
    page = open_page(model="fast-but-fragile (sample)", pair="Two laps")
    fastest = metric(page, "Fastest lap")
    assert any(option.startswith(f"{fastest}, drive ") for option in page.selectbox(key="lap_b").options)
    assert "The fastest lap takes" not in said(page)


def test_flat_out_says_on_which_straights():
    page = open_page(model="planted-faults (sample)")
    assert "Flat out (" not in said(page)
    flat_out = open_page(model="planted-faults (sample)", preset="Flat out")
    assert_whole(flat_out)
    assert re.search(r"Flat out \(2\.\d+ m/s, straight ahead\) on S\d over \d+ % of its", said(flat_out))


def test_chosen_actions_narrow_the_map_alone():
    page = open_page(model="planted-faults (sample)")
    actions = page.multiselect(key="actions")
    before = said(page), json.dumps(charts(page)[-4])
    actions.set_value(actions.options[:1]).run()
    assert_whole(page)
    assert json.dumps(charts(page)[-4]) != before[1]
    assert said(page) == before[0]
    page.selectbox(key="model").set_value("fast-but-fragile (sample)").run()
    assert_whole(page)
    assert not [m for m in page.multiselect if m.key == "actions"]


def test_unreadable_file_is_named_and_nothing_breaks():
    page = open_page()
    page.file_uploader(key="files").upload("holiday.log", b"no lap in here\n", "text/plain").run()
    assert not page.exception
    assert "holiday.log" in page.error[0].value.replace("\\", "")
    assert "SIM_TRACE_LOG" in page.error[0].value.replace("\\", "")


def test_file_names_are_shown_as_text():
    page = open_page()
    name = "<img src=x onerror=alert(1)> **bold** :material/home:.log"
    page.file_uploader(key="files").upload(name, b"nothing", "text/plain").run()
    assert "<img" not in page.error[0].value.replace("\\<", "")
    assert "**bold**" not in page.error[0].value


def test_dropped_archive_becomes_the_model(sample_logs, sample_names):
    archive = sample_logs / f"{sample_names[1]}.tar.gz"
    page = open_page()
    page.file_uploader(key="files").upload("mine.tar.gz", archive.read_bytes(), "application/gzip").run()
    assert_whole(page)
    assert page.selectbox(key="model").value == "mine.tar.gz (yours)"
    assert metric(page, "Fastest lap") == metric(
        open_page(model=f"{sample_names[1]} (sample)"), "Fastest lap"
    )


def test_trainer_log_alone_says_what_is_missing(sample_logs, sample_names):
    with tarfile.open(sample_logs / f"{sample_names[1]}.tar.gz") as archive:
        member = next(m for m in archive if "sagemaker" in m.name or "training.log" in m.name)
        data = archive.extractfile(member).read()
    page = open_page()
    page.file_uploader(key="files").upload("trainer.log", data, "text/plain").run()
    assert not page.exception
    assert "No step lines were found" in said(page)
    assert [header.value for header in page.header] == SECTIONS[-2:]


def test_wrong_track_file_is_refused_in_words():
    page = open_page()
    page.file_uploader(key="route").upload("track.npy", b"not a route", "application/octet-stream").run()
    assert not page.exception
    assert page.error


def test_track_file_that_does_not_fit_is_said():
    import numpy as np

    angle = np.linspace(0, 2 * np.pi, 60)
    ring = [np.c_[r * np.cos(angle), r * np.sin(angle)] for r in (30, 29, 31)]
    file = io.BytesIO()
    np.save(file, np.hstack(ring))
    page = open_page()
    page.file_uploader(key="route").upload("ring.npy", file.getvalue(), "application/octet-stream").run()
    assert_whole(page)
    assert "rebuilt" in said(page)


REAL = [
    ("console-2020-clone", "25.67 s", "13 of 160"),
    ("console-2022-continuous", "–", "0 of 20"),
    ("console-2022-robomaker", "8.80 s", "18 of 20"),
    ("console-2023-head-to-head", "–", "0 of 5"),
    ("console-2023-object-avoidance", "–", "0 of 100"),
    ("console-2023-sac", "–", "0 of 4"),
    ("drfc-one-worker", "12.28 s", "42 of 541"),
    ("drfc-three-workers", "12.60 s", "27 of 719"),
    ("droa-2026", "29.44 s", "32 of 580"),
    ("workshop-2019-evaluation", "19.70 s", "3 of 3"),
]


@pytest.mark.parametrize(("name", "fastest", "completed"), REAL)
def test_real_logs_give_a_whole_page(real_logs, monkeypatch, name, fastest, completed):
    monkeypatch.setenv("DEEPRACER_LOGS", str(real_logs))
    page = open_page(model=name)
    assert_whole(page)
    assert page.selectbox(key="model").value == name
    assert metric(page, "Fastest lap") == fastest
    assert metric(page, "Completed laps") == completed


def test_switch_to_evaluations(real_logs, monkeypatch):
    monkeypatch.setenv("DEEPRACER_LOGS", str(real_logs))
    page = open_page(model="droa-2026", drives="Evaluations")
    assert_whole(page)
    assert metric(page, "Completed laps") == "3 of 3"
    assert metric(page, "Fastest lap") == "28.31 s"


def open_league(**query) -> AppTest:
    """The league, once every model was read."""
    page = open_page(view="League", **query)
    for _ in range(60):
        if not page.get("progress"):
            return page
        time.sleep(1)
        page.run()
    raise AssertionError("the models were never read")


def test_the_league_has_a_row_for_each_model(sample_names):
    page = open_league()
    assert not page.exception
    assert [header.value for header in page.header] == ["How do the models compare?"]
    [table] = page.dataframe
    assert list(table.value["model"]) == [f"{name} (sample)" for name in sample_names]
    assert "win_chance" not in table.value
    assert len(set(table.value["fastest"])) == len(sample_names)


def test_the_league_tells_chances_at_a_target(sample_names):
    [table] = open_league(target="10").dataframe
    chances = dict(zip(table.value["model"], table.value["win_chance"], strict=True))
    assert chances["fast-but-fragile (sample)"] > 50 > chances["steady-and-slow (sample)"]


def test_the_league_holds_chances_against_each_other_on_one_track_alone(real_logs, sample_names, monkeypatch):
    monkeypatch.setenv("DEEPRACER_LOGS", str(real_logs))
    page = open_league(target="10")
    track = page.selectbox(key="league_track")
    most, second = track.options[:2]
    assert most == track.value == "reinvent_base, 17.7 m" and second == "harbour_loop, 23.0 m"
    [table] = page.dataframe
    # One of them names its track, the other does not.
    assert {"drfc-one-worker", "console-2020-clone"} < set(table.value["model"])
    assert "win_chance" in table.value and most in said(page)
    track.set_value("All tracks").run()
    [table] = page.dataframe
    assert "win_chance" not in table.value and {most, second} < set(table.value["track"])
    assert "Neither their lap times nor their chances" in said(page)
    page.selectbox(key="league_track").set_value(second).run()
    [table] = page.dataframe
    assert list(table.value["model"]) == [f"{name} (sample)" for name in sample_names]
    assert "win_chance" in table.value and second in said(page)


def test_the_league_names_what_cannot_be_read(tmp_path, monkeypatch):
    (tmp_path / "wrong.log").write_text("nothing that a simulator wrote")
    monkeypatch.setenv("DEEPRACER_LOGS", str(tmp_path))
    page = open_league()
    assert not page.exception
    assert "wrong:" in said(page)
    assert len(page.dataframe[0].value) == 4


def test_a_drive_is_shown_step_by_step():
    page = open_page(drive="42", step="7")
    assert not page.exception
    assert page.number_input(key="drive").value == 42 and page.slider(key="step").value == 7
    assert "Drive 42 of iteration 2" in said(page) and "Step 7 of" in said(page)
    page.slider(key="step").set_value(9).run()
    assert "Step 9 of" in said(page)


def test_the_fastest_lap_is_the_first_drive_to_look_at():
    page = open_page()
    told = re.search(r"a lap of ([\d.]+) s, the fastest of the chosen ones", said(page))
    assert f"{float(told[1]):.2f} s" == metric(page, "Fastest lap")


def test_a_drive_that_is_not_among_the_chosen_ones_is_let_go():
    page = open_page(drive="5", step="3", iterations=["10", "20"])
    assert not page.exception
    assert page.number_input(key="drive").value != 5


def test_a_drive_is_played_to_its_end():
    page = open_page()
    page.toggle(key="playing").set_value(True).run()
    first = page.slider(key="step").value
    page.run()
    assert page.slider(key="step").value == first + 3
    page.slider(key="step").set_value(page.slider(key="step").max - 1).run()
    page.run()
    assert not page.exception
    assert page.toggle(key="playing").value is False


@pytest.fixture
def two_jobs(tmp_path, sample_logs, monkeypatch):
    """Folder with a training in two halves, each of which says nothing of its origin."""
    with tarfile.open(sample_logs / "over-trained.tar.gz") as archive:
        [log] = [member for member in archive if member.name.endswith("robomaker.log")]
        lines = archive.extractfile(log).readlines()
    steps = [i for i, line in enumerate(lines) if b"SIM_TRACE_LOG" in line]
    begins = [i for i in steps if b"SIM_TRACE_LOG:360," in lines[i]]
    (tmp_path / "first.log").write_bytes(b"".join(lines[: begins[0]]))
    (tmp_path / "second.log").write_bytes(b"".join(lines[begins[0] :]))
    monkeypatch.setenv("DEEPRACER_LOGS", str(tmp_path))


def test_a_model_and_the_job_before_it_are_one_history(two_jobs):
    alone = open_page(model="second")
    page = open_page(model="second", earlier=["first"])
    assert_whole(page)
    assert not any("left out" in warning.value for warning in page.warning)
    drives = [int(metric(p, "Iterations")) for p in (open_page(model="first"), alone, page)]
    assert drives[0] + drives[1] == drives[2]
    assert any(
        dataset.name == "seams" for chart in page.get("vega_lite_chart") for dataset in chart.proto.datasets
    )


def test_only_jobs_that_a_model_can_continue_are_offered(real_logs, monkeypatch):
    monkeypatch.setenv("DEEPRACER_LOGS", str(real_logs))
    page = open_page(model="drfc-one-worker")
    # Models that were read before need not be looked for.
    for look in [button for button in page.button if button.label.startswith("Look for its origin")]:
        look.click().run()
    assert not page.exception
    # All others drove elsewhere, have other actions, or learnt by another algorithm.
    assert page.multiselect(key="earlier").options == ["drfc-three-workers"]
    afresh = open_page(model="over-trained (sample)")
    assert "Continues no other model" in said(afresh)
    assert not [box for box in afresh.multiselect if box.key == "earlier"]


def test_a_job_that_cannot_have_come_before_is_named():
    page = open_page(model="over-trained (sample)", earlier=["planted-faults (sample)"])
    assert not page.exception
    assert "planted-faults (sample) is left out" in said(page)

import re
from dataclasses import replace

import pytest

from deepracer_viz import load_run
from deepracer_viz.analysis.races import RaceFormat
from deepracer_viz.export import answer, report
from deepracer_viz.export.report import escape, reading

HOSTILE = [
    "# heading",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/x.png)",
    "<img src=x onerror=alert(1)>",
    "</td><script>alert(1)</script>",
    "a | b | c",
    "a\n\n## b\n\n- c",
    "`code` **bold** _it_ ~~no~~ $x$",
    "&lt;b&gt; &#60;i&#62;",
    "www.evil.example https://evil.example a@evil.example :smile:",
    "- item",
    "1. item",
    "=====",
    "\\[x](y)",
    "[ref]: https://evil.example",
]


def shown(markdown: str) -> str:
    """What a reader sees of escaped text: backslashes before punctuation and entities resolved."""
    text = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown)
    for entity, sign in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(entity, sign)
    return text.replace("\u200b", "")


@pytest.mark.parametrize("text", HOSTILE)
def test_escaped_text_is_shown_as_it_is_and_does_nothing(text):
    made = escape(text)
    assert shown(made) == " ".join(text.split())
    assert "\n" not in made and "<" not in made and ">" not in made
    # Whatever could act has a backslash before it.
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]|#~$]", made)
    assert not re.match(r"[-+=]|\d+[.)]\s", made)
    assert not re.search(r"www\.|://|@\w|:\w", made)


def test_figures_are_left_as_they_are():
    assert escape("11.24 s (95 % interval 10.60 to 10.83, n = 231); -0.2") == (
        "11.24 s (95 % interval 10.60 to 10.83, n = 231); -0.2"
    )


def test_what_turns_the_writing_round_is_taken_out():
    assert escape("lap\u202efdp.exe\x00\u2066") == "lapfdp.exe"


def test_the_report_has_every_question_with_its_verdict_and_a_table(answers):
    text = report(answers)
    verdicts = [
        answers.envelope.verdict,
        answers.choice.verdict,
        answers.progress.verdict,
        answers.driving,
        answers.rewards.verdict,
    ]
    parts = re.split(r"^## .*$", text, flags=re.MULTILINE)
    assert len(parts) == 7  # the head, five questions, what was read
    for part, verdict in zip(parts[1:6], verdicts, strict=True):
        assert escape(verdict) in part
        rows = [line for line in part.splitlines() if line.startswith("|")]
        assert 3 <= len(rows) <= 5
        assert len({row.replace("\\|", "").count("|") for row in rows}) == 1
    assert "nan" not in text.lower().replace("dominan", "").split()


def test_the_head_tells_model_track_range_and_numbers(run, answers):
    few = report(answer(run, iterations=(3, 9), race=RaceFormat(target=10.5)))
    assert few.startswith("# planted\\-faults\n".replace("\\-", "-"))
    drives = run.drives(iterations=(3, 9))
    assert f"iterations 3 to 9, all starts: {len(drives.episodes)} drives, {len(drives.laps)} laps" in few
    assert "10.50 s to beat" in few and "10.50" not in report(answers)


def test_dates_are_those_of_the_logs(real_logs):
    text = report(answer(load_run(real_logs / "workshop-2019-evaluation.log")))
    assert "**Date of the logs:** 2019-04-20 03.29 to 2019-04-20 03.31 UTC" in text


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_of_model_and_track_stay_text(run, answers, name):
    metadata = replace(run.metadata, world=name)
    hostile = replace(answers, run=replace(run, name=name, metadata=metadata))
    text = report(hostile)
    assert text.splitlines()[0] == f"# {escape(name)}"
    plain = report(answers)
    assert len(text.splitlines()) == len(plain.splitlines())
    assert "<" not in text


def test_what_was_skipped_is_told_and_bounded(run, answers):
    warned = replace(run.report, warnings=[f"warning {n}" for n in range(60)])
    text = report(replace(answers, run=replace(run, report=warned)))
    assert "- warning 1\n" in text and "warning 50" not in text and "more of these stand on the page" in text


def test_rows_that_were_dropped_are_not_told_to_stand_in_two_files(real_logs):
    run = load_run(real_logs / "workshop-2019-evaluation.log")
    assert reading(run.report, len(run.evaluation_steps)) == (
        "478 steps; 1 file. 2 rows of the simulator's dummy start dropped."
    )
    both = load_run(real_logs / "droa-2026.tar.gz")
    assert "since log and CSV files tell the same" in reading(
        both.report, len(both.steps) + len(both.evaluation_steps)
    )


def test_a_link_ends_where_it_ends(answers):
    text = report(answers, "http://host/?model=a b>\n# c")
    assert text.splitlines()[-1] == "The same view: <http://host/?model=a%20b%3E%0A#%20c>"


@pytest.mark.parametrize(
    "source",
    [
        "workshop-2019-evaluation.log",
        "console-2020-clone",
        "console-2022-robomaker.log",
        "droa-2026.tar.gz",
        "drfc-three-workers",
        "console-2023-sac.tar.gz",
    ],
)
def test_real_logs_give_a_whole_report(real_logs, source):
    run = load_run(real_logs / source)
    for evaluations in {run.episodes.empty, len(run.evaluation_episodes) > 0}:
        text = report(answer(run, evaluations=evaluations))
        assert len(re.findall(r"^## ", text, flags=re.MULTILINE)) == 6
        assert "nan" not in text.lower().replace("dominan", "").split() and not re.search(
            r"\bNone\b(?! of)", text
        )


def test_a_choice_without_drives_has_a_report(run):
    text = report(answer(run, iterations=(900, 901)))
    assert "0 drives, 0 laps, 0 steps" in text
    assert "No steps were traced for these drives" in text

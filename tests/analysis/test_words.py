import pytest

from deepracer_viz.analysis.words import counted, listed, percent


def test_a_number_has_its_noun_in_the_plural_where_it_belongs():
    assert counted(1, "file") == "1 file"
    assert counted(1200, "file") == "1,200 files"
    assert counted(0, "pass") == "0 passes"


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0, "0 %"),
        (0.001, "under 1 %"),
        (0.005, "under 1 %"),
        (0.25, "25 %"),
        (0.996, "over 99 %"),
        (1, "100 %"),
    ],
)
def test_a_share_is_never_rounded_to_a_certainty_it_is_not(share, said):
    assert percent(share) == said


def test_names_one_after_the_other():
    assert listed(["T1"]) == "T1"
    assert listed(["T1", "T2", "T3"]) == "T1, T2 and T3"

import pytest

from deepracer_viz.analysis.words import counted, listed, percent, percent_within


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


@pytest.mark.parametrize(
    ("share", "low", "high", "said"),
    [
        (0.5, 0.4, 0.6, "50 % (40 % to 60 %)"),
        (0.984, 0.978, 0.998, "98.4 % (97.8 % to 99.8 %)"),
        (0.0, 0.0, 0.05, "0 % (0 % to 5 %)"),
        (1.0, 1.0, 1.0, "100 %"),
        (0.99999, 0.9999, 1.0, "over 99.9 % (over 99.9 % to 100.0 %)"),
        (float("nan"), float("nan"), float("nan"), "–"),
    ],
)
def test_a_bound_does_not_read_like_the_share_if_a_decimal_tells_them_apart(share, low, high, said):
    assert percent_within(share, low, high) == said

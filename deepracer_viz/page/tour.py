"""What to look at in each section, for who sees the page for the first time."""

import streamlit as st

from deepracer_viz.page.glossary import about
from deepracer_viz.page.stage import presenting

_TOUR = {
    "model": (
        "This is one model and what its training came to. **Fastest lap** is the best it ever did, **mean "
        "lap** what it usually does, and **completed laps** how often it gets round at all. Point at a "
        "question mark to have a word explained."
    ),
    "envelope": (
        "Each bar counts laps: the further left, the faster. Look where the hill stands and how wide it is. "
        "A narrow hill is a model that drives the same lap every time; a lap far to the left shows what it "
        "could do on a good day."
    ),
    "checkpoints": (
        "While it trains, the model is saved again and again; each saved state is a **checkpoint**, and you "
        "send one of them to the race. In the right picture look for a dot that is far left (fast) and high "
        "up (gets round often). The first row of the table is the one to send."
    ),
    "convergence": (
        "From left to right the training goes on. **Progress** (green) should rise: the car gets further "
        "round the track. **Entropy** (purple) should fall: the model makes up its mind. When both stay "
        "level, more training of this kind brings nothing new."
    ),
    "driving": (
        "The bars show in which part of the track a typical lap loses time on a fast one; the verdict and the "
        "table name where even the fast laps could be faster, so begin there. On the "
        "map the car is slow where it is orange and fast where it is blue. The table says what goes wrong "
        "there and what to try."
    ),
    "rewards": (
        "The **reward** is the points that your function gives the car for its driving. Light places on the "
        "map pay well, dark ones badly, and crosses mark where drives ended early. Begin with the turn that "
        "the verdict names."
    ),
    "lap": (
        "This is a single drive. Move the step slider, or let it play, and watch the car on the map and its "
        "speed and steering at the same moment. The dashed line is the fastest lap, to compare with."
    ),
    "take": (
        "Everything on this page can be kept: the tables for your own notebook or spreadsheet, the charts, a "
        "report to send around, and a link that opens the same view again."
    ),
    "league": (
        "Each row is a model. Sort by a heading to see who is fastest, who gets round most often and who "
        "has the best chance in the race; choose a row to look at that model alone."
    ),
    "compared envelope": (
        "One outline for each model: the further left, the faster its laps. The verdict says who would beat "
        "whom, counting the drives that never finish as well."
    ),
    "compared checkpoints": (
        "The further right a mark, the better that model's chance. Long lines mean that there are too few "
        "drives to be sure."
    ),
    "compared convergence": (
        "The training goes on from left to right. A line of **progress** that rises earlier belongs to a "
        "model that learns faster; the one that ends higher gets further round the track."
    ),
    "compared driving": (
        "The first model is the straight line at zero. Where another line rises it is slower there, where "
        "it falls it is faster."
    ),
    "compared rewards": (
        "Light places pay well by a model's own reward function. Below, a low mark is a model that drives "
        "the same line every time, which is easier to make fast."
    ),
}


def choose(first_visit: bool) -> None:
    """Let the visitor turn the explanations on or off, in the sidebar.

    Parameters
    ----------
    first_visit : bool
        Nobody brought logs yet: they are on until somebody turns them off.
    """
    st.toggle(
        "Explain",
        value=first_visit,
        key="explain",
        bind="query-params",
        help=about("run", "iteration", "checkpoint", "episode", "lap", "step", more="Says what to look at."),
    )


def explain(section: str) -> None:
    """Say what to look at in a section, if the visitor wants to be told."""
    # A room has somebody who explains.
    if st.session_state.get("explain") and not presenting():
        st.info(_TOUR[section], icon=":material/lightbulb:")

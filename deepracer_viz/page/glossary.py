"""The words of this page, each explained once."""

WORDS = {
    "median": "The middle one: half of the laps are faster, half are slower.",
    "run": "One training job of one model, from its start to its end.",
    "iteration": (
        "One round of training: the car drives a number of attempts, then the model learns from them. "
        "Counted from 0."
    ),
    "checkpoint": "The model as it was saved after an iteration. Any of them can be sent to a race.",
    "episode": "One attempt to drive round the track, finished or not. The page also calls it a drive.",
    "lap": "A drive that came all the way round.",
    "step": "One look of the camera and one action after it, about 15 times a second.",
    "waypoint": "A numbered point on the middle line of the track. They are counted from the start line on.",
    "section": (
        "A part of the track: a corner (T1, T2, ...) or a straight (S1, S2, ...), counted from the start "
        "line."
    ),
    "action": (
        "One pair of steering angle and speed. All that a model may choose from are its action space: a list, or a "
        "range of both."
    ),
    "progress": "How far round the track a drive came; 100 % is a lap.",
    "entropy": (
        "How undecided the model is: high while it still tries everything, low when it is sure of what to do."
    ),
    "evaluation": (
        "A drive in which the model tries nothing out: it takes its favourite action each time, as in a race."
    ),
    "exploration": (
        "Trying things out: in training the model draws its actions at random, its favourites more often than others."
    ),
    "clone": "A new training that goes on from a saved model instead of from nothing.",
    "learning rate": "How much the model changes in each round of training. A lower one is slower, and safer.",
    "hyperparameters": (
        "The settings of the training, chosen before it begins: learning rate, drives in a round, and more."
    ),
    "training odds": (
        "Chances worked out from training drives alone. A race goes otherwise, and how much is then not known of this "
        "model: the order is a good guess, the percentages are a rough one."
    ),
    "completion": "The share of all drives that came all the way round.",
    "interval": (
        "The drives seen are only a sample. The true value lies in this range in 95 (or 90) of 100 cases; "
        "few drives make it wide."
    ),
    "reward": (
        "Points that the reward function gives after every step. The model learns to collect many of them."
    ),
    "SD": (
        "Standard deviation: how far a typical lap lies from the mean. About two laps in three lie within "
        "one SD."
    ),
}
"""What a word means, in words that everybody knows."""


def about(*words: str, more: str = "") -> str:
    """Return the explanation of words, to be read on hover.

    Parameters
    ----------
    *words : str
        Keys of `WORDS`.
    more : str
        What else is to be said.

    Returns
    -------
    str
        Markdown.

    Raises
    ------
    KeyError
        When a word is not in the list.
    """
    told = [f"**{word[0].upper()}{word[1:]}**: {WORDS[word]}" for word in words]
    return "\n\n".join([*([more] if more else []), *told])

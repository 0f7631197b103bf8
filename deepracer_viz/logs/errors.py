"""The one error a reader raises for input it can make nothing of."""


class LogError(ValueError):
    """Nothing usable was found in the given files; the message says what was looked for and what to do."""

"""Numbers in the words of a verdict."""

import math


def counted(n: int, what: str) -> str:
    """Write a number with its noun, in the plural where it belongs."""
    plural = f"{what}es" if what.endswith("s") else f"{what}s"
    return f"{n:,} {what if n == 1 else plural}"


def percent(share: float, digits: int = 0) -> str:
    """Write a share in percent, never rounded to a certainty it is not."""
    least = 10.0**-digits
    if 0 < 100 * share <= least / 2:
        return f"under {least:.{digits}f} %"
    if 100 - least / 2 <= 100 * share < 100:
        return f"over {100 - least:.{digits}f} %"
    return f"{100 * share:.{digits}f} %"


def percent_within(share: float, low: float, high: float) -> str:
    """Write a share with its interval, to one decimal where a bound would read like the share; a dash without one."""
    if math.isnan(share):
        return "–"
    for digits in (0, 1):
        words = [percent(value, digits) for value in (share, low, high)]
        if all(
            word != words[0] or value == share for word, value in zip(words[1:], (low, high), strict=True)
        ):
            break
    return words[0] if len(set(words)) == 1 else f"{words[0]} ({words[1]} to {words[2]})"


def listed(names: list[str]) -> str:
    """Write names one after the other, "and" before the last."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)

"""Numbers in the words of a verdict."""


def counted(n: int, what: str) -> str:
    """Write a number with its noun, in the plural where it belongs."""
    plural = f"{what}es" if what.endswith("s") else f"{what}s"
    return f"{n:,} {what if n == 1 else plural}"


def percent(share: float) -> str:
    """Write a share in percent, never rounded to a certainty it is not."""
    if 0 < share <= 0.005:
        return "under 1 %"
    if 0.995 <= share < 1:
        return "over 99 %"
    return f"{100 * share:.0f} %"


def listed(names: list[str]) -> str:
    """Write names one after the other, "and" before the last."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)

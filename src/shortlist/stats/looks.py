"""Looks at a run that is not over: when they are taken, and how they share the error.

Bonferroni over the looks, with shares that grow: it holds for any test, any number of rounds and candidates, and
however the looks hang together. Bounds from Brownian motion (O'Brien and Fleming; Lan and DeMets) assume more than
three rounds can give.
"""

MOST_LOOKS = 5
_GROWTH = 5
"""Each look spends so many times what the one before it spent, so that the last keeps four fifths of the error."""


def looks_after(rounds: int, most: int = MOST_LOOKS) -> tuple[int, ...]:
    """The rounds after which a race is looked at: the first, the last, and others evenly between; each once."""
    count = min(rounds, most)
    if count < 2:
        return (rounds,)
    return tuple(1 + round(n * (rounds - 1) / (count - 1)) for n in range(count))


def error_shares(looks: int, growth: float = _GROWTH) -> tuple[float, ...]:
    """The share of the error for each look, from the first; they add up to one."""
    weights = [growth**n for n in range(looks)]
    return tuple(weight / sum(weights) for weight in weights)

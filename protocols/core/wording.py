"""Names in a sentence."""

from collections.abc import Iterable

MOST_NAMES = 12


def listed(names: Iterable[str]) -> str:
    """The names as a sentence has them; of many, the first and how many they are.

    >>> listed(["age"]), listed(["age", "sex", "grade"])
    ('age', 'age, sex and grade')
    """
    every = list(names)
    if len(every) > MOST_NAMES:
        return f"{', '.join(every[:MOST_NAMES])} and {len(every) - MOST_NAMES} more"
    return " and ".join([part for part in (", ".join(every[:-1]), *every[-1:]) if part])

"""A search that the sites make, each for itself: the center carries sums that it cannot open.

A penalty with corners is least at coefficients of 0, and says so in no other basis than its own, so there is
no secret basis for it. But sites conduct: each joins the sums itself and knows where the search goes on. So
the sum is sealed with a key that they share and the center lacks (`secure_sum.sealed`), the question bears no
coefficients, and the center hears what all sites say alike when they have come to an end.

The sites of a run hold coefficients and totals together, which the secret basis of a climb avoids.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from protocols.core.disclosure import Array
from protocols.core.errors import ShadowgraphError, StudyError
from protocols.core.protocol import Arrays, Ask, Coordination, Total
from protocols.core.secret import ENDED


class Sealed:
    """One copy of a search.

    Args:
        search: asks and hears as any coordination does, and returns the arrays found.
        steps: in their turn, those that it asks, again and again.
        common: the arrays of their questions that everybody knows.
    """

    def __init__(
        self, search: Coordination[Arrays], steps: Sequence[str], common: Mapping[str, Array]
    ) -> None:
        self._search, self._steps, self._common = search, steps, common
        self._asked = 0
        self._now: Ask | None = None  # at a site: what the search wants to know
        self._found: Arrays | ShadowgraphError | None = None

    def ask(self) -> Ask:
        """The question of the next round."""
        step = self._steps[self._asked % len(self._steps)]
        self._asked += 1
        return Ask(step, dict(self._common), secret="sealed", search=self)

    @property
    def ended(self) -> bool:
        """Whether this site's copy has come to an end."""
        return self._found is not None

    def asked(self) -> Arrays:
        """The arguments of its step that the sites alone know."""
        if self._now is None:
            self._go_on(None)
        assert self._now is not None
        return {name: array for name, array in self._now.arrays.items() if name not in self._common}

    def hear(self, answer: Total | StudyError) -> None:
        """Goes on at a site by a joined answer, or the error that it is."""
        if self._now is None:
            self._go_on(None)
        self._go_on(answer)

    def found(self) -> Arrays:
        """What every site says alike at the end.

        Raises:
            ShadowgraphError: that with which the search ended.
        """
        if isinstance(self._found, ShadowgraphError):
            raise self._found
        return {**(self._found or {}), ENDED: np.array(1)}

    def _go_on(self, answer: Total | StudyError | None) -> None:
        try:
            if isinstance(answer, StudyError):
                asked = self._search.throw(answer)
            else:
                asked = self._search.send(answer)
        except StopIteration as done:
            self._found = done.value
        except ShadowgraphError as error:
            self._found = error
        else:
            assert isinstance(asked, Ask)
            self._now = asked


def searched(
    search: Coordination[Arrays], steps: Sequence[str], common: Mapping[str, Array]
) -> Coordination[Arrays]:
    """What the sites found by a search of their own; see `Sealed`.

    Raises:
        StudyError: with the code of that with which the search ended.
    """
    sealed = Sealed(search, steps, common)
    while ENDED not in (said := (yield sealed.ask())):
        pass
    found: Arrays = said
    return found

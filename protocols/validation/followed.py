"""Models of survival on the people who were held out: their follow-up, scores and risks, fold by fold."""

from collections.abc import Iterator, Mapping

import numpy as np

from protocols.core.disclosure import Array
from protocols.core.protocol import Arrays
from protocols.core.roles import PredictsSurvival, risks
from protocols.core.table import AnalysisTable, Floats, Integers
from protocols.survival.life_table import FollowUp, follow_up, known_follow_up
from protocols.validation.out_of_fold import Part, Validated, smallest_inner_fold, tested


class ValidatedSurvival(Validated):
    """What is validated, where all models predict survival of one outcome on one grid."""

    def fitted_models(self) -> Mapping[Part, PredictsSurvival]:
        raise NotImplementedError

    def one(self) -> PredictsSurvival:
        """Any of the models, for what they share."""
        return next(iter(self.fitted_models().values()))

    def edges(self) -> Floats:
        """(bins + 1,) the edges of the models' grid."""
        return self.one().edges()


def fewer_of_both(spec: ValidatedSurvival, table: AnalysisTable) -> Arrays:
    """The people with or without the event here, the fewer of both: whether this site can be left out."""
    model = spec.one()
    known = known_follow_up(table, model.outcome_name(), model.entry_name())
    event = follow_up(known, model.outcome_name()).event
    return {"smaller": np.array(min(event.sum(), (~event).sum(), smallest_inner_fold(spec, known)))}


def followed_by_fold(
    spec: ValidatedSurvival, table: AnalysisTable, folds: Integers, fits: Mapping[str, Array], at: Integers
) -> Iterator[tuple[FollowUp, Floats, Floats]]:
    """For each fold the people here with a known follow-up whom its models never saw.

    Of n people and m models: their follow-up, (m, n) scores and (m, n, T) chances of the event by the ends
    of the (T,) intervals `at`; NaN where a model cannot tell.
    """
    outcome, entry = spec.one().outcome_name(), spec.one().entry_name()
    for people, found in tested(spec, table, folds, fits):
        part = known_follow_up(people, outcome, entry)
        both = [risks(model, part, at, found[where]) for where, model in spec.fitted_models().items()]
        scores, chances = (np.array(several) for several in zip(*both, strict=True))
        yield follow_up(part, outcome, entry), scores, chances

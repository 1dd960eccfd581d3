"""What a study knows of itself, as the items of a reporting checklist ask for it."""

from dataclasses import dataclass

from cdm.cohorts.cohort import AtlasCohort
from protocols.core.disclosure import SUPPRESSED
from protocols.core.lockstep import Failure
from protocols.core.roles import PredictsProbability, PredictsSurvival
from protocols.core.spec import specs_in
from protocols.core.study import Study
from protocols.core.wording import listed
from protocols.describe.attrition import AttritionResult
from protocols.describe.summary import SummaryResult
from protocols.exchange.rounds import Outcome
from server.report.sections import shown_title

NOT_STATED = "not stated"
FILLS = frozenset({"impute", "multiple_imputation"})


@dataclass(frozen=True)
class Known:
    """A study and what came of it, as the items of a checklist ask for them."""

    study: Study
    outcome: Outcome

    def titles(self, protocols: frozenset[str]) -> str:
        """The analyses of these protocols that succeeded, by their titles; empty if there are none."""
        return listed(
            f"“{shown_title(a)}”"
            for a in self.study.analyses
            if a.spec.protocol in protocols and not isinstance(self.outcome.results[a.name], Failure)
        )

    def cohort(self) -> str:
        """The rules by which people were selected, by their names."""
        cohort = self.study.cohort
        if isinstance(cohort, AtlasCohort):
            return "An ATLAS cohort definition, under “The question”"
        rules = listed(rule.name for rule in cohort.rules)
        return "The index event" + (f" and the rules {rules}" if rules else "") + ", under “The question”"

    def outcomes(self) -> str:
        """The variables that analyses name as their outcome."""
        named = [spec.outcome_name() for spec in self._models()]
        survival = [name for name, v in self.study.variables.items() if v.kind == "survival"]
        return listed(dict.fromkeys([*named, *survival]))

    def _models(self) -> list[PredictsProbability | PredictsSurvival]:
        every = [spec for a in self.study.analyses for spec in specs_in(a.spec)]
        return [spec for spec in every if isinstance(spec, PredictsProbability | PredictsSurvival)]

    def people(self) -> str:
        """The people of the cohort over all hospitals, as far as a result counts them."""
        for found in self.outcome.results.values():
            if isinstance(found, AttritionResult):
                return _people(int(found.total[-1]))
            if isinstance(found, SummaryResult) and found.groups == ("all",):
                return _people(int(found.total.people[0]))
        return ""

    def missing(self) -> str:
        """What was done about missing values."""
        filled = self.titles(FILLS)
        return f"Filled by {filled}" if filled else "By each analysis, under “Methods”"


def _people(count: int) -> str:
    return "" if count == SUPPRESSED else f"{count} people in the cohort"

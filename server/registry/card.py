"""A model's card: what it predicts from what, who is in it, how good it is, and what it tells of them.

All of it is read from one run's study and result. How good a model is, and whether its members can be found,
are analyses of the same study on the same model; a card without them says so.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from protocols.core.errors import Code, InputError
from protocols.core.protocol import Spec, protocol, specs_in
from protocols.core.roles import Predicts, PredictsLevels, PredictsProbability, PredictsSurvival
from protocols.core.study import Study
from protocols.results.reading import read_result
from protocols.validation.model_risk import ModelRiskResult

JUDGES = (
    *("discrimination", "decision_curve", "survival_decision_curve", "survival_validation"),
    *("model_risk", "influence"),
)
"""Protocols that judge a model which stands inside their spec."""


@dataclass(frozen=True)
class Card:
    """What one should know before one uses a model.

    Attributes:
        predicts: what it gives: a probability, a survival curve, levels, or a number.
        spec: of its analysis, as the study has it.
        cohort: who is in the study, step by step.
        sites: that were in the run.
        people: on whom it was fitted; None where its result does not say.
        judged_by: the study's analyses of this model that have a result.
        found: attack -> share of the members whom it finds; empty where nobody attacked the model.
        allowed: of these, and of guessed findings, by the study.
    """

    study: str
    study_hash: str
    run: str
    analysis: str
    protocol: str
    predicts: str
    spec: Mapping[str, Any]
    cohort: tuple[str, ...]
    purpose: str
    requester: str
    sites: tuple[str, ...]
    people: int | None
    judged_by: tuple[str, ...]
    found: Mapping[str, float]
    allowed: float | None
    gain: float
    allowed_gain: float | None

    def objections(self) -> tuple[str, ...]:
        """Why it may not be released; empty where nothing stands against it."""
        if not self.found:
            if self.predicts == PROBABILITY:
                return ("nobody attacked it: add a `model_risk` analysis of this model to the study",)
            return ()  # the attacks that are known here are on probabilities
        said = [
            f"the attack by {name} finds {share:.1%} of its people, where the study allows {self.allowed:.0%}"
            for name, share in self.found.items()
            if self.allowed is not None and share > self.allowed
        ]
        if self.allowed_gain is not None and self.gain > self.allowed_gain:
            said.append(f"findings of its people are guessed {self.gain:.1%} oftener than of others")
        return tuple(said)


PROBABILITY = "a probability"
_GIVES: tuple[tuple[type, str], ...] = (
    (PredictsProbability, PROBABILITY),
    (PredictsSurvival, "a survival curve"),
    (PredictsLevels, "the probability of each level"),
    (Predicts, "a number"),
)


def is_model(protocol_name: str) -> bool:
    """Whether results of a protocol are models, which can be registered."""
    roles = tuple(role for role, _ in _GIVES)
    return protocol_name not in JUDGES and issubclass(protocol(protocol_name).spec_type, roles)


def card(study: Study, run: str, analysis: str, results: Mapping[str, Any], sites: tuple[str, ...]) -> Card:
    """The card of a study's analysis.

    Args:
        results: analysis -> protocol with result or failure, as a center keeps them.

    Raises:
        InputError: not-found; the study has no such analysis, it has no result, or it predicts nothing.
    """
    data = results.get(analysis)
    if data is None or "failure" in data:
        raise InputError(Code.NOT_FOUND, f"the study found no result for {analysis!r}")
    spec = study.spec(analysis)
    gives = next((words for role, words in _GIVES if isinstance(spec, role)), None)
    if gives is None or spec.protocol in JUDGES:
        raise InputError(Code.INVALID_INPUT, f"{spec.protocol} is not a model: it predicts nothing")
    judges = _judges(study, spec, results)
    attacks = [
        read_result("model_risk", results[name]["result"]) for name, word in judges if word == "model_risk"
    ]
    attack = next((one for one in attacks if isinstance(one, ModelRiskResult)), None)
    asked = study.requester
    return Card(
        study=study.name,
        study_hash=study.hash(),
        run=run,
        analysis=analysis,
        protocol=spec.protocol,
        predicts=gives,
        spec=json.loads(spec.model_dump_json(by_alias=True)),
        cohort=tuple(study.cohort.steps()),
        purpose=study.purpose,
        requester="" if asked is None else f"{asked.name}, {asked.institution}",
        sites=sites,
        people=_people(data["result"]),
        judged_by=tuple(name for name, _ in judges),
        found={} if attack is None else dict(attack.found),
        allowed=None if attack is None else attack.most,
        gain=0.0 if attack is None else attack.gain,
        allowed_gain=None if attack is None else attack.most_gain,
    )


def _judges(study: Study, model: Spec, results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(name, protocol) of the analyses with a result that judge this very model."""
    return [
        (one.name, one.spec.protocol)
        for one in study.analyses
        if one.spec.protocol in JUDGES
        and any(inner == model for inner in specs_in(one.spec))
        and "failure" not in results.get(one.name, {"failure": None})
    ]


def _people(result: Mapping[str, Any]) -> int | None:
    n = result.get("n")
    return n if isinstance(n, int) else None

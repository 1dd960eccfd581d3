"""What people read of the inbox."""

from collections.abc import Mapping
from typing import Any

from protocols.core.study import Requester
from protocols.core.study_words import index_words, rule_words, variable_words, window_words
from site_node.actions.inbox import Decision, Inbox, Sealing, StandingApprovals, StudyView
from site_node.agent.published_before import PublishedBefore
from site_node.agent.simulation import Simulation

Row = dict[str, Any]


def listed(inbox: Inbox) -> Row:
    """One row per study."""
    rows = [
        {
            "name": one.name,
            "title": one.title,
            "state": "passed" if one.passed else str(one.state),
            "answers": one.answers,
            "received": one.received_at.isoformat()[:16],
            "hash": one.hash[:16],
        }
        for one in inbox.studies
    ]
    more = f"{inbox.passed} passed under standing approvals; --all lists them" if inbox.passed else ""
    return {"studies": rows, **({"more": more} if more else {})}


def study(view: StudyView) -> Row:
    """A study in words for the person who decides."""
    return {
        "title": view.title,
        "who asks": _requester(view.requester),
        "purpose": view.purpose,
        "state": str(view.state),
        "cohort": _cohort(view.cohort),
        "variables": {name: _in_words(variable) for name, variable in view.variables.items()},
        **({"blocks": {name: _block(block) for name, block in view.blocks.items()}} if view.blocks else {}),
        "what would leave": list(view.leaves),
        "sites at least": view.min_sites,
        "floors": dict(view.floors),
        "digits of results": view.digits,
        "numbers published": _numbers(view),
        "published before": _before(view.published, view.name),
        "hash": view.hash,
        "sealed cohort": _sealed(view.sealing),
        "this site's policy": list(view.faults) or "admits it",
    }


def _numbers(view: StudyView) -> str:
    """How many people here it takes for so many numbers."""
    if not view.people_needed:
        return "not limited, since results bear all digits"
    return (
        f"{view.numbers_per_person:g} a person at most, over all studies: enough for all of it where each of "
        f"{view.min_sites} sites has {view.people_needed} people about whom nothing left before"
    )


def _before(found: PublishedBefore | None, study: str = "STUDY") -> str:
    """What was published before about these people, and how much of what is allowed the study adds."""
    if found is None:
        return f"not counted yet: shadowgraph inbox simulate {study}"
    told = "not told, too few people" if found.before is None else f"at most {found.before:g}"
    allowed = "" if found.allowed is None else f", of {found.allowed:g} allowed"
    lost = f"; no part in {', '.join(found.unanswered)}" if found.unanswered else ""
    return f"{told} a person here; this study adds at most {found.adds:g}{allowed}{lost}"


def _requester(who: Requester | None) -> str:
    if who is None:
        return "not said"
    funded = f"; paid by {who.funding}" if who.funding else ""
    return f"{who.name}, {who.institution}; ethics: {who.ethics}{funded}"


def simulation(found: Simulation) -> Row:
    """What a study finds here."""
    return {
        "people in the cohort": found.people,
        "attrition": [{"rule": one.rule, "people": one.people} for one in found.attrition],
        "missing values": dict(found.missing),
        "doubts": [vars(one) for one in found.doubts],
        "people in doubt": {
            name: f"{people} of {found.people} ({100 * people / found.people:.1f} %)"
            for name, people in found.in_doubt.items()
        },
        "analyses": {
            name: "ok" if code is None else f"could not be answered here alone: {code}"
            for name, code in found.analyses.items()
        },
        "published before": _before(found.published),
    }


def decision(made: Decision) -> Row:
    """A decision about one study, and whom it sealed."""
    said: Row = {"study": made.study, "state": str(made.state), "hash": made.hash}
    if made.sealing is not None:
        said |= {"days": made.days, "people": made.sealing.people, "sealed cohort": made.sealing.sha256}
    return said


def standing(given: StandingApprovals) -> list[Row]:
    """One row per protocol."""
    return [
        {
            "protocol": one.protocol,
            "studies so far": f"{one.studies_so_far} of {one.max_studies}",
            "variables": f"at most {one.max_variables}",
            "epsilon": "any study" if one.max_epsilon is None else f"at most {one.max_epsilon:g}",
            "until": one.expires_at.isoformat(),
            "by": one.by,
        }
        for one in given.approvals
    ]


def _cohort(cohort: Mapping[str, Any]) -> Row:
    """Each rule in words; ATLAS has words of its own."""
    if "index" not in cohort:
        return dict(cohort)
    return {
        "index event": str(index_words(cohort["index"])),
        **{one["name"]: str(rule_words(one)) for one in cohort["rules"]},
    }


def _in_words(variable: Mapping[str, Any]) -> str:
    """A variable by its standard, with what else the study says of it."""
    told = ", ".join(
        f"{name} {_said(value)}"
        for name, value in variable.items()
        if name in ("unit", "pick", "comparator", "values", "changing", "origin", "filter", "by", "is")
        and value not in (None, "", [], "none", "somatic")
    )
    return ", ".join(filter(None, (str(variable_words(variable)), str(window_words(variable) or ""), told)))


def _said(value: object) -> str:
    return " and ".join(map(str, value)) if isinstance(value, list) else str(value)


def _variable(variable: Mapping[str, object]) -> str:
    rest = ", ".join(f"{k} {v}" for k, v in variable.items() if k not in ("kind", "window") and v is not None)
    return f"{variable['kind']}" + (f" ({rest})" if rest else "")


def _block(block: Mapping[str, Any]) -> str:
    """A block in words: its rule, how many names that is, and the list's hash as far as one compares it."""
    axis, rule = block["axis"], {name: one for name, one in block.items() if name != "axis"}
    return f"{_variable(rule)}: {axis['size']} names of the public list {axis['sha256'][:16]}"


def _sealed(sealing: Sealing | None) -> Row:
    if sealing is None:
        return {"state": "sealed when the study is approved"}
    return {
        "sealed": sealing.sealed_at.isoformat()[:16],
        "people": sealing.people,
        "attrition": dict(sealing.attrition),
        "sha256": sealing.sha256,
    }

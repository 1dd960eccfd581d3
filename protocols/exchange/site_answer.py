"""The site's half of a round, as pure mathematics: from a study, a table and a question to what may leave.

The agent stands around it with signatures, approvals, policy, ledger and audit.
"""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from protocols.core import privacy
from protocols.core.complete_cases import people_of_set
from protocols.core.disclosure import Moment, Release, Thresholds, agreed, release, turned
from protocols.core.errors import Code, ShadowgraphError, SiteError, SpecError
from protocols.core.exclusive import at_most_one
from protocols.core.numbers_published import tells_people_apart
from protocols.core.people_in_effect import has_rare_entries
from protocols.core.privacy import MayBePrivate
from protocols.core.protocol import Arrays, Ask, Climb, Search, SiteStep, Spec, Transform, protocol
from protocols.core.ranges import within_ranges
from protocols.core.roles import transformed
from protocols.core.secret import Turn
from protocols.core.study import Study
from protocols.core.table import EVERYBODY, AnalysisTable
from protocols.exchange.envelope import digest, pack
from protocols.exchange.keyed_draws import normal


@dataclass(frozen=True)
class Shared:
    """What the sites of a run know beside a question and the center does not, and what they agreed on.

    Attributes:
        turn: how the answer to the question is turned, where it is one of a climb.
        contributors: the sites with enough people for the analysis; None where no site has said so.
        full: whether this site lets the result bear all its digits.
        seal: the key of a sum that the sites alone open.
    """

    turn: Callable[[Climb], Turn] = lambda climb: Turn.none(climb.size, climb.factors)
    contributors: Sequence[str] | None = None
    full: bool = True
    seal: bytes = bytes(32)


_MOST_KEPT = 2**24
"""Numbers in the tables that are kept of one for its questions: 128 MiB."""


def people_of(study: Study, analysis: str, table: AnalysisTable) -> int:
    """How many people of a site's table an analysis is about: those with a value of all that it stands on.

    What a harmonization before it may fill counts as there. Where each entry has a count of its own, those
    with the variable that most have.
    """
    spec = study.analysis(analysis).spec
    complete = complete_in(study, analysis, table)
    if spec.stands_on():
        return len(complete)
    named = [name for name in (*table.columns, *table.labels) if name.split(".")[0] in spec.variables()]
    return max((len(complete.complete([name])) for name in named), default=len(complete))


def complete_in(study: Study, analysis: str, table: AnalysisTable) -> AnalysisTable:
    """The table of the people who have a value of all that an analysis stands on, short of what is filled."""
    table = people_in(study, analysis, table)
    of = study.analysis(analysis)
    before = [study.analysis(name).spec for name in of.after]
    filled = {name for spec in before for name in {*spec.variables()} - {*spec.stands_on()}}
    needed = {*of.spec.stands_on()} - filled
    return table.complete([n for n in (*table.columns, *table.labels) if n.split(".")[0] in needed])


def people_in(study: Study, analysis: str, table: AnalysisTable) -> AnalysisTable:
    """The table of the people about whom an analysis is, short of its own complete cases."""
    study.analysis(analysis)
    table = at_most_one(within_ranges(table, study.ranges), study.exclusive)
    return people_of_set(table, study.people_with[analysis], study.thresholds.min_count_in_sum)


def answer(
    study: Study, table: AnalysisTable, question: Ask, thresholds: Thresholds, shared: Shared = Shared()
) -> Release:
    """What this site may say to one question, which bears this site's copy of its climb.

    Raises:
        SpecError: the question is not one of this study's.
        SiteError: the gate withheld it.
    """
    spec = study.spec(question.analysis, question.part)
    analysis = protocol(spec.protocol)
    if question.step not in analysis.steps:
        raise SpecError(Code.UNKNOWN_STEP, f"protocol {spec.protocol!r} has no step {question.step!r}")
    step = analysis.steps[question.step]
    _check_way(spec, step, question)
    if question.secret == "close":
        return agreed(_climb(question).agreed(question.arrays))
    if question.secret == "climb":
        question = replace(question, arrays={**question.arrays, **_climb(question).asked()})
    elif question.secret == "sealed":
        search = _search(question)
        if search.ended:
            return agreed(search.found())
        question = replace(question, arrays={**question.arrays, **search.asked()})
    step.check_question(question.arrays.keys())
    _check_rows(study, question)
    thresholds = thresholds.stricter(study.thresholds)
    contributors = shared.contributors
    few_contribute = contributors is not None and len(contributors) < thresholds.min_sites_in_sum
    if few_contribute and not step.clear(spec):
        raise SiteError(
            Code.WITHHELD, "too few sites have people for this analysis to hide each other in a sum"
        )
    table = people_in(study, question.analysis, table)
    _refuse_isolation(table, question, thresholds)
    table = asked_table(study, table, question)
    if question.per_site:
        _refuse_rare_entries(step, spec, table, thresholds)
    passed = release(
        step.declares,
        _with_noise(spec, table, question, _said(step, spec, table, question)),
        axes=analysis.sizes(spec, question.arrays),
        people=len(table),
        way="clear" if question.per_site else "sum",
        thresholds=thresholds,
        few_contribute=few_contribute and not question.per_site,
    )
    if question.secret != "climb":
        return passed
    climb, axes = _climb(question), {name: declared.axes for name, declared in step.declares.items()}
    arrays = passed.arrays
    if not shared.full:
        key = hmac.digest(table.secret, _what_is_asked(spec, question, table), "sha256")
        arrays = climb.dithered(arrays, partial(normal, key))
    return turned(passed, climb.turned(arrays, axes, shared.turn(climb)))


def _what_is_asked(spec: Spec, question: Ask, table: AnalysisTable) -> bytes:
    """What a question is by, however its study is called: model, rows, and the people in it."""
    asked = {"spec": spec.model_dump(mode="json"), "step": question.step, "rows": question.rows.model_dump()}
    return pack({**asked, "people": np.sort(table.persons)})


def _with_noise(spec: Spec, table: AnalysisTable, question: Ask, arrays: Arrays) -> Arrays:
    """The arrays of an analysis with privacy, each with this site's share of the noise; others as they are.

    The same question about the same people and values has the same noise, and no other has.
    """
    if question.step != privacy.STEP or not isinstance(spec, MayBePrivate) or spec.privacy is None:
        return arrays
    asked = {"spec": spec.model_dump(mode="json"), "step": question.step, "arrays": dict(question.arrays)}
    drawn_for = pack({**asked, "people": np.sort(table.persons), "sums": dict(arrays)})
    drawn = normal(hmac.digest(table.secret, drawn_for, "sha256"), len(arrays["sums"]))
    return {"sums": arrays["sums"] + spec.privacy.deviation_at_a_site(spec.private_rounds()) * drawn}


def bears_all_digits(table: AnalysisTable, question: Ask) -> bool:
    """Whether the result of a question's climb may bear all its digits though the policy is strict.

    It may where this site's people cannot be enumerated by their covariates: at least half of them have a
    value of one of these that lies between hundredths, and so tells them from all others.
    """
    known = [name for name in (question.climb.columns if question.climb else ()) if name in table.columns]
    return any(tells_people_apart(table.column(name)) for name in known)


def _climb(question: Ask) -> Climb:
    """This site's copy of a question's climb.

    Raises:
        SpecError: invalid-study; it has none, so the question does not follow from the study.
    """
    if question.climb is None or question.per_site:
        raise SpecError(Code.INVALID_STUDY, f"analysis {question.analysis!r} has no such climb")
    return question.climb


def _search(question: Ask) -> Search:
    """This site's copy of a question's search.

    Raises:
        SpecError: invalid-study; it has none, so the question does not follow from the study.
    """
    if question.search is None or question.per_site:
        raise SpecError(Code.INVALID_STUDY, f"analysis {question.analysis!r} has no such search")
    return question.search


def _refuse_rare_entries(step: SiteStep, spec: Spec, table: AnalysisTable, thresholds: Thresholds) -> None:
    """Raises unless every entry of this site's own sums by variable stands on enough people, or on nobody.

    A moment whose count has all of its axes is judged by that count; the others have entries by variable.

    Raises:
        SiteError: withheld; the text names no variable.
    """
    declared = step.declares
    by_variable = any(
        isinstance(d, Moment) and len(d.axes) > len(declared[d.behind].axes) for d in declared.values()
    )
    if by_variable and spec.stands_on() and has_rare_entries(spec, table, thresholds.min_count):
        raise SiteError(Code.WITHHELD, "a variable sets too few people here apart from the rest")


def asked_table(study: Study, table: AnalysisTable, question: Ask) -> AnalysisTable:
    """The table that a question is about: its columns harmonized, and of the people of its rows.

    It is kept with the table for the next question like it, and so is what was derived of it.

    Raises:
        SpecError: the question names a transform that its analysis does not.
    """
    if question.rows == EVERYBODY and not question.transforms:
        return table
    kept: dict[object, AnalysisTable] = table.derived("as asked", dict)
    key = (
        question.rows,
        tuple(_transform_key(study, transform, question) for transform in question.transforms),
    )
    if key not in kept:
        made = table
        for transform in question.transforms:
            made = _transformed(study, made, transform, question)
        kept[key] = made.select(question.rows.mask(made))
        while len(kept) > 1 and sum(map(_size, list(kept.values()))) > _MOST_KEPT:
            kept.pop(next(iter(kept)))
    return kept[key]


def _transform_key(study: Study, transform: Transform, question: Ask) -> object:
    """All that a transform of a question hangs on."""
    spec = study.spec(transform.analysis, transform.part)
    after = transform.analysis, question.analysis, study.analysis(question.analysis).after
    return after, spec.model_dump_json(), transform.rows, digest(pack(dict(transform.arrays)))


def _size(table: AnalysisTable) -> int:
    return len(table) * (len(table.columns) + len(table.labels))


def _said(step: SiteStep, spec: Spec, table: AnalysisTable, question: Ask) -> Arrays:
    """The step's arrays.

    Raises:
        SiteError: what the step raises; site-failed where its numbers were not expected.
    """
    try:
        return step(spec, table, **question.arrays)
    except ShadowgraphError:
        raise
    except Exception as error:  # one question must not stop the study's others
        raise SiteError(Code.SITE_FAILED, f"step {question.step!r}: {type(error).__name__}") from error


def _check_way(spec: Spec, step: SiteStep, question: Ask) -> None:
    """Raises unless the step declares that it is asked so: in a sum, or of this site in the clear.

    A question says itself how it is to be answered, so without the declaration the coordinator of an
    approved study could see each site's part of any sum in it.

    Raises:
        SpecError: invalid-study.
    """
    where = f"analysis {question.analysis!r} asks {question.step!r}"
    if privacy.asks_for_noise(spec) != (question.step == privacy.STEP):
        raise SpecError(
            Code.INVALID_STUDY, f"{where}, which is not how its study asks: with noise, or without"
        )
    if question.secret == "last" and not step.last:
        raise SpecError(Code.INVALID_STUDY, f"{where} of all sites, not of the center alone")
    if not question.per_site:
        if not step.summed:
            raise SpecError(Code.INVALID_STUDY, f"{where} of each site for itself only")
        return
    if not step.clear(spec):
        raise SpecError(Code.INVALID_STUDY, f"{where} in a sum only")
    if question.rows != EVERYBODY:  # two folds of one site would differ by a few people
        raise SpecError(Code.INVALID_STUDY, f"{where} of everybody only")


def _check_rows(study: Study, question: Ask) -> None:
    """Raises unless the study says that this analysis asks about such rows.

    Raises:
        SpecError: code `invalid-study`.
    """
    spec = study.analysis(question.analysis).spec
    for rows in (question.rows, *(transform.rows for transform in question.transforms)):
        if not spec.admits(rows):
            raise SpecError(
                Code.INVALID_STUDY, f"analysis {question.analysis!r} does not ask about such rows"
            )


def _refuse_isolation(table: AnalysisTable, question: Ask, thresholds: Thresholds) -> None:
    """Raises unless this site may be left out of a sum over the other sites.

    Raises:
        SiteError: code `withheld`. A sum with and a sum without this site differ by it, so it must have as
            many people as the clear requires, and in an inner fold too. Sites that are left out together are
            a sum themselves.
    """
    rows, left_out = question.rows, question.rows.sites_left_out()
    if table.site not in left_out or len(left_out) >= thresholds.min_sites_in_sum:
        return
    people = len(table)
    if rows.inner:
        people = int(rows.model_copy(update={"keep": "test", "inside": None}).mask(table).sum())
    if people < thresholds.min_count:
        raise SiteError(
            Code.WITHHELD, f"leaving this site out would show its fewer than {thresholds.min_count} people"
        )


def _transformed(study: Study, table: AnalysisTable, transform: Transform, question: Ask) -> AnalysisTable:
    """The table after one transform; a site without training rows estimates its part from all its rows."""
    if transform.analysis not in (question.analysis, *study.analysis(question.analysis).after):
        raise SpecError(Code.INVALID_STUDY, "the question applies a result that its analysis does not name")
    if not all(np.isfinite(array).all() for array in transform.arrays.values()):
        raise SpecError(Code.INVALID_STUDY, "a result that is not finite would choose people by their values")
    spec = study.spec(transform.analysis, transform.part)
    rows = transform.rows.mask(table)
    if not rows.any():
        rows = np.ones(len(table), dtype=bool)
    return transformed(spec, table, rows, transform.arrays)

"""Every protocol of the catalogue: federated equals pooled, and nothing leaves but what it declares."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from protocols import CATALOGUE
from protocols.core.axis import names_on
from protocols.core.block import ArrayBlock, Block
from protocols.core.errors import Code, StudyError
from protocols.core.lockstep import Failure
from protocols.core.protocol import protocol
from protocols.core.secret import ENDED
from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from protocols.exchange.rounds import Outcome, conduct
from protocols.exchange.wire import Apart, RoundAnswer, RoundQuestion
from tests.conformance.examples import EXAMPLES
from tests.lib.drawn_sites import SPLITS
from tests.lib.equal_results import assert_equal_results
from tests.lib.extras import marks_of
from tests.lib.watched import Watched, example_study, sites_of
from tests.reference.pooled import reference

# These fit many models: with the quick tests over one split, and with the slow ones everything else of them.
MANY_FITS = {
    "decision_curve",
    "discrimination",
    "landmarking",
    "survival_decision_curve",
    "survival_validation",
    "tune",
}
QUICK_SPLITS = {"unequal sites", "missing values", "a site of nine"}


def _marks(name: str, *, slow: bool) -> list[pytest.MarkDecorator]:
    return [*marks_of(name), *[pytest.mark.slow] * slow]


NAMES = [pytest.param(name, marks=_marks(name, slow=name in MANY_FITS)) for name in sorted(EXAMPLES)]
OVER_SPLITS = [
    pytest.param(name, split, marks=_marks(name, slow=split not in quick))
    for name in sorted(EXAMPLES)
    for quick in ({"unequal sites"} if name in MANY_FITS else QUICK_SPLITS,)
    for split in SPLITS
]


def test_every_protocol_has_an_example() -> None:
    assert EXAMPLES.keys() == CATALOGUE.keys()


@pytest.mark.parametrize(("name", "split"), OVER_SPLITS)
def test_federated_equals_pooled(name: str, split: str) -> None:
    study, tables = example_study(name, "exact"), SPLITS[split]
    outcome = run_locally(study, tables)
    for analysis in study.analyses:
        if isinstance(outcome.results[analysis.name], Failure) and split in EXAMPLES[name].not_over:
            continue
        pooled = reference(analysis.spec, tables)
        assert_equal_results(outcome[analysis.name], pooled, EXAMPLES[name].federated_only)


@pytest.mark.parametrize("name", NAMES)
def test_a_secure_sum_is_the_plain_one(name: str) -> None:
    study, tables = example_study(name), sites_of(name)
    secure, plain = (run_locally(study, tables, secure=secure) for secure in (True, False))
    for found in study.analyses:
        assert_equal_results(secure[found.name], plain[found.name], frozenset())


@pytest.mark.parametrize("name", NAMES)
def test_in_a_secure_sum_no_site_shows_an_array(name: str) -> None:
    study = example_study(name)
    watched = Watched(study, sites_of(name))
    conduct(study, watched, run="test", roster=tuple(watched.sites.tables), started=watched.sites.started)
    for question, answers in zip(watched.questions, watched.answers, strict=True):
        for i, ask in enumerate(question.asks):
            for answer in answers.values():
                said = arrays_of(answer, i)
                if ask.secret == "close" or (ask.secret == "sealed" and ENDED in said):
                    continue  # what all sites say alike
                if not ask.per_site and not isinstance(said, Code):
                    assert {array.dtype for array in said.values()} == {np.dtype(np.uint64)}


@pytest.mark.parametrize("name", NAMES)
def test_a_result_is_plain_data_and_a_table(name: str) -> None:
    outcome = run_locally(example_study(name), sites_of(name))
    for found in outcome.results:
        assert outcome[found].as_dict()
        assert len(outcome[found].summary())


def conducted(study: Study, exchange: Any, memory: dict[int, bytes] | None = None) -> Outcome:
    roster = tuple(table.site for table in sites_of(study.analyses[0].spec.protocol))
    return conduct(study, exchange, run="test", roster=roster, memory=memory)


def arrays_of(answer: RoundAnswer, place: int) -> Any:
    """The arrays of an answer, of one that goes apart too."""
    said = answer.answers[place]
    return said.arrays if isinstance(said, Apart) else said


@pytest.mark.parametrize("name", NAMES)
def test_no_released_array_grows_with_the_people(name: str) -> None:
    study = example_study(name)
    shapes = []
    for people in (1, 2):
        tables = [
            replace(
                table,
                persons=np.arange(people * len(table)),
                columns={k: np.tile(v, people) for k, v in table.columns.items()},
                labels={k: np.tile(v, people) for k, v in table.labels.items()},
                fold_hashes=np.tile(table.fold_hashes, people),
                blocks={k: repeated(b, people) for k, b in table.blocks.items()},
            )
            for table in sites_of(name)
        ]
        watched = Watched(study, tables)
        conducted(study, watched)
        shapes.append(
            {
                (ask.analysis, ask.step, ask.secret, ask.per_site, site, array): arrays_of(answer, i)[
                    array
                ].shape
                for question, answers in zip(watched.questions, watched.answers, strict=True)
                for i, ask in enumerate(question.asks)
                for site, answer in answers.items()
                if not isinstance(answer.answers[i], Code)
                for array in arrays_of(answer, i)
            }
        )
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", NAMES)
def test_no_array_has_an_axis_of_people(name: str) -> None:
    for spec in example_study(name).analyses:
        axes = protocol(name).sizes(spec.spec)
        for step in protocol(name).steps.values():
            for declared in step.declares.values():
                assert "person" not in declared.axes
                assert set(declared.axes) <= axes.keys()


@pytest.mark.parametrize("name", NAMES)
def test_messages_survive_the_wire(name: str) -> None:
    study = example_study(name)
    watched = Watched(study, sites_of(name))
    conducted(study, watched)
    for question, answers in zip(watched.questions, watched.answers, strict=True):
        data = question.encode()
        assert RoundQuestion.decode(data).encode() == data
        for answer in answers.values():
            assert RoundAnswer.decode(answer.encode()).encode() == answer.encode()


@pytest.mark.parametrize("name", NAMES)
def test_a_result_is_replayed_from_memory_without_a_site(name: str) -> None:
    study = example_study(name)
    memory: dict[int, bytes] = {}
    first = conducted(study, Watched(study, sites_of(name)), memory)

    def nobody(question: RoundQuestion) -> Mapping[str, RoundAnswer]:
        raise AssertionError("a site was asked")

    again = conducted(study, nobody, memory)
    for found in first.results:
        assert again[found].as_dict() == first[found].as_dict()
    assert again.rounds == first.rounds


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_run_goes_on_where_it_was(name: str) -> None:
    study = example_study(name)
    memory: dict[int, bytes] = {}
    whole = conducted(study, Watched(study, sites_of(name)), memory)
    half = {r: joined for r, joined in memory.items() if r < whole.rounds // 2}
    watched = Watched(study, sites_of(name))
    again = conducted(study, watched, half)
    assert len(watched.questions) == whole.rounds - whole.rounds // 2
    for found in whole.results:
        assert again[found].as_dict() == whole[found].as_dict()


@pytest.mark.parametrize("name", NAMES)
def test_a_dropped_site_is_a_coded_error(name: str) -> None:
    study = example_study(name)
    watched = Watched(study, sites_of(name))

    def without_c(question: RoundQuestion) -> Mapping[str, RoundAnswer]:
        return {site: answer for site, answer in watched(question).items() if site != "c"}

    with pytest.raises(StudyError) as caught:
        conducted(study, without_c)
    assert caught.value.code == Code.SITE_UNREACHABLE


@pytest.mark.parametrize("name", NAMES)
def test_too_few_people_over_all_sites_is_a_coded_error(name: str) -> None:
    tables = [replace_site(table) for table in sites_of(name)]
    outcome = run_locally(example_study(name), tables)
    for found in outcome.results.values():
        assert isinstance(found, Failure)
        assert found.code in {Code.WITHHELD, Code.TOO_FEW_SITES}


def repeated(block: Block, people: int) -> ArrayBlock:
    """The block with each person's numbers so many times."""
    values = block.columns(np.arange(block.axis.size))
    return ArrayBlock(names_on(block.axis) or (), np.tile(values, (people, 1)))


def replace_site(table: AnalysisTable) -> AnalysisTable:
    few = np.arange(len(table)) < 3
    return replace(table.select(few), attrition=dict.fromkeys(table.attrition, 3))


@pytest.mark.parametrize("name", NAMES)
def test_what_leaves_is_said_in_words(name: str) -> None:
    for analysis in example_study(name).analyses:
        assert any("Leaves" in line for line in protocol(name).describe(analysis.spec))

"""What a site keeps between the questions of an imputation is what it would compute anew."""

from collections.abc import Mapping

import numpy as np

from protocols.core.disclosure import Array
from protocols.core.table import AnalysisTable
from protocols.preparation.imputed_rows import Imputation, ImputedRows

OF = Imputation(("a", "b", "c"), norm=1, imputed=2, imputations=2, iterations=3, seed=7)


def a_table() -> AnalysisTable:
    """80 people: a quarter without a, a quarter without the 0/1 b, some without the predictor c."""
    rng = np.random.default_rng(0)
    columns = {"a": rng.normal(size=80), "b": rng.integers(0, 2, 80) * 1.0, "c": rng.normal(size=80)}
    for name, least in (("a", 0), ("b", 15), ("c", 72)):
        columns[name][least : least + 20] = np.nan
    return AnalysisTable("s", np.arange(80), columns)


def a_chain(draws: int, imputation: int = 0, seed: int = 1) -> Mapping[str, Array]:
    """A question's arrays after so many draws."""
    drawn = np.random.default_rng(seed).normal(size=(6, 4))[:draws]
    return {
        "centre": np.array([0.1, 0.5, 0.0]),
        "scale": np.array([1.0, 0.5, 1.1]),
        "draws": drawn,
        "imputation": np.array(imputation),
    }


def completed(table: AnalysisTable, chain: Mapping[str, Array]) -> np.ndarray:
    """The rows that the table's people have after the draws of a question."""
    return ImputedRows.on(table, OF, chain).completed(chain)


def test_going_on_from_the_last_question_gives_the_bits_of_beginning_anew() -> None:
    table = a_table()
    for draws in range(7):
        for imputation in (0, 1):
            chain = a_chain(draws, imputation)
            assert completed(table, chain).tobytes() == completed(a_table(), chain).tobytes()
    assert len(np.unique(completed(table, a_chain(6))[:20, 0])) == 20


def test_other_draws_or_fewer_begin_anew() -> None:
    table = a_table()
    completed(table, a_chain(6))
    for chain in (a_chain(4), a_chain(6, seed=2), a_chain(2, imputation=1), a_chain(6)):
        assert completed(table, chain).tobytes() == completed(a_table(), chain).tobytes()


def test_people_without_a_predictor_are_left_out_and_a_known_value_stays() -> None:
    table, chain = a_table(), a_chain(6)
    people = ImputedRows.on(table, OF, chain)
    assert people.eligible.tolist() == [True] * 72 + [False] * 8
    known = table.column("a")[20:72]
    assert np.allclose(people.completed(chain)[20:, 0] + 0.1, known, rtol=1e-15, atol=1e-15)
    x, rows = people.regressed(chain, 0)
    assert rows.sum() == len(x) == 52


def test_no_more_chains_are_kept_than_the_study_has() -> None:
    table = a_table()
    for imputation in (0, 1, 2, -1):
        completed(table, a_chain(2, imputation))
    assert sorted(ImputedRows.on(table, OF, a_chain(0))._past) == [0, 1]

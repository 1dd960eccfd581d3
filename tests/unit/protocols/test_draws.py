"""Draws by counter: ours for ever, by the chance that all sites of a run made."""

import subprocess

import numpy as np
import pytest
from scipy import stats

from protocols.core.table import AnalysisTable, Rows, fold_hashes
from protocols.estimation.draws import Draws, mixed


def test_the_stream_is_splitmix64() -> None:
    """Java's java.util.SplittableRandom(1234567).nextLong(), the reference implementation, gives these."""
    gamma = np.arange(5, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    found = mixed(np.uint64(1234567) + gamma)
    known = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert found[:4].tolist() == known


def test_numbers_are_those_of_their_distribution() -> None:
    draws = Draws(b"chance", 3)
    assert stats.kstest(draws.uniform(20_000), "uniform").pvalue > 0.01
    assert stats.kstest(draws.normal(20_000), "norm").pvalue > 0.01
    assert stats.kstest([draws.chi_square(7) for _ in range(4000)], stats.chi2(7).cdf).pvalue > 0.01


def test_a_stream_goes_on_and_another_purpose_or_chance_is_another_stream() -> None:
    draws = Draws(b"chance", 3)
    both = np.concatenate([draws.uniform(4), draws.uniform(2, 3).ravel()])
    np.testing.assert_array_equal(both, Draws(b"chance", 3).uniform(10))
    for other in (Draws(b"chance", 4), Draws(b"chances", 3), Draws(b"", 3), Draws(b"chance", 3, 0)):
        assert abs(np.corrcoef(both, other.uniform(10))[0, 1]) < 0.9


def test_folds_follow_from_the_chance_of_a_run() -> None:
    persons = np.arange(4000)
    table = AnalysisTable("a", persons, {}, fold_hashes=fold_hashes(persons, b"study"))
    test = Rows(keep="test", fold=0, of=5)
    one, again, other = (test.mask(table.drawn_by(chance)) for chance in (b"one", b"one", b"other"))
    np.testing.assert_array_equal(one, again)
    assert (one & other).sum() == pytest.approx(len(persons) / 25, rel=0.3)
    assert one.sum() == pytest.approx(len(persons) / 5, rel=0.1)


def test_no_protocol_draws_from_a_library_whose_stream_may_change() -> None:
    words = ["git", "grep", "-lE", r"np\\.random|default_rng|import random", "--", "protocols"]
    found = subprocess.run(words, capture_output=True, text=True, check=False).stdout.split()
    synthetic = {"protocols/exchange/example.py", "protocols/exchange/dummy.py"}  # of whom no study is
    assert set(found) <= synthetic

"""Work over processes, where a bad item costs only itself."""

import os

import pytest

from site_node.images.parallel import run_each


def square(number: int) -> int:
    if number == 3:
        os._exit(1)  # as the kernel ends a process that wants too much memory
    return number * number


def double(number: int) -> int:
    return 2 * number


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_order(jobs: int) -> None:
    assert list(run_each(double, range(11), jobs)) == [(n, 2 * n) for n in range(11)]


def test_an_item_that_kills_its_process_costs_only_itself() -> None:
    found = list(run_each(square, range(6), 2))
    assert found == [(n, None if n == 3 else n * n) for n in range(6)]

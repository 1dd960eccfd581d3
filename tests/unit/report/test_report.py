"""The report stands alone, shows every analysis, and holds the very numbers of the results."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from protocols.exchange.example import run_example
from protocols.exchange.local import LOCAL_RUN, run_locally
from protocols.exchange.rounds import Outcome
from server.report import Left, write_report
from server.report.tables import summary_table
from tests.lib.studies import a_study

ANALYSES = [
    {"name": "people", "spec": {"protocol": "attrition", "steps": ["index event"], "per_site": True}},
    {"name": "before", "spec": {"protocol": "summary", "of": ["x", "z"], "per_site": True}},
    {"name": "even", "spec": {"protocol": "combat", "features": ["x", "z"]}},
    {"name": "after", "after": ["even"], "spec": {"protocol": "summary", "of": ["x", "z"], "per_site": True}},
    {"name": "hazards", "spec": {"protocol": "cox", "outcome": "os", "covariates": ["x", "z"]}},
    {"name": "odds", "spec": {"protocol": "logistic", "outcome": "y", "covariates": ["x"]}},
    {
        "name": "told_apart",
        "spec": {
            "protocol": "discrimination",
            "model": {"protocol": "logistic", "outcome": "y", "covariates": ["x"]},
        },
    },
    {
        "name": "left_out",
        "title": "Each left out",
        "spec": {
            "protocol": "discrimination",
            "model": {"protocol": "logistic", "outcome": "y", "covariates": ["x"]},
            "scheme": {"kind": "sites"},
        },
    },
    {"name": "lacking", "spec": {"protocol": "left_out"}},
    {"name": "shares", "spec": {"protocol": "summary", "of": ["y", "z"], "per_site": True}},
    {"name": "hopeless", "spec": {"protocol": "logistic", "outcome": "never", "covariates": ["x"]}},
]


def a_table(site: str, n: int, seed: int, known: int = 1000) -> AnalysisTable:
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n)) + seed
    y = (x - seed + rng.logistic(size=n) > 0).astype(float)
    columns = {"x": x, "z": np.where(np.arange(n) < known, z, np.nan), "y": y, "never": np.zeros(n)}
    columns |= {"os.time": rng.exponential(300, n).round() + 1, "os.event": (rng.random(n) < 0.7) * 1.0}
    return AnalysisTable(
        site,
        np.arange(n) + 1000 * seed,
        columns,
        attrition={"index event": n},
        doubtful={"z": {"comparator": n // 5}, "x": {"unit-missing": 1}},
    )


@pytest.fixture(scope="module")
def study() -> Study:
    variable = {"kind": "measurement", "concept": "LOINC:1-1"}
    names = {name: variable for name in ("x", "z", "y", "never")}
    variables = names | {"os": {"kind": "survival", "endpoint": "overall"}}
    return a_study(
        title="A <b>bold</b> title", variables=variables, analyses=ANALYSES, complete_cases="analysis"
    )


@pytest.fixture(scope="module")
def outcome(study: Study) -> Outcome:
    tables = [a_table("a", 60, 0), a_table("b", 80, 1), a_table("small", 30, 2, known=6)]
    return replace(run_locally(study, tables), run="c0ffee")  # as if it had crossed a network


@pytest.fixture(scope="module")
def folder(study: Study, outcome: Outcome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    write_report(study, outcome, [Left(0, "a", 1234, "0f" * 32)], out)
    return out


def test_the_page_loads_nothing_from_elsewhere(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert "default-src 'none'" in page
    assert "<script" not in page
    linked = re.findall(r'(?:src|href)="(?!#)([^"]*)"', page)
    assert not [link for link in linked if not link.startswith("#")]


def test_the_question_is_said_in_words(folder: Path) -> None:
    question, _, _ = (folder / "report.html").read_text().partition("Each left out</h2>")
    assert "the first of a diagnosis" in question
    assert "domain: condition" not in question


def test_a_title_is_text_and_no_markup(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert "A &lt;b&gt;bold&lt;/b&gt; title" in page
    assert "<b>bold</b>" not in page


def by_title(folder: Path) -> dict[str, str]:
    """The sections of the page."""
    sections = (folder / "report.html").read_text().split("<section>")
    return {re.search(r"<h2[^>]*>(.*?)</h2>", s).group(1): s for s in sections[1:]}  # type: ignore[union-attr]


def test_every_analysis_has_its_figure_or_says_why_not(folder: Path) -> None:
    for title in ("People", "Even", "Hazards", "Odds", "Told apart", "Each left out"):
        assert "<svg" in by_title(folder)[title], title
    assert 'class="failed"' in by_title(folder)["Hopeless"]


def test_a_hospital_without_a_point_of_its_own_is_not_drawn_as_chance(folder: Path, outcome: Outcome) -> None:
    found = outcome["left_out"].by_site
    # Beside the total a cut that one hospital hides is shown by none.
    assert {site: len(there.false_positive_rate) for site, there in found.items()} == dict.fromkeys(found, 2)
    assert set(found) == {"a", "b", "small"}
    section = by_title(folder)["Each left out"]
    assert f"small left out, AUC {found['small'].auc:.2f}" in section
    assert "Dotted: no point of the hospital" in section
    assert "Dotted" not in by_title(folder)["Told apart"]


def test_what_is_zero_or_one_is_told_as_people_and_share(folder: Path, outcome: Outcome) -> None:
    total = outcome["shares"].total
    ones, n = round(float(total.mean[0, 0] * total.n[0, 0])), int(total.n[0, 0])
    assert f"{ones} ({ones / n:.0%})" in by_title(folder)["Shares"]
    assert f"n\u202f{total.n[0, 1]}</small>" in by_title(folder)["Shares"]  # z, which some lack


def test_the_share_of_a_variable_that_rests_on_doubt_is_told_with_the_way_out(folder: Path) -> None:
    section = by_title(folder)["Lacking"]
    assert "<td>z</td><td>a number is a bound (&lt;0.1) and not a value</td><td>34 (20.0%)</td>" in section
    assert "what it makes of bounds" in section
    assert "no unit" not in section  # three people in all


def test_it_says_what_each_analysis_lets_out_and_how_to_verify_it(folder: Path, outcome: Outcome) -> None:
    left = by_title(folder)["What left each hospital"]
    for title in ("People", "Hazards", "Each left out", "Hopeless"):
        assert f"<td>{title}</td>" in left
    assert "The same as “Before”." in left
    assert f"<code>shadowgraph study verify {outcome.run}</code>" in by_title(folder)["Provenance"]
    assert outcome.study in by_title(folder)["Provenance"]


def test_a_small_count_is_shown_as_suppressed_and_not_as_zero(folder: Path, outcome: Outcome) -> None:
    assert list(outcome["before"].by_site["small"].n[0]) == [30, -1]
    page = by_title(folder)["Before"]
    assert '<span class="chip">withheld</span>' in page
    assert "is based on fewer than 10 people, or on fewer than a hospital" in page


def test_the_json_and_csv_hold_the_very_numbers(folder: Path, outcome: Outcome) -> None:
    kept = json.loads((folder / "results.json").read_text())
    assert kept["results"]["hazards"]["coef"] == list(outcome["hazards"].coef)
    assert kept["results"]["hopeless"]["failed"] == "withheld"
    rows = (folder / "hazards.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == ["x", "z"]
    assert float(rows[1].split(",")[1]) == outcome["hazards"].coef[0]


def test_what_left_is_listed_with_its_digest(folder: Path) -> None:
    assert "0f" * 32 in (folder / "report.html").read_text()


def test_a_study_that_crossed_no_network_claims_no_approval_and_no_answers(
    study: Study, outcome: Outcome, tmp_path: Path
) -> None:
    write_report(study, replace(outcome, run=LOCAL_RUN), [], tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "in one process over tables in memory: nothing was sent" in page
    assert "Leaves in a sum over sites" in by_title(tmp_path)["What would leave each hospital"]
    for claim in ("0 B", "every hospital approved", "study verify", "No row of a patient left"):
        assert claim not in page


def test_an_interval_of_the_coefficient_beside_a_ratio_says_so(folder: Path) -> None:
    assert "confidence interval of the coefficient" not in by_title(folder)["Odds"]
    table = str(
        summary_table(
            run_example(protocol="glm", family="poisson", outcome="seizures", covariates=["idh1"]), {}
        )[0]
    )
    assert "confidence interval of the coefficient" in table

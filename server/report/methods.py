"""The methods section of a report: design, what was done in each analysis, and the software with versions."""

import importlib.metadata
import platform

from protocols.core.privacy import MayBeNoised
from protocols.core.protocol import protocol
from protocols.core.study import Study
from protocols.core.wording import listed
from protocols.exchange.local import LOCAL_RUN
from protocols.exchange.rounds import Outcome
from server.report import blocks
from server.report.blocks import Section
from server.report.sections import shown_title

LIBRARIES = ("numpy", "scipy", "pandas")
"""What the results were computed with, beside Shadowgraph itself."""


def methods(study: Study, outcome: Outcome) -> Section:
    """What a reader needs to know to judge and to repeat the study."""
    rows = [
        (
            shown_title(a),
            protocol(a.spec.protocol).method(a.spec) + _after(study, a.after) + _noise(outcome, a.name),
        )
        for a in study.analyses
    ]
    return Section(
        "Methods",
        [
            blocks.text(_design(study, outcome)),
            blocks.text(_disclosure(study, outcome)),
            blocks.table(("analysis", "what was done"), rows),
            blocks.text(software()),
        ],
    )


def _design(study: Study, outcome: Outcome) -> str:
    if outcome.run == LOCAL_RUN:
        return (
            f"The study ran in one process over the tables of {len(outcome.sites)} hospitals "
            f"({listed(outcome.sites)}), without a network, signatures or approvals, in {outcome.rounds} "
            "rounds."
        )
    return (
        f"A federated study over {len(outcome.sites)} hospitals ({listed(outcome.sites)}). Each hospital "
        "mapped its own records to the OMOP Common Data Model and selected the cohort by the same "
        f"definition. The hospitals answered the questions of a signed study in {outcome.rounds} rounds, "
        "each after its own approval; no row of a patient left a hospital."
    )


_CELLS = {
    "coarse": "Cells of tables and intervals of life tables on which too few people stand were not asked "
    "for, or were joined with their neighbours before anybody saw them.",
    "exact": "Cells of tables and life tables were asked for as they are, however few people stand on them.",
}


def _disclosure(study: Study, outcome: Outcome) -> str:
    floors = study.thresholds
    if outcome.run == LOCAL_RUN:
        clear = f"As over a network, a number in the clear is based on at least {floors.min_count} people."
        return f"{clear} {_CELLS[study.cells]}"
    return (
        f"A number in the clear is based on at least {floors.min_count} people. A sum over hospitals was "
        "joined under pairwise masks, so that nobody saw a single hospital's part; it needs at least "
        f"{floors.min_sites_in_sum} hospitals, {floors.min_count_in_sum} people at each that contributes, "
        f"and {floors.min_count} in all. A hospital may have set stricter floors. Coefficients of models "
        "whose covariates all have few values are rounded to a hundredth of a standard error, their "
        "covariances to two digits, unless every hospital allowed all digits. "
        f"{_CELLS[study.cells]}"
    )


def _noise(outcome: Outcome, analysis: str) -> str:
    """What differential privacy was kept, and how large the noise is that a result bears."""
    found = outcome.results.get(analysis)
    return f" {found.noised.words()}" if isinstance(found, MayBeNoised) and found.noised else ""


def _after(study: Study, names: tuple[str, ...]) -> str:
    if not names:
        return ""
    before = listed(f"“{shown_title(study.analysis(name))}”" for name in names)
    return f" On the columns as changed by {before}."


def software() -> str:
    """Shadowgraph, Python and the libraries that compute, with versions."""
    version = importlib.metadata.version
    libraries = listed(f"{name} {version(name)}" for name in LIBRARIES)
    return f"Shadowgraph {version('shadowgraph')} on Python {platform.python_version()} with {libraries}."

"""What the hospitals were planted with against what their federated study found."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from protocols.core.figure import Axis, Estimate, Estimates
from protocols.exchange.rounds import Outcome
from protocols.genomics.gwas_figure import GENOME_WIDE
from protocols.genomics.gwas_result import GwasResult
from protocols.survival.cox import CoxResult
from protocols.validation.discrimination import DiscriminationResult
from server.report import blocks, figures
from server.report.blocks import Section

LINKS = {
    "TP53 from density, scanners left in": "tp53_from_density_before",
    "TP53 from density, scanners taken out": "tp53_from_density_after",
    "IDH1 from texture, scanners left in": "idh1_from_texture_before",
    "IDH1 from texture, scanners taken out": "idh1_from_texture_after",
}
"""In words -> the analysis of the demo's study."""

Rows = list[tuple[str, str, str]]


def findings(outcome: Outcome, truth_file: Path) -> Rows:
    """(what, planted, found) of the two links and the hazards, or of the variants, that a study asks for."""
    truth = json.loads(truth_file.read_text())
    rows: Rows = []
    if set(LINKS.values()) <= outcome.results.keys():
        rows += [*_links(outcome, truth), *_hazards(outcome["survival"], truth["hazards"])]
    for name, found in outcome.results.items():
        if isinstance(found, GwasResult) and "genotypes" in truth:
            rows += _variants(name.replace("_", " "), found, truth["genotypes"])
    return rows


def section(outcome: Outcome, rows: Rows) -> list[Section]:
    """The findings as the report's first section of results; none where nothing was looked for."""
    if not rows:
        return []
    told = [blocks.text("The hospitals are synthetic, so the truth is known.")]
    if set(LINKS.values()) <= outcome.results.keys():
        found = {words: outcome[analysis] for words, analysis in LINKS.items()}
        told = [
            blocks.text(
                "The hospitals are synthetic, so the truth is known. The density of the tumour seems to tell "
                "TP53, until the scanners are taken out of it: where a scanner reads high, TP53 happens to "
                "be mutated more often. The texture tells IDH1 before and after."
            ),
            figures.drawn(
                [_areas(found)],
                "How well a feature predicts a gene, in people whom the model never saw, with 95% intervals.",
            ),
        ]
    return [Section("What rigor is worth", [*told, blocks.table(("", "planted", "found"), rows)])]


def _areas(found: Mapping[str, DiscriminationResult]) -> Estimates:
    """Areas under the ROC curve, the line of chance at 0.5."""
    rows = tuple(Estimate(words, r.auc, r.auc_lower, r.auc_upper) for words, r in found.items())
    axis = Axis("area under the ROC curve; 0.5 is chance", low=0.3, high=1.0)
    return Estimates("", axis, rows, reference=0.5)


def _links(outcome: Outcome, truth: dict[str, Any]) -> Rows:
    link = f"AUC {truth['true_link']['auc']:.2f} without noise"
    chance = f"chance ({truth['spurious_link']['within_scanner_auc']:.2f} in this sample)"
    planted = ("only the scanner", chance, link, link)
    return [
        (words, what, _auc(outcome, analysis))
        for (words, analysis), what in zip(LINKS.items(), planted, strict=True)
    ]


def _auc(outcome: Outcome, analysis: str) -> str:
    found = outcome[analysis]
    return f"AUC {found.auc:.2f} ({found.auc_lower:.2f} to {found.auc_upper:.2f})"


def _variants(analysis: str, found: GwasResult, truth: dict[str, str]) -> Rows:
    """The planted variant and the one that only differs between hospitals, and how many loci were called."""
    loci = found.loci()
    rows = []
    for k, outcome in enumerate(found.outcomes):
        called = loci[loci["outcome"] == outcome]
        real = 1 if outcome in truth["changes"] else 0
        planted = (
            f"{truth['planted']} alone" if real else "none",
            f"{len(called)} below {GENOME_WIDE:g}, inflation {found.inflation[k]:.2f}",
        )
        rows.append((f"{analysis}: loci of {outcome}", *planted))
        for name, means in (("planted", real), ("structured", 0)):
            p = found.p[found.variants.index(truth[name]), k]
            what = "changes it" if means else "nothing"
            rows.append((f"{analysis}: {truth[name]} and {outcome}", what, f"p = {p:.1e}"))
    return rows


def _hazards(found: CoxResult, planted: list[dict[str, Any]]) -> Rows:
    rows = []
    for hazard in planted:
        i = found.terms.index(hazard["variable"].lower())
        ratio, low, high = (
            ratio ** hazard["per"] for ratio in (found.hazard_ratio[i], found.lower[i], found.upper[i])
        )
        unit = f" per {hazard['per']}" if hazard["per"] != 1 else ""
        rows.append(
            (
                f"hazard ratio of {hazard['variable']}{unit}",
                f"{hazard['hazard_ratio']:.2f}",
                f"{ratio:.2f} ({low:.2f} to {high:.2f})",
            )
        )
    return rows

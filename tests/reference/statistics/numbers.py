"""The reference numbers that the protocols reach: each with what made it, and ours beside it.

`reference/stats/*.json` and `reference/tcga_lgg.json` name the R or Python call and version that made each.
Sites are the data's own. Institutions of one to four people are beyond any gate, so the arrays are added
without one here; `tests/conformance` holds the gate, the wire and the secure sum to the same results.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import norm

from protocols.core.table import AnalysisTable
from protocols.estimation.roc import bin_of, delong, delong_difference, exact_auc, histogram_of
from protocols.preparation.combat import Combat, CombatSpec
from tests.lib.shared import shared
from tests.lib.ungated import estimated, tables_of


@dataclass(frozen=True)
class Check:
    """One reference array, what we find for it, and how near it must be, relative to each number."""

    quantity: str
    expected: Any
    ours: Any
    rtol: float = 1e-9
    atol: float = 0.0

    def numbers(self) -> int:
        """How many reference numbers it holds."""
        return int(np.size(self.expected))

    def holds(self) -> int:
        """How many of them we reach."""
        near = np.isclose(np.asarray(self.ours, float), self.expected, rtol=self.rtol, atol=self.atol)
        return int(np.sum(near))

    def worst(self) -> float:
        """The largest relative difference."""
        expected = np.asarray(self.expected, float)
        scale = np.where(expected == 0, 1.0, np.abs(expected))
        return float(np.max(np.abs(np.asarray(self.ours, float) - expected) / scale))


def _json(name: str) -> Any:
    return json.loads(shared(f"reference/{name}.json").read_text())


def _csv(name: str, **options: Any) -> pd.DataFrame:
    return pd.read_csv(shared(f"data/stats/{name}.csv"), **options)


def _regression(found: Any, reference: dict[str, Any], vcov: bool = True) -> Iterator[Check]:
    for name in ("coef", "se", "z", "p"):
        if name in reference:
            # A p-value moves by z times the relative difference of z.
            yield Check(name, reference[name], getattr(found, name), rtol=1e-8 if name == "p" else 1e-9)
    if vcov and "vcov" in reference:
        expected: ArrayLike = reference["vcov"]
        diagonal = np.sqrt(np.diag(np.asarray(expected)))
        # Covariances are held to 1e-9 of the two standard errors: off the diagonal they cross zero.
        scaled = np.outer(diagonal, diagonal)
        yield Check("vcov", np.asarray(expected) / scaled, found.covariance / scaled, atol=1e-9)
    yield Check("n", reference["n"], found.n)


def _cox(found: Any, reference: dict[str, Any]) -> Iterator[Check]:
    yield from _regression(found, reference)
    yield Check("nevent", reference["nevent"], found.n_events)
    yield Check("loglik", reference["loglik"], found.loglik)
    yield Check("loglik_null", reference["loglik_null"], found.loglik_null)


def tcga_lgg() -> Iterator[Check]:
    """Four hospitals, R 4.2.2 `coxph` and `glm`; straight from the tables, without the CDM between."""
    clinical = pd.read_csv(shared("data/tcga_lgg/clinical.csv"))
    table = clinical.merge(pd.read_csv(shared("data/tcga_lgg/imaging.csv")), on="patient")
    table = table[table.hospital != "EZ"]
    frame = pd.DataFrame(
        {
            "age": table.age,
            "g3": (table.grade == "G3").astype(float).where(table.grade.notna()),
            "idh1_mutated": pd.to_numeric(table.idh1_mutated, errors="coerce"),
            "os.time": table.os_days,
            "os.event": table.death,
        }
        | {f"vasari_f{i}": pd.to_numeric(table[f"vasari_f{i}"], errors="coerce") for i in (5, 9, 14)}
    )
    tables, reference = tables_of(frame, table.hospital), _json("tcga_lgg")
    cox = {"protocol": "cox", "outcome": "os", "covariates": ["age", "g3", "idh1_mutated", "vasari_f5"]}
    for name, ties in (("cox_os_strata", "efron"), ("cox_os_strata_breslow", "breslow")):
        found: Any = estimated({**cox, "ties": ties}, tables)
        yield from _regression(found, reference[name])
        yield Check("nevent", reference[name]["nevent"], found.n_events)
        yield Check("loglik", reference[name]["loglik"], [found.loglik_null, found.loglik])
    logit = {
        "protocol": "logistic",
        "outcome": "idh1_mutated",
        "covariates": ["age", "vasari_f9", "vasari_f14"],
    }
    found = estimated(logit, tables)
    yield from _regression(found, reference["logit_idh1"])
    yield Check("deviance", reference["logit_idh1"]["deviance"], found.deviance)
    found = estimated({"protocol": "summary", "of": ["age", "idh1_mutated"], "per_site": True}, tables)
    age = reference["age"]
    yield Check("age", [age["n"], age["mean"], age["sd"]], [x[0, 0] for x in _moments(found.total)])
    for site, expected in reference["idh1_by_hospital"].items():
        numbers = found.by_site[site]
        ours = [numbers.n[0, 1], numbers.n[0, 1] * numbers.mean[0, 1]]
        yield Check(f"idh1 {site}", [expected["n"], expected["mutated"]], ours)
        yield Check(f"n {site}", reference["n_by_hospital"][site], numbers.people[0])


def _moments(numbers: Any) -> tuple[Any, Any, Any]:
    return numbers.n, numbers.mean, numbers.sd


def cox_fed_tcga_brca() -> Iterator[Check]:
    """Six regions, R 4.2.2 survival 3.5.3 `coxph(..., + strata(region))`; and all in one stratum."""
    data, reference = _csv("fed_tcga_brca"), _json("stats/cox_fed_tcga_brca")
    codes = {name: code for code, name in reference["column_code"].items()}
    frame = data.rename(columns={**codes, "T": "os.time", "E": "os.event"})
    terms = reference["M1_strata_region_breslow"]["term"]
    spec = {"protocol": "cox", "outcome": "os", "covariates": terms, "ties": "breslow"}
    columns = [*terms, "os.time", "os.event"]
    regions = tables_of(frame[columns], frame.region)
    yield from _cox(estimated(spec, regions), reference["M1_strata_region_breslow"])
    everybody = tables_of(frame[columns], np.zeros(len(frame)))
    for name, ties in (("M1_breslow", "breslow"), ("M1_efron", "efron")):
        yield from _cox(estimated({**spec, "ties": ties}, everybody), reference[name])
    train = tables_of(frame[columns][frame.fold == "train"], np.zeros((frame.fold == "train").sum()))
    yield from _cox(estimated(spec, train), reference["M1_train_breslow"])


def cox_lung_inst() -> Iterator[Check]:
    """Eighteen institutions, some of two people, R `coxph(..., + strata(inst))`; and one stratum."""
    data, reference = _csv("survival_lung_inst"), _json("stats/cox_lung_inst")
    data = data.rename(columns=lambda name: name.replace(".", "_"))
    frame = data.assign(**{"os.time": data.time, "os.event": data.status - 1})
    terms = [term.replace(".", "_") for term in reference["main_breslow"]["term"]]
    frame = frame[[*terms, "os.time", "os.event", "inst"]]
    spec = {"protocol": "cox", "outcome": "os", "covariates": terms, "ties": "breslow"}
    known = frame[frame.inst.notna()]
    by_inst = estimated(spec, tables_of(known.drop(columns="inst"), known.inst))
    yield from _cox(by_inst, reference["strata_inst_breslow"])
    everybody = tables_of(frame.drop(columns="inst"), np.zeros(len(frame)))
    for name, ties in (("main_breslow", "breslow"), ("main_efron", "efron")):
        yield from _cox(estimated({**spec, "ties": ties}, everybody), reference[name])


def cox_veteran() -> Iterator[Check]:
    """One stratum with many ties, R `coxph`."""
    data, reference = _csv("survival_veteran"), _json("stats/cox_veteran_zph_tt")
    frame = data.rename(columns={"time": "os.time", "status": "os.event"}).drop(columns="celltype")
    tables = tables_of(frame, np.zeros(len(frame)))
    for ties in ("breslow", "efron"):
        expected = reference[f"main_{ties}"]
        spec = {"protocol": "cox", "outcome": "os", "covariates": expected["term"], "ties": ties}
        yield from _cox(estimated(spec, tables), expected)


def logistic_uci_heart() -> Iterator[Check]:
    """Four hospitals, Newton at 1e-13 beside R 4.2.2 `glm`; without and with an indicator of the site."""
    data, reference = _csv("uci_heart_4centers_flamby740"), _json("stats/glm_logistic_uci_heart")
    frame = data.drop(columns=["row", "site", "num"])
    for value in (2, 3, 4):
        frame[f"cp{value}"] = frame.cp == value
    for value in (1, 2):
        frame[f"ecg{value}"] = frame.restecg == value
    for site in ("hungarian", "switzerland", "va"):
        frame[f"s_{site}"] = data.site == site
    tables = tables_of(frame, data.site)
    for name in ("pooled", "site_fixed"):
        expected = reference[name]
        spec = {"protocol": "logistic", "outcome": "disease", "covariates": expected["term"][1:]}
        found: Any = estimated(spec, tables)
        yield from _regression(found, expected)
        for quantity in ("deviance", "null_deviance", "loglik"):
            yield Check(quantity, expected[quantity], getattr(found, quantity))


def combat() -> Iterator[Check]:
    """200 features of 10 people in two batches, neuroCombat 0.2.12: what is adjusted, and what is shared."""
    y = _csv("neurocombat_testdata").to_numpy().T
    batch, gender = np.repeat([1, 2], 5), np.array([1.0, 2.0] * 5)
    names = [f"v{i}" for i in range(y.shape[1])]
    frame = pd.DataFrame(y, columns=names).assign(gender=gender)
    reference = _json("stats/combat_testdata")["testdata"]
    labelled = AnalysisTable(
        "both",
        np.arange(10, dtype=np.int64),
        {name: frame[name].to_numpy() for name in frame},
        {"scanner": batch.astype(str).astype(object)},
    )
    methods = {
        "eb": ("parametric", None),
        "noeb": ("no_eb", None),
        "meanonly": ("mean_only", None),
        "ref": ("parametric", "1"),
    }
    for layout, tables in (("a batch a site", tables_of(frame, batch)), ("both in one site", [labelled])):
        label = "scanner" if layout == "both in one site" else None
        for name, (method, reference_of) in methods.items():
            spec = {"protocol": "combat", "features": names, "covariates": ["gender"], "method": method}
            spec |= {"batch": label, "reference_site": reference_of and ("both" if label else reference_of)}
            spec |= {"reference_batch": reference_of if label else None}
            parsed = CombatSpec.model_validate(spec)
            found: Any = estimated(spec, tables)
            arrays = found.transform_arrays()
            changed = [Combat().transform(parsed, t, np.ones(len(t), bool), **arrays) for t in tables]
            ours = np.concatenate([table.matrix(names) for table in changed])
            adjusted = pd.read_csv(shared(f"reference/stats/combat_testdata_{name}.csv"), header=None)
            yield Check(f"{name} adjusted", adjusted.to_numpy().T, ours, rtol=1e-9, atol=1e-12)
            yield Check(f"{name} var_pooled", reference[name]["var_pooled"], found.variance)
            mean = found.grand_mean + gender[0] * found.effects[0]
            yield Check(f"{name} stand_mean", reference[name]["stand_mean_col0"], mean)
    published = _csv("neurocombat_parametric_adjusted_python", header=None).to_numpy().T
    eb = pd.read_csv(shared("reference/stats/combat_testdata_eb.csv"), header=None).to_numpy().T
    yield Check("published output", published, eb, rtol=1e-9)


def descriptive() -> Iterator[Check]:
    """R survival's flchain as three sites by year; the four UCI hospitals' missing and outcome counts."""
    reference = _json("stats/descriptive_flchain_uci")
    data = _csv("survival_flchain").rename(columns={"sample.yr": "year"})
    names = list(reference["flchain"])
    found: Any = estimated({"protocol": "summary", "of": names}, tables_of(data[names], data.year % 3))
    for v, name in enumerate(names):
        expected = reference["flchain"][name]
        n, mean, sd = (x[0, v] for x in _moments(found.total))
        yield Check(f"flchain {name}", [expected[k] for k in ("n", "mean", "var_n1")], [n, mean, sd**2])
    uci = _csv("uci_heart_4centers")
    names = list(reference["missing_uci"]["cleveland"])
    tables = tables_of(uci[[*names, "disease"]], uci.site)
    found = estimated({"protocol": "summary", "of": names, "per_site": True}, tables)
    for site, expected in reference["missing_uci"].items():
        yield Check(f"missing {site}", [expected[n] for n in names], found.by_site[site].missing[0])
    found = estimated({"protocol": "summary", "of": ["age"], "by": "disease", "per_site": True}, tables)
    for value, expected in reference["uci_table_site_disease"].items():
        ours = [found.by_site[site].people[int(value)] for site in expected]
        yield Check(f"disease={value}", list(expected.values()), ours)


def roc() -> Iterator[Check]:
    """R pROC 1.18.0 on aSAH: AUC, and DeLong's variance and interval on a histogram of distinct scores."""
    data, reference = _csv("proc_asah"), _json("stats/roc_delong_asah")["s100b"]
    y, score = (data.outcome == "Poor").to_numpy(float), data.s100b.to_numpy()
    yield Check("auc", reference["auc"], exact_auc(y, score))
    _, ranks = np.unique(score, return_inverse=True)
    size = int(ranks.max()) + 1
    auc, se = delong(histogram_of(y, bin_of((ranks + 0.5) / size, size), size))
    yield Check("delong", [reference["auc"], reference["var_delong"]], [auc, se**2])
    half = 1.959963984540054 * se
    yield Check("interval", reference["ci"], [auc - half, auc, auc + half])
    _, others = np.unique(data.ndka, return_inverse=True)
    joint = np.zeros((2, size, int(others.max()) + 1), dtype=np.int64)
    np.add.at(joint, (y.astype(int), ranks, others), 1)
    first, second, se = delong_difference(joint)
    z = (first - second) / se
    expected = _json("stats/roc_delong_asah")["delong_s100b_vs_ndka"]
    yield Check("two models", expected["z"], z)
    yield Check("two models p", expected["p"], 2 * norm.sf(z), rtol=1e-8)


REFERENCES: dict[str, Callable[[], Iterator[Check]]] = {
    "tcga_lgg": tcga_lgg,
    "cox_fed_tcga_brca": cox_fed_tcga_brca,
    "cox_lung_inst": cox_lung_inst,
    "cox_veteran": cox_veteran,
    "glm_logistic_uci_heart": logistic_uci_heart,
    "combat_testdata": combat,
    "descriptive_flchain_uci": descriptive,
    "roc_delong_asah": roc,
}

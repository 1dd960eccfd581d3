"""Survival against R 4.2.2 survival 3.5.3 over the data's real sites; `pytest -s` prints how many hold.

A grid with an edge every day makes intervals of days: then a shared baseline is exact. No study may ask for
it (`Grid` starts at a week), and no gate would let it out, so the grid is made past its validation here and
arrays are added without a gate.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from protocols.core.table import AnalysisTable, Episodes, Floats
from protocols.survival.concordance import Pairs, pairs
from protocols.survival.life_table import FollowUp, Grid
from protocols.survival.partial_likelihood import Stratum
from tests.lib.shared import shared
from tests.lib.ungated import estimated, tables_of
from tests.reference.statistics.numbers import Check, _csv, _json

ZPH = ("identity", "km", "rank", "log")


def daily(until: int) -> Grid:
    """A grid with an edge every day, which a study cannot ask for."""
    return Grid.model_construct(step_days=1, until_days=until)


def brca() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Fed-TCGA-BRCA, its covariates by code, with 0/1 region labels; and its reference numbers."""
    reference = _json("stats/cox_fed_tcga_brca")
    codes = {name: code for code, name in reference["column_code"].items()}
    frame = _csv("fed_tcga_brca").rename(columns={**codes, "T": "os.time", "E": "os.event"})
    return frame, reference


def with_labels(tables: list[AnalysisTable], **labels: Any) -> list[AnalysisTable]:
    """The tables of `tables_of` with labels of all people, by the rows that they came from."""
    return [
        AnalysisTable(
            t.site,
            t.persons,
            t.columns,
            {name: np.asarray(values, dtype=object)[t.persons] for name, values in labels.items()},
        )
        for t in tables
    ]


def fit(found: Any, expected: dict[str, Any]) -> Iterator[Check]:
    """The coefficients and tests of a model."""
    for name in ("coef", "se", "z", "p"):
        ours = found.model_se if name == "se" else getattr(found, name)
        yield Check(name, expected[name], ours, rtol=1e-8 if name == "p" else 1e-9)
    diagonal = np.sqrt(np.diag(expected["vcov"]))
    scaled = np.outer(diagonal, diagonal)
    yield Check("vcov", np.array(expected["vcov"]) / scaled, found.covariance / scaled, atol=1e-9)
    yield Check("nevent", expected["nevent"], found.n_events)
    yield Check("loglik", [expected["loglik_null"], expected["loglik"]], [found.loglik_null, found.loglik])
    df = len(found.coef)
    ours = [found.likelihood_ratio, df, found.likelihood_ratio_p]
    yield Check("lrt", expected["lrt"], ours, rtol=1e-8)
    yield Check("wald p", expected["wald"][2], found.wald_p, rtol=1e-8)  # R rounds the statistic
    yield Check("score", expected["score"], [found.score, df, found.score_p], rtol=1e-8)


def hazards_test(test: Any, expected: dict[str, Any]) -> Iterator[Check]:
    """The tests of proportional hazards."""
    ours = np.append(test.chi_square, test.global_chi_square)
    yield Check("zph", expected["chisq"], ours, rtol=1e-8, atol=1e-12)
    yield Check("zph p", expected["p"], np.append(test.p, test.global_p), rtol=1e-8)


def base(found: Any, expected: dict[str, Any]) -> Iterator[Check]:
    """The baseline hazard of covariates 0."""
    at_zero = found.survival(np.zeros((1, len(found.coef))), expected["times"])[0]
    yield Check("basehaz", expected["cumhaz"], -np.log(at_zero))


def still_followed(people: FollowUp) -> Floats:
    """(n,) the Kaplan-Meier estimate G of not being censored, just before each person's time ends.

    Events come before censorings of the same time, so those who have the event then are not at risk.
    """
    times, at = np.unique(people.time, return_inverse=True)
    ended = np.bincount(at, minlength=len(times))
    dead = np.bincount(at, people.event, minlength=len(times))
    at_risk = np.cumsum(ended[::-1])[::-1] - dead
    if people.entry is not None:
        at_risk = at_risk - (np.sort(people.entry).size - np.searchsorted(np.sort(people.entry), times))
    after = np.cumprod(1 - (ended - dead) / np.maximum(at_risk, 1))
    before: Floats = np.append(1.0, after[:-1])[at] if len(times) else np.zeros(0)
    return before


def concordance(strata: list[tuple[FollowUp, Any]], expected: dict[str, Any]) -> Iterator[Check]:
    """Harrell's and Uno's C, their standard errors and counts of pairs, summed over strata."""
    for name in ("harrell", "uno_nG2"):
        if name not in expected:
            continue
        weights = [None if name == "harrell" else still_followed(f) ** -2.0 for f, _ in strata]
        parts = [pairs(f, score, w) for (f, score), w in zip(strata, weights, strict=True)]
        total = Pairs(*(sum(getattr(p, field) for p in parts) for field in Pairs.__dataclass_fields__))
        yield Check(f"{name} C", expected[name]["C"], total.index())
        yield Check(f"{name} se", expected[name]["se"], total.standard_error())
        counts = expected[name]["counts"]
        counts = list(counts.values()) if isinstance(counts, dict) else counts
        ours = [total.concordant, total.discordant, total.tied_score, total.tied_time, total.tied_both]
        yield Check(f"{name} pairs", counts, ours)


def of(table: AnalysisTable) -> FollowUp:
    """The follow-up of a table with a plain survival outcome."""
    return FollowUp(None, table.column("os.time"), table.column("os.event") == 1)


def cox_one_baseline() -> Iterator[Check]:
    """Fed-TCGA-BRCA, `coxph` of all regions together, from six sites and a shared baseline."""
    frame, reference = brca()
    terms = reference["M1_efron"]["term"]
    tables = tables_of(frame[[*terms, "os.time", "os.event"]], frame.region)
    tables = with_labels(tables, tss=frame.tss)
    everybody = tables_of(frame[[*terms, "os.time", "os.event"]], np.zeros(len(frame)))
    spec = {
        "protocol": "cox",
        "outcome": "os",
        "covariates": terms,
        "stratify": "none",
        "grid": daily(8700),
    }
    for ties in ("breslow", "efron"):
        expected = reference[f"M1_{ties}"]
        for transform in ZPH:
            asked = {**spec, "ties": ties, "proportional_hazards": transform}
            found: Any = estimated(asked, tables, min_count=1)
            yield from hazards_test(found.proportional_hazards, expected[f"cox_zph_{transform}"])
        yield from fit(found, expected)
        yield from base(found, expected["basehaz_x0"])
        robust: Any = estimated({**spec, "ties": ties, "cluster": "tss"}, tables, min_count=1)
        yield Check("robust se", expected["robust_se_cluster_tss"], robust.se)
        score = everybody[0].matrix(terms) @ found.coef
        yield from concordance([(of(everybody[0]), score)], expected["C"])


def cox_by_region() -> Iterator[Check]:
    """Fed-TCGA-BRCA, `coxph(... + strata(region))`: tests of the hazards, baselines, concordance."""
    frame, reference = brca()
    expected = reference["M1_strata_region_breslow"]
    terms = expected["term"]
    tables = tables_of(frame[[*terms, "os.time", "os.event"]], frame.region)
    spec = {"protocol": "cox", "outcome": "os", "covariates": terms, "ties": "breslow"}
    for transform in ZPH:
        found: Any = estimated({**spec, "proportional_hazards": transform, "grid": daily(8700)}, tables)
        yield from hazards_test(found.proportional_hazards, expected[f"cox_zph_{transform}"])
    yield from fit(found, expected)
    times = expected["basehaz_x0"]["times"]
    strata = []
    for table in tables:
        x, people = table.matrix(terms), of(table)
        stratum = Stratum(x, None, people.time, people.event)
        risk = np.exp(x @ found.coef)
        hazard = np.append(0, np.cumsum(stratum.sums(risk, "breslow").hazard))
        ours = hazard[np.searchsorted(stratum.times, times, side="right")]
        yield Check("basehaz", expected["basehaz_x0"]["cumhaz"][f"region={table.site}"], ours)
        strata.append((people, x @ found.coef))
    yield from concordance(strata, expected["C"])


def cox_test_set() -> Iterator[Check]:
    """Fed-TCGA-BRCA, `concordance(fit, newdata = test)` of a model of the training set; and by region."""
    frame, reference = brca()
    expected = reference["M1_train_breslow"]
    terms = expected["term"]
    train = frame.fold == "train"
    columns = [*terms, "os.time", "os.event"]
    spec = {"protocol": "cox", "outcome": "os", "covariates": terms, "ties": "breslow"}
    asked = {**spec, "stratify": "none", "grid": daily(8700)}
    found: Any = estimated(asked, tables_of(frame[train][columns], frame[train].region), min_count=1)
    yield from fit(found, expected)
    (test,) = tables_of(frame[~train][columns], np.zeros((~train).sum()))
    yield from concordance([(of(test), test.matrix(terms) @ found.coef)], expected["test_C"])
    by_region = tables_of(frame[~train][columns], frame[~train].region)
    ours = [pairs(of(t), t.matrix(terms) @ found.coef).index() for t in by_region]
    yield Check("C by region", expected["test_C_by_region"], ours)


def lung() -> Iterator[Check]:
    """Eighteen institutions as sites, `coxph` without and with `strata(inst)`."""
    data, reference = _csv("survival_lung_inst"), _json("stats/cox_lung_inst")
    data = data.rename(columns=lambda name: name.replace(".", "_"))
    frame = data.assign(**{"os.time": data.time, "os.event": data.status - 1})
    terms = [term.replace(".", "_") for term in reference["main_breslow"]["term"]]
    frame = frame[[*terms, "os.time", "os.event", "inst"]]
    spec = {"protocol": "cox", "outcome": "os", "covariates": terms, "grid": daily(1100)}
    for ties in ("breslow", "efron"):
        expected = reference[f"main_{ties}"]
        tables = tables_of(frame.drop(columns="inst"), frame.inst.fillna(0))
        for transform in ZPH:
            asked = {**spec, "ties": ties, "stratify": "none", "proportional_hazards": transform}
            found: Any = estimated(asked, tables, min_count=1)
            yield from hazards_test(found.proportional_hazards, expected[f"cox_zph_{transform}"])
        yield from fit(found, expected)
        yield from base(found, expected["basehaz_x0"])
        known = frame.dropna(subset=terms)
        (everybody,) = tables_of(known.drop(columns="inst"), np.zeros(len(known)))
        yield from concordance([(of(everybody), everybody.matrix(terms) @ found.coef)], expected["C"])
    known, expected = frame[frame.inst.notna()], reference["strata_inst_breslow"]
    tables = tables_of(known.drop(columns="inst"), known.inst)
    for transform in ZPH:
        asked = {**spec, "ties": "breslow", "proportional_hazards": transform}
        found = estimated(asked, tables)
        # R takes the Kaplan-Meier estimate and the ranks of those with complete data.
        yield from hazards_test(found.proportional_hazards, expected[f"cox_zph_{transform}"])
    yield from fit(found, expected)


def veteran() -> Iterator[Check]:
    """Four cell types as sites, `coxph` and `cox.zph` of all together."""
    data, reference = _csv("survival_veteran"), _json("stats/cox_veteran_zph_tt")
    frame = data.rename(columns={"time": "os.time", "status": "os.event"})
    tables = tables_of(frame.drop(columns="celltype"), frame.celltype)
    for ties in ("breslow", "efron"):
        expected = reference[f"main_{ties}"]
        spec = {"protocol": "cox", "outcome": "os", "covariates": expected["term"], "ties": ties}
        for transform in ZPH:
            asked = {**spec, "stratify": "none", "grid": daily(1000), "proportional_hazards": transform}
            found: Any = estimated(asked, tables, min_count=1)
            yield from hazards_test(found.proportional_hazards, expected[f"cox_zph_{transform}"])
        yield from fit(found, expected)


def heart() -> Iterator[Check]:
    """Stanford hearts: 172 episodes of 103 people whose transplant comes with time, at three sites."""
    data, reference = _csv("survival_heart_startstop"), _json("stats/cox_heart_timedep")
    data = data.assign(transplant1=data.transplant.astype(float))
    for name in ("start", "stop"):
        data[name] *= 2  # R's data have half days; the grid has whole ones
    terms = reference["main_efron"]["term"]
    three, one = (tables_of_episodes(data, terms, by) for by in (data.id % 3, data.id * 0))
    for ties in ("breslow", "efron"):
        expected = reference[f"main_{ties}"]
        spec = {"protocol": "cox", "outcome": "os", "covariates": terms, "ties": ties, "episodes": True}
        shared_grid = {**spec, "stratify": "none", "grid": daily(3700)}
        for transform in ("identity", "km", "rank"):  # its logarithm is not that of half days
            found: Any = estimated({**shared_grid, "proportional_hazards": transform}, three, min_count=1)
            yield from hazards_test(found.proportional_hazards, expected[f"cox_zph_{transform}"])
        yield from fit(found, expected)
        times = {**expected["basehaz_x0"], "times": np.array(expected["basehaz_x0"]["times"]) * 2}
        yield from base(found, times)
        logarithm: Any = estimated({**spec, "proportional_hazards": "log"}, one)
        yield from hazards_test(logarithm.proportional_hazards, expected["cox_zph_log"])
        yield from fit(logarithm, expected)
        robust = reference[f"main_cluster_id_{ties}"]
        for asked, tables in ((shared_grid, three), (spec, one)):
            found = estimated({**asked, "robust": True}, tables, min_count=1)
            yield Check("robust se", robust["robust_se"], found.se)
            yield Check("naive se", robust["naive_se"], found.model_se)
        people = FollowUp(*(data[c].to_numpy(float) for c in ("start", "stop")), data.event.to_numpy() == 1)
        yield from concordance([(people, data[terms].to_numpy(float) @ found.coef)], expected["C"])


def tables_of_episodes(data: pd.DataFrame, terms: list[str], site: Any) -> list[AnalysisTable]:
    """One table a site, whose people have episodes of these terms."""
    tables = []
    for name in sorted(set(site)):
        rows = data[np.asarray(site) == name]
        persons, owner = np.unique(rows.id, return_inverse=True)
        last = rows.groupby("id").stop.max().to_numpy(float)
        columns = {"os.time": last, "os.event": rows.groupby("id").event.max().to_numpy(float)}
        values = [rows[c].to_numpy(float) for c in ("start", "stop", "event")]
        episodes = Episodes(owner, *values, {term: rows[term].to_numpy(float) for term in terms})
        tables.append(AnalysisTable(str(name), persons, columns, episodes={"os": episodes}))
    return tables


def penalized() -> Iterator[Check]:
    """Fed-TCGA-BRCA, ridge by long double Newton and the elastic net by proximal Newton (not glmnet's)."""
    frame, _ = brca()
    # Only the order of times matters: a grid of as many intervals as there are distinct ones.
    frame["os.time"] = np.unique(frame["os.time"], return_inverse=True)[1]
    grid = daily(int(frame["os.time"].max()))
    terms = [f"x{j:02d}" for j in range(39)]
    columns = [*terms, "os.time", "os.event"]
    train = frame.fold == "train"
    reference = _json("stats/cox_tcga_ridge_vs_flamby")["results"]
    spec = {"protocol": "cox", "outcome": "os", "covariates": terms, "ties": "breslow"}
    tables = tables_of(frame[train][columns], frame[train].region)
    (test,) = tables_of(frame[~train][columns], np.zeros((~train).sum()))
    by_region = tables_of(frame[~train][columns], frame[~train].region)
    for name, r in (("ridge1", 1), ("ridge10", 10), ("ridge50", 50)):
        asked = {**spec, "penalty": r / int(train.sum()), "stratify": "none", "grid": grid}
        found: Any = estimated(asked, tables, min_count=1)
        yield Check(name, reference[name]["coef"], found.coef * found.scale, rtol=1e-7)
        size = r / 2 * float((found.coef * found.scale) @ (found.coef * found.scale))
        yield Check(f"{name} loglik", reference[name]["loglik_pen"], found.loglik - size)
        ours = pairs(of(test), test.matrix(terms) @ found.coef).index()
        yield Check(f"{name} test C", reference[name]["test_C_pooled"], ours)
        regions = [pairs(of(t), t.matrix(terms) @ found.coef).index() for t in by_region]
        yield Check(f"{name} test C by region", reference[name]["test_C_region"], regions)
    net = _json("stats/penalised_logistic_cox_glmnet")["cox_breslow_alpha0.5_lambda0.02"]
    later = frame[frame["os.time"] > 0]
    tables = tables_of(later[columns], later.region)
    asked = {**spec, "penalty": 0.02, "l1_ratio": 0.5, "stratify": "none", "grid": grid}
    found = estimated(asked, tables, min_count=1)
    yield Check("elastic net", net["coef"], found.coef * found.scale, rtol=1e-7)
    yield Check("nonzero", net["n_nonzero"], np.count_nonzero(found.coef))


def kaplan_meier() -> Iterator[Check]:
    """Fed-TCGA-BRCA, `survfit(conf.type = "log-log")`, all and by region; medians of the default interval."""
    frame, reference = brca()
    tables = tables_of(frame[["os.time", "os.event", "region"]], frame.region)
    spec = {"protocol": "kaplan_meier", "outcome": "os", "grid": daily(8700)}
    yield from curves(estimated(spec, tables, min_count=1), reference["km_overall"], ["all"])
    by_region = {**spec, "by": "region", "levels": list(range(6))}
    found = estimated(by_region, tables, min_count=1)
    yield from curves(found, reference["km_region"], [f"region={r}" for r in range(6)])
    found = estimated({**spec, "interval": "log", "quantiles": [0.25, 0.5]}, tables, min_count=1)
    expected = reference["km_quantiles"]
    yield Check("quantile", expected["quantile"], found.quantile_days[0])
    yield Check("quantile lower", expected["lower"], found.quantile_lower[0])
    yield Check("quantile upper", expected["upper"], found.quantile_upper[0])


def curves(found: Any, expected: dict[str, Any], groups: list[str]) -> Iterator[Check]:
    """A table of `summary(survfit, times)`; where R has people at risk."""
    times = np.array(expected["time"]).reshape(len(groups), -1)
    for g in range(len(groups)):
        at = times[g].astype(int) - 1
        risk = found.at_risk[g, at]
        shape = (len(groups), -1)
        yield Check("n_risk", np.reshape(expected["n_risk"], shape)[g], np.maximum(risk, 0))
        alive = risk > 0
        names = {"surv": "survival", "se": "se", "lower": "lower", "upper": "upper"}
        for name, ours in names.items():
            if name in expected:
                theirs = np.array(expected[name], dtype=float).reshape(shape)[g]
                compared = alive & np.isfinite(theirs) & np.isfinite(getattr(found, ours)[g, at])
                yield Check(name, theirs[compared], getattr(found, ours)[g, at][compared])
        if "n_event_cum" in expected:
            events = np.cumsum(np.maximum(found.events[g], 0))[at]
            theirs = np.reshape(expected["n_event_cum"], shape)[g]
            yield Check("n_event", theirs, np.diff(events, prepend=0))


def kaplan_meier_lgg() -> Iterator[Check]:
    """TCGA-LGG, four hospitals, `survfit(Surv(os_days, death) ~ idh1_mutated)`."""
    clinical = pd.read_csv(shared("data/tcga_lgg/clinical.csv"))
    table = clinical.merge(pd.read_csv(shared("data/tcga_lgg/imaging.csv")), on="patient")
    table = table[table.hospital != "EZ"]
    idh1 = pd.to_numeric(table.idh1_mutated, errors="coerce")
    frame = pd.DataFrame({"idh1": idh1, "os.time": table.os_days, "os.event": table.death})
    spec = {"protocol": "kaplan_meier", "outcome": "os", "by": "idh1", "grid": daily(6500)}
    found = estimated(spec, tables_of(frame, table.hospital), min_count=1)
    yield from curves(found, _json("tcga_lgg")["km_idh1"], ["idh1=0", "idh1=1"])


def log_rank() -> Iterator[Check]:
    """Fed-TCGA-BRCA, `survdiff(Surv(T, E) ~ region)`."""
    frame, reference = brca()
    expected = reference["logrank_region_rho0"]
    tables = tables_of(frame[["os.time", "os.event", "region"]], frame.region)
    spec = {"protocol": "log_rank", "outcome": "os", "by": "region", "levels": list(range(6))}
    found: Any = estimated({**spec, "stratify": "none", "grid": daily(8700)}, tables, min_count=1)
    yield Check("obs", expected["obs"], found.observed)
    yield Check("exp", expected["exp"], found.expected)
    yield Check("var", expected["var"], found.covariance)
    yield Check("chisq", expected["chisq"], found.chi_square)
    yield Check("p", expected["p"], found.p, rtol=1e-8)


REFERENCES: dict[str, Callable[[], Iterator[Check]]] = {
    check.__name__: check
    for check in (
        kaplan_meier,
        kaplan_meier_lgg,
        log_rank,
        cox_one_baseline,
        cox_by_region,
        cox_test_set,
        lung,
        veteran,
        heart,
        penalized,
    )
}


@pytest.mark.parametrize("reference", REFERENCES)
def test_reference_numbers_hold(reference: str) -> None:
    checks = list(REFERENCES[reference]())
    held, numbers = sum(c.holds() for c in checks), sum(c.numbers() for c in checks)
    print(f"\n{reference}: {held} of {numbers} numbers hold, worst {max(c.worst() for c in checks):.1e}")
    missed = [f"{c.quantity}: worst {c.worst():.1e}" for c in checks if c.holds() < c.numbers()]
    assert not missed

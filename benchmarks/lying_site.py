"""What one lying hospital of five can take off a model unnoticed: `python -m benchmarks.lying_site`.

It sends values of x between its own and the worst that people may have (3 standard deviations, against the
sign of what it has). Printed is the AUC on 2,000 others, and whether `influence` names the hospital.
"""

import numpy as np
from scipy.stats import rankdata

from protocols.core.study import Study
from protocols.core.table import AnalysisTable, Floats
from protocols.exchange.local import run_locally

MODEL = {"protocol": "logistic", "outcome": "y", "covariates": ["x", "z"]}
PEOPLE, DRAWS = 100, 8


def columns(draw: np.random.Generator, people: int) -> dict[str, Floats]:
    """x and z, and a 0/1 outcome that depends on both."""
    x, z = draw.normal(size=(2, people))
    return {"x": x, "z": z, "y": (draw.uniform(size=people) < 1 / (1 + np.exp(z - 1.5 * x))).astype(float)}


def auc(coef: Floats, rows: dict[str, Floats]) -> float:
    """The area under the curve of a model's scores."""
    score, y = coef[1] * rows["x"] + coef[2] * rows["z"], rows["y"] == 1
    return float((rankdata(score)[y].sum() - y.sum() * (y.sum() + 1) / 2) / (y.sum() * (~y).sum()))


def main() -> None:
    """Prints one line per share of the lie."""
    study = Study.model_validate(
        {
            "name": "lie",
            "title": "A lie",
            "cohort": {"index": {"domain": "condition", "concept": "ICD10CM:C71%"}},
            "variables": {n: {"kind": "measurement", "concept": f"LOCAL:{n}"} for n in "xzy"},
            "analyses": [
                {"name": "a", "spec": MODEL},
                {"name": "moved", "spec": {"protocol": "influence", "model": MODEL, "leave_out": "sites"}},
            ],
        }
    )
    others = columns(np.random.default_rng(99), 2000)
    print("lie   points of AUC lost (mean, most)   named   most lost unnoticed")
    for lie in (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0):
        lost, named = [], []
        for k in range(DRAWS):
            draw = np.random.default_rng(k)
            sites = {s: columns(draw, PEOPLE) for s in "abcde"}
            tables = [AnalysisTable(s, np.arange(PEOPLE), c) for s, c in sites.items()]
            honest = auc(run_locally(study, tables)["a"].coef, others)
            x = sites["e"]["x"]
            lied = tables[4].with_columns({"x": (1 - lie) * x - lie * 3 * np.sign(x)})
            found = run_locally(study, [*tables[:4], lied])
            moved = found["moved"]
            named.append(any(moved.stands_out[g] for g, group in enumerate(moved.groups) if "e" in group))
            lost.append(100 * (honest - auc(found["a"].coef, others)))
        unnoticed = max((one for one, seen in zip(lost, named, strict=True) if not seen), default=0.0)
        most = f"{np.mean(lost):6.2f} {np.max(lost):6.2f}"
        print(f"{lie:3.1f}   {most}   {sum(named)} of {DRAWS}   {unnoticed:.2f}")


if __name__ == "__main__":
    main()

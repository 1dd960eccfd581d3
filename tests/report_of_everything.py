"""Writes a report with one analysis of every protocol: `python -m tests.report_of_everything OUT`.

The people are synthetic and the sites are in this process, so it takes seconds. Look at the page after
a change of a figure or a word: `chromium --headless --screenshot=P.png --window-size=1280,9000 report.html`.
"""

import sys
from pathlib import Path

from protocols.exchange.local import run_locally
from server.report import write_report
from tests.lib.everything import hospitals, one_of_each, study_with

MORE = {
    "summary_by_hospital": {"protocol": "summary", "of": ["age", "sex", "idh1", "f_one"], "per_site": True},
    "quartiles": {
        "protocol": "quantiles",
        "of": [
            {"variable": "age", "low": 0, "high": 120, "resolution": 0.1},
            {"variable": "f_one", "low": -20, "high": 40, "resolution": 0.01},
        ],
    },
    "survival_by_gene": {
        "protocol": "kaplan_meier",
        "outcome": "os",
        "by": "idh1",
        "grid": {"step_days": 30, "until_days": 1500},
    },
    "lasso": {
        "protocol": "cox",
        "outcome": "os",
        "covariates": ["age", "f_one", "f_two"],
        "penalty": 0.03,
        "l1_ratio": 1.0,
    },
    "each_hospital_left_out": {
        "protocol": "discrimination",
        "model": {"protocol": "logistic", "outcome": "idh1", "covariates": ["age", "f_one"]},
        "scheme": {"kind": "sites"},
    },
}
"""What a report shows differently from the first example of a protocol."""


def main(out: Path) -> Path:
    """The path of the page, written into the folder `out`."""
    specs = one_of_each() | MORE
    study = study_with(specs, shown_per={"age": 10})
    return write_report(study, run_locally(study, hospitals("North", "South", "West")), [], out)


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))

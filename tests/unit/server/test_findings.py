"""The demo's page lays what was planted beside what was found."""

from protocols.exchange.local import run_locally
from server.demo import findings
from tests.lib.everything import hospitals, study_with


def test_the_links_are_drawn_with_their_areas() -> None:
    spec = {
        "protocol": "discrimination",
        "model": {"protocol": "logistic", "outcome": "idh1", "covariates": ["age"]},
    }
    outcome = run_locally(study_with(dict.fromkeys(findings.LINKS.values(), spec)), hospitals())
    (section,) = findings.section(outcome, [("what", "planted", "found")])
    figure = str(section.blocks[1])
    assert figure.count("<svg") == 1
    found = outcome["tp53_from_density_before"]
    assert f"{found.auc:.3f} ({found.auc_lower:.3f} to {found.auc_upper:.3f})" in figure
    assert all(words in figure for words in findings.LINKS)

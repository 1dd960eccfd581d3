"""Makes the pictures of the center's pages for the guide, as `tests.web.pictures` makes a site's.

Four hospitals in this process answer questions and studies; a model is registered and released by two people.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocols.core.errors import Code
from protocols.core.study import Study
from server.actions import studies
from server.home.owners import Owners
from server.home.submissions import State
from site_node.governance import holds
from site_node.governance.policy import changed
from tests.lib.browser import Browser
from tests.lib.center_pages import NAMES, Center, center_with_pages
from tests.lib.federation import until
from tests.lib.pictures import take
from tests.lib.site_pages import pages_of
from tests.unit.client.test_builders import lgg

GLIOMA = "condition:ICD10CM:C71%"
ANSWERS_BEFORE = 17  # after which a site falls silent: some rounds are to be seen


@dataclass
class Pictures:
    """A center, a browser, and the folder of the pictures."""

    center: Center
    browser: Any
    out: Path

    def take(self, one: Browser, name: str, path: str = "") -> None:
        """The open page, or the one of this path."""
        take(one, self.out, f"center-{name}", path)


def pictures(browser: Any, out: Path) -> None:
    """Writes each page of a center at both widths."""
    with tempfile.TemporaryDirectory() as folder, center_with_pages(Path(folder)) as center:
        made = Pictures(center, browser, out)
        submitted(made)
        run = ended(made)
        asked(made)
        under_way(made)
        with center.signed_in(browser, "nora") as one:
            for name in ("studies", "questions", "catalogue", "network", "approvals"):
                made.take(one, name, f"/{name}")
            made.take(one, "study", f"/studies/{run}")
            made.take(one, "results", f"/studies/{run}/results")
        model(made, run)
        held(made)
        with center.signed_in(browser, "siri") as one:
            made.take(one, "accounts", "/accounts")


def submitted(made: Pictures) -> None:
    """A draft that is checked and asked about, and waits for its approvals."""
    with made.center.signed_in(made.browser, "nora", "/draft") as one:
        content = lgg().to_yaml().replace("name: lgg\n", "name: lgg-curves\n", 1)
        one.page.fill("[name=text]", content)
        one.page.select_option("[name=variable]", "gene")
        one.press("Show its fields")
        one.fill(variable_name="tp53", f_gene="TP53")
        one.press("Add the variable")
        one.page.select_option("[name=analysis]", "kaplan_meier")
        one.press("Show its fields summary")
        one.fill(analysis_name="curves", f_outcome="os", f_by="tp53")
        one.press("Add the analysis")
        one.press("Check it")
        made.take(one, "new-study")
        one.press("Ask who has what")
        (waits,) = [one for one in made.center.consortium.store.entries() if one.title == "Who has what"]
        made.center.ends(waits.run)
        one.press("Ask who has what")
        made.take(one, "preflight")
        one.press("Submit it to the sites")
        made.center.approved(one.page.url.rpartition("/")[2], *NAMES[:2])


def ended(made: Pictures) -> str:
    """The run of a study with its results."""
    study = with_curves(lgg().study)
    run = owned(made, study)
    made.center.approved(run, *NAMES[:3])
    studies.begin(made.center.consortium.home, run)
    assert made.center.ends(run) is State.DONE
    return run


def with_curves(study: Study) -> Study:
    """The study with survival curves by the mutation of IDH1."""
    curves = {"name": "curves", "spec": {"protocol": "kaplan_meier", "outcome": "os", "by": "idh1_mutated"}}
    content = study.model_dump(mode="json")
    return Study.model_validate({**content, "analyses": [*content["analyses"], curves]})


def owned(made: Pictures, study: Study) -> str:
    """The run of a study that the analyst's account submitted."""
    run = made.center.consortium.propose(study).run
    Owners(made.center.consortium.home).note(run, "nora")
    return run


def asked(made: Pictures) -> None:
    """Questions on the sites, each with its answer."""
    with made.center.signed_in(made.browser, "nora", "/questions") as one:
        one.fill(cohort=GLIOMA, variables="age, gene:EGFR", by="female")
        one.press("Ask the sites")
        answered(made, one, "question")
        one.open("/cohorts")
        one.page.select_option("[name=rule]", "age")
        one.press("Show its fields")
        one.fill(rule_name="adults", f_at_least="18")
        one.press("Add the rule")
        made.take(one, "cohort")
        one.press("Ask how many people each rule leaves")
        answered(made, one, "attrition")
        one.open("/catalogue")
        one.fill(cohort=GLIOMA, variables="age, gene:BRAF, scanner:CT")
        one.press("Ask the sites")
        answered(made, one)


def answered(made: Pictures, one: Browser, name: str = "") -> None:
    """Waits for the answer to the question whose page is open."""
    one.page.wait_for_url("**/questions/*")
    made.center.ends(one.page.url.rpartition("/")[2])
    one.page.get_by_text("looks again by itself").wait_for(state="detached")
    if name:
        made.take(one, name)


def under_way(made: Pictures) -> None:
    """A run that one site keeps waiting."""
    consortium = made.center.consortium
    run = owned(made, with_curves(lgg().study.model_copy(update={"name": "lgg-again"})))
    made.center.approved(run, *NAMES[:3])
    silent = NAMES[1]
    consortium.tamper = lambda site, kind, reply: (
        Code.SITE_UNREACHABLE
        if kind == "round" and site == silent and len(consortium.store.answers(run)) > ANSWERS_BEFORE
        else reply
    )
    studies.begin(consortium.home, run)

    def is_waited_for() -> bool:
        consortium.seconds += 1  # the coordinator's clock stands still otherwise
        return any(event["what"] == "waiting for" for event in consortium.store.events(run))

    until(is_waited_for, 120)
    with made.center.signed_in(made.browser, "carl", f"/studies/{run}") as one:
        made.take(one, "run")
        one.page.get_by_role("button", name="Stop the study").click()
        one.page.get_by_text("was stopped").wait_for()
    consortium.tamper = lambda site, kind, reply: reply


def held(made: Pictures) -> None:
    """An answer that waits at a hospital until a person there has looked at it."""
    name = NAMES[0]
    home = made.center.consortium.folder / name
    changed(home, "hold", "one")
    run = owned(made, lgg().study.model_copy(update={"name": "lgg-held"}))
    made.center.approved(run, *NAMES[:3])
    studies.begin(made.center.consortium.home, run)
    until(lambda: bool(holds.waiting(home)), 60)
    (answer,) = holds.waiting(home)
    with pages_of(home, name) as site, site.signed_in(made.browser, "approver") as one:
        take(one, made.out, "held", "/held")
        take(one, made.out, "held-answer", f"/held/{answer.id}")
        take(one, made.out, "peers", "/peers")
    studies.withdraw(made.center.consortium.home, run)


def model(made: Pictures, run: str) -> None:
    """A model that two people released, and a draft."""
    with made.center.signed_in(made.browser, "nora", f"/studies/{run}/results") as one:
        for name in ("cox_os_strata", "logit_idh1"):
            one.open(f"/studies/{run}/results")
            one.press(f"Register as a model {name}")
    for who in ("carl", "dina"):
        with made.center.signed_in(made.browser, who, "/models/1") as one:
            one.press("Release")
    with made.center.signed_in(made.browser, "carl", "/models") as one:
        made.take(one, "models")
        made.take(one, "model", "/models/1")

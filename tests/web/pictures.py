"""Makes the pictures of all pages for the guide: `python -m tests.web.pictures [DIR]`, in minutes.

At the site a synthetic hospital is loaded and measured, a study comes twice, is simulated and decided, and
answers leave.
"""

import importlib.resources
import json
import sys
import tempfile
from collections import deque
from pathlib import Path
from typing import Any

import yaml

from protocols.core.study import Study, study_of_text
from protocols.exchange.envelope import digest
from protocols.runtime.accounts import people
from protocols.runtime.accounts.roles import Actor, Role, Way
from site_node.actions import inbox, loads
from site_node.administration import backup
from site_node.desk import jobs
from site_node.governance import approvals, audit, ledger
from site_node.home.config import SETTINGS
from site_node.synthetic import SEED, consortium, write_hospital
from tests.lib.browser import chromium, opened
from tests.lib.pictures import take
from tests.lib.site_pages import SitePages, site_with_pages
from tests.lib.sites import a_round
from tests.lib.studies import REQUESTER, a_study
from tests.web import center_pictures

OUT = Path(__file__).resolve().parents[2] / "docs" / "pictures" / "web"
PATIENTS = 40
ONE_CODE = "system=http%3A%2F%2Fhl7.org%2Ffhir%2Fsid%2Ficd-10-cm&code=C71.1&words=malignant+neoplasm"
LEFT = {"question": "ages.moments", "way": "sum", "arrays": {"people": [1], "with_value": [1], "sums": [1]}}
PAGES = {
    "overview": "/",
    "inbox": "/studies",
    "data": "/data",
    "quarantine": "/data/quarantine",
    "images": "/images",
    "genomics": "/genomics",
    "quality": "/quality",
    "mapping": "/mapping",
    "left": "/left",
    "standing": "/standing",
    "policy": "/policy",
    "audit": "/audit",
    "profile": "/profile",
}


def pictures(browser: Any, out: Path) -> None:
    """Writes each page of a site at both widths."""
    with tempfile.TemporaryDirectory() as folder:
        hospital = consortium(3, PATIENTS)[0]
        write_hospital(Path(folder), hospital, SEED)
        export = Path(folder) / hospital.name
        with site_with_pages(Path(folder) / "oslo", 0, load_folders=(export,)) as site:
            work(site, export)
            kept = Path(folder) / "backups"
            kept.mkdir()
            with (site.home / SETTINGS).open("a") as settings:
                settings.write(f"backup_folder = {json.dumps(str(kept))}\n")
            backup.back_up(site.home, kept, by="admin")
            studies = decided(site)
            word = people.invite(site.accounts, "ingrid", [Role.APPROVER], by="admin").word
            with opened(browser, site.address) as one:
                take(one, out, "sign-in", "/sign-in")
                take(one, out, "invitation", f"/invitation/{word}")
            with site.signed_in(browser, "approver") as one:
                for name, path in PAGES.items():
                    take(one, out, name, path)
                take(one, out, "study", f"/studies/{studies[-1].hash()}")
            with site.signed_in(browser, "approver", language="de-DE") as one:
                take(one, out, "study-german", f"/studies/{studies[-1].hash()}")
            with site.signed_in(browser, "steward") as one:
                take(one, out, "mapping-one", f"/mapping/one?{ONE_CODE}")
                take(one, out, "job", "/jobs/1")
            with site.signed_in(browser, "admin") as one:
                take(one, out, "accounts", "/accounts")
                take(one, out, "backups", "/backups")


def work(site: SitePages, export: Path) -> None:
    """Loads and measures the hospital, as its steward would from the pages."""
    genomics = export / "genomics"
    tested = {"panel": str(genomics / "panel.tsv"), "samples": genomics / "samples.tsv"}
    deque(loads.add_genomics(site.home, genomics / "mutations.maf", **tested), maxlen=0)  # type: ignore[arg-type]
    steward = Actor("steward", frozenset({Role.STEWARD}), Way.SESSION)
    for kind, place in (("load-fhir", "fhir"), ("load-dicom", "imaging"), ("radiomics", ""), ("quality", "")):
        jobs.ask(site.home, steward, kind, {"place": str(export / place)} if place else {})
        job = jobs.next_job(site.home)
        assert job is not None
        assert jobs.do(site.home, job).state is jobs.State.DONE


def decided(site: SitePages) -> list[Study]:
    """Studies that ended, were refused and wait; the last is the second version of one."""
    text = importlib.resources.files("server.demo").joinpath("study.yaml").read_text()
    first = yaml.safe_load(text)
    first["requester"] = {**REQUESTER, "institution": "Northern University Hospital"}
    first["cohort"]["rules"] = first["cohort"]["rules"][:2]
    second = yaml.safe_load(text)
    second["requester"] = first["requester"]
    counts, refused = (
        a_study(title="Mean age of people with glioma"),
        a_study(name="all", title="Ages, once more"),
    )
    found = [counts, refused, study_of_text(json.dumps(first)), study_of_text(json.dumps(second))]
    for study in found:
        approvals.receive(site.home, study.canonical())
    inbox.approve(site.home, counts.hash(), days=5, by="approver", note="agreed at the board of 12 November")
    inbox.refuse(site.home, refused.hash(), by="other", note="asked and answered before")
    inbox.approve_standing(site.home, "summary", by="approver")
    for number in range(4):
        sealed = bytes(2000 + 900 * number)
        ledger.remember(site.home, a_round(counts, number=number), "question", sealed)
        audit.record(
            site.home, "answered", study=counts.hash(), round=number, left=[LEFT], sha256=digest(sealed)
        )
    inbox.simulate(site.home, found[-1].hash(), by="approver")
    return found


if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    where.mkdir(parents=True, exist_ok=True)
    with chromium() as found:
        pictures(found, where)
        center_pictures.pictures(found, where)

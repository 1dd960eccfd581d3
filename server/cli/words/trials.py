"""What people read of a study that was tried, and of one that sites were asked about before it is signed."""

from typing import Any

from protocols.core.errors import ExitCode
from protocols.runtime.output import Output
from server.actions.preflight import Preflight
from server.actions.trial import TriedStudy
from server.cli.words.studies import Row, doubtful


def tried(study: TriedStudy) -> Output[TriedStudy]:
    """A study over dummy people, and an exit code that says whether all of it went well."""
    return Output(study, _tried, ExitCode.DONE if study.is_whole else ExitCode.PARTIAL)


def _tried(study: TriedStudy) -> Row:
    page: Row = {
        "study": study.name,
        "hash": study.hash,
        "dummy people": ", ".join(f"{site} {people}" for site, people in study.people.items()),
        "rounds": study.rounds,
        "seconds": study.seconds,
    }
    if study.report is not None:
        page["report"] = str(study.report)
    page["analyses"] = [
        {"analysis": one.name, "protocol": one.protocol, "": one.code or "ok", "why": one.why, "fix": one.fix}
        for one in study.analyses
    ]
    return page | ({"in doubt": doubtful(study.doubts)} if study.doubts else {})


def preflight(found: Preflight) -> Output[Preflight]:
    """What sites would do with a study, and an exit code that says whether anything stands in its way."""
    is_clear = not found.doubts and not any(site.refuses for site in found.sites)
    return Output(found, _preflight, ExitCode.DONE if is_clear else ExitCode.PARTIAL)


def _preflight(found: Preflight) -> Row:
    sites = [
        {
            "site": site.site,
            "would refuse": "; ".join(site.refuses) or ("no" if site.is_known else "not known yet"),
            "counts": site.counts,
        }
        for site in found.sites
    ]
    page: Row = {"study": found.name, "hash": found.hash, "sites": sites}
    rows: dict[str, dict[str, Any]] = {}
    for one in found.people:
        shown = "fewer than 10" if one.at_least is None else f"{one.at_least} or more"
        rows.setdefault(one.variable, {"variable": one.variable})[one.site] = shown
    if rows:
        page["people"] = list(rows.values())
    return page | ({"in doubt": doubtful(found.doubts)} if found.doubts else {})

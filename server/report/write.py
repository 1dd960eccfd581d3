"""Writes a study's report into a folder."""

import importlib.metadata
import importlib.resources
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import pandas as pd

from cdm.vocabulary.csv_file import inert
from protocols.core.lockstep import Failure
from protocols.core.protocol import Spec, plain, protocol, specs_in
from protocols.core.study import Study
from protocols.exchange.local import LOCAL_RUN
from protocols.exchange.rounds import Outcome
from server.report import blocks, sections
from server.report.blocks import Section
from server.report.checklist import checklists
from server.report.methods import methods
from server.report.sections import shown_title

HTML, JSON = "report.html", "results.json"
IN_ONE_PROCESS = "The study ran in one process over tables in memory: nothing was sent."


@dataclass(frozen=True)
class Left:
    """One sealed answer that a site sent: which round, how large, and the digest of its exact bytes."""

    round: int
    site: str
    bytes: int
    sha256: str


def write_report(
    study: Study,
    outcome: Outcome,
    left: Sequence[Left],
    out: Path,
    *,
    facts: Sequence[tuple[str, str]] = (),
    extra: Sequence[Section] = (),
) -> Path:
    """The path of the HTML report, written with its JSON and CSV into the folder `out`.

    Args:
        study: what was asked.
        outcome: what was found.
        left: what each site sent.
        out: a folder; it is made.
        facts: further (value, label) pairs for the head of the page.
        extra: sections before the results, such as a demo's planted truth.
    """
    out.mkdir(parents=True, exist_ok=True)
    _write_numbers(study, outcome, left, out)
    page = _page(study, outcome, left, facts, extra)
    (out / HTML).write_text(page)
    return out / HTML


def _page(
    study: Study,
    outcome: Outcome,
    left: Sequence[Left],
    facts: Sequence[tuple[str, str]],
    extra: Sequence[Section],
) -> str:
    template = importlib.resources.files("server.report").joinpath("report.html.j2").read_text()
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    head = [
        (str(len(outcome.sites)), "hospitals"),
        (str(outcome.rounds), "rounds"),
        (str(len(study.analyses)), "analyses"),
    ]
    if not _is_local(outcome):
        head.append((_size(sum(answer.bytes for answer in left)), "left the hospitals, in all"))
    return environment.from_string(template).render(
        title=study.title,
        purpose=study.purpose,
        asked_by=_asked_by(study),
        facts=[*head, *facts],
        study_hash=outcome.study,
        run=outcome.run,
        promise=IN_ONE_PROCESS
        if _is_local(outcome)
        else "No row of a patient left a hospital; what each site released is listed at the end.",
        sections=[
            sections.question(study),
            *extra,
            *sections.results(study, outcome),
            methods(study, outcome),
            checklists(study, outcome),
            _released(study, outcome, left),
            _provenance(study, outcome),
        ],
    )


def _asked_by(study: Study) -> str:
    if (who := study.requester) is None:
        return ""
    funded = f" Funding: {who.funding}." if who.funding else ""
    return f"Asked by {who.name}, {who.institution}. Ethics: {who.ethics}.{funded}"


def _released(study: Study, outcome: Outcome, left: Sequence[Left]) -> Section:
    """What each site sent, round by round."""
    lets_out = blocks.table(("analysis", "at each hospital"), _let_out(study))
    if _is_local(outcome):
        opening = blocks.opening("What each analysis lets out", [lets_out])
        return Section("What would leave each hospital", [blocks.text(IN_ONE_PROCESS), opening])
    by_site = [
        (
            site,
            sum(1 for a in left if a.site == site),
            _size(sum(a.bytes for a in left if a.site == site)),
        )
        for site in outcome.sites
    ]
    detail = "\n".join(f"round {a.round:3}  {a.site:<20} {a.bytes:>9} bytes  {a.sha256}" for a in left)
    return Section(
        "What left each hospital",
        [
            blocks.text(
                "Nothing but these aggregates, each of which passed the hospital's own gate. A hospital "
                "finds the same digests in its audit."
            ),
            blocks.table(("hospital", "answers", "size"), by_site),
            blocks.opening("What each analysis lets out", [lets_out]),
            blocks.folded("Every answer, with the SHA-256 of its bytes", detail),
        ],
    )


def _let_out(study: Study) -> list[tuple[object, ...]]:
    """Each analysis with what it lets out, the same words once."""
    rows: list[tuple[object, ...]] = []
    said: dict[tuple[str, ...], str] = {}
    for analysis in study.analyses:
        title, lines = shown_title(analysis), tuple(protocol(analysis.spec.protocol).describe(analysis.spec))
        if lines in said:
            lines = (f"The same as “{said[lines]}”.",)
        said.setdefault(lines, title)
        rows.append((title, blocks.lines(lines)))
    return rows


def _provenance(study: Study, outcome: Outcome) -> Section:
    """How the study can be checked and repeated."""
    versions = sorted({(s.protocol, protocol(s.protocol).version) for s in _specs(study)})
    approved = "" if _is_local(outcome) else ", which every hospital approved"
    verify = [
        blocks.text(
            "The joined answers of all rounds are kept at the center. This computes every result again "
            "from them, without asking a hospital:"
        ),
        blocks.code(f"shadowgraph study verify {outcome.run}"),
    ]
    return Section(
        "Provenance",
        [
            blocks.text(f"The SHA-256 of the study's canonical form{approved}:"),
            blocks.code(outcome.study),
            *([] if _is_local(outcome) else verify),
            blocks.text(
                f"Hospitals: {', '.join(outcome.sites)}. Shadowgraph "
                f"{importlib.metadata.version('shadowgraph')}; protocols: "
                f"{', '.join(f'{name} {version}' for name, version in versions)}."
            ),
            blocks.folded(
                "The study, in its canonical form", json.dumps(json.loads(study.canonical()), indent=1)
            ),
        ],
    )


def _is_local(outcome: Outcome) -> bool:
    return outcome.run == LOCAL_RUN


def _specs(study: Study) -> Iterator[Spec]:
    for analysis in study.analyses:
        yield from specs_in(analysis.spec)


def _write_numbers(study: Study, outcome: Outcome, left: Sequence[Left], out: Path) -> None:
    """Every number as JSON, and each analysis' summary as CSV."""
    content = {
        "schema_version": 1,
        "study": outcome.study,
        "run": outcome.run,
        "sites": list(outcome.sites),
        "rounds": outcome.rounds,
        "results": {
            name: {"failed": str(r.code), "text": r.text, "fix": r.fix}
            if isinstance(r, Failure)
            else r.as_dict()
            for name, r in outcome.results.items()
        },
        "left": plain(list(left)),
    }
    (out / JSON).write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    (out / "study.json").write_bytes(study.canonical())
    for name, result in outcome.results.items():
        if not isinstance(result, Failure):
            _inert(result.summary()).to_csv(out / f"{name}.csv")


def _inert(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with words that no spreadsheet takes for a formula; a study's author chose some of them."""

    def shown(cell: object) -> object:
        return inert(cell) if isinstance(cell, str) else cell

    return frame.map(shown).rename(index=shown, columns=shown)


def _size(count: int) -> str:
    return f"{count / 1000:.0f} kB" if count >= 1000 else f"{count} B"

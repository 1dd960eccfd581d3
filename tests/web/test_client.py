"""A notebook: `import shadowgraph as sg`, one study from a file to a frame, over the API and on frames."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import shadowgraph as sg
from protocols.core.errors import Code, InputError, ShadowgraphError, StudyError, UnreachableError
from protocols.core.protocol import protocol
from server.client.network import Network
from site_node.governance import approvals
from site_node.governance.policy import changed
from tests.lib.api_center import Center, center_with_api, text
from tests.lib.federation import logistic_study
from tests.lib.table_agent import table_of


@pytest.fixture(scope="module")
def center(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Center]:
    with center_with_api(tmp_path_factory.mktemp("center")) as found:
        yield found


@pytest.fixture(scope="module")
def nora(center: Center) -> Network:
    return sg.connect(center.address, center.tokens[1])


def test_a_study_goes_from_its_file_to_a_frame(center: Center, nora: Network, tmp_path: Path) -> None:
    study = tmp_path / "study.yaml"
    study.write_text(text("notebook"))
    assert nora.check(study)["hash"] == sg.read(study).hash() == logistic_study("notebook").hash()
    run = nora.submit(study)
    center.consortium.decide(logistic_study("notebook"), "approved")
    center.consortium.ends(run.id)
    result = run.wait(show=False)
    assert list(result) == ["idh1"]
    assert len(result["idh1"].summary()) == 5
    assert result["idh1"].fitted().predict_proba(people()).shape == (2, 2)
    assert run.state == "done"
    assert set(run.standing()["site"]) == {"a", "b", "c"}
    assert run.verify()["analyses"] == 1
    assert "IDH1" in run.report(tmp_path / "report.html").read_text()
    assert nora.run("notebook").id == run.id
    assert run.id in set(nora.studies()["run"])


def people() -> pd.DataFrame:
    """Two new people with what the model needs."""
    return pd.DataFrame({name: [0.1, 0.9] for name in ("age", "sex", "marker_a", "marker_b")})


def test_a_study_is_looked_at_before_it_is_signed(center: Center, nora: Network) -> None:
    study = logistic_study("before-it-is-signed")
    for name in center.consortium.names:
        home = center.consortium.folder / name
        limits = {"max_studies": 9, "max_variables": 9, "days": 30}
        approvals.approve_standing(home, "availability", by="test", **limits)
    changed(center.consortium.folder / "c", "protocols.logistic", "off")
    with _at_work(center):
        found = nora.preflight(study)
    changed(center.consortium.folder / "c", "protocols.logistic", protocol("logistic").version)
    sites = found.sites()
    assert "not in this site's policy" in sites.loc["c", "refuses"]
    assert sites.loc[["a", "b"], "refuses"].tolist() == ["", ""]
    assert set(sites["counts"]) == {"answered"}
    people = found.people()
    assert set(people.columns) == {"all sites", "a", "b", "c"}
    assert people.loc["idh1", "all sites"] == 200
    assert nora.check(study)["refusals"] == {"c": sites.loc["c", "refuses"].split("; ")}
    assert "before-it-is-signed" not in set(nora.studies()["name"])


def test_a_study_that_works_nowhere_is_refused_before_it_is_signed(nora: Network) -> None:
    wrong = logistic_study("wrong").model_dump(mode="json", by_alias=True)
    wrong["analyses"] = [
        {"name": "one", "spec": {"protocol": "cox", "outcome": "age", "covariates": ["sex"]}}
    ]
    with pytest.raises(InputError, match="needs a survival variable"):
        nora.submit(json.dumps(wrong, indent=1))


def test_a_refusal_says_which_rule_it_broke(center: Center, nora: Network) -> None:
    run = nora.submit(logistic_study("two-sites", min_sites=2))
    assert center.consortium.ends(run.id).code is Code.TOO_FEW_SITES
    assert "this site needs 3" in run.standing().set_index("site").loc["a", "why"]
    with pytest.raises(InputError, match="does not wait for approvals"):
        run.begin()


def test_programs_that_await_have_the_same_calls(center: Center) -> None:
    async def asked() -> list[str]:
        net = sg.connect_async(center.address, center.tokens[1])
        run = await net.submit(logistic_study("awaited"))
        center.consortium.decide(logistic_study("awaited"), "approved")
        ends = asyncio.to_thread(center.consortium.ends, run.id)
        working = asyncio.create_task(ends)
        happened = [event["what"] async for event in run.events()]
        await working
        assert "idh1" in await run.wait()
        return happened

    assert asyncio.run(asked())[-1] == "done"


def test_the_same_tables_as_frames_give_the_same_numbers(center: Center, nora: Network) -> None:
    study = logistic_study("frames")
    run = nora.submit(study)
    center.consortium.decide(study, "approved")
    center.consortium.ends(run.id)
    frames = {name: pd.DataFrame(dict(table_of(name)(study).columns)) for name in center.consortium.names}
    here = sg.local(frames).run(study)["idh1"].data
    there = run.results()["idh1"].data
    np.testing.assert_allclose(there["coef"], here["coef"], atol=0.05 * max(here["se"]))


def test_a_query_tells_what_is_withheld_as_missing(center: Center, nora: Network) -> None:
    for name in center.consortium.names:
        approvals.approve_standing(
            center.consortium.folder / name, "summary", by="test", max_studies=5, max_variables=5, days=30
        )
    with _at_work(center):
        table = nora.query("condition:ICD10CM:C71%", ["age"])
    assert table["people"].dtype == "Int64"
    assert set(table["site"]) == {"all sites", "a", "b", "c"}


@contextmanager
def _at_work(center: Center) -> Iterator[None]:
    """Lets a coordinator work until the block ends."""
    coordinator, over = center.consortium.coordinator(), threading.Event()

    def work() -> None:
        while not over.is_set():
            coordinator.step()
            over.wait(0.02)

    working = threading.Thread(target=work)
    working.start()
    try:
        yield
    finally:
        over.set()
        working.join()


def test_errors_are_the_errors_that_they_are(center: Center, nora: Network) -> None:
    for code, call in (
        (Code.NOT_SIGNED_IN, lambda: sg.connect(center.address, "sg_guess")),
        (Code.NOT_FOUND, lambda: nora.run("nothing")),
        (Code.NOT_ALLOWED, lambda: sg.connect(center.address, center.tokens[2]).submit(text("not-allowed"))),
        (Code.INVALID_STUDY, lambda: nora.submit("name: x\n")),
    ):
        with pytest.raises(ShadowgraphError) as raised:
            call()  # type: ignore[no-untyped-call]
        assert raised.value.code == code
    with pytest.raises(UnreachableError):
        sg.connect("http://127.0.0.1:9", "sg_x")
    with pytest.raises(StudyError, match="no result"):
        nora.submit(text("waits")).results()


def test_a_frame_of_neither_numbers_nor_text_is_refused() -> None:
    with pytest.raises(InputError, match="column when"):
        sg.local({"a": pd.DataFrame({"when": pd.to_datetime(["2020-01-01"])})})
    table = sg.local({"a": pd.DataFrame({"x": [1, None], "s": ["GE", None], "b": [True, False]})}).tables_of(
        logistic_study()
    )[0]
    assert np.isnan(table.columns["x"][1])
    assert table.labels["s"].tolist() == ["GE", None]
    assert table.columns["b"].tolist() == [1.0, 0.0]


def test_to_import_it_loads_nothing_of_the_network() -> None:
    code = (
        "import sys, shadowgraph; "
        "assert not {'httpx', 'pandas', 'flwr', 'sqlalchemy'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

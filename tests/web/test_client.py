"""A notebook: `import shadowgraph as sg`, one study from a file to a frame, over the API and on frames."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import shadowgraph as sg
from protocols.core.errors import Code, InputError, ShadowgraphError, StudyError, UnreachableError
from server.client.network import Network
from site_node.governance import approvals
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
    frame = result["idh1"].frame()
    assert len(frame) == 5
    assert run.state == "done"
    assert set(run.standing()["site"]) == {"a", "b", "c"}
    assert run.verify()["analyses"] == 1
    assert "IDH1" in run.report(tmp_path / "report.html").read_text()
    assert nora.run("notebook").id == run.id
    assert run.id in set(nora.studies()["run"])


def test_the_same_tables_as_frames_give_the_same_numbers(center: Center, nora: Network) -> None:
    study = logistic_study("frames")
    run = nora.submit(study)
    center.consortium.decide(study, "approved")
    center.consortium.ends(run.id)
    frames = {name: pd.DataFrame(dict(table_of(name)(study).columns)) for name in center.consortium.names}
    here = sg.local(frames).run(study)["idh1"].as_dict()
    there = run.results()["idh1"].data
    np.testing.assert_allclose(there["coef"], here["coef"], atol=0.05 * max(here["se"]))


def test_a_query_tells_what_is_withheld_as_missing(center: Center, nora: Network) -> None:
    for name in center.consortium.names:
        approvals.approve_standing(
            center.consortium.folder / name, "summary", by="test", max_studies=5, max_variables=5, days=30
        )
    asked = threading.Thread(target=lambda: _answers(center))
    asked.start()
    table = nora.query("condition:ICD10CM:C71%", ["age"])
    asked.join()
    assert table["people"].dtype == "Int64"
    assert set(table["site"]) == {"all sites", "a", "b", "c"}


def _answers(center: Center) -> None:
    """Lets the coordinator work until a query was asked and answered."""
    coordinator = center.consortium.coordinator()
    for _ in range(2000):
        if coordinator.step() and any(e.name.startswith("query-") for e in center.consortium.store.entries()):
            return


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
    table = sg.local({"a": pd.DataFrame({"x": [1, None], "s": ["GE", None], "b": [True, False]})}).tables["a"]
    assert np.isnan(table.columns["x"][1])
    assert table.labels["s"].tolist() == ["GE", None]
    assert table.columns["b"].tolist() == [1.0, 0.0]


def test_to_import_it_loads_nothing_of_the_network() -> None:
    code = (
        "import sys, shadowgraph; "
        "assert not {'httpx', 'pandas', 'flwr', 'sqlalchemy'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

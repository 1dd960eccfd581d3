"""Every command says by a schema what it prints with --json, and prints just that."""

import ast
import inspect
import json
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import entry_points
from pathlib import Path
from threading import Event, Thread

import jsonschema
import pytest

from protocols.core.errors import ExitCode
from protocols.runtime.daemons import environment, script
from server.actions import contract
from server.actions.completion import Shell
from server.main import run
from site_node.actions import held, inbox, peers
from site_node.actions.policy import set_rule
from site_node.administration.setup import make_site
from tests.lib.consortium import Consortium
from tests.lib.dicom_files import write_rtstruct, write_series
from tests.lib.federation import logistic_study
from tests.lib.fhir_resources import PATIENT
from tests.unit.command.test_guides import all_verbs

UNTYPED = {"demo", "redteam", "completion install", "completion show", "schema"}
"""A show, an attack's own lines, and what is about this contract itself."""


def _verbs() -> Iterator[tuple[str, str]]:
    """Each command, and the source of its function."""
    for context in all_verbs():
        callback = context.command.callback
        assert callback is not None
        yield context.command_path, inspect.getsource(inspect.unwrap(callback))


def test_every_command_has_a_schema_and_no_other() -> None:
    assert set(contract.schemas().schemas) - {contract.ERROR} == {name for name, _ in _verbs()} - UNTYPED


def test_a_schema_is_of_the_actions_that_the_command_calls() -> None:
    known = {
        name: set(actions)
        for entry in entry_points(group=contract.GROUP)
        for name, actions in entry.load().OUTPUTS.items()
    }
    for name, source in _verbs():
        called = {
            ast.unparse(node)
            for node in ast.walk(ast.parse(inspect.cleandoc(source)))
            if isinstance(node, ast.Attribute)
        }
        assert known.get(name, set()) <= called, name


@pytest.mark.parametrize("name", sorted(contract.schemas().schemas))
def test_a_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(contract.schemas(name).schemas[name])


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Consortium:
    """Four sites: a study that is done, one that waits for `a`, one of which an answer is held at `b`."""
    made = Consortium(tmp_path_factory.mktemp("consortium"), names=("a", "b", "c", "d"))
    for name in made.names:
        for protocol in ("summary", "availability"):
            inbox.approve_standing(made.folder / name, protocol)
    done = logistic_study("done")
    made.decide(done, "approved")
    made.ends(made.propose(done).run)
    made.decide(logistic_study("waits"), "approved", "b", "c", "d")
    made.propose(logistic_study("waits"))
    made.coordinator().step()
    set_rule(made.folder / "b", "holds.logistic", "one")
    made.decide(logistic_study("looked-at"), "approved")
    made.propose(logistic_study("looked-at"))
    center = made.coordinator()
    while not held.listed(made.folder / "b").answers:
        center.step()
    return made


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """What the commands of a site read: resources, images, variants, readings, codes, concepts."""
    (tmp_path / "fhir").mkdir()
    (tmp_path / "fhir" / "Patient.ndjson").write_text(json.dumps({**PATIENT, "id": "p1"}))
    write_series(tmp_path / "images")
    square = [(1.0, 1.0), (4.0, 1.0), (4.0, 4.0), (1.0, 4.0)]
    write_rtstruct(
        tmp_path / "regions.dcm", {"GTV": [[(x, y, float(z)) for x, y in square] for z in range(3)]}
    )
    head = "Hugo_Symbol\tChromosome\tStart_Position\tVariant_Classification\tTumor_Sample_Barcode"
    (tmp_path / "variants.maf").write_text(f"{head}\nIDH1\t2\t208248388\tMissense_Mutation\tp1\n")
    (tmp_path / "readings.csv").write_text("patient,vasari_f5\np1,3\n")
    (tmp_path / "codes.csv").write_text(
        "source_code,source_vocabulary_id,target_concept_id\nM/F,local,8507\n"
    )
    (tmp_path / "concepts.csv").write_text(
        "concept_id,concept_name,domain_id,vocabulary_id,concept_class_id,standard_concept,concept_code,"
        "valid_start_date,valid_end_date,invalid_reason\n"
        "2000000001,Grade,Measurement,ours,Lab Test,S,grade,2020-01-01,2099-12-31,\n"
    )
    return tmp_path


@pytest.fixture
def notices(files: Path) -> Iterator[str]:
    """Settings of notices to somebody on loopback who takes what is posted."""

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *said: object) -> None:
            pass

    (files / "secret").write_bytes(b"a secret of sixteen bytes or more")
    with ThreadingHTTPServer(("127.0.0.1", 0), Taker) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        yield f'[webhook]\nurl = "{url}"\nsecret_file = "{files / "secret"}"\n'
        server.shutdown()


ASKS = ("study preflight", "query")
"""Commands that wait for what sites answer."""
DAMAGES = ("network audit mend", "audit mend")
COMMANDS = """
network init --home OTHER --name Other --port 0
network invite e --home OTHER --out OUT/e.json
site init --home OUT/e --name e --port 0
site join OUT/e.json --home OUT/e --out OUT/e.answer
network enrol OUT/e.answer --home OTHER
network start --home OTHER
site start --home OUT/e
site stop --home OUT/e
network stop --home OTHER
site renew --home OUT/e --out OUT/e.answer
network sites --home CENTER
network status --home CENTER
network members --home CENTER --out OUT/members.json
site peers list --home SITE --list OUT/members.json
site peers confirm d='FINGERPRINT' --home SITE --list OUT/members.json --out OUT/said.json
network confirm OUT/said.json --home CENTER
network audit show --home CENTER
network audit verify --home CENTER
network audit mend --home OTHER
network backup OUT/center.tar --home CENTER
network restore OUT/center.tar --home OUT/again
network health --home CENTER
network account invite nora --role analyst --home CENTER
network account list --home CENTER
network account roles nora --role auditor --home CENTER
network account disable nora --home CENTER
network heads a --home CENTER --out OUT/heads.json
network renew --home CENTER
network notify --home CENTER
study new OUT/study.yaml
study validate OUT/study.yaml
study try OUT/study.yaml --people 60
study preflight OUT/study.yaml --home CENTER
study sign OUT/study.yaml --home CENTER --out OUT/study.signed
study submit OUT/study.signed --home CENTER
query condition:ICD10CM:C71% --variables age --home CENTER
study list --home CENTER
study show done --home CENTER
study watch done --home CENTER
study verify done --home CENTER
study report done --home CENTER --out OUT/report
study begin waits --home CENTER
study withdraw waits --home CENTER
doctor --home CENTER
upgrade --home CENTER --dry-run
network suspend a --home CENTER
network resume a --home CENTER
site peers remove d --home SITE --out OUT/said.json
network remove d --home CENTER
site status --home SITE
site health --home SITE
site notify --home SITE
site backup OUT/site.tar --home SITE
site restore OUT/site.tar --home OUT/site
site accept-clock --home OUT/site
site account invite ingrid --role approver --home SITE
site account list --home SITE
site account roles ingrid --role reader --home SITE
site account disable ingrid --home SITE
data manifest
data add fhir OUT/fhir --home SITE
data add dicom OUT/images --home SITE
data add genomics OUT/variants.maf --home SITE
data add image-features OUT/readings.csv --home SITE
data map OUT/codes.csv --home SITE
data vocabulary load OUT/concepts.csv --home SITE
data remap --home SITE
data deidentify OUT/images OUT/clean --home SITE
data status --home SITE
data unmapped --home SITE
data linkage --home SITE
data quality --home SITE
features genomics status --home SITE
features radiomics status --home SITE
features radiomics compute --home SITE --jobs 1
radiomics OUT/images OUT/regions.dcm --preset ct
inbox list --home SITE
inbox show waits --home SITE
inbox simulate waits --home SITE
inbox approve waits --home SITE
inbox revoke waits --home SITE
inbox refuse waits --home SITE
inbox standing --home SITE
inbox held --home HOLDER
inbox release H1 --home HOLDER
policy show --home SITE
policy explain waits --home SITE
policy set thresholds.min_count 20 --home SITE
audit show --home SITE
audit verify --home SITE
audit heads --home SITE
audit releases --home SITE
audit export OUT/audit.jsonl --home SITE
audit mend --home DAMAGED
upgrade --home SITE --dry-run
"""
ELSEWHERE = {"data listen": "it runs until a signal stops it: the test below"}


def _name(line: str) -> str:
    """The command of a line."""
    return next(
        name for name in sorted(dict(_verbs()), key=len, reverse=True) if f"{line} ".startswith(f"{name} ")
    )


def test_every_command_is_walked() -> None:
    walked = {_name(line) for line in COMMANDS.strip().splitlines()}
    assert walked | set(ELSEWHERE) == {name for name, _ in _verbs()} - UNTYPED


@contextmanager
def _conducted(consortium: Consortium) -> Iterator[None]:
    """Runs the coordinator beside the block, as its process would."""
    over, center = Event(), consortium.coordinator()

    def conduct() -> None:
        while not over.is_set():
            center.step()
            consortium.seconds += 1
            over.wait(0.05)

    beside = Thread(target=conduct)
    consortium.store.take_lead("beside")
    beside.start()
    try:
        yield
    finally:
        over.set()
        beside.join()
        consortium.store.resign("beside")


@pytest.mark.slow
def test_what_is_printed_is_what_the_schema_says(
    consortium: Consortium, files: Path, notices: str, capsys: pytest.CaptureFixture[str]
) -> None:
    schemas, homes = contract.schemas().schemas, consortium.folder
    where = {"CENTER": consortium.home, "SITE": homes / "a", "HOLDER": homes / "b", "DAMAGED": homes / "c"}
    where |= {"OTHER": files / "other", "OUT": files}
    wrong: dict[str, object] = {}
    read_out = peers.listed(homes / "d").fingerprint
    for home in (where["CENTER"], where["SITE"]):
        (home / "notices.toml").write_text(notices)
    for line in COMMANDS.strip().splitlines():
        words = [
            _placed(word, {n: str(p) for n, p in where.items()} | {"FINGERPRINT": read_out})
            for word in shlex.split(line)
        ]
        if line.startswith(DAMAGES):
            with Path(words[-1], "audit.jsonl").open("ab") as audit:
                audit.write(b"no line of an audit\n")
        with _conducted(consortium) if line.startswith(ASKS) else nullcontext():
            code = run(words, as_json=True)
        said = capsys.readouterr().out
        try:
            jsonschema.validate(json.loads(said), schemas[_name(line)])
        except (ValueError, jsonschema.ValidationError) as error:
            wrong[line] = (code, said[:500], str(error)[:500])
    assert wrong == {}


@pytest.mark.slow
def test_what_a_listener_prints_in_the_end_is_what_the_schema_says(tmp_path: Path) -> None:
    make_site(tmp_path, "a", runtime_port=0)
    words = ["data", "listen", "--allow", "PACS", "--port", "0", "--home", str(tmp_path), "--json"]
    with subprocess.Popen(
        [script("shadowgraph"), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as listener:
        assert listener.stderr is not None
        listener.stderr.readline()
        listener.send_signal(signal.SIGTERM)
        said, _ = listener.communicate(timeout=60)
    jsonschema.validate(json.loads(said), contract.schemas("data listen").schemas["data listen"])


def _placed(word: str, where: dict[str, str]) -> str:
    for name, path in where.items():
        word = word.replace(name, path)
    return word


def test_a_failure_is_what_its_schema_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["site", "status", "--home", str(tmp_path)], ["site", "nothing"]):
        assert run(words, as_json=True) != ExitCode.DONE
        jsonschema.validate(
            json.loads(capsys.readouterr().out), contract.schemas(contract.ERROR).schemas[contract.ERROR]
        )


@pytest.mark.parametrize("shell", Shell)
def test_completion_installs_one_file_for_this_user(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for _ in range(2):
        assert run(["completion", "install", shell], as_json=True) == ExitCode.DONE
    path = Path(json.loads(capsys.readouterr().out.partition("}\n")[0] + "}")["path"])
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == [path]
    assert "_SHADOWGRAPH_COMPLETE" in path.read_text()


@pytest.mark.slow
def test_bash_completes_a_verb_and_an_option(tmp_path: Path) -> None:
    made = subprocess.run(
        [script("shadowgraph"), "completion", "show", "bash"], capture_output=True, text=True, check=True
    )
    (tmp_path / "completion.bash").write_text(made.stdout)
    ask = (
        "source ./completion.bash; COMP_WORDS=(shadowgraph netw); COMP_CWORD=1; "
        "_shadowgraph_completion shadowgraph; echo ${COMPREPLY[@]}"
    )
    said = subprocess.run(
        ["bash", "-c", ask], cwd=tmp_path, env=environment({}), capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "network"

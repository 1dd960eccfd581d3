"""What the files of flwr that this project meets must keep to; the first to fail when flwr moves."""

import importlib
import importlib.metadata
import inspect
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.common.constant import ErrorCode, SubStatus
from flwr.proto.fleet_pb2 import PullMessagesResponse
from flwr.proto.message_pb2 import PullObjectResponse
from flwr.proto.runtime_pb2 import (
    AcquireTaskRequest,
    AcquireTaskResponse,
    PullAppMessagesResponse,
    PullTaskInputResponse,
    SendTaskHeartbeatRequest,
)
from flwr.supercore.interceptors import (
    RuntimeTokenHttpInterceptor,
    RuntimeVersionHttpInterceptor,
    SuperExecAuthHttpInterceptor,
)
from flwr.supercore.protobuf.translation import PROTOBUF_REQUEST_TYPES
from flwr.supercore.run import RunNotRunningException
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.superexec import run_superexec
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.cli.flower_superlink import _parse_args_run_superlink
from flwr.supernode.cli.flower_supernode import _parse_args_run_supernode
from flwr.supernode.runtime import run_clientapp

from protocols.core.errors import Code, UnreachableError
from server.administration import superlink
from server.administration.enrolment import make_center
from server.administration.flower_commands import FlowerCommands
from server.coordination import flower_app as center
from site_node.agent import executor, supernode
from site_node.agent import flower_app as site


def _parameters(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


def test_flwr_is_the_one_that_was_measured() -> None:
    assert importlib.metadata.version("flwr").startswith("1.41.")


def test_the_runtime_client_is_made_as_expected() -> None:
    assert _parameters(RuntimeHttpClient.from_server_address) == [
        *("server_address", "insecure", "root_certificates", "interceptors", "retry_invoker")
    ]
    assert _parameters(SuperExecAuthHttpInterceptor.__init__)[1:3] == ["master_secret", "protected_methods"]
    assert _parameters(RuntimeTokenHttpInterceptor.__init__)[1:2] == ["token"]
    assert "component_name" in _parameters(RuntimeVersionHttpInterceptor.__init__)
    assert issubclass(RunNotRunningException, BaseException)
    for name in (
        "PullObject",
        "AcquireTask",
        "SendTaskHeartbeat",
        "PullTaskInput",
        "PushTaskOutput",
        "PushMessages",
    ):
        assert _parameters(getattr(RuntimeHttpClient, name)) == ["self", "request"]


def test_the_task_steps_have_their_signatures() -> None:
    assert _parameters(run_clientapp.pull_task_input) == ["client"]
    assert _parameters(run_clientapp.push_message) == ["client", "message", "context"]
    assert _parameters(run_clientapp.push_task_output) == ["client", "context", "sub_status", "details"]
    assert SubStatus.COMPLETED == "completed"


def test_the_requests_have_their_fields() -> None:
    assert list(AcquireTaskRequest(supported_task_types=["flwr-clientapp"]).supported_task_types)
    assert {"task", "token"} <= set(AcquireTaskResponse.DESCRIPTOR.fields_by_name)
    assert {"task_id", "context", "run", "fab"} <= set(PullTaskInputResponse.DESCRIPTOR.fields_by_name)
    assert SendTaskHeartbeatRequest().ByteSize() == 0
    assert {"object_found", "object_available"} <= set(PullObjectResponse.DESCRIPTOR.fields_by_name)


def test_the_authenticated_method_is_the_one_that_flower_protects() -> None:
    assert frozenset({executor._ACQUIRE}) == run_superexec._SUPEREXEC_AUTH_METHODS


def test_error_codes_are_the_ones_we_read_and_write() -> None:
    assert site._APP_RAISED == ErrorCode.CLIENT_APP_RAISED_EXCEPTION
    assert center._GONE == (
        ErrorCode.MESSAGE_UNAVAILABLE,
        ErrorCode.REPLY_MESSAGE_UNAVAILABLE,
        ErrorCode.NODE_UNAVAILABLE,
        ErrorCode.CLIENT_APP_CRASHED,
    )
    assert site.RECORD == center.RECORD


def test_the_processes_take_our_flags() -> None:
    superlink = _parse_args_run_superlink().parse_args(
        [
            *("--host", "127.0.0.1", "--port", "9443", "--database", "x.db", "--isolation", "process"),
            *("--ssl-certfile", "c", "--ssl-keyfile", "k", "--ssl-ca-certfile", "a"),
            *("--enable-supernode-auth", "--disable-runtime-dependency-installation"),
            *("--superexec-auth-secret-file", "s"),
        ]
    )
    assert superlink.runtime_dependency_install is False
    supernode = _parse_args_run_supernode().parse_args(
        [
            *("--superlink", "h:1", "--root-certificates", "r", "--auth-supernode-private-key", "k"),
            *("--port", "9094", "--isolation", "process", "--superexec-auth-secret-file", "s"),
        ]
    )
    assert supernode.runtime_dependency_install is False
    assert supernode.host == "127.0.0.1"


def test_the_loop_of_a_supernode_can_be_woken() -> None:
    loop, served = (importlib.import_module(name) for name in (supernode.LOOP, supernode.SERVED))
    pauses = re.findall(r"\btime\.(\w+)\(([\d.]+)\)", inspect.getsource(loop))
    assert {(name, float(seconds)) for name, seconds in pauses} == {
        ("sleep", supernode._NOTHING_FOUND),
        ("sleep", supernode._NO_REPLY),
    }
    assert _parameters(loop._pull_and_store_message)[0] == "state"
    assert "_pull_and_store_message(" in inspect.getsource(loop.start_client_internal)
    assert _parameters(served.create_app) == ["state_factory", "superexec_auth_secret"]


def test_the_command_of_a_superlink_serves_what_we_hand_it() -> None:
    command = SimpleNamespace(
        uvicorn=SimpleNamespace(run=lambda app, **settings: runs.append((app, settings)))
    )
    runs: list[tuple[object, dict[str, object]]] = []
    superlink.serve_ours(command, b"secret")
    command.uvicorn.run("app", port=1)
    ((_, settings),) = runs
    assert settings == {"port": 1, "timeout_graceful_shutdown": superlink.STOP_SECONDS}
    source = inspect.getsource(importlib.import_module(superlink.COMMAND))
    assert source.count("uvicorn.") == 1
    assert "uvicorn.run(\n        app=fastapi_app," in source


def test_polls_and_pushes_have_the_paths_that_are_held_and_rung() -> None:
    known = {path for _, path in PROTOBUF_REQUEST_TYPES}
    served = superlink.waiting(lambda scope, receive, send: None)
    assert known >= {*served._polls, *served._rings}
    for answer in (AcquireTaskResponse(), PullMessagesResponse(), PullAppMessagesResponse()):
        assert answer.SerializeToString() == b""  # an answer without a body is one that found nothing


@pytest.fixture
def message(monkeypatch: pytest.MonkeyPatch) -> Message:
    for name in ("_run_id", "_node_id", "_task_id"):
        monkeypatch.setattr(TaskIdentity, name, 1)
    content = RecordDict({site.RECORD: ConfigRecord({"kind": "round", "body": b"sealed"})})
    made = Message(content, dst_node_id=1, message_type="query.shadowgraph")
    made.metadata.__dict__["_message_id"] = "m"
    return made


def test_an_answer_is_bytes_in_a_record(message: Message) -> None:
    reply = site.reply_to(message, lambda kind, body: kind.encode() + b"|" + body)
    assert center._opened(reply) == b"round|sealed"


def test_an_exception_leaves_as_a_code(message: Message) -> None:
    def fail(kind: str, body: bytes) -> bytes:
        raise ValueError("Erika Mustermann, born 1961-02-03")

    reply = site.reply_to(message, fail)
    assert reply.error.reason == "site-failed"
    assert center._opened(reply) == Code.SITE_FAILED


def test_a_message_without_our_record_is_refused_with_a_code(message: Message) -> None:
    other = Message(RecordDict({"else": ConfigRecord({"x": 1})}), reply_to=message)
    assert center._opened(other) == Code.MALFORMED_MESSAGE


@pytest.mark.filterwarnings("ignore:The 'is_flag':DeprecationWarning")  # of Flower's own commands
def test_flowers_command_line_answers_in_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLWR_HOME", "")
    settings = make_center(tmp_path / "hub", "Test", port=0)
    with pytest.raises(UnreachableError, match=r"flwr run failed: .+"):
        FlowerCommands(settings)("run", str(tmp_path / "no-such-app"), "hub")

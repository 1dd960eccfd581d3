"""A hospital's sign-in provider on loopback: Authlib's OpenID Connect server with PKCE, in Flask.

What a provider could do wrong, by mistake or on purpose, a test sets in `wrongs`.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import flask
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

CLIENT, SECRET = "shadowgraph", "a secret of the client"


@dataclass
class Provider:
    """The provider at work.

    Attributes:
        return_address: where its one client comes back to.
        person: what its token says of whoever signs in.
        wrongs: what its token or its description say otherwise than they ought.
        asked: the parameters of each request for a sign-in.
        codes: those that were given out and not yet taken.
    """

    return_address: str
    address: str = ""
    person: dict[str, Any] = field(default_factory=dict)
    wrongs: dict[str, Any] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    codes: dict[str, "Code"] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    other_key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))


@dataclass
class Client(ClientMixin):  # type: ignore[misc]
    """The one client."""

    return_address: str
    client_id = CLIENT

    def get_client_id(self) -> str:
        return CLIENT

    def get_default_redirect_uri(self) -> str:
        return self.return_address

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self.return_address

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


class Code:
    """A code that was given out, with what it was asked for."""

    def __init__(self, code: str, request: Any, provider: Provider) -> None:
        asked = request.payload
        self.code, self.redirect_uri, self.scope = code, asked.redirect_uri, asked.scope
        self.nonce = provider.wrongs.get("nonce", asked.data.get("nonce"))
        self.code_challenge = asked.data.get("code_challenge")
        self.code_challenge_method = asked.data.get("code_challenge_method")
        self.amr, self.auth_time = list(provider.person.get("amr", ())), int(time.time())

    def get_redirect_uri(self) -> str:
        return str(self.redirect_uri)

    def get_scope(self) -> str:
        return str(self.scope)

    def get_nonce(self) -> Any:
        return self.nonce

    def get_auth_time(self) -> int:
        return self.auth_time

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> list[str]:
        return self.amr


class Grant(AuthorizationCodeGrant):  # type: ignore[misc]
    """Codes, as the provider at `app.provider` keeps them."""

    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]  # noqa: RUF012 Authlib's own attribute

    def save_authorization_code(self, code: str, request: Any) -> None:
        provider = _at_work()
        provider.codes[code] = Code(code, request, provider)

    def query_authorization_code(self, code: str, client: Any) -> Code | None:
        return _at_work().codes.get(code)

    def delete_authorization_code(self, authorization_code: Code) -> None:
        del _at_work().codes[authorization_code.code]

    def authenticate_user(self, authorization_code: Code) -> dict[str, Any]:
        return _at_work().person


class Token(OpenIDCode):  # type: ignore[misc]
    """The token of who signed in."""

    def exists_nonce(self, nonce: str, request: Any) -> bool:
        return False

    def resolve_client_private_key(self, client: Client) -> RSAKey:
        provider = _at_work()
        return provider.other_key if provider.wrongs.get("key") else provider.key

    def get_client_claims(self, client: Client) -> dict[str, Any]:
        wrongs = _at_work().wrongs
        exp = int(time.time()) + wrongs.get("exp", 600)
        return {"iss": wrongs.get("iss", _at_work().address), "aud": wrongs.get("aud", [CLIENT]), "exp": exp}

    def generate_user_info(self, user: dict[str, Any], scope: str) -> UserInfo:
        return UserInfo(user)


@contextmanager
def oidc_provider(return_address: str) -> Iterator[Provider]:
    """A provider that knows one client, which comes back to `return_address`."""
    provider = Provider(return_address)
    server = make_server("127.0.0.1", 0, _application(provider), threaded=True)
    provider.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _application(provider: Provider) -> flask.Flask:
    app = flask.Flask(__name__)
    app.config["PROVIDER"] = provider
    known = {CLIENT: Client(provider.return_address)}
    server = AuthorizationServer(app, query_client=known.get, save_token=lambda *_: None)
    server.register_grant(Grant, [Token(require_nonce=True), CodeChallenge(required=True)])
    app.add_url_rule("/.well-known/openid-configuration", view_func=_described)
    app.add_url_rule("/keys", view_func=_keys)

    @app.get("/authorize")
    def authorize() -> Any:
        provider.asked.append(flask.request.args.to_dict())
        grant = server.get_consent_grant(end_user=provider.person)
        return server.create_authorization_response(grant_user=provider.person, grant=grant)

    @app.post("/token")
    def token() -> Any:
        return server.create_token_response()

    return app


def _at_work() -> Provider:
    found: Provider = flask.current_app.config["PROVIDER"]
    return found


def _described() -> Any:
    provider = _at_work()
    here = provider.address
    told = {
        "issuer": here,
        "authorization_endpoint": f"{here}/authorize",
        "token_endpoint": f"{here}/token",
        "jwks_uri": f"{here}/keys",
    }
    return flask.jsonify({**told, **provider.wrongs.get("described", {})})


def _keys() -> Any:
    return flask.jsonify({"keys": [_at_work().key.as_dict(private=False)]})

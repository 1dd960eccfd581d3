"""A sign-in provider of OpenID Connect as a hospital runs one: what it says of itself, and its signed tokens.

Nothing of what it answers is believed but what its settings pin: the issuer's address, endpoints of that same
origin, three algorithms, the compact form, this client and this sign-in's own nonce.
"""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from protocols.core.errors import Code, InputError, UnreachableError
from protocols.core.faults import in_words
from protocols.runtime.accounts.roles import NotAllowedError, Role

SETTINGS = "oidc.toml"
ALGORITHMS = ["RS256", "ES256", "EdDSA"]
WAIT_SECONDS, LEEWAY_SECONDS = 10.0, 60
LARGEST_ANSWER = 200_000
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})


class ProviderConfig(BaseModel):
    """The settings of a side's provider, `oidc.toml` in its folder.

    Attributes:
        issuer: the provider's address, exactly as it names itself.
        client_id: of this side there.
        client_secret_file: a file beside the settings; none for a public client.
        return_address: of this side's pages, as registered there: `https://…/oidc/return`.
        label: what the button on the page of signing in calls the provider.
        claim: of its token that names the account: `email` (which it must have verified) or another.
        second_factor: words of the token's `amr` that say a second factor was given; none believes no word.
        root_certificate: PEM of the authority behind its certificate, where that is not a public one.
        groups_claim: of its token that lists the person's groups, where roles go by groups.
        roles: group -> the roles of its people here; empty where an admin gives roles by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str = Field(max_length=500)
    client_id: str = Field(min_length=1, max_length=200)
    client_secret_file: str = ""
    return_address: str = Field(max_length=500)
    label: str = Field(default="Sign in with your hospital's account", max_length=80)
    claim: str = Field(default="email", max_length=60)
    second_factor: tuple[str, ...] = ()
    root_certificate: str = ""
    groups_claim: str = Field(default="groups", min_length=1, max_length=60)
    roles: Mapping[str, tuple[Role, ...]] = Field(default_factory=dict)
    home: Path = Field(default=Path("."), exclude=True)

    @field_validator("issuer", "return_address")
    @classmethod
    def _is_safe(cls, address: str) -> str:
        split = urlsplit(address)
        if split.scheme != "https" and not (split.scheme == "http" and split.hostname in LOOPBACK):
            raise ValueError("an address begins with https://")
        return address

    def roles_of(self, groups: Collection[str]) -> frozenset[Role]:
        """The roles here of whoever is in these groups."""
        return frozenset(role for group in groups for role in self.roles.get(group, ()))

    @property
    def client_secret(self) -> str:
        """The secret of this client; "" for a public one."""
        return (self.home / self.client_secret_file).read_text().strip() if self.client_secret_file else ""


def provider_config(home: Path) -> ProviderConfig | None:
    """The provider of the side that lives in `home`; None where it has none.

    Raises:
        InputError: its settings are not valid.
    """
    path = home / SETTINGS
    if not path.is_file():
        return None
    try:
        return ProviderConfig(**tomllib.loads(path.read_text()), home=home)
    except ValidationError as error:
        text = f"{SETTINGS} is not valid: {in_words(error.errors())}"
        raise InputError(Code.INVALID_INPUT, text) from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(Code.INVALID_INPUT, f"{SETTINGS} is not TOML: {error}") from None


@dataclass(frozen=True)
class Identity:
    """Who a token says has signed in.

    Attributes:
        subject: the issuer with its own number of the person, which never changes.
        name: what the account is called.
        proved_at: when a second factor was given; 0.0 where the token does not say so.
        groups: those that the token lists.
    """

    subject: str
    name: str
    proved_at: float
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Provider:
    """A provider, asked over HTTPS.

    Attributes:
        now: seconds since 1970, by which tokens are judged.
    """

    config: ProviderConfig
    now: float

    def address(self, *, state: str, nonce: str, challenge: str, fresh: bool) -> str:
        """Where the browser goes to sign in.

        Raises:
            UnreachableError: the provider does not answer. NotAllowedError: it is not that of the settings.
        """
        asked = {
            "response_type": "code",
            "scope": "openid email profile",
            "client_id": self.config.client_id,
            "redirect_uri": self.config.return_address,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        again = {"prompt": "login", "max_age": "0"} if fresh else {}
        return f"{self._endpoint('authorization_endpoint')}?{urlencode({**asked, **again})}"

    def identity(self, code: str, *, verifier: str, nonce: str) -> Identity:
        """Who signed in, by the code that the browser brought back.

        Raises:
            UnreachableError: the provider does not answer.
            NotAllowedError: not-signed-in; it takes the code or the verifier for wrong, or its token is not
                one for this sign-in.
        """
        asked = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.config.return_address,
            "client_id": self.config.client_id,
            "code_verifier": verifier,
        }
        secret = self.config.client_secret
        signed = (self.config.client_id, secret) if secret else None
        reply = self._json("POST", self._endpoint("token_endpoint"), data=asked, auth=signed)
        return self._believed(reply.get("id_token"), nonce)

    def _believed(self, token: object, nonce: str) -> Identity:
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        if not isinstance(token, str) or token.count(".") != 2:
            raise _refused("the provider sent no token")
        keys = self._json("GET", self._endpoint("jwks_uri"))
        try:
            claims = jwt.decode(token, KeySet.import_key_set(keys), algorithms=ALGORITHMS).claims  # type: ignore[arg-type]
            jwt.JWTClaimsRegistry(
                now=lambda: int(self.now),
                leeway=LEEWAY_SECONDS,
                iss={"essential": True, "value": self.config.issuer},
                aud={"essential": True, "value": self.config.client_id},
                exp={"essential": True},
                iat={"essential": True},
                sub={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(claims)
        except (JoseError, ValueError, KeyError, TypeError):
            raise _refused("the provider's token is not one for this sign-in") from None
        return self._identity(claims)

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        audience, subject, name = claims["aud"], claims["sub"], claims.get(self.config.claim)
        if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != self.config.client_id:
            raise _refused("the provider's token is for somebody else")
        if not (isinstance(subject, str) and 0 < len(subject) <= 255 and isinstance(name, str) and name):
            raise _refused(f"the provider's token has no {self.config.claim}")
        if self.config.claim == "email" and claims.get("email_verified") is not True:
            raise _refused("the provider has not verified the address")
        ways, told = claims.get("amr"), claims.get("auth_time")
        is_proved = isinstance(ways, list) and any(way in ways for way in self.config.second_factor)
        proved_at = float(told) if is_proved and isinstance(told, int | float) else 0.0
        listed = claims.get(self.config.groups_claim)
        groups = listed if isinstance(listed, list) else ()
        return Identity(
            f"{self.config.issuer} {subject}",
            name,
            min(proved_at, self.now),
            frozenset(one for one in groups if isinstance(one, str)),
        )

    @cached_property
    def _described(self) -> Mapping[str, Any]:
        issuer = self.config.issuer
        found = self._json("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != issuer:
            raise _refused("the provider calls itself otherwise than oidc.toml does")
        return found

    def _endpoint(self, name: str) -> str:
        found, issuer = self._described.get(name), urlsplit(self.config.issuer)
        split = urlsplit(found) if isinstance(found, str) else urlsplit("")
        if (split.scheme, split.netloc) != (issuer.scheme, issuer.netloc):
            raise _refused(f"the provider's {name} is not at its own address")
        return str(found)

    def _json(self, method: str, address: str, **given: Any) -> Mapping[str, Any]:
        """What an address answers, if that is a JSON object of a bounded size; it leads nowhere else."""
        import ssl

        import httpx

        authority = (
            str(self.config.home / self.config.root_certificate) if self.config.root_certificate else None
        )
        context = ssl.create_default_context(cafile=authority)
        try:
            with (
                httpx.Client(verify=context, timeout=WAIT_SECONDS, follow_redirects=False) as client,
                client.stream(method, address, **given) as reply,
            ):
                content = b""
                for part in reply.iter_bytes():
                    content += part
                    if len(content) > LARGEST_ANSWER:
                        raise _refused("the provider's answer is too long")
                found = httpx.Response(reply.status_code, content=content)
        except httpx.TransportError:
            raise UnreachableError(
                Code.SOURCE_UNREACHABLE,
                "the sign-in provider does not answer",
                "try again, or sign in with a password",
            ) from None
        try:
            told = found.json()
        except ValueError:
            told = None
        if found.status_code != httpx.codes.OK or not isinstance(told, dict):
            raise _refused("the provider refused")
        return told


def _refused(text: str) -> NotAllowedError:
    return NotAllowedError(Code.NOT_SIGNED_IN, text, "begin again at the page of signing in")

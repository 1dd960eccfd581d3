"""What differs between a site's pages and a center's, and how a page of either is drawn."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from importlib import resources
from io import BytesIO
from typing import Any

import segno
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from protocols.runtime.accounts.roles import Role
from protocols.runtime.action_socket import Actions
from protocols.runtime.web import charts
from protocols.runtime.web.language import LANGUAGES, Catalogue

SHARED = "protocols.runtime.web"
MEDIA = {".js": "text/javascript", ".css": "text/css", ".woff2": "font/woff2", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class Entry:
    """One line of the menu: its words in English, its address, and the role that sees it."""

    words: str
    address: str
    role: Role
    group: str = ""


@dataclass(frozen=True)
class Side:
    """A site's or a center's pages.

    Attributes:
        name: what the head of each page calls it: the site's name, or the consortium's.
        kind: what it is, in English: "site" or "center".
        package: the package with its templates and `german.toml`.
        menu: its pages.
        roles: those that an account can have here, with a sentence in English each.
        scopes: what a token can be made for, with a sentence in English each.
        cookie: the session's; a machine may serve several sides, and cookies know no ports.
    """

    name: str
    kind: str
    package: str
    menu: tuple[Entry, ...]
    roles: Mapping[Role, str]
    scopes: Mapping[str, str]
    cookie: str


@dataclass(frozen=True)
class StaticFile:
    """A file that pages load from here; nothing is loaded from elsewhere."""

    content: bytes
    media: str
    version: str


@dataclass(frozen=True)
class Web:
    """One side's pages at work: the actions behind them, and how they are drawn."""

    side: Side
    actions: Actions
    words: Catalogue = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", Catalogue.of(SHARED, self.side.package))

    @cached_property
    def static(self) -> Mapping[str, StaticFile]:
        """Name -> file, of all that may be loaded."""
        found = {}
        for file in (resources.files(SHARED) / "static").iterdir():
            suffix = "." + file.name.rpartition(".")[2]
            if suffix in MEDIA:
                content = file.read_bytes()
                version = hashlib.sha256(content).hexdigest()[:16]
                found[file.name] = StaticFile(content, MEDIA[suffix], version)
        return found

    @cached_property
    def environment(self) -> Environment:
        """The templates, in which everything is escaped."""
        made = Environment(
            loader=ChoiceLoader([PackageLoader(self.side.package), PackageLoader(SHARED)]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        made.globals |= {"_": self._translated, "side": self.side, "languages": LANGUAGES, "charts": charts}
        made.globals |= {"static": self.address_of, "qr": qr_code, "as_json": as_json}
        made.filters |= {
            "breakable": breakable,
            "marked": marked,
            "number": number,
            "moment": moment,
            "day": day,
            "share": share,
            "lasting": lasting,
        }
        return made

    @pass_context
    def _translated(self, context: Context, text: str, **values: object) -> str:
        return self.words(str(context.get("language", "en")), text, **values)

    def rendered(self, template: str, values: Mapping[str, Any]) -> str:
        """The page of a template."""
        return self.environment.get_template(template).render(**values)

    def address_of(self, name: str) -> str:
        """Where a file is loaded from; another version has another address."""
        return f"/static/{self.static[name].version}/{name}"


def qr_code(text: str) -> Markup:
    """The picture of a text that a telephone reads, as SVG."""
    out = BytesIO()
    segno.make(text, error="m").save(
        out, kind="svg", scale=4, border=3, xmldecl=False, svgns=True, light="#fff"
    )
    return Markup(out.getvalue().decode())  # segno's own drawing: the text is not in it


def breakable(text: str) -> Markup:
    """A long name that may go on in the next line after a dot, a stroke, or where a word in it begins.

    Example:
        >>> str(breakable("a.b_c<d>"))
        'a.<wbr>b_<wbr>c&lt;d&gt;'
    """
    parts = re.split(r"(?<=[._/])(?=\w)|(?<=[a-z])(?=[A-Z])", text)
    return Markup("<wbr>").join(parts)


def marked(text: str) -> Markup:
    """A text whose words between backticks are code.

    Example:
        >>> str(marked("see `a<b`"))
        'see <code>a&lt;b</code>'
    """
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(one) if n % 2 else one for n, one in enumerate(parts)
    )


def as_json(value: object) -> str:
    """The value as indented JSON, to be shown."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def number(value: float) -> str:
    """A number with narrow spaces between thousands.

    Example:
        >>> number(1234567).replace("\\u202f", "_")
        '1_234_567'
    """
    return f"{value:,}".replace(",", "\u202f")


def share(value: float | None) -> str:
    """A share as a percentage.

    Example:
        >>> share(0.1234), share(None)
        ('12.3%', '')
    """
    return "" if value is None else f"{value:.1%}"


def lasting(seconds: float) -> str:
    """How long something lasts, in the two largest units of it.

    Example:
        >>> lasting(5.4), lasting(75), lasting(7260)
        ('5 s', '1 min 15 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def moment(value: str | float | None) -> str:
    """A time to the minute, in UTC; "" where there is none.

    Example:
        >>> moment("2026-11-30T14:05:09.5+00:00"), moment(0.0)
        ('2026-11-30 14:05', '1970-01-01 00:00')
    """
    return "" if value is None else _time(value).strftime("%Y-%m-%d %H:%M")


def day(value: str | float | None) -> str:
    """A time to the day, in UTC; "" where there is none."""
    return "" if value is None else _time(value).strftime("%Y-%m-%d")


def _time(value: str | float) -> datetime:
    if isinstance(value, str):
        return datetime.fromisoformat(value).astimezone(UTC)
    return datetime.fromtimestamp(value, UTC)

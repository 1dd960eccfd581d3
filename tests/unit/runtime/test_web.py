"""What the pages of both sides share: vendored files, languages, forms, and where marks of charts lie."""

import hashlib
import re
import tomllib
from importlib import resources
from pathlib import Path

import pytest

from protocols.runtime.accounts.actions import ACTIONS
from protocols.runtime.accounts.file import AccountFile
from protocols.runtime.accounts.roles import CENTER_ROLES, SITE_ROLES, Role
from protocols.runtime.action_socket import ActionServer, Served
from protocols.runtime.web import charts, language, page, side

ROOT = Path(__file__).resolve().parents[3]
SHARED = ROOT / "protocols" / "runtime" / "web"
PACKAGES = ["protocols/runtime/web", "server/web", "site_node/web"]
SAID = re.compile(
    r"""_\(\s*"((?:[^"\\]|\\.)+)"|\.done\([^"]*"[^"]*",\s*"([^"]+)"|Entry\("([^"]+)"|group="([^"]+)\""""
)


def test_what_others_made_is_as_they_made_it() -> None:
    kept = [one.split() for one in (SHARED / "static" / "HASHES").read_text().splitlines() if one[:1] != "#"]
    found = {name: hashlib.sha256((SHARED / "static" / name).read_bytes()).hexdigest() for _, name in kept}
    assert found == {name: digest for digest, name in kept}
    theirs = {path.name for path in (SHARED / "static").iterdir() if path.suffix in (".js", ".woff2")}
    assert theirs == set(found)


def test_nothing_is_loaded_from_elsewhere_and_no_script_stands_in_a_page() -> None:
    for package in PACKAGES:
        for file in (ROOT / package / "templates").glob("*.html") if (ROOT / package).is_dir() else ():
            text = file.read_text()
            assert not re.search(r"""(src|href)=["'](https?:)?//""", text), file
            assert not re.search(r"<script(?![^>]* src=)|\son[a-z]+=|\sstyle=|\|\s*safe", text), file


@pytest.mark.parametrize("package", PACKAGES)
def test_every_word_of_the_pages_has_its_german(package: str) -> None:
    folder = ROOT / package
    if not folder.is_dir():
        pytest.skip("no such pages yet")
    german = tomllib.loads((folder / language.CATALOGUE).read_text())
    known = german | tomllib.loads((SHARED / language.CATALOGUE).read_text())
    files = [*folder.glob("templates/*.html"), *folder.glob("[!_]*.py")]
    used = {next(filter(None, found)) for file in files for found in SAID.findall(file.read_text())}
    assert used - known.keys() == set()
    for words in _words_of_roles(package):
        assert words in known
    for english, words in german.items():
        assert sorted(re.findall(r"\{\w+\}", english)) == sorted(re.findall(r"\{\w+\}", words)), english


def _words_of_roles(package: str) -> list[str]:
    from protocols.core import study_words
    from server.web.side import center_side
    from site_node.web import data
    from site_node.web.side import site_side

    made = {"server/web": center_side, "site_node/web": site_side}
    if package not in made:
        return []
    one = made[package]("x")
    words = [*one.roles.values(), *one.scopes.values()]
    if package == "site_node/web":
        tables = (
            *(
                study_words.DOMAINS,
                study_words.KINDS,
                study_words.TESTED,
                study_words.WINDOWS,
                study_words.DAYS,
            ),
            *(data.WORK, data.LOADS),
        )
        words += [word for table in tables for word in table.values()]
    return words


def test_a_language_is_chosen_or_the_first_that_the_browser_accepts() -> None:
    assert language.language_of("en", "de") == "en"
    assert language.language_of("xx", "fr, de;q=0.5") == "de"
    assert language.language_of("", "") == "en"


@pytest.mark.parametrize(
    "address", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "/\n/x"]
)
def test_a_form_leads_to_pages_of_this_side_alone(address: str) -> None:
    assert page.own_path(address) == "/"


def test_a_long_list_is_shown_in_parts() -> None:
    rows = list(range(250))
    assert page.part(rows, 3).rows == rows[200:]
    assert (page.part(rows, 99).number, page.part(rows, -1).number, page.part([], 1).pages) == (3, 1, 1)


def test_marks_of_charts_lie_where_numbers_say() -> None:
    assert charts.shares([]) == []
    assert charts.shares([0, 0]) == [0.0, 0.0]
    assert charts.line([3, 3], 10, 4) == "0.0,4.0 10.0,4.0"


def test_the_picture_of_a_secret_holds_no_text_of_it() -> None:
    assert "<b>" not in side.qr_code("otpauth://totp/<b>x")
    assert side.qr_code("a") != side.qr_code("b")


def test_a_request_that_is_sent_twice_is_done_once(tmp_path: Path) -> None:
    done: list[str] = []

    def count(word: str) -> dict[str, int]:
        done.append(word)
        if word == "fails":
            raise ValueError
        return {"times": len(done)}

    accounts = AccountFile(tmp_path, CENTER_ROLES)
    server = ActionServer(tmp_path / "a.sock", accounts, {**ACTIONS, "count": Served(count, None)})

    def sent(word: str, once: str) -> object:
        (frame,) = server.answer({"action": "count", "arguments": {"word": word}, "once": once})
        return frame.get("value")

    assert sent("a", "1") == sent("a", "1") == {"times": 1}
    assert sent("a", "2") == {"times": 2}
    assert sent("b", "2") == {"times": 3}
    assert (sent("fails", "3"), sent("fails", "3")) == (None, None)
    assert done.count("fails") == 2
    server.server_close()


def test_roles_of_a_side_are_those_that_an_account_can_have() -> None:
    from server.web.side import center_side
    from site_node.web.side import site_side

    for one, roles in ((center_side("x"), CENTER_ROLES), (site_side("x"), SITE_ROLES)):
        assert one.roles.keys() == roles
        assert {entry.role for entry in one.menu} <= roles | {Role.MEMBER}


def test_every_shared_file_has_a_kind() -> None:
    for file in (resources.files("protocols.runtime.web") / "static").iterdir():
        assert file.name.endswith((*side.MEDIA, ".LICENSE", "HASHES"))

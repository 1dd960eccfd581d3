"""An LGG consortium's analyst, a process of another Unix user: `python -m tests.lib.lgg_analyst ADDRESS`.

Standard input has what such a person has (account, password, codes), and the paths of secrets that they must
not be able to read. Standard output has, for the study from its file, from a notebook's calls and from the
forms of the pages, its hash and what it found; and what became of reading the secrets.
"""

import json
import re
import sys
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import yaml

import shadowgraph as sg
from protocols.core.study import Study
from server.client.network import Network, Run
from server.web.wizard import PREFIX, fields_of, model_of
from tests.lib.lgg_play import MODELS, STUDY
from tests.unit.client.test_builders import lgg

HEAD = ("schema_version", "name", "title", "purpose", "requester", "digits", "cells", "cohort", "min_sites")


class Pages:
    """The center's pages, as a browser without scripts uses them."""

    def __init__(self, address: str, account: str, password: str, code: str) -> None:
        headers = {"Sec-Fetch-Site": "same-origin"}
        self.browser = httpx.Client(base_url=address, headers=headers, trust_env=False, timeout=120)
        shown = {"name": account, "password": password, "code": code}
        reply = self.browser.post("/sign-in", data=shown)
        # the cookie is for HTTPS alone; a browser makes an exception for this machine
        self.browser.headers["Cookie"] = reply.headers["set-cookie"].partition(";")[0]
        self.page = self.browser.get("/draft").text

    def send(self, **fields: str) -> httpx.Response:
        """Sends the draft's form with these fields changed."""
        hidden = {name: self._value(name) for name in ("form_secret", "once")}
        reply = self.browser.post("/draft", data={**hidden, **fields})
        self.page = reply.text
        return reply

    def draft(self) -> str:
        """The text of the draft as the page shows it."""
        (text,) = re.findall(r"<textarea name=\"text\"[^>]*>(.*?)</textarea>", self.page, re.DOTALL)
        return unescape(text)

    def _value(self, name: str) -> str:
        return unescape(re.findall(rf'name="{name}" value="([^"]*)"', self.page)[0])


def by_forms(pages: Pages, study: Study) -> str:
    """The run of the study, whose head was typed and whose variables and analyses were filled into forms."""
    content = yaml.safe_load(STUDY.read_text())
    text = yaml.safe_dump({key: content[key] for key in HEAD if key in content})
    for name, one in content["variables"].items():
        text = _add(pages, text, "variable", one["kind"], name, one)
    for analysis in content["analyses"]:
        spec = analysis["spec"]
        text = _add(pages, text, "analysis", spec["protocol"], analysis["name"], spec)
    reply = pages.send(text=text, act="submit")
    assert reply.status_code == 303, reply.text[-2000:]
    return reply.headers["location"].rpartition("/")[2]


def _add(pages: Pages, text: str, part: str, word: str, name: str, content: dict[str, Any]) -> str:
    asked = {field.name for field in fields_of(model_of(part, word))}
    filled = {PREFIX + key: _typed(value) for key, value in content.items() if key in asked}
    chosen = {part: word, f"{part}_name": name}
    reply = pages.send(text=text, act=f"add-{part}", **chosen, **filled)
    assert reply.status_code == 200, reply.text[-2000:]
    return pages.draft()


def _typed(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "on" if value is True else str(value)


def read_of(path: str) -> str:
    """What becomes of reading a file: the kind of the error, or `read`."""
    try:
        Path(path).read_bytes()
    except OSError as error:
        return type(error).__name__
    return "read"


def found(run: Run) -> dict[str, Any]:
    """The hash of a run's study and what its models found, once it has ended."""
    results = run.wait(show=False)
    models = {name: {key: results[name].data[key] for key in ("terms", "coef", "se", "n")} for name in MODELS}
    return {"hash": run.study.hash(), "models": models, "verified": run.verify()["analyses"]}


def main() -> None:
    """Does it all, one after the other."""
    address, given = sys.argv[1], json.load(sys.stdin)
    name, password, (first, second, *_) = given["name"], given["password"], given["codes"]
    net: Network = sg.connect(address, sg.token(address, name, password, first))
    told = {
        "file": found(net.submit(STUDY)),
        "notebook": found(net.submit(lgg())),
        "forms": found(net.run(by_forms(Pages(address, name, password, second), lgg().study))),
        "secrets": {path: read_of(path) for path in given["secrets"]},
    }
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()

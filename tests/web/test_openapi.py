"""The API as it is published: the file says what the application does.

Run as `python -m tests.web.test_openapi` to write it anew.
"""

import json
from pathlib import Path

from server.web.app import make_app

FILE = Path(__file__).parents[2] / "docs" / "openapi.json"


def published() -> str:
    return json.dumps(make_app(Path("none"), ("localhost",)).openapi(), indent=1, sort_keys=True) + "\n"


def test_the_published_file_is_what_the_center_serves() -> None:
    assert FILE.read_text() == published(), "python -m tests.web.test_openapi writes it anew"


if __name__ == "__main__":
    FILE.write_text(published())

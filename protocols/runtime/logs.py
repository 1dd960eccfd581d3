"""The log of a process: lines for people, or one JSON object per line for machines.

`SHADOWGRAPH_LOG=json` chooses the second. Its fields are a closed set: `at` (UTC, ISO 8601), `level`,
`logger`, `process`, `text`, and of an exception the kind and the place in the code, never its words, which
may quote a row.
"""

import json
import logging
import os
import sys
import traceback
from datetime import UTC, datetime
from typing import Literal

FORM = "SHADOWGRAPH_LOG"
FIELDS = ("at", "level", "logger", "process", "text", "exception", "where")
_LINE = "%(asctime)s %(levelname)s %(message)s"


class JsonLines(logging.Formatter):
    """A record as one JSON object in one line.

    Example:
        >>> import logging
        >>> record = logging.LogRecord("shadowgraph", logging.INFO, "", 0, "round %d", (3,), None)
        >>> json.loads(JsonLines().format(record))["text"]
        'round 3'
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        said: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "text": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            kind, _, trace = record.exc_info
            frames = traceback.extract_tb(trace)
            said["exception"] = kind.__name__
            said["where"] = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        return json.dumps(said, ensure_ascii=False)


def write_log(form: Literal["text", "json"] | None = None) -> None:
    """Lets this process write its log to stderr, in the form that is named, or that SHADOWGRAPH_LOG names."""
    handler = logging.StreamHandler(sys.stderr)
    as_json = (form or os.environ.get(FORM, "text")) == "json"
    handler.setFormatter(JsonLines() if as_json else logging.Formatter(_LINE))
    logging.basicConfig(level=logging.INFO, handlers=[handler])

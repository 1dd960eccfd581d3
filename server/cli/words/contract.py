"""What people read of schemas: the JSON itself."""

import json

from server.actions.contract import Schemas


def schemas(found: Schemas) -> str:
    """The schemas as JSON; one alone without its name."""
    content = dict(found.schemas)
    return json.dumps(next(iter(content.values())) if len(content) == 1 else content, indent=1)

"""The quality of a site as one self-contained page, without a script and without anything from elsewhere."""

from itertools import groupby
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from cdm.quality import CHECK_TYPES
from site_node.quality import Quality

PASSED, FAILED = "#009e73", "#d55e00"


def write_page(quality: Quality, path: Path) -> None:
    """Leaves the page at `path`."""
    environment = Environment(
        loader=PackageLoader("site_node.quality", "."), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["code"] = _code
    path.write_text(environment.get_template("page.html.j2").render(_content(quality)), encoding="utf-8")


def _code(text: str) -> Markup:
    """A text whose words between backticks are commands."""
    parts = escape(text).split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)
    )


def _content(quality: Quality) -> dict[str, object]:
    by_name = sorted(quality.findings, key=lambda one: (list(CHECK_TYPES).index(one.name), one.table))
    groups = [(name, list(found)) for name, found in groupby(by_name, key=lambda one: one.name)]
    failing = quality.failing()
    return {
        "quality": quality,
        "matrix": quality.matrix(),
        "failing": failing,
        "groups": groups,
        "types": CHECK_TYPES,
        "most": max(quality.funnel.values(), default=0) or 1,
        "highest": max((run.failed for run in quality.runs), default=0) or 1,
        "passed": len(quality.findings) - len(failing),
        "colours": {"passed": PASSED, "failed": FAILED},
    }

"""The first page."""

from fastapi import APIRouter
from fastapi.responses import Response

from site_node.web.roles import Reader

router = APIRouter(include_in_schema=False)


@router.get("/")
def overview(page: Reader) -> Response:
    """What waits for somebody, and how the site stands."""
    return page.show("overview.html", found=page.call("overview.shown"))

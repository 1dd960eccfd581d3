"""What holds for every answer to a browser: bounded bodies, and headers that keep it careful."""

from http import HTTPStatus

from protocols.runtime.long_polls import App, Message, Receive, Scope, Send

CONTENT_SECURITY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; frame-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Limits:
    """An ASGI application with bodies of `largest_body` bytes at most, whose answers bear `HEADERS`.

    A header that the application sets itself stays.
    """

    def __init__(self, app: App, largest_body: int) -> None:
        self._app = app
        self._largest = largest_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        came, refused = 0, False

        async def bounded() -> Message:
            nonlocal came, refused
            message = await receive()
            came += len(message.get("body", b""))
            if came > self._largest and not refused:
                refused = True
                await _refuse(careful)
            return {"type": "http.disconnect"} if refused else message

        async def careful(message: Message) -> None:
            if refused and not message.get("refusal"):
                return
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                more = [(n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in given]
                message = {**message, "headers": [*message["headers"], *more]}
            await send({name: value for name, value in message.items() if name != "refusal"})

        await self._app(scope, bounded, careful)


async def _refuse(send: Send) -> None:
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    await send({"type": "http.response.start", "status": status, "headers": [], "refusal": True})
    await send({"type": "http.response.body", "body": b"", "refusal": True})

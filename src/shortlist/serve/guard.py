"""Who may change the state of the service: those who can read its token file. The one place where that is checked."""

import hmac

from shortlist.serve.call import ASGI, Receive, Scope, Send
from shortlist.serve.replies import Problem

TOKEN_HEADER = "x-shortlist-token"  # noqa: S105 - a header's name
_MANAGED = "/shortlist/"


def guarded(app: ASGI, token: str) -> ASGI:
    """The application behind the check: everything below /shortlist/ wants the management token."""
    wanted = token.encode("ascii")

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(_MANAGED):
            given = next((value for name, value in scope["headers"] if name == TOKEN_HEADER.encode()), b"")
            if not hmac.compare_digest(given, wanted):
                await _refuse(send)
                return
        await app(scope, receive, send)

    return guard


async def _refuse(send: Send) -> None:
    told = f"this wants the management token in {TOKEN_HEADER}; it is in SHORTLIST_HOME/service/token"
    reply = Problem(401, "management_token_required", told).reply()
    headers = [*reply.headers, (b"content-length", b"%d" % len(reply.body))]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})

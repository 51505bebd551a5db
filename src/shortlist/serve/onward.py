"""A relay: this machine's port for a service on another host, to which it adds the key that clients here need not know.

It listens, guards and is stopped like any service of ours; it opens no model. Everything below /v1, /openai, /foundry
and /models goes on as it came and comes back as it is sent; of a client's headers, those that say what the body is.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from shortlist.errors import BadInput, BadRequest, ServiceError
from shortlist.serve.call import Call, Operation
from shortlist.serve.connection import Connection
from shortlist.serve.relay import client_stays
from shortlist.serve.replies import Reply
from shortlist.serve.upstream import request_bytes, target_of
from shortlist.settings import FILE_NAME, Settings

_PASSED_ON = ("content-type", "accept", "user-agent")
_PASSED_BACK = ("content-type", "cache-control", "retry-after", "x-shortlist-model", "x-shortlist-route")
_KEY = re.compile(r"[\x21-\x7e]{1,4096}")
_PATHS = (("/v1/{rest:path}", "key"), ("/openai/{rest:path}", "legacy"), ("/foundry/{rest:path}", "legacy"),
          ("/models/{rest:path}", "legacy"))  # fmt: skip
_LOCAL = ("localhost", "127.0.0.1", "::1")


class Onward:
    """Hands requests on to one URL."""

    def __init__(self, url: str, key: str | None) -> None:
        self.url = url
        self._target = target_of(url)
        self._key = key

    @classmethod
    def of(cls, settings: Settings) -> "Onward | None":
        """As the settings say; None: there is no other host. Raises BadInput."""
        if settings.upstream is None:
            return None
        _check_source(settings)
        url = settings.upstream.removesuffix("/v1").rstrip("/")
        parts = urlsplit(url)
        if parts.username is not None or parts.query or parts.fragment or not parts.hostname:
            raise BadInput(f"--upstream {settings.upstream}: expected host and port", hint="http://device:5273/v1")
        if parts.hostname in _LOCAL and parts.port == settings.port:
            raise BadInput("--upstream is this service itself", hint="give one of the two another --port")
        if settings.pin:
            raise BadInput("a relay opens no models, and --pin names some", hint="pin them on the other host")
        return cls(url, None if settings.api_key_file is None else _read_key(settings.api_key_file))

    def operations(self) -> tuple[Operation, ...]:
        """For `app.build_app`; what would load a model here is refused."""
        passed = [
            Operation(method, path, self.forward, "Handed on to another host.", access=access)  # type: ignore[arg-type]
            for path, access in _PATHS
            for method in ("GET", "POST")
        ]
        here = [Operation("POST", f"/shortlist/v1/{what}", self.refuse, "Refused.") for what in ("load", "unload")]
        return (*passed, *here)

    async def refuse(self, call: Call) -> Reply:
        """Models are the other host's."""
        what = call.scope["path"].rpartition("/")[2]
        raise ServiceError(
            f"this service is a relay to {self.url}: it opens no models", hint=f"shortlist foundry model {what} MODEL"
        )

    async def forward(self, call: Call) -> Reply | None:
        """One request there and its reply back, as it comes."""
        path = _path(call)
        body = await call.body() if call.scope["method"] == "POST" else None
        sent = request_bytes(self._target, path, self._headers(call), body)
        upstreams = call.state.upstreams
        with client_stays(call):
            connection = await upstreams.ask(self._target, sent)
            try:
                await _pass_back(call, connection)
            except BaseException:
                if call.is_started and not call.is_stream:
                    call.channel.abort()  # a whole reply that breaks off must not look whole
                raise
            finally:
                upstreams.give_back(self._target, connection)
        return None

    def _headers(self, call: Call) -> Mapping[str, str]:
        given = {name: value for name in _PASSED_ON if (value := call.header(name))}
        key = {} if self._key is None else {"Authorization": f"Bearer {self._key}"}
        names = {"content-type": "Content-Type", "accept": "Accept", "user-agent": "User-Agent"}
        return {names[name]: value for name, value in given.items()} | {"X-Request-Id": call.request_id} | key


def _path(call: Call) -> str:
    """Path and query as they came. Raises BadRequest for a path that could mean another one."""
    if {".", ".."} & set(call.scope["path"].split("/")):
        raise BadRequest("a path with . or .. in it is not handed on", code="invalid_path")
    query = call.scope["query_string"]
    whole: bytes = call.scope["raw_path"].partition(b"?")[0] + (b"?" + query if query else b"")
    if any(byte <= 0x20 or byte >= 0x7F for byte in whole):
        raise BadRequest("the path has characters that a path cannot have", code="invalid_path")
    return whole.decode("ascii")


async def _pass_back(call: Call, connection: Connection) -> None:
    kept = [(name, connection.headers[name]) for name in _PASSED_BACK if name in connection.headers]
    call.is_stream = connection.headers.get("content-type", "").startswith("text/event-stream")
    await call.start(connection.status, tuple((name.encode(), value.encode("latin-1")) for name, value in kept))
    while data := await connection.read():
        await call.send({"type": "http.response.body", "body": data, "more_body": True})
    await call.finish()


def _check_source(settings: Settings) -> None:
    """Raise BadInput for another host that a folder's file names: it may be somebody else's, and would read along."""
    own, source = str(settings.home / FILE_NAME), settings.source("upstream")
    is_by_home = source == own and not settings.source("home").endswith(FILE_NAME)
    if source.endswith(FILE_NAME) and not is_by_home:
        raise BadInput(
            f"{source} would hand everything on to {settings.upstream}: that is not taken from a folder's file",
            hint=f"type --upstream {settings.upstream}, or put it into the {FILE_NAME} of your own SHORTLIST_HOME",
        )


def _read_key(path: Path) -> str:
    try:
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the key file {path} cannot be read: {error}", hint="one line: the key") from None
    if not _KEY.fullmatch(key):
        raise BadInput(f"{path} does not hold one key", hint="one line: the key, without Bearer")
    return key

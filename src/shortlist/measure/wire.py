"""HTTP/1.1 as bytes: where a request goes, how it is written, and an incremental reader of one response."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import httptools

from shortlist.errors import BadInput, BrokenStream, ConnectionClosed

_FORBIDDEN_IN_HEADERS = frozenset("\r\n\0")
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What one reply may cost; beyond it the peer is not speaking our API."""

    header_bytes: int = 64 * 1024
    body_bytes: int = 32 * 1024 * 1024


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Target:
    """A base URL, taken apart. `base_path` has no slash at its end and is `/v1` where the URL names no path."""

    host: str
    port: int
    base_path: str
    query: str
    is_tls: bool

    @property
    def host_header(self) -> str:
        """The value of `Host`: brackets round IPv6, the port unless it is the scheme's own."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == (443 if self.is_tls else 80) else f"{name}:{self.port}"

    def path(self, suffix: str) -> str:
        """The request target of a resource below the base."""
        return f"{self.base_path}{suffix}" + (f"?{self.query}" if self.query else "")


def parse_target(base_url: str) -> Target:
    """Take a base URL apart. Raises BadInput for another scheme, a missing host, credentials or an absurd port."""
    hint = "write it like http://127.0.0.1:5273/v1"
    if "@" in base_url.partition("://")[2].partition("/")[0]:
        raise BadInput("credentials do not belong in an endpoint's URL", hint="--api-key-file, or --header")
    try:
        url = urlsplit(base_url)
        port, host = url.port, (url.hostname or "").encode("idna").decode("ascii")
    except (ValueError, UnicodeError) as error:
        raise BadInput(f"{base_url!r} is not a URL: {error}", hint=hint) from error
    if url.scheme not in ("http", "https") or not host:
        raise BadInput(f"{base_url!r} is not an http or https URL", hint=hint)
    if not (url.path + url.query).isascii() or any(c.isspace() for c in url.path + url.query):
        raise BadInput(f"{base_url!r} has characters that a URL must escape", hint=hint)
    is_tls = url.scheme == "https"
    return Target(host, port or (443 if is_tls else 80), url.path.rstrip("/") or "/v1", url.query, is_tls)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request. `is_resendable`: sending it twice changes nothing at the peer but its load."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    is_resendable: bool = False


def plain_headers(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The user's own headers, checked. Raises BadInput for a line break, a name of ours or text that is not Latin-1."""
    for name, value in headers.items():
        if not name or not name.isascii() or not all(c.isalnum() or c in "!#$%&'*+-.^_`|~" for c in name):
            raise BadInput(f"{name!r} is not a header name", hint="--header 'Name: value'")
        if name.lower() in _OURS:
            raise BadInput(f"the header {name!r} is set by the client itself", hint="leave it out")
        if _FORBIDDEN_IN_HEADERS & set(value) or any(ord(c) > 255 for c in value):
            raise BadInput(f"the value of header {name!r} has characters that HTTP forbids", hint="plain ASCII works")
    return tuple(headers.items())


def write_request(target: Target, request: HttpRequest) -> bytes:
    """The request's bytes. Compressed replies are not asked for: unpacking would stand between arrival and stamp."""
    lines = [f"{request.method} {request.path} HTTP/1.1", f"Host: {target.host_header}", "Accept-Encoding: identity"]
    lines += [f"{name}: {value}" for name, value in request.headers]
    lines += [f"Content-Length: {len(request.body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + request.body


def escaped(data: bytes | str, limit: int = 120) -> str:
    """The beginning of foreign text, safe to print: control characters and stray bytes as escapes."""
    text = data[: limit * 4].decode("utf-8", "backslashreplace") if isinstance(data, bytes) else data
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text[:limit])
    return shown + "…" if len(text) > limit else shown


class ResponseReader:
    """Reads one response, cut anywhere; interim 1xx replies are passed over.

    `status` and `headers` (names in lower case, repeated ones joined by commas) count once `is_headed`; trailers are
    passed over. A body without a length ends with the connection.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._fed_bytes = 0
        self._keeps_alive = False
        self._has_surplus = False
        self._is_checked = False
        self.status = 0
        self.headers: dict[str, str] = {}
        self.is_headed = False
        self.is_complete = False

    @property
    def is_reusable(self) -> bool:
        """The connection may carry another request."""
        return self.is_complete and self._keeps_alive and not self._has_surplus

    def feed(self, data: bytes) -> bytes:
        """Body bytes in this piece of the wire. Raises BrokenStream."""
        self._fed_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            raise BrokenStream(f"the reply switches protocols (status {self._parser.get_status_code()})") from error
        except httptools.HttpParserError as error:
            if not self.is_complete:
                raise BrokenStream(f"the reply is not HTTP ({error}); it reads {escaped(data)!r}") from error
            self._has_surplus = True
        self._check_sizes()
        if self.is_headed and not self._is_checked:
            self._is_checked = True
            self._check_coding()
        pieces, self._pieces = self._pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def end(self, reason: str = "") -> bytes:
        """The peer closed: no more body. Raises ConnectionClosed unless the reply was complete or ends by closing."""
        if self.is_complete:
            return b""
        if not self.is_headed:
            raise ConnectionClosed(f"the peer closed before its reply{reason}")
        if "content-length" in self.headers or "transfer-encoding" in self.headers or reason:
            raise ConnectionClosed(f"the peer closed in the middle of its reply{reason}")
        self.is_complete = True
        return b""

    def _check_sizes(self) -> None:
        if not self.is_headed and self._fed_bytes > self._limits.header_bytes:
            raise BrokenStream(f"the reply's headers are over {self._limits.header_bytes} bytes")
        if self._fed_bytes > self._limits.header_bytes + self._limits.body_bytes:
            raise BrokenStream(f"the reply is over {self._limits.body_bytes} bytes")

    def _check_coding(self) -> None:
        packed = self.headers.get("content-encoding", "identity").strip().lower()
        coding = self.headers.get("transfer-encoding", "chunked").strip().lower()
        if packed not in ("identity", "") or coding != "chunked":
            raise BrokenStream(
                f"the reply is compressed ({escaped(packed)}, {escaped(coding)}), though identity was asked for"
            )

    # httptools calls the methods below, in the order of the wire.

    def on_message_begin(self) -> None:
        """A status line begins; a second one after a whole reply is surplus."""
        self._has_surplus = self._has_surplus or self.is_complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; a trailer, which comes after the body, is passed over."""
        if not self.is_headed:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        """The head is over; that of an interim reply is forgotten."""
        if self.is_complete:
            return
        status = self._parser.get_status_code()
        if status < 200:
            self.headers.clear()
            return
        self.status, self.is_headed = status, True

    def on_body(self, body: bytes) -> None:
        """A piece of the body, without chunk framing."""
        if not self.is_complete:
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        """The reply is over, unless it was an interim one."""
        if self.is_headed and not self.is_complete:
            self.is_complete = True
            self._keeps_alive = self._parser.should_keep_alive()

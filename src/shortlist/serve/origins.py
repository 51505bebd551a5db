"""Which Host a request may name, and which web page it may come from: checked on every route.

A page that a browser shows can send requests to this machine: to the service's own address from a foreign origin, or
to a name of its own that it has made resolve to 127.0.0.1 (DNS rebinding). The first shows in Origin or Sec-Fetch-Site,
the second in Host.
"""

import re
from collections.abc import Iterable, Sequence

from shortlist.errors import BadInput, BadRequest
from shortlist.serve.replies import Headers, Reply

_LOCAL = (b"localhost", b"127.0.0.1", b"[::1]")
_IMPLIED_PORTS = {"http": 80, "https": 443}
_OWN_SITES = (b"same-origin", b"none")
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_ORIGIN = re.compile(r"https?://" + _HOST.pattern)
_ASKED_HEADER = re.compile(rb"[a-z0-9-]{1,64}")
_NEVER_ASKED = b"x-shortlist-token"
_TELLS = b"x-request-id, x-shortlist-model, x-shortlist-route, retry-after"
_MOST_ADDRESSES = 64


class Places:
    """The names that the service answers to, and the origins whose pages may use it; none but its own, as a rule.

    `hosts` are `name` (at the service's own port) or `name:port`; `origins` are `scheme://name[:port]`.
    """

    def __init__(self, hosts: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        self._hosts = tuple(_checked_host(host) for host in hosts)
        self._origins = frozenset(_checked_origin(origin) for origin in origins)
        self._known: dict[tuple[str, int, str], frozenset[bytes]] = {}

    def check_host(self, given: Sequence[bytes], server: tuple[str, int], scheme: str) -> None:
        """Raise BadRequest where the request was meant for somebody else; `server` is the address that it came to."""
        if len(given) != 1:
            raise BadRequest("a request names one Host, this one names " + str(len(given)), code="invalid_host")
        if given[0].lower() not in self._names(server, scheme):
            shown = given[0][:80].decode("ascii", "replace")
            raise BadRequest(
                f"this service is not known as {shown!r}",
                code="foreign_host",
                status=403,
                hint=f"ask localhost:{server[1]}, or start the service with --allow-host NAME",
            )

    def check_origin(self, origins: Sequence[bytes], sites: Sequence[bytes], host: bytes, scheme: str) -> bytes | None:
        """The listed origin that a request comes from, None for our own or a program. Raises BadRequest for others."""
        own = scheme.encode() + b"://" + host.lower()
        listed = [origin for origin in origins if origin in self._origins]
        foreign = [origin for origin in origins if origin not in self._origins and origin != own]
        if foreign or (not listed and any(site not in _OWN_SITES for site in sites)):
            shown = foreign[0][:80].decode("ascii", "replace") if foreign else "another site"
            raise BadRequest(
                f"a page of {shown} may not use this service",
                code="foreign_origin",
                status=403,
                hint="start the service with --allow-origin ORIGIN to let its pages in",
            )
        return listed[0] if listed else None

    def _names(self, server: tuple[str, int], scheme: str) -> frozenset[bytes]:
        """What Host may say to a connection that came to this address."""
        known = self._known.get((*server, scheme))
        if known is None:
            address, port = server
            own = (f"[{address}]" if ":" in address else address).lower().encode()
            names = {name if b":" in name.rpartition(b"]")[2] else b"%b:%d" % (name, port)
                     for name in (*_LOCAL, own, *self._hosts)}  # fmt: skip
            implied = b":%d" % _IMPLIED_PORTS[scheme]
            known = frozenset(names | {name.removesuffix(implied) for name in names})
            if len(self._known) < _MOST_ADDRESSES:
                self._known[*server, scheme] = known
        return known


def preflight(asked_headers: bytes) -> Reply:
    """The answer to a browser that asks whether a page of a listed origin may send its request."""
    names = [name for part in asked_headers.lower().split(b",") if _ASKED_HEADER.fullmatch(name := part.strip())]
    allowed = b", ".join(name for name in names if name != _NEVER_ASKED)
    own = (
        (b"access-control-allow-methods", b"GET, POST"),
        (b"access-control-max-age", b"600"),
        (b"access-control-allow-private-network", b"true"),
    )
    return Reply(b"", 200, (*own, (b"access-control-allow-headers", allowed)))


def sharing(origin: bytes) -> Headers:
    """What lets a page of a listed origin read a reply. Never with credentials: a key is not a cookie."""
    return (
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", _TELLS),
        (b"vary", b"Origin"),
    )


def _checked_host(text: str) -> bytes:
    if not _HOST.fullmatch(text.lower()):
        raise BadInput(f"{text!r} is not a host name", hint="write it like models.example or models.example:8443")
    return text.lower().encode()


def _checked_origin(text: str) -> bytes:
    if not _ORIGIN.fullmatch(text.lower()):
        raise BadInput(
            f"{text!r} is not an origin", hint="write it like https://notes.example or http://localhost:3000"
        )
    return text.lower().encode()

"""Who may do what: every request passes here before its operation begins, whatever its path.

An operation says which `Access` it wants; one that says nothing gets the strictest. Host and Origin are checked for
all of them.

    open        anybody who reaches the port: /health, /ready
    key         who has an API key; everybody, where the service has none (then it listens on this machine alone)
    legacy      state changes that old Foundry clients ask for without a token: as `key`, and without keys from this
                machine only, and from no web page at all
    management  who can read the token file in SHORTLIST_HOME
"""

import hmac
import ipaddress
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, Literal

from shortlist.errors import BadRequest
from shortlist.serve.keys import KeyRing
from shortlist.serve.origins import Places, preflight, sharing
from shortlist.serve.replies import Headers, Reply

Access = Literal["open", "key", "legacy", "management"]

TOKEN_HEADER = "x-shortlist-token"  # noqa: S105 - a header's name
OWNER = "owner"
"""The client name of those who show the management token."""

_LOOKED_AT = frozenset((
    b"host", b"origin", b"sec-fetch-site", b"authorization", b"user-agent", b"access-control-request-method",
    b"access-control-request-headers", TOKEN_HEADER.encode(),
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that may go on: whose it is (None: a peer without a name), what its reply carries.

    `reply`: the guard has answered it already. `refusal`: it may not go on, and a page of a listed origin may read why.
    """

    client: str | None = None
    headers: Headers = ()
    reply: Reply | None = None
    refusal: BadRequest | None = None


class Guard:
    """The rules of one service. Without arguments: this machine alone, no keys, and no management at all."""

    def __init__(self, places: Places | None = None, keys: KeyRing | None = None, token: str | None = None) -> None:
        self._places = places or Places()
        self._keys = keys or KeyRing()
        self._token = token.encode("ascii") if token else None

    def admit(self, scope: MutableMapping[str, Any], access: Access) -> Admitted:
        """Let a request in, or not (401). Raises BadRequest with 400 or 403 for one from elsewhere."""
        told = _Told(scope)
        scheme = scope["scheme"]
        self._places.check_host(told.all(b"host"), scope["server"], scheme)
        origins = told.all(b"origin")
        origin = self._places.check_origin(origins, told.all(b"sec-fetch-site"), told.first(b"host"), scheme)
        headers = () if origin is None else sharing(origin)
        if origin is not None and scope["method"] == "OPTIONS" and told.first(b"access-control-request-method"):
            asked = told.first(b"access-control-request-headers")
            return Admitted(None, headers, preflight(asked))
        try:
            return Admitted(self._client(scope, access, told), headers)
        except BadRequest as refusal:
            return Admitted(None, headers, refusal=refusal)

    def _client(self, scope: MutableMapping[str, Any], access: Access, told: "_Told") -> str | None:
        """The name of who asks. Raises BadRequest for those who may not."""
        given = told.first(TOKEN_HEADER.encode())
        if given and self._token is not None and hmac.compare_digest(given, self._token):
            return OWNER
        if access == "management":
            raise _token_missing()
        name = self._named(told)
        if access == "open" or name is not None:
            return name
        if len(self._keys):
            raise _key_missing(is_wrong=bool(told.first(b"authorization")))
        if access == "legacy" and not _is_from_a_program_here(scope, told):
            raise _token_missing()
        return None

    def _named(self, told: "_Told") -> str | None:
        scheme, _, key = told.first(b"authorization").partition(b" ")
        return self._keys.name_of(key.strip()) if len(self._keys) and scheme.lower() == b"bearer" else None


class _Told:
    """The headers that matter here."""

    __slots__ = ("_found",)

    def __init__(self, scope: MutableMapping[str, Any]) -> None:
        self._found: list[tuple[bytes, bytes]] = [pair for pair in scope["headers"] if pair[0] in _LOOKED_AT]

    def all(self, name: bytes) -> list[bytes]:
        """Every value of a header."""
        return [value for found, value in self._found if found == name]

    def first(self, name: bytes) -> bytes:
        """Its first value; empty where there is none."""
        return next((value for found, value in self._found if found == name), b"")


def _is_from_a_program_here(scope: MutableMapping[str, Any], told: _Told) -> bool:
    """A peer on this machine that is no browser: every browser of today says Sec-Fetch-Site, old ones say Mozilla."""
    peer = scope.get("client")
    if peer is None or not ipaddress.ip_address(peer[0]).is_loopback:
        return False
    agent = told.first(b"user-agent")
    is_browser = agent.startswith(b"Mozilla/") and b"PowerShell" not in agent
    return not (is_browser or told.all(b"origin") or told.all(b"sec-fetch-site"))


def _token_missing() -> BadRequest:
    return BadRequest(
        f"this wants the management token in {TOKEN_HEADER}; it is in SHORTLIST_HOME/service/token",
        code="management_token_required",
        status=401,
    )


def _key_missing(*, is_wrong: bool) -> BadRequest:
    told = "this API key is not known here" if is_wrong else "this service wants an API key"
    return BadRequest(told, code="invalid_api_key", status=401, hint="send it as Authorization: Bearer KEY")

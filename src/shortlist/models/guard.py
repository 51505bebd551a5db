"""Where requests for models may go: to the Hub that is configured and to the storage of Hugging Face, nowhere else.

Asked of every request, so of every redirect too. The host must be the endpoint's (HF_ENDPOINT), Hugging Face's, or one
that the setting `hub_hosts` names; an address that is not public (loopback, a private network, a cloud's metadata) must
be configured by name in the same way, and is looked for both in the name server's answer and at the connection's other
end, since the two can differ. A token goes to the endpoint's own origin alone. Pure but for the look-up of names.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from shortlist.errors import HostRefused

HUB_HOSTS = ("huggingface.co", "hf.co")
_PORTS = {"http": 80, "https": 443}


def addresses_of(host: str) -> list[str]:
    """What a name stands for; empty where nobody knows it (the request itself then says so)."""
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        return []


@dataclass(frozen=True, slots=True)
class Guard:
    """The rule for one endpoint. `also`: further hosts; `is_proxied`: names are looked up elsewhere."""

    endpoint: str
    also: tuple[str, ...] = ()
    is_proxied: bool = False
    look_up: Callable[[str], Iterable[str]] = addresses_of

    def check(self, url: str) -> None:
        """Raise HostRefused unless a request may go there."""
        where, home = urlsplit(url), urlsplit(self.endpoint)
        host = where.hostname or ""
        if where.scheme not in _PORTS or (home.scheme == "https" and where.scheme != "https"):
            raise HostRefused(f"{_plain(url)}: a request by {where.scheme or 'no scheme'} is not made")
        if where.username is not None or where.password is not None:
            raise HostRefused(f"{_plain(url)}: an address with a user in it is not asked")
        if not self._is_configured(host) and not _is_under(host, HUB_HOSTS):
            raise HostRefused(
                f"{_plain(url)}: {host} is not a host that models are fetched from",
                hint=f"if you trust it: shortlist config set hub_hosts {','.join((*self.also, host))}",
            )
        if not self.is_proxied:
            for address in (host,) if _is_address(host) else self.look_up(host):
                self.check_address(host, address)

    def check_address(self, host: str, address: str) -> None:
        """Raise HostRefused for an address that is not public, unless its host is configured."""
        if not self._is_configured(host) and _is_address(address) and not _is_public(address):
            raise HostRefused(
                f"{host} is at {address}, which is not a public address: nothing is asked there",
                hint=f"if it is a mirror of yours: shortlist config set hub_hosts {','.join((*self.also, host))}",
            )

    def is_home(self, url: str) -> bool:
        """Whether a token may go there: scheme, host and port are the endpoint's."""
        return _origin(urlsplit(url)) == _origin(urlsplit(self.endpoint))

    def _is_configured(self, host: str) -> bool:
        return host.lower() in {(urlsplit(self.endpoint).hostname or "").lower(), *(h.lower() for h in self.also)}


def _origin(url: SplitResult) -> tuple[str, str, int | None]:
    return url.scheme, (url.hostname or "").lower(), url.port or _PORTS.get(url.scheme)


def _is_under(host: str, domains: Iterable[str]) -> bool:
    return any(host.lower() == domain or host.lower().endswith("." + domain) for domain in domains)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    return found.is_global and not found.is_multicast and (inner is None or inner.is_global)


def _plain(url: str) -> str:
    """An address for people: no query, where signatures stand, and no user."""
    where = urlsplit(url)
    return f"{where.scheme}://{where.hostname or ''}{where.path}"[:200]

"""What the service listens on and whom it lets in, as the settings say; checked before anything is started."""

import ipaddress
import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from shortlist.errors import BadInput
from shortlist.serve.guard import Guard
from shortlist.serve.keys import ENVIRONMENT, KeyRing, check_private, environment_keys, read_keys
from shortlist.serve.limits import Limits, connections_possible
from shortlist.serve.origins import Places
from shortlist.serve.server import LOOPBACK, Listen
from shortlist.settings import Settings

_HERE = ("localhost", "127.0.0.1")
_OTHERS_MAY = 0o027
"""What nobody else may do with a private key: groups of certificate daemons read it on many systems."""


@dataclass(frozen=True, slots=True)
class Door:
    """The checked settings. `warning`: what is allowed, but should be known."""

    listen: Listen
    places: Places
    keys: KeyRing
    warning: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Door":
        """Raises BadInput with what to type: an address off this machine without a key, bad files, bad names."""
        hosts, is_here = _hosts(settings.host)
        keys = _keys(settings.keys_file)
        if not is_here and not len(keys):
            raise BadInput(
                f"--host {settings.host} lets others than this machine in, and no API key is set",
                hint="(umask 077; echo me:$(openssl rand -hex 32) > keys);"
                f" shortlist service start --host {settings.host} --keys-file keys",
            )
        tls = tls_context(settings.tls_cert, settings.tls_key)
        warning = None
        if not is_here and tls is None:
            warning = "keys and prompts cross the network unencrypted; --tls-cert and --tls-key change that"
        listen = Listen(
            hosts, settings.port, tls=tls, limits=Limits(connections=connections_possible(settings.connections))
        )
        return cls(listen, Places(settings.allow_host, settings.allow_origin), keys, warning)

    def guard(self, token: str) -> Guard:
        """The rules for every request."""
        return Guard(self.places, self.keys, token)


def _hosts(host: str) -> tuple[tuple[str, ...], bool]:
    """The addresses to listen on, and whether they are this machine's alone."""
    if host in _HERE:
        return LOOPBACK, True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        raise BadInput(f"--host {host} is not an address", hint="write it like 127.0.0.1, 0.0.0.0 or ::") from None
    return (str(address),), address.is_loopback


def _keys(path: Path | None) -> KeyRing:
    told = os.environ.get(ENVIRONMENT, "")
    if path is not None and told.strip():
        raise BadInput(f"keys are in {path} and in {ENVIRONMENT}", hint="set one of them")
    return read_keys(path) if path is not None else environment_keys(told)


def tls_context(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """TLS 1.2 and later from two files; None without them. Raises BadInput."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise BadInput("TLS wants a certificate and its private key", hint="give both --tls-cert and --tls-key")
    check_private(key, "the private key", _OTHERS_MAY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, _no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise BadInput(
            f"{certificate} and {key} cannot be used: {error}",
            hint="both are PEM files, the key belongs to the certificate and has no password",
        ) from None
    return context


def _no_password() -> str:
    raise ValueError("the private key is under a password")

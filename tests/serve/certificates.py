"""Self-made certificates for localhost, by the openssl command."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class Pair:
    cert: Path
    key: Path


def make(folder: Path, password: str | None = None) -> Pair:
    """A certificate and its key, 0600; the key under a password where there is one."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    folder.mkdir(exist_ok=True)
    pair = Pair(folder / "cert.pem", folder / "key.pem")
    locked = ["-passout", f"pass:{password}"] if password else ["-nodes"]
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", *locked]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2"]
    files = ["-keyout", str(pair.key), "-out", str(pair.cert)]
    subprocess.run([*argv, *names, *files], check=True, capture_output=True)
    pair.key.chmod(0o600)
    return pair

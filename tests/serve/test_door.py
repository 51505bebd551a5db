"""Who may come in: keys, addresses, certificates; what is not safe does not start."""

import hashlib
import hmac
import ssl
import stat
import warnings
from pathlib import Path
from typing import Any

import pytest

from cli.commands import shortlist
from serve import certificates
from serve.services import Daemon, daemon
from shortlist.errors import BadInput, InvalidFile
from shortlist.serve import keys
from shortlist.serve.door import Door
from shortlist.settings import Settings, load

ANN, BOB = "ann-" + "a" * 40, "bob-" + "b" * 40


def key_file(folder: Path, text: str = f"# the team\nann:{ANN}\n\n bob:{BOB} \n", mode: int = 0o600) -> Path:
    path = folder / "keys"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_key_is_known_by_its_name_and_kept_as_a_digest_only(tmp_path: Path) -> None:
    ring = keys.read_keys(key_file(tmp_path))
    assert [ring.name_of(key.encode()) for key in (ANN, BOB, ANN[:-1], "", "ann", f"ann:{ANN}")] == [
        "ann", "bob", None, None, None, None,
    ]  # fmt: skip
    assert ANN not in repr(vars(ring))
    assert keys.environment_keys(f"ann:{ANN}, bob:{BOB}").name_of(BOB.encode()) == "bob"


def test_every_key_is_compared_whatever_the_first_one_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And by `hmac.compare_digest`, on digests of one length: time tells neither which key nor how much of it."""
    ring = keys.read_keys(key_file(tmp_path))
    seen: list[tuple[bytes, bytes]] = []

    def counted(a: bytes, b: bytes) -> bool:
        seen.append((a, b))
        return hmac.compare_digest(a, b)

    monkeypatch.setattr(keys, "hmac", type("Counted", (), {"compare_digest": staticmethod(counted)}))
    for given in (ANN, BOB, "nobody's"):
        seen.clear()
        ring.name_of(given.encode())
        assert len(seen) == 2
        assert {len(digest) for pair in seen for digest in pair} == {hashlib.sha256().digest_size}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"ann {ANN}", "expected name:key"),
        (ANN, "expected name:key"),
        ("ann:short", "under 16 characters"),
        ("ann:" + "é" * 20, "printable ASCII"),
        (f"an/n:{ANN}", "expected name:key"),
        (f"ann:{ANN}\nann:{BOB}", "two keys are named 'ann'"),
        ("# none\n", "holds no key"),
    ],
)
def test_a_bad_key_file_is_told_without_its_keys(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadInput, match=told) as caught:
        keys.read_keys(key_file(tmp_path, text))
    assert ANN not in caught.value.message
    assert "short" not in caught.value.message


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604, 0o620])
def test_keys_that_others_can_reach_are_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(BadInput, match="open to other users") as caught:
        keys.read_keys(key_file(tmp_path, mode=mode))
    assert "chmod 600" in (caught.value.hint or "")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.8.0.1"])
def test_this_machine_needs_no_key(host: str) -> None:
    door = Door.of(Settings(host=host))
    assert not len(door.keys)
    assert all(address.startswith("127.") or address == "::1" for address in door.listen.hosts)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.9", "fd00::9", "169.254.1.1"])
def test_another_address_needs_one(tmp_path: Path, host: str) -> None:
    with pytest.raises(BadInput, match="no API key is set") as caught:
        Door.of(Settings(host=host))
    assert f"--host {host} --keys-file" in (caught.value.hint or "")
    door = Door.of(Settings(host=host, keys_file=key_file(tmp_path)))
    assert "unencrypted" in (door.warning or "")


def test_a_bind_to_every_address_without_a_key_does_not_start(tmp_path: Path) -> None:
    for way in ((), ("--foreground",)):
        done = shortlist("service", "start", "--host", "0.0.0.0", "--port", "0", *way, cwd=tmp_path)
        assert done.code == 2
        assert "--keys-file" in done.err
        assert "Traceback" not in done.err
    assert not (tmp_path / "service").exists()


def test_a_name_to_listen_on_is_refused_and_so_are_keys_in_two_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadInput, match="is not an address"):
        Door.of(Settings(host="models.example"))
    monkeypatch.setenv(keys.ENVIRONMENT, f"ann:{ANN}")
    assert len(Door.of(Settings(host="0.0.0.0")).keys) == 1
    with pytest.raises(BadInput, match=r"keys are in .* and in"):
        Door.of(Settings(keys_file=key_file(tmp_path)))


def test_a_folder_that_was_downloaded_opens_no_door(tmp_path: Path) -> None:
    for line in ('host = "0.0.0.0"', 'allow_origin = ["https://evil.example"]', "log_prompts = true"):
        (tmp_path / "shortlist.toml").write_text(line)
        with pytest.raises(InvalidFile, match="whom the service lets in"):
            load({"SHORTLIST_HOME": str(tmp_path / "home")}, tmp_path)


def test_certificates_that_cannot_work_are_told(tmp_path: Path) -> None:
    mine, other = certificates.make(tmp_path / "a"), certificates.make(tmp_path / "b")
    locked = certificates.make(tmp_path / "c", password="secret")
    for cert, key, told in (
        (mine.cert, None, "and its private key"),
        (mine.cert, other.key, "cannot be used"),
        (locked.cert, locked.key, "cannot be used"),
        (tmp_path / "none", mine.key, "cannot be used"),
        (mine.cert, tmp_path / "none", "cannot be read"),
    ):
        with pytest.raises(BadInput, match=told):
            Door.of(Settings(tls_cert=cert, tls_key=key))
    mine.key.chmod(0o644)
    with pytest.raises(BadInput, match="open to other users"):
        Door.of(Settings(tls_cert=mine.cert, tls_key=mine.key))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A service on every address, with keys and TLS."""
    home = tmp_path_factory.mktemp("guarded")
    pair = certificates.make(home / "tls")
    options = ("--host", "0.0.0.0", "--keys-file", key_file(home), "--tls-cert", pair.cert, "--tls-key", pair.key)
    with daemon(home, *options) as found:
        yield found


def get(service: Daemon, path: str, context: ssl.SSLContext, **headers: str) -> int:
    import http.client

    connection = http.client.HTTPSConnection("localhost", service.port, timeout=60, context=context)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_with_keys_and_a_certificate_others_are_let_in_by_key(guarded: Daemon) -> None:
    trusting = ssl.create_default_context(cafile=guarded.home / "tls" / "cert.pem")
    assert get(guarded, "/v1/models", trusting) == 401
    assert get(guarded, "/v1/models", trusting, Authorization="Bearer wrong") == 401
    assert get(guarded, "/v1/models", trusting, Authorization=f"Basic {ANN}") == 401
    assert get(guarded, "/v1/models", trusting, Authorization=f"bearer {ANN}") == 200
    assert get(guarded, "/shortlist/v1/status", trusting, Authorization=f"Bearer {ANN}") == 401
    with pytest.raises(ssl.SSLError):
        get(guarded, "/v1/models", ssl.create_default_context())
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        get(guarded, "/v1/models", old, Authorization=f"Bearer {ANN}")


def test_commands_find_such_a_service_and_its_keys_are_in_no_file_of_it(guarded: Daemon) -> None:
    status = guarded.run("service", "status", "--json").json["data"]
    assert status["urls"] == [f"https://0.0.0.0:{guarded.port}"]
    assert guarded.run("model", "load", "quick").code == 0
    written = [path for path in guarded.home.rglob("*") if path.is_file() and path.name != "keys"]
    assert len(written) > 3
    assert not any(ANN.encode() in path.read_bytes() for path in written)
    assert stat.S_IMODE((guarded.home / "service" / "token").stat().st_mode) == 0o600

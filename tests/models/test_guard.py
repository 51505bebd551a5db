"""Where requests for models may go, and where a token may."""

import pytest

from shortlist.errors import HostRefused
from shortlist.models.guard import Guard

PUBLIC, PRIVATE = "18.165.122.11", "10.1.2.3"


def guard(endpoint: str = "https://huggingface.co", also: tuple[str, ...] = (), address: str = PUBLIC) -> Guard:
    return Guard(endpoint, also, look_up=lambda _: (address,))


@pytest.mark.parametrize(
    "url",
    [
        "https://huggingface.co/o/r/resolve/main/x",
        "https://cdn-lfs-us-1.hf.co/repos/x?Signature=y",
        "https://cas-bridge.xethub.hf.co/x",
    ],
)
def test_hugging_face_and_its_storage_are_asked(url: str) -> None:
    guard().check(url)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://evil.example/x", "not a host that models are fetched from"),
        ("https://huggingface.co.evil.example/x", "not a host"),
        ("https://evilhf.co/x", "not a host"),
        ("http://huggingface.co/x", "by http is not made"),
        ("file:///etc/passwd", "by file is not made"),
        ("ftp://huggingface.co/x", "by ftp is not made"),
        ("https://user:secret@huggingface.co/x", "with a user in it"),
        ("https://169.254.169.254/latest/meta-data", "not a host"),
        ("https://[::1]/x", "not a host"),
    ],
)
def test_anything_else_is_refused_and_no_secret_is_repeated(url: str, says: str) -> None:
    with pytest.raises(HostRefused, match=says) as refused:
        guard().check(url)
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    "address", ["127.0.0.1", PRIVATE, "192.168.1.1", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1", "0.0.0.0"]
)
def test_a_known_name_at_an_address_that_is_not_public_is_refused(address: str) -> None:
    with pytest.raises(HostRefused, match="not a public address"):
        guard(address=address).check("https://cdn-lfs.hf.co/x")
    with pytest.raises(HostRefused, match="not a public address"):
        guard().check_address("cdn-lfs.hf.co", address)


def test_what_is_configured_may_be_private_and_only_that() -> None:
    mirror = guard("http://mirror.lan:8080", address=PRIVATE)
    mirror.check("http://mirror.lan:8080/o/r")
    mirror.check("http://mirror.lan:9000/storage")
    with pytest.raises(HostRefused):
        mirror.check("http://other.lan/x")
    guard("http://mirror.lan", ("other.lan",), PRIVATE).check("http://other.lan/x")


def test_a_token_goes_to_the_endpoints_own_origin_alone() -> None:
    mirror = guard("https://mirror.example")
    assert mirror.is_home("https://mirror.example:443/o/r")
    for url in ("https://mirror.example:8443/x", "http://mirror.example/x", "https://huggingface.co/x"):
        assert not mirror.is_home(url)


def test_behind_a_proxy_names_are_not_looked_up_here() -> None:
    def fails(_: str) -> tuple[str, ...]:
        raise AssertionError("looked up")

    Guard("https://huggingface.co", is_proxied=True, look_up=fails).check("https://hf.co/x")

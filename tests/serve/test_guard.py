"""Host, Origin and access, asked of the guard itself; every route over sockets is in test_routes."""

from typing import Any

import pytest

from shortlist.errors import BadInput, BadRequest
from shortlist.serve.guard import TOKEN_HEADER, Access, Admitted, Guard
from shortlist.serve.keys import KeyRing
from shortlist.serve.origins import Places

TOKEN = "t" * 43
HOST = {"host": "localhost:5273"}


def scope(headers: dict[str, str] | list[tuple[str, str]], method: str = "GET", **keys: Any) -> dict[str, Any]:
    pairs = headers.items() if isinstance(headers, dict) else headers
    told = [(name.encode(), value.encode("latin-1")) for name, value in pairs]
    base = {"method": method, "scheme": "http", "server": ("127.0.0.1", 5273), "client": ("127.0.0.1", 50000)}
    return {**base, "headers": told, **keys}


def let_in(guard: Guard, told: dict[str, Any], access: Access) -> Admitted:
    admitted = guard.admit(told, access)
    assert admitted.refusal is None
    return admitted


def refused(guard: Guard, told: dict[str, Any], access: Access = "key") -> tuple[int, str]:
    try:
        refusal = guard.admit(told, access).refusal
    except BadRequest as error:
        refusal = error
    assert refusal is not None
    return refusal.status, refusal.code


@pytest.mark.parametrize("host", ["localhost:5273", "LOCALHOST:5273", "127.0.0.1:5273", "[::1]:5273"])
def test_this_machines_names_with_the_port_are_ours(host: str) -> None:
    let_in(Guard(), scope({"host": host}), "key")


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example:5273", "localhost", "localhost:5274", "localhost:5273.evil.example",
        "evil.example@localhost:5273", "127.0.0.1:5273:5273", "localhost:05273", "2130706433:5273", "0.0.0.0:5273",
        "localhost:5273/", "", "localhost:5273\x00", "[::ffff:127.0.0.1]:5273", "192.168.0.9:5273",
    ],
)  # fmt: skip
def test_every_other_name_is_a_rebound_one(host: str) -> None:
    assert refused(Guard(), scope({"host": host}), "open") == (403, "foreign_host")


def test_a_request_names_exactly_one_host() -> None:
    assert refused(Guard(), scope({})) == (400, "invalid_host")
    assert refused(Guard(), scope([("host", "localhost:5273"), ("host", "localhost:5273")])) == (400, "invalid_host")


def test_the_address_that_a_connection_came_to_is_a_name_and_so_is_what_was_configured() -> None:
    """An address in Host cannot be rebound; a port that the scheme implies may be left out."""
    guard = Guard(Places(hosts=["models.example", "front.example:443"]))
    lan = scope({"host": "192.168.0.9:5273"}, server=("192.168.0.9", 5273))
    let_in(guard, lan, "key")
    let_in(guard, scope({"host": "models.example:5273"}), "key")
    let_in(guard, scope({"host": "front.example:443"}), "key")
    let_in(guard, scope({"host": "front.example"}, scheme="https"), "key")
    let_in(guard, scope({"host": "[fd00::9]:5273"}, server=("fd00::9", 5273)), "key")
    let_in(guard, scope({"host": "localhost"}, server=("127.0.0.1", 80)), "key")
    assert refused(guard, scope({"host": "front.example:5273"})) == (403, "foreign_host")
    assert refused(guard, scope({"host": "sub.models.example:5273"})) == (403, "foreign_host")


@pytest.mark.parametrize(
    "page",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://localhost:3000"},
        {"origin": "https://localhost:5273"},
        {"origin": "http://localhost:5273.evil.example"},
        {"origin": "http://127.0.0.1:5273"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "anything new"},
    ],
)
def test_a_page_of_another_origin_is_refused(page: dict[str, str]) -> None:
    for access in ("open", "key", "legacy", "management"):
        assert refused(Guard(token=TOKEN), scope(HOST | page), access) == (403, "foreign_origin")


def test_two_origins_are_as_bad_as_the_worse_one() -> None:
    pairs = [("host", "localhost:5273"), ("origin", "http://localhost:5273"), ("origin", "https://evil.example")]
    assert refused(Guard(), scope(pairs)) == (403, "foreign_origin")


def test_our_own_pages_and_programs_are_let_in_and_told_nothing_of_sharing() -> None:
    for told in ({}, {"origin": "http://localhost:5273", "sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}):
        assert let_in(Guard(), scope(HOST | told), "key").headers == ()


def test_a_listed_origin_is_matched_exactly_and_never_with_credentials() -> None:
    guard = Guard(Places(origins=["https://notes.example"]))
    page = HOST | {"origin": "https://notes.example", "sec-fetch-site": "cross-site"}
    shared = dict(let_in(guard, scope(page), "key").headers)
    assert shared[b"access-control-allow-origin"] == b"https://notes.example"
    assert shared[b"vary"] == b"Origin"
    assert not any(b"credentials" in name for name in shared)
    for other in ("https://notes.example.evil.example", "http://notes.example", "https://notes.example:8443"):
        assert refused(guard, scope(HOST | {"origin": other})) == (403, "foreign_origin")
    assert refused(guard, scope(HOST | {"sec-fetch-site": "cross-site"})) == (403, "foreign_origin")


def test_a_listed_page_may_read_why_its_key_is_refused() -> None:
    guard = Guard(Places(origins=["https://notes.example"]), token=TOKEN)
    refusal = guard.admit(scope(HOST | {"origin": "https://notes.example"}), "legacy")
    assert refusal.refusal is not None
    assert dict(refusal.headers)[b"access-control-allow-origin"] == b"https://notes.example"


def test_a_preflight_of_a_listed_origin_is_answered_and_never_offers_the_management_header() -> None:
    guard = Guard(Places(origins=["https://notes.example"]), token=TOKEN)
    ask = {
        "access-control-request-method": "POST",
        "access-control-request-headers": f"Authorization,{TOKEN_HEADER},x y",
    }
    reply = let_in(guard, scope(HOST | ask | {"origin": "https://notes.example"}, "OPTIONS"), "management").reply
    assert reply is not None
    assert dict(reply.headers)[b"access-control-allow-headers"] == b"authorization"
    assert refused(guard, scope(HOST | ask | {"origin": "https://evil.example"}, "OPTIONS")) == (403, "foreign_origin")


def test_management_wants_the_token_whoever_asks() -> None:
    guard = Guard(token=TOKEN)
    assert let_in(guard, scope(HOST | {TOKEN_HEADER: TOKEN}), "management").client == "owner"
    for wrong in ({}, {TOKEN_HEADER: ""}, {TOKEN_HEADER: TOKEN[:-1]}, {"authorization": f"Bearer {TOKEN}"}):
        assert refused(guard, scope(HOST | wrong), "management") == (401, "management_token_required")
    for without in (Guard(), Guard(token="")):
        assert refused(without, scope(HOST | {TOKEN_HEADER: ""}), "management") == (401, "management_token_required")


def test_old_state_changes_come_from_programs_of_this_machine() -> None:
    """Never from a browser, also one that is too old to say what it is, or from another host."""
    guard = Guard(token=TOKEN)
    assert let_in(guard, scope(HOST), "legacy").client is None
    let_in(guard, scope(HOST | {"user-agent": "Mozilla/5.0 (Windows NT; en-US) WindowsPowerShell/5.1"}), "legacy")
    ways: list[dict[str, str]] = [
        {"user-agent": "Mozilla/5.0 (Macintosh) Safari/605"},
        {"sec-fetch-site": "none"},
        {"origin": "http://localhost:5273"},
    ]
    for way in ways:
        assert refused(guard, scope(HOST | way), "legacy") == (401, "management_token_required")
        assert let_in(guard, scope(HOST | way | {TOKEN_HEADER: TOKEN}), "legacy").client == "owner"
    assert refused(guard, scope(HOST, client=("10.0.0.7", 1)), "legacy") == (401, "management_token_required")
    assert refused(guard, scope(HOST, client=None), "legacy") == (401, "management_token_required")


@pytest.mark.parametrize("bad", ["*", "https://*", "notes.example", "https://notes.example/", "null", "file://", ""])
def test_an_origin_is_listed_as_browsers_write_it(bad: str) -> None:
    with pytest.raises(BadInput, match="is not an origin"):
        Places(origins=[bad])


def test_an_operation_that_says_nothing_gets_the_strictest_access() -> None:
    from shortlist.serve.app import _nobody
    from shortlist.serve.call import Operation

    assert Operation("GET", "/x", _nobody, "x").access == "management"
    assert len(KeyRing()) == 0

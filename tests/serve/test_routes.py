"""Every route of the running service, asked by those who may not; what it tells of itself; what its log holds."""

import json
import re
import stat
from collections.abc import Iterator

import pytest

from serve.exposed import families
from serve.services import Daemon, daemon
from shortlist.serve.logs import for_people

ANN = "ann-" + "a" * 40


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon(tmp_path_factory.mktemp("service"), "--parallel", 2) as found:
        yield found


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One with a key, prompts in its log, and a pin that cannot be opened."""
    home = tmp_path_factory.mktemp("other")
    (home / "keys").write_text(f"ann:{ANN}\n")
    (home / "keys").chmod(0o600)
    with daemon(home, "--keys-file", home / "keys", "--log-prompts", "--pin", "never") as found:
        yield found


def routes(service: Daemon) -> list[tuple[str, str, bool]]:
    """Every operation of its own document: method, a path, whether it is open to all."""
    paths = service.ask("/openapi.json").json["paths"]
    found = [
        (method.upper(), re.sub(r"\{\w+\}", "quick", path), "security" not in told)
        for path, operations in paths.items()
        for method, told in operations.items()
    ]
    assert {"/v1/chat/completions", "/metrics", "/shortlist/v1/shutdown", "/openai/load/quick"} <= {
        p for _, p, _ in found
    }
    return found


FOREIGN = [
    ({"Host": "rebound.example:{port}"}, "foreign_host"),
    ({"Host": "localhost"}, "foreign_host"),
    ({"Origin": "https://evil.example"}, "foreign_origin"),
    ({"Origin": "null"}, "foreign_origin"),
    ({"Origin": "http://localhost:3000"}, "foreign_origin"),
    ({"Sec-Fetch-Site": "cross-site"}, "foreign_origin"),
    ({"Sec-Fetch-Site": "same-site"}, "foreign_origin"),
]


def test_another_pages_requests_and_a_rebound_host_are_refused_on_every_route(service: Daemon) -> None:
    """Also with the management token, also as a preflight, also where there is nothing: by each way that there is."""
    token = service.files.read_token()
    known = [*routes(service), ("GET", "/", True), ("GET", "/nothing/here", True), ("OPTIONS", "*", True)]
    asked = 0
    for method, path, _ in known:
        for headers, code in FOREIGN:
            told = {name: value.format(port=service.port) for name, value in headers.items()}
            for way in (method, "OPTIONS", "PUT"):
                preflight = {"Access-Control-Request-Method": method} if way == "OPTIONS" else {}
                refused = service.ask(
                    path, {"model": "quick"}, method=way, **told, **preflight, **{"X-Shortlist-Token": token}
                )
                assert (refused.status, refused.error["code"]) == (403, code), (way, path, told)
                assert not [name for name in refused.headers if name.startswith("access-control")]
                asked += 1
    assert asked > 400
    assert service.rows() == {}, "nothing was loaded by any of them"


def test_every_route_says_who_may_ask_and_state_changes_want_the_token(service: Daemon) -> None:
    """A browser of before Sec-Fetch-Site cannot load a model by a picture's address either."""
    old = {"User-Agent": "Mozilla/5.0 (Macintosh) AppleWebKit/605 Version/15.0 Safari/605"}
    opened = {path for _, path, is_open in routes(service) if is_open}
    assert opened == {"/health", "/ready", "/openapi.json"}
    for method, path, _ in routes(service):
        if path.startswith("/shortlist/"):
            refused = service.ask(path, {}, method=method)
            assert (refused.status, refused.error["code"]) == (401, "management_token_required")
    for path in ("/openai/load/quick", "/openai/unload/quick", "/openai/unloadall", "/models/load/quick"):
        assert service.ask(path, method="GET", **old).status == 401, path
    assert service.rows() == {}


def test_with_keys_nothing_but_probes_and_the_document_answers_without_one(other: Daemon) -> None:
    bearer = {"Authorization": f"Bearer {ANN}"}
    for method, path, is_open in routes(other):
        status = other.ask(path, {}, method=method).status
        assert (status in (200, 503)) if is_open else (status == 401), path
    assert other.ask("/metrics", **bearer).status == 200
    assert other.chat("quick").status == 401
    body = {"model": "quick", "messages": [{"role": "user", "content": "the merger with Acme"}]}
    assert other.ask("/v1/chat/completions", body, **bearer).status == 200
    shown = other.run("service", "logs", "--json").json["data"]
    asked = [entry for entry in shown["entries"] if entry.get("route") == "POST /v1/chat/completions"]
    assert asked[-1]["client"] == "ann"
    assert any("the merger with Acme" in line for line in shown["lines"]), "prompts were asked for"
    assert ANN not in (other.home / "logs" / "service.log").read_text()


HOSTILE = [
    "../../../../etc/passwd", "/etc/passwd", "..%2f..%2fetc%2fpasswd", "notes-small\x00.gguf", "hf:evil/evil",
    "hf:http://127.0.0.1:9/x", "https://evil.example/model.gguf", "file:///etc/passwd", "; touch pwned",
    "$(touch pwned)", "`touch pwned`", "--model /etc/passwd", "-m", "{{ 7*7 }}", "\r\nSet-Cookie: a=b",
    "{% for i in range(10**9) %}{% endfor %}", "notes-small\nINFO forged", "\u2028forged", "CON",
    "C:\\Windows\\win.ini", "\\\\evil\\share\\m.gguf", "a" * 5000, "",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_models_name_reaches_no_path_no_shell_and_no_engine(service: Daemon, name: str) -> None:
    """It is looked up among what is here, and that is all; nothing is read, fetched or started for it."""
    from urllib.parse import quote

    before = {child.pid for child in service.children()}
    for asked in (service.chat(name), service.ask(f"/v1/models/{quote(name, safe='')}" if name else "/v1/models/")):
        assert 400 <= asked.status < 500, (asked.status, asked.body)
        assert b"root:" not in asked.body
        assert "set-cookie" not in asked.headers
    assert {child.pid for child in service.children()} <= before
    assert not list(service.home.rglob("pwned"))


def test_no_engine_flag_comes_in_a_request(service: Daemon) -> None:
    for flag in ("n_ctx", "threads", "model_path", "lora", "engine", "command", "device", "slot_id", "cache_prompt"):
        refused = service.chat("quick", **{flag: "x"})
        assert (refused.status, refused.error["code"]) == (400, "unknown_parameter"), flag


def test_it_lives_and_is_ready(service: Daemon) -> None:
    assert service.ask("/health").json == {"status": "alive"}
    assert service.ask("/ready").json == {"status": "ready"}


def test_a_pinned_model_that_cannot_be_opened_makes_it_not_ready(other: Daemon) -> None:
    refused = other.ask("/ready")
    assert (refused.status, refused.error["code"]) == (503, "not_ready")
    assert "never" in refused.error["message"]
    assert other.ask("/health").status == 200


def test_prometheus_reads_the_figures_and_no_client_makes_a_label(service: Daemon) -> None:
    assert service.chat("quick", stream=True, max_tokens=4).status == 200
    assert service.chat('no-such-"model"\n').status == 404
    assert service.ask("/no/such/route").status == 404
    reply = service.ask("/metrics")
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b"no-such" not in reply.body
    assert b"/no/such" not in reply.body
    found = families(reply.body.decode())
    assert all(family.help for family in found.values())
    chat = {"gen_ai_operation_name": "chat", "gen_ai_response_model": "quick"}
    for name in ("gen_ai_server_time_to_first_token_seconds", "gen_ai_server_request_duration_seconds"):
        assert found[name].kind == "histogram"
        assert found[name].value("_count", **chat) >= 1
    quick = {"gen_ai_response_model": "quick"}
    assert found["shortlist_tokens_total"].value("", **quick, gen_ai_token_type="output") >= 4
    assert found["shortlist_model_loads_total"].value("", **quick) == 1
    assert found["shortlist_model_memory_bytes"].value("", **quick) > 0
    assert found["shortlist_queue_length"].value("", **quick) == 0
    assert found["shortlist_queue_wait_seconds"].value("_count", **quick) >= 1
    ok = {"http_route": "/v1/chat/completions", "http_response_status_code": "200"}
    assert found["http_server_request_duration_seconds"].value("_count", **ok) >= 1
    missing = {"http_route": "(unknown)", "http_response_status_code": "404"}
    assert found["http_server_request_duration_seconds"].value("_count", **missing) >= 1
    assert found["process_resident_memory_bytes"].value("") > 10**6


def test_the_log_has_each_request_by_its_id_and_none_of_its_words(service: Daemon) -> None:
    forged = "evil\r\nINFO forged \u2028 \x1b[31m"
    secret = "the merger with Acme"
    answer = service.chat("quick", secret, user=secret, metadata={"note": secret})
    assert answer.status == 200, answer.body
    service.chat(f"{secret} {forged}")
    service.ask(f"/{secret.replace(' ', '%20')}%0a%0dforged")
    entries = service.run("service", "logs", "-n", 500, "--json").json["data"]["entries"]
    mine = next(one for one in entries if one.get("request_id") == answer.headers["x-request-id"])
    assert mine["route"] == "POST /v1/chat/completions"
    assert {"time", "level", "client", "model", "status", "total_ms", "waited_ms"} <= set(mine)
    path = service.home / "logs" / "service.log"
    written = path.read_bytes()
    assert all(json.loads(line) for line in written.splitlines())
    assert written.isascii()
    for held in (path, *(service.home / "logs").rglob("*.log")):
        assert b"Acme" not in held.read_bytes()
        assert b"forged" not in held.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    shown = service.run("service", "logs", "-n", 500).out
    assert f"request_id={answer.headers['x-request-id']}" in shown
    assert f"request request_id={answer.headers['x-request-id']}" in shown


def test_a_line_for_people_forges_nothing() -> None:
    told = {"time": "t", "level": "INFO", "message": "a\nb\x1b[2J", "client": "x y=z", "reason": "\u2028\r", "n": 3}
    assert for_people(json.dumps(told)) == 't INFO a\\nb\\x1b[2J client="x y=z" reason="\\u2028\\r" n=3'
    for odd in ("", "[1]", '{"time": 3}', "plain words", '{"time'):
        assert for_people(odd) == odd

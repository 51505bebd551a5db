"""A relay to another host: the key is added, everything goes through as it comes, and nothing is opened here."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.commands import shortlist
from serve.services import Daemon, daemon, until
from shortlist.serve.onward import Onward
from shortlist.settings import Settings

KEY = "k" * 40


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """The other host: it asks for a key."""
    home = tmp_path_factory.mktemp("there")
    keys = home / "keys"
    keys.write_text(f"team:{KEY}\n")
    keys.chmod(0o600)
    with daemon(home, "--keys-file", keys, "--threads", 1) as found:
        yield found


@pytest.fixture(scope="module")
def here(there: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    home = tmp_path_factory.mktemp("here")
    (home / "key").write_text(KEY + "\n")
    upstream = f"http://127.0.0.1:{there.port}/v1"
    with daemon(home, "--upstream", upstream, "--api-key-file", home / "key") as found:
        yield found


def test_the_other_host_wants_the_key_and_the_relay_adds_it(there: Daemon, here: Daemon) -> None:
    assert there.chat("quick").status == 401
    reply = here.chat("quick")
    assert (reply.status, reply.json["model"]) == (200, "quick")
    assert here.chat("quick", stream=True).events[-1] == "[DONE]"
    assert {model["id"] for model in here.ask("/v1/models").json["data"]} >= {"quick", "notes-small"}


def test_a_clients_own_header_does_not_replace_the_key(here: Daemon) -> None:
    body = {"model": "quick", "messages": [{"role": "user", "content": "x"}]}
    assert here.ask("/v1/chat/completions", body, Authorization="Bearer not-needed").status == 200


def test_ids_errors_and_queries_go_through(here: Daemon) -> None:
    body = {"model": "nope", "messages": [{"role": "user", "content": "x"}]}
    reply = here.ask("/v1/chat/completions", body, **{"X-Request-Id": "mine-1"})
    assert (reply.status, reply.headers["x-request-id"], reply.error["code"]) == (404, "mine-1", "model_not_found")
    assert here.ask("/openai/load/notes-small?ttl=soon").error["param"] == "ttl"
    assert here.ask("/openai/load/notes-small?ttl=60&ep=").status == 200
    assert "notes-small-generic-cpu:1" in here.ask("/openai/loadedmodels").json
    assert here.ask("/models/unload/notes-small").status == 200
    assert any(entry["alias"] == "notes-small" for entry in here.ask("/foundry/list").json)


def test_nothing_is_opened_here_and_it_says_where_it_leads(here: Daemon, there: Daemon) -> None:
    assert here.rows() == {}
    assert here.children() == []
    assert f"a relay to http://127.0.0.1:{there.port}" in here.run("service", "status").out
    done = here.run("model", "load", "notes-small")
    assert (done.code, "relay" in done.err) == (1, True)


def test_the_foundry_command_line_speaks_to_the_other_host_through_it(here: Daemon) -> None:
    assert here.run("foundry", "service", "status").out.endswith(f"http://127.0.0.1:{here.port}/openai/status\n")
    assert "loaded successfully" in here.run("foundry", "model", "load", "notes-small").out
    assert "notes-small-generic-cpu:1" in here.run("foundry", "service", "ps").out


def test_by_its_endpoint_and_key_too(there: Daemon, here: Daemon) -> None:
    env = {
        "FOUNDRY_LOCAL_ENDPOINT": f"http://127.0.0.1:{there.port}/v1",
        "SHORTLIST_API_KEY_FILE": str(here.home / "key"), "SHORTLIST_HOME": str(here.home),
    }  # fmt: skip
    told = shortlist("foundry", "service", "status", cwd=here.home, **env)
    assert f"http://127.0.0.1:{there.port}/" in told.out
    assert "notes-small" in shortlist("foundry", "cache", "ls", cwd=here.home, **env).out


def test_the_other_host_stops_when_a_client_goes(there: Daemon, here: Daemon) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", here.port)
    body = json.dumps({"model": "slow", "messages": [{"role": "user", "content": "x"}], "stream": True})
    connection.request("POST", "/v1/chat/completions", body)
    assert connection.getresponse().read(10)
    connection.close()
    until(lambda: there.rows()["slow"]["cancelled"] == 1)


@pytest.mark.parametrize("path", ["/v1/../shortlist/v1/status", "/v1/%2e%2e/shortlist/v1/status", "/v1/./models"])
def test_a_path_that_could_mean_another_is_refused(here: Daemon, path: str) -> None:
    assert here.ask(path).status in (400, 404)


def test_pages_are_refused_as_everywhere(here: Daemon) -> None:
    for path in ("/v1/models", "/openai/unloadall"):
        assert here.ask(path, None, Origin="https://evil.example").status == 403
        assert here.ask(path, None, Host="evil.example").status == 403


@pytest.mark.slow  # one more service
def test_a_host_that_is_gone_is_told(tmp_path: Path) -> None:
    with daemon(tmp_path, "--upstream", "http://127.0.0.1:9") as found:
        reply = found.chat("quick")
        assert (reply.status, "127.0.0.1:9" in reply.error["message"]) == (502, True)


@pytest.mark.parametrize(
    "given",
    [
        {"upstream": "http://user:pass@h/v1"},
        {"upstream": "http://localhost:5273/v1"},
        {"upstream": "http://h:1/v1", "pin": "notes-small"},
        {"upstream": "http://h:1/v1", "api_key_file": "/nowhere"},
    ],
)
def test_what_cannot_be_a_relay_does_not_start(given: dict[str, str]) -> None:
    from shortlist.errors import BadInput

    with pytest.raises(BadInput):
        Onward.of(Settings().with_flags(given))


def test_a_folders_file_cannot_hand_everything_to_another_host(tmp_path: Path) -> None:
    (tmp_path / "shortlist.toml").write_text('upstream = "http://evil.example/v1"\n')
    done = shortlist("service", "start", "--port", 0, cwd=tmp_path, SHORTLIST_HOME=str(tmp_path / "home"))
    assert (done.code, "shortlist.toml" in done.err) == (2, True)

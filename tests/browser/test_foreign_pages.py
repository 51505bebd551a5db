"""A page of another origin, in a real browser, against the running service: it reaches nothing, by no means."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser.chromium import Page
from serve.services import Daemon, daemon

pytestmark = pytest.mark.browser

ATTACK = """
(async () => {
  const base = BASE, told = {}, end = base + "/shortlist/v1/shutdown", load = base + "/openai/load/quick";
  const tried = async (name, make) => {
    told[name] = await make().then(reply => reply.type + reply.status, () => "blocked");
  };
  const made = (kind, keys) => Object.assign(document.createElement(kind), keys);
  const chat = JSON.stringify({model: "quick", messages: [{role: "user", content: "Hi"}]});
  const json = {"Content-Type": "application/json"}, ask = base + "/v1/chat/completions";
  await tried("get", () => fetch(base + "/v1/models"));
  await tried("post", () => fetch(ask, {method: "POST", headers: json, body: chat}));
  await tried("simple post", () => fetch(ask, {method: "POST", body: chat}));
  await tried("with a key", () => fetch(base + "/v1/models", {headers: {Authorization: "Bearer x"}}));
  await tried("with a token", () => fetch(end, {method: "POST", headers: {"X-Shortlist-Token": "x"}}));
  await tried("with cookies", () => fetch(base + "/v1/models", {credentials: "include"}));
  await tried("blind get", () => fetch(load, {mode: "no-cors"}));
  await tried("blind post", () => fetch(end, {mode: "no-cors", method: "POST", body: "{}"}));
  navigator.sendBeacon(end, "{}");
  told.image = await new Promise(done => {
    const keys = {onload: () => done("shown"), onerror: () => done("blocked"), referrerPolicy: "no-referrer"};
    made("img", {...keys, src: load});
  });
  told.script = await new Promise(done => {
    const keys = {onload: () => done("ran"), onerror: () => done("blocked"), src: base + "/v1/models"};
    document.head.append(made("script", keys));
  });
  const forms = [["post", ask], ["post", base + "/openai/unloadall"], ["get", base + "/models/load/quick"]];
  for (const [method, action] of forms) await new Promise(done => {
    const frame = made("iframe", {name: "f" + action, onload: () => done()});
    const form = made("form", {method, action, target: frame.name, enctype: "text/plain"});
    form.append(made("input", {name: chat}));
    document.body.append(frame, form);
    form.submit();
    setTimeout(done, 3000);
  });
  const script = "fetch('" + load + "', {mode: 'no-cors'}).finally(() => parent.postMessage('', '*'))";
  await new Promise(done => {
    window.onmessage = done;
    document.body.append(made("iframe", {sandbox: "allow-scripts", srcdoc: "<script>" + script + "</script>"}));
    setTimeout(done, 3000);
  });
  return told;
})()
"""


class Evil(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>a page</title><body>")

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Evil)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon(tmp_path_factory.mktemp("service")) as found:
        yield found


def entries(service: Daemon) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.run("service", "logs", "-n", 5000, "--json").json["data"]["entries"]
    return [entry for entry in found if entry.get("message") == "request"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "evil.localhost"])
def test_a_page_of_another_origin_reaches_nothing(page: Page, service: Daemon, elsewhere: int, host: str) -> None:
    """Neither reads nor changes anything: by fetch, form, picture, script, beacon, or from a sandbox (origin null)."""
    before = len(entries(service))
    page.open(f"http://{host}:{elsewhere}/")
    base = json.dumps(f"http://127.0.0.1:{service.port}")
    told = page.run(ATTACK.replace("BASE", base))
    readable = {name: what for name, what in told.items() if what not in ("blocked", "opaque0", "")}
    assert readable == {}, told
    asked = [entry for entry in entries(service)[before:] if not entry["route"].endswith("/shortlist/v1/status")]
    assert len(asked) >= 10, "the browser did send them"
    refused = {(entry["status"], entry["code"]) for entry in asked if "/shortlist/v1/status" not in entry["route"]}
    assert refused == {(403, "foreign_origin")}, asked
    assert service.rows() == {}


def test_a_name_that_was_made_to_point_here_is_refused(page: Page, service: Daemon) -> None:
    """Chromium resolves every name under localhost to this machine, as an attacker's name server would its own."""
    page.open(f"http://rebound.localhost:{service.port}/v1/models")
    assert json.loads(page.run("document.body.innerText"))["error"]["code"] == "foreign_host"
    asked = page.run("fetch('/openai/load/quick').then(reply => reply.status)")
    assert asked == 403
    assert service.rows() == {}


def test_a_listed_page_may_ask_and_read(page: Page, elsewhere: int, tmp_path: Path) -> None:
    origin = f"http://127.0.0.1:{elsewhere}"
    with daemon(tmp_path, "--allow-origin", origin) as service:
        page.open(f"{origin}/")
        body = {"model": "quick", "messages": [{"role": "user", "content": "Hi"}]}
        sent = {"method": "POST", "headers": {"Content-Type": "application/json"}, "body": json.dumps(body)}
        script = "fetch({0}, {1}).then(r => [r.status, r.headers.get('x-shortlist-model')])"
        url = json.dumps(f"http://localhost:{service.port}/v1/chat/completions")
        assert page.run(script.format(url, json.dumps(sent))) == [200, "quick"]
        load = json.dumps(f"http://localhost:{service.port}/openai/load/slow")
        assert page.run(f"fetch({load}).then(reply => reply.status)") == 401

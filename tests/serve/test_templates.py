"""Chat templates that are not meant well: they are run in their engine's process, and there they stay."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from serve.hostile import with_template
from serve.services import ECHO, Daemon, daemon, until

pytestmark = pytest.mark.engine

REFUSED = {
    "globals": "{{ cycler.__init__.__globals__.os.popen('touch pwned').read() }}",
    "includes": "{% include '/etc/passwd' %}",
}
ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


def add(service: Daemon, name: str, template: str) -> None:
    done = service.run("model", "add", name, with_template(service.home / f"{name}.gguf", template))
    assert done.code == 0, done.err


@pytest.mark.slow
def test_a_template_reaches_neither_the_machine_nor_the_service_and_an_endless_one_holds_up_nobody_else(
    tmp_path: Path,
) -> None:
    """Python's attributes, files; time without end. Memory has a limit that the system holds."""
    with ThreadPoolExecutor(1) as threads, daemon(tmp_path) as service:
        for name, template in (*REFUSED.items(), ("endless", ENDLESS)):
            add(service, name, template)
        endless = threads.submit(service.chat, "endless")
        until(lambda: service.rows().get("endless", {}).get("state") == "loading")
        for name in REFUSED:
            answer = service.chat(name, max_tokens=2)
            assert (answer.status, answer.error["code"]) == (502, "engine_failed")
            assert service.chat("quick").status == 200
        assert service.rows().get("endless", {}).get("state") == "loading"
        assert not [*service.home.rglob("pwned"), *Path.cwd().glob("pwned")]
        (busy,) = [child for child in service.children() if "llamacpp_child" in " ".join(child.cmdline())]
        assert busy.rlimit(psutil.RLIMIT_DATA)[1] < 5 * 1024**3
        assert psutil.Process(service.pid).memory_info().rss < 150e6
        assert service.run("service", "stop", "--force").code == 0
        assert endless.exception() is not None or endless.result().status in (502, 503)


@pytest.mark.slow
def test_an_engine_sees_nothing_of_the_service_but_a_few_names_and_has_a_key_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """llama.cpp's child and that of engines without a server: asked past the service, they want their key."""
    for name in ("SHORTLIST_API_KEYS", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "ANYTHING"):
        monkeypatch.setenv(name, f"ann:{'s' * 40}")
    with daemon(tmp_path) as service:
        bearer = {"Authorization": f"Bearer {'s' * 40}"}
        body = {"model": "", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
        (service.home / "echoes.py").write_text(ECHO)
        added = service.run("model", "add", "echo", "--adapter", "echoes:Echo")
        assert added.code == 0, added.err
        for model in ("notes-small", "echo"):
            assert service.ask("/v1/chat/completions", {**body, "model": model}, **bearer).status == 200
        children = service.children()
        assert len(children) == 2
        for child in children:
            seen = child.environ()
            assert not {"SHORTLIST_API_KEYS", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "ANYTHING"} & set(seen)
            assert not any("s" * 40 in part for part in (*seen.values(), *child.cmdline()))
            (port,) = {c.laddr.port for c in child.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
            assert {c.laddr.ip for c in child.net_connections("tcp")} <= {"127.0.0.1", "::1"}
            assert asked(port, body) == asked(port, body, "Bearer " + "s" * 40) == 401, child.cmdline()
        assert len({os.fspath(child.cwd()) for child in children}) == 1


def asked(port: int, body: object, key: str = "") -> int:
    import http.client
    import json

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Authorization": key} if key else {})
        return connection.getresponse().status
    finally:
        connection.close()

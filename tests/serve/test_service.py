"""A service as its users meet it: started, asked, killed, stopped, beside a bench."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from cli.commands import argv, environment
from serve.services import Daemon, daemon, until
from shortlist.ledger import Ledger, own_page


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon(tmp_path_factory.mktemp("service"), "--parallel", 2, "--drain", "10s") as found:
        yield found


def test_it_answers_when_start_has_returned_and_says_where(service: Daemon) -> None:
    listed = service.ask("/v1/models").json["data"]
    assert {"notes-small", "quick"} <= {model["id"] for model in listed}
    told = service.run("service", "status", "--json").json
    assert (told["schema"], told["data"]["state"]) == ("shortlist-service", "running")
    assert told["data"]["pid"] == service.pid
    assert all(url.endswith(f":{service.port}") for url in told["data"]["urls"])
    assert psutil.Process(service.pid).memory_info().rss < 90e6


def test_a_second_start_changes_nothing_and_says_so(service: Daemon) -> None:
    pid = service.pid
    again = service.run("service", "start", "--idle-timeout", "1m")
    assert (again.code, service.pid) == (0, pid)
    assert f"runs already, pid {pid}" in again.out
    assert "service restart" in again.err
    assert service.run("service", "start", "--json").json["data"]["is_new"] is False


def test_what_only_its_owner_may_read_is_so(service: Daemon) -> None:
    assert stat.S_IMODE((service.home / "service" / "token").stat().st_mode) == 0o600
    refused = service.ask("/shortlist/v1/shutdown", {})
    assert (refused.status, refused.error["code"]) == (401, "management_token_required")
    wrong = service.ask("/shortlist/v1/shutdown", {}, **{"X-Shortlist-Token": "x" * 43})
    assert wrong.status == 401


def test_models_are_loaded_by_being_asked_shown_and_unloaded(service: Daemon) -> None:
    answer = service.chat("quick")
    assert (answer.status, answer.headers["x-shortlist-model"]) == (200, "quick")
    row = service.rows()["quick"]
    assert (row["state"], row["requests"], row["loads"]) == ("ready", 1, 1)
    assert row["memory_bytes"] > 0
    assert "quick" in service.run("model", "list", "--loaded").out
    assert service.run("model", "unload", "quick").out == "quick is unloaded\n"
    assert service.rows()["quick"]["state"] == "absent"
    assert service.run("model", "list", "--loaded").out == "no model is loaded\n"


@pytest.mark.slow
@pytest.mark.engine
def test_a_real_model_is_loaded_once_by_any_of_its_names_and_measured(service: Daemon) -> None:
    loaded = service.run("model", "load", "notes-small", "--json").json["data"]
    assert (loaded["state"], loaded["memory_basis"], loaded["device"]) == ("ready", "predicted", "cpu")
    names = ["notes-small", "notes-small@q8_0", "Notes-Small:latest"]
    with ThreadPoolExecutor(len(names)) as threads:
        answers = list(threads.map(lambda name: service.chat(name, max_tokens=8), names))
    assert [answer.status for answer in answers] == [200, 200, 200]
    row = service.rows()["notes-small"]
    assert (row["loads"], row["requests"], row["in_use"]) == (1, 3, 0)
    assert row["completion_tokens"] > 0
    assert row["resident_bytes"] == pytest.approx(row["memory_bytes"], rel=0.5)
    assert service.run("model", "unload", "--all").code == 0


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("nobody", 404, "model_not_found"),
        ("qwen2.5-1.5b", 404, "model_not_found"),
        ("./models.json", 404, "model_not_found"),
        ("/etc/passwd", 404, "model_not_found"),
        ("models.json", 404, "model_not_found"),
        ("never", 502, "engine_failed"),
    ],
)
def test_what_cannot_be_served_is_told(service: Daemon, name: str, status: int, code: str) -> None:
    answer = service.chat(name)
    assert (answer.status, answer.error["code"]) == (status, code)
    assert str(service.home) not in answer.error["message"]


def test_an_engine_that_is_killed_is_told_to_its_client_and_comes_back(service: Daemon) -> None:
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(service.chat, "slow", stream=True)
        until(lambda: (service.rows().get("slow") or {"in_use": 0})["in_use"])
        os.kill(service.rows()["slow"]["pid"], signal.SIGKILL)
        events = answer.result().events
    assert events[-1]["error"]["code"] == "engine_crashed"
    assert "killed by SIGKILL while it worked on this request" in events[-1]["error"]["message"]
    assert service.chat("slow").status == 200
    row = service.rows()["slow"]
    assert (row["crashes"], row["loads"]) == (1, 2)
    service.run("model", "unload", "slow")


def bench_of(prompts: Path, *more: object) -> tuple[object, ...]:
    prompts.write_text(json.dumps(["Say one."]))
    return ("bench", "--rounds", 1, "--prompts", prompts, "--out", prompts.parent, *more)


QUICK = ("--engine", "fake", "ttft=2ms,gap=1ms,chunks=2")


def test_a_bench_refuses_beside_loaded_models_and_names_the_way_out(service: Daemon, tmp_path: Path) -> None:
    service.run("model", "load", "quick")
    refused = service.run(*bench_of(tmp_path / "prompts.json", *QUICK))
    assert refused.code == 1
    assert f"shortlist service on port {service.port} (pid {service.pid}) has models loaded" in refused.err
    assert "shortlist model unload --all" in refused.err
    service.run("model", "unload", "--all")


@pytest.mark.slow
def test_a_bench_may_go_on_beside_a_service_and_says_so_in_its_run(service: Daemon, tmp_path: Path) -> None:
    service.run("model", "load", "quick")
    bench = bench_of(tmp_path / "prompts.json", *QUICK)
    shared = service.run(*bench, "--allow-shared", "--json")
    assert shared.code == 0, shared.err
    assert "shared with shortlist service" in shared.err
    stored = service.run("runs", "export", "last").json
    assert "allow-shared" in stored["run"]["flags"]
    service.run("model", "unload", "--all")
    assert service.run(*bench).code == 0


@pytest.mark.slow
def test_a_bench_of_this_very_service_is_no_stranger(service: Daemon, tmp_path: Path) -> None:
    service.run("model", "load", "quick")
    url = f"http://localhost:{service.port}/v1"
    done = service.run(*bench_of(tmp_path / "prompts.json", "slow", "--endpoint", url))
    assert done.code == 0, done.err
    assert service.rows()["slow"]["requests"] > 0, "it was loaded while the bench ran"
    service.run("model", "unload", "--all")


def test_nothing_is_loaded_while_a_bench_has_the_host(service: Daemon) -> None:
    bench = replace(own_page("bench", "shortlist bench, run 1a2b"), free_with="kill it")
    ledger = Ledger()
    ledger.post(bench)
    try:
        answer = service.chat("quick")
        assert (answer.status, answer.error["code"]) == (503, "host_busy")
        assert f"run 1a2b (pid {os.getpid()}) measures on this host" in answer.error["message"]
        assert int(answer.headers["retry-after"]) > 0
    finally:
        ledger.drop(bench)
    assert service.chat("quick").status == 200


def test_a_taken_port_is_named_with_its_owner(service: Daemon, tmp_path: Path) -> None:
    other = Daemon(tmp_path)
    refused = other.run("service", "start", "--port", service.port)
    assert refused.code == 1
    assert f"port {service.port} is taken by pid {service.pid} (" in refused.err
    assert f"shortlist service start --port {service.port + 1}" in refused.err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"taken by pid {os.getpid()} (" in other.run("service", "start", "--port", port, "--foreground").err
    assert other.run("service", "status").code == 1


def test_it_logs_what_it_does(service: Daemon) -> None:
    service.chat("quick")
    shown = service.run("service", "logs", "-n", 500).out
    assert "quick: loading" in shown
    assert f"pid {service.pid} serves http://127.0.0.1:{service.port}" in shown
    lines = service.run("service", "logs", "-n", 3, "--json").json["data"]["lines"]
    assert shown.splitlines()[-3:] == lines
    assert service.run("service", "logs", "-f", "--json").code == 2


def test_a_stop_lets_requests_end_and_refuses_new_ones(tmp_path: Path) -> None:
    with daemon(tmp_path) as service, ThreadPoolExecutor(1) as threads:
        service.chat("quick")
        port = service.port
        slow = threads.submit(service.chat, "slow")
        until(lambda: (service.rows().get("slow") or {"in_use": 0})["in_use"])
        stopping = subprocess.Popen(argv("service", "stop"), env=environment(SHORTLIST_HOME=str(tmp_path)))
        until(lambda: service.state["is_stopping"])
        assert service.run("service", "status").out.startswith("stopping, pid ")
        refused = service.chat("quick")
        assert (refused.status, refused.error["code"]) == (503, "shutting_down")
        assert slow.result().status == 200
        assert stopping.wait() == 0
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port), timeout=5)
        assert service.run("service", "stop").out == "no service was running\n"


@pytest.mark.slow
def test_who_kills_the_service_kills_its_engines_and_a_new_start_is_not_misled(tmp_path: Path) -> None:
    with daemon(tmp_path) as service:
        service.chat("quick")
        engines, killed = service.children(), service.pid
        assert engines
        os.kill(killed, signal.SIGKILL)
        gone, alive = psutil.wait_procs(engines, timeout=10)
        assert (len(gone), alive) == (len(engines), [])
        assert service.run("service", "status").code == 1
        again = service.start()
        assert again.code == 0
        assert service.pid != killed


@pytest.mark.slow
def test_of_two_starts_at_once_one_starts_and_both_say_where_it_is(tmp_path: Path) -> None:
    command = argv("service", "start", "--port", "0", "--json")
    home = environment(SHORTLIST_HOME=str(tmp_path))
    started = [subprocess.Popen(command, env=home, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = [json.loads(process.communicate()[0])["data"] for process in started]
    service = Daemon(tmp_path)
    try:
        assert [process.returncode for process in started] == [0, 0, 0]
        assert {one["pid"] for one in told} == {service.pid}
        assert sorted(one["is_new"] for one in told) == [False, False, True]
    finally:
        assert service.run("service", "stop", "--force").code == 0
    assert service.run("service", "status").code == 1


@pytest.mark.slow
def test_a_start_beside_a_stop_waits_for_its_end(tmp_path: Path) -> None:
    with daemon(tmp_path) as service, ThreadPoolExecutor(1) as thread:
        before, slow = service.pid, thread.submit(service.chat, "slow")
        until(lambda: (service.rows().get("slow") or {"in_use": 0})["in_use"])
        stopping = subprocess.Popen(argv("service", "stop"), env=environment(SHORTLIST_HOME=str(tmp_path)))
        until(lambda: service.state["is_stopping"])
        started = service.start("--json")
        assert (started.code, started.json["data"]["is_new"]) == (0, True)
        assert started.json["data"]["pid"] != before
        assert slow.result().status == 200
        assert stopping.wait() == 0


@pytest.mark.slow
def test_a_restart_keeps_the_options_of_the_start(tmp_path: Path) -> None:
    with daemon(tmp_path, "--queue", 7) as service:
        pid = service.pid
        refused = service.run("service", "restart", "--turn", "never")
        assert (refused.code, service.pid) == (2, pid)
        assert service.run("service", "restart", "--turn", "3s").code == 0
        assert service.pid != pid
        assert service.state["flags"] == {"queue": 7, "turn": "3s", "port": 0}
        assert service.run("service", "status", "--json").json["data"]["queue_limit"] == 7


def test_a_home_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    for options in ((), ("--foreground",)):
        done = Daemon(tmp_path).start(*options)
        assert done.code == 1
        assert f"{tmp_path / 'logs'}" in done.err
        assert "cannot be written" in done.err


def test_a_service_without_models_has_nothing_heavy_imported(tmp_path: Path) -> None:
    script = f"""
        import asyncio, sys
        from pathlib import Path
        from shortlist import settings
        from shortlist.serve import daemon, logs
        from shortlist.serve.service import Service

        service = Service(settings.load().with_flags({{"port": 0}}), Path({str(tmp_path)!r}))
        asyncio.run(service.run(lambda running: service.stop()))
        heavy = {{"numpy", "sqlalchemy", "rich", "huggingface_hub", "xllamacpp", "jinja2", "scipy"}}
        print(sorted(heavy & set(sys.modules)))
    """
    home = {"SHORTLIST_HOME": str(tmp_path)}
    argv = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=environment(**home))
    assert done.stdout == "[]\n"

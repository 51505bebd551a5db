"""`shortlist foundry` and its shim, as scripts written for Foundry Local's command line call them."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.commands import Done, environment, shortlist
from hub.loopback import Hub, loopback_hub
from hub.workshop import WORKSHOP, workshop_repositories
from shortlist import cli

NOTE = "Priya will send the budget by Friday."


def foundry(*args: object, home: Path, **env: str) -> Done:
    return shortlist("foundry", *args, cwd=home, SHORTLIST_HOME=str(home), SHORTLIST_THREADS="1", **env)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with loopback_hub(workshop_repositories()) as found:
        yield found


@pytest.mark.engine
@pytest.mark.slow  # some thirty commands
def test_the_workshop_by_its_own_words_and_the_service_that_they_leave(hub: Hub, tmp_path: Path) -> None:
    env = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "SHORTLIST_PORT": "0"}

    def run(*args: object, code: int = 0) -> str:
        done = foundry(*args, home=tmp_path, **env)
        assert done.code == code, done.out + done.err
        return done.out

    assert run("service", "status", code=1).startswith("🔴 Model management service is not running!\n")
    assert all(alias in run("model", "list") for alias in WORKSHOP)
    for alias in ("mistral-7b", "gemma-2-2b", "qwen2.5-0.5b"):
        assert "was downloaded successfully" in run("model", "download", alias)
    assert "was found in the local cache" in run("model", "download", "mistral-7b")
    cached = run("cache", "list")
    assert cached.startswith("Models cached on device:\n   Alias ")
    assert cached == run("cache", "ls")
    assert all(f"💾 {alias:<30} {alias}-generic-cpu:1\n" in cached for alias in WORKSHOP)
    try:
        first = run("model", "run", "qwen2.5-0.5b", "--prompt", "List three benefits of local inference.")
        line = next(line for line in first.splitlines() if line.startswith("🟢"))
        url, _, pid = line.removeprefix("🟢 Service is Started on ").removesuffix("!").partition("/, PID ")
        assert url.startswith("http://127.0.0.1:")
        assert int(pid)
        assert first.splitlines()[-1].strip(), "the answer"
        assert run("service", "status") == f"🟢 Model management service is running on {url}/openai/status\n"
        assert run("service", "start") == f"🟢 Service is already running on {url}/.\n"
        assert f"🟢 {'qwen2.5-0.5b':<30} qwen2.5-0.5b-generic-cpu:1\n" in run("service", "ps")
        assert "loaded successfully" in run("model", "load", "mistral-7b-generic-cpu:1", "--ttl", "60")
        assert "mistral-7b-generic-cpu:1" in run("service", "ps")
        assert "unloaded" in run("model", "unload", "mistral-7b")
        assert "mistral-7b" not in run("service", "ps")
        assert run("cache", "location") == f"💾 Cache directory path: {tmp_path / 'hf' / 'hub'}\n"
        assert run("service", "restart").startswith("🟢 Service is Started on http://127.0.0.1:")
        run("cache", "remove", "gemma-2-2b", "--yes")
        assert "gemma-2-2b" not in run("cache", "ls")
    finally:
        assert run("service", "stop") == "🔴 Service is stopped.\n"
    assert run("service", "stop") == "🔴 Model management service is not running!\n"


@pytest.mark.parametrize(
    ("text", "aliases"),
    [
        ("alias=notes-small", {"notes-small"}),
        ("alias=notes-*", {"notes-small", "notes-medium", "notes-large"}),
        ("device=GPU", set()),
        ("provider=CPUExecutionProvider", {"notes-small", "mistral-7b"}),
        ("task=!chat-completion", set()),
    ],
)
def test_filters_are_those_of_foundry_local(tmp_path: Path, text: str, aliases: set[str]) -> None:
    done = foundry("model", "list", "--filter", text, "--json", home=tmp_path)
    found = {one["alias"] for one in done.json["data"]}
    assert aliases <= found
    assert len(found) == len(aliases) or "provider" in text


def test_a_filter_that_is_turned_round(tmp_path: Path) -> None:
    done = foundry("model", "list", "--filter", "alias=!notes-*", home=tmp_path)
    assert "notes-small" not in done.out
    assert "mistral-7b" in done.out
    assert done.out.split("\n")[0].split() == ["Alias", "Device", "Task", "File", "Size", "License", "Model", "ID"]


@pytest.mark.parametrize("text", ["size=1", "alias", "alias=", "device=G*", "alias=*x"])
def test_a_filter_that_is_none_is_an_error(tmp_path: Path, text: str) -> None:
    done = foundry("model", "list", "--filter", text, home=tmp_path)
    assert (done.code, done.out) == (2, "")


def test_info_of_a_model_and_its_licence(tmp_path: Path) -> None:
    assert "qwen2.5-0.5b-generic-cpu:1" in foundry("model", "info", "qwen2.5-0.5b", home=tmp_path).out
    assert "Apache-2.0" in foundry("model", "info", "qwen2.5-0.5b", "--license", home=tmp_path).out
    done = foundry("model", "info", "qwen2.5-0.b", home=tmp_path)
    assert (done.code, "qwen2.5-0.5b" in done.err) == (2, True)


def test_another_folder_for_models_counts_from_now_on(tmp_path: Path) -> None:
    there = tmp_path / "models"
    assert str(there) in foundry("cache", "cd", "models", home=tmp_path).out
    assert foundry("cache", "location", home=tmp_path).out == f"💾 Cache directory path: {there}\n"
    assert str(there) in shortlist("cache", "location", cwd=tmp_path, SHORTLIST_HOME=str(tmp_path)).out
    done = foundry("cache", "cd", "x", home=tmp_path, HF_HOME=str(tmp_path / "hf"))
    assert (done.code, "HF_HOME" in done.err) == (2, True)
    shown = foundry("service", "set", "--port", 6000, "--show", home=tmp_path).out
    assert "port = 6000" in shown
    assert f"hub_cache = {there}" in shown
    assert foundry("service", "set", home=tmp_path).code == 2


def test_an_endpoint_that_does_not_answer_is_no_running_service(tmp_path: Path) -> None:
    done = foundry("service", "status", home=tmp_path, FOUNDRY_LOCAL_ENDPOINT="http://127.0.0.1:9/v1")
    assert (done.code, done.out.startswith("🔴")) == (1, True)
    assert "127.0.0.1:9" in done.err


def test_an_endpoint_that_is_the_service_of_this_home_is_not_another_host(tmp_path: Path) -> None:
    done = foundry("service", "status", home=tmp_path, FOUNDRY_LOCAL_ENDPOINT="http://localhost:5273/v1")
    assert (done.code, done.out.startswith("🔴"), done.err) == (1, True, "")


def test_the_shim_is_a_foundry_that_scripts_find(tmp_path: Path) -> None:
    place = tmp_path / "a folder's"
    done = foundry("install-shim", place, home=tmp_path)
    assert done.code == 0
    assert "PATH" in done.err
    shim = place / "foundry"
    assert shim.stat().st_mode & stat.S_IXUSR
    assert (place / "foundry.cmd").read_bytes().startswith(b"@rem")
    path = f"{place}{os.pathsep}{os.environ['PATH']}"
    told = subprocess.run(
        ["foundry", "service", "status"], env=environment(PATH=path, SHORTLIST_HOME=str(tmp_path)), cwd="/",
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (told.returncode, told.stdout[:1]) == (1, "🔴")
    assert foundry("install-shim", place, home=tmp_path).code == 0, "ours is written again"


@pytest.mark.parametrize("name", ["foundry", "foundry.cmd"])
def test_somebody_elses_foundry_is_not_replaced(tmp_path: Path, name: str) -> None:
    theirs = tmp_path / name
    theirs.write_text("#!/bin/sh\necho mine\n")
    done = foundry("install-shim", tmp_path, home=tmp_path)
    assert (done.code, "not one of ours" in done.err) == (2, True)
    assert theirs.read_text() == "#!/bin/sh\necho mine\n"
    assert [one for one in tmp_path.iterdir() if one.name.startswith("foundry")] == [theirs]


def test_a_program_that_is_named_foundry_is_our_foundry(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [r"tools/foundry.exe", "service", "status"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert (ended.value.code, "🔴" in capsys.readouterr().out) == (1, True)

"""A real service with the demo models behind the workshop's names, and other projects' clients as processes.

They run from `.venv/clients`, which `.ci/run` makes from requirements-clients.lock, never from our environment. A proxy
that does not exist stands in theirs, so that whatever would leave this host fails.
"""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import make_random_gguf
from cli.commands import shortlist
from serve.services import Daemon, daemon
from serve.test_tools import TEMPLATE

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv" / "clients" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
ALIASES = {"qwen2.5-0.5b": "notes-small", "gemma-2-2b": "notes-medium", "mistral-7b": "notes-large"}
_LIMIT_S = 120

Run = Callable[..., Any]


@pytest.fixture(scope="session")
def python() -> Path:
    """The clients' interpreter."""
    if not PYTHON.exists():
        pytest.skip(f"{PYTHON} is not there: .ci/run makes it from requirements-clients.lock")
    return PYTHON


def clean_environment(folder: Path, shim: Path, **more: str) -> dict[str, str]:
    """What a client sees: a home of its own, our `foundry`, no way off this host."""
    nowhere = "http://127.0.0.1:9"
    return {
        "PATH": f"{shim}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder), "HF_HUB_OFFLINE": "1",
        "HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere, "NO_PROXY": "127.0.0.1,localhost,::1", **more,
    }  # fmt: skip


def models_file(folder: Path) -> Path:
    """models.json: the workshop's three names, and a model whose template has tools, with random weights."""
    path = folder / "workshop.json"
    tools = folder / "tools.gguf"
    plain = make_random_gguf._tokenizer
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(make_random_gguf, "_tokenizer", lambda *a: {**plain(*a), "tokenizer.chat_template": TEMPLATE})
        make_random_gguf.write_random_gguf(tools, make_random_gguf.SHAPES["tiny"], "q8_0")
    models = {alias: {"source": name} for alias, name in ALIASES.items()}
    path.write_text(json.dumps({"version": 1, "models": models | {"with-tools": {"source": str(tools)}}}))
    return path


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shim")
    done = shortlist("foundry", "install-shim", folder, cwd=folder)
    assert done.code == 0, done.err
    return folder


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One answer at a time and one place to wait, so that a third request is one too many."""
    home = tmp_path_factory.mktemp("service")
    with daemon(home, "--models", models_file(home), "--threads", 1, "--parallel", 1, "--queue", 1) as found:
        yield found


@pytest.fixture
def run(python: Path, service: Daemon, shim: Path, tmp_path: Path) -> Run:
    """Runs one of `programs` to its end; what it printed as JSON."""

    def start(name: str, **env: str) -> Any:
        place = Path(__file__).with_name("programs") / name
        told = {"BASE_URL": f"http://127.0.0.1:{service.port}/v1", "SHORTLIST_HOME": str(service.home), **env}
        done = subprocess.run(
            [python, place], env=clean_environment(tmp_path, shim, **told), cwd=tmp_path, capture_output=True,
            text=True, timeout=_LIMIT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return start

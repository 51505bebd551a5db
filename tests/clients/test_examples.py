"""The examples of docs/service.md run as they stand, but for the port."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.conftest import clean_environment
from clients.examples import blocks
from serve.services import Daemon, daemon

pytestmark = [pytest.mark.clients, pytest.mark.engine]
EXAMPLES = blocks("service.md", "python")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon(tmp_path_factory.mktemp("examples"), "--threads", 1) as found:
        yield found


def test_there_is_one_for_each_client() -> None:
    text = "\n".join(EXAMPLES)
    for name in ("openai", "langchain_openai", "litellm", "foundry_local"):
        assert f"import {name}" in text or f"from {name}" in text


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_in_python_runs(number: int, python: Path, plain: Daemon, shim: Path, tmp_path: Path) -> None:
    program = EXAMPLES[number].replace("127.0.0.1:5273", f"127.0.0.1:{plain.port}")
    env = clean_environment(tmp_path, shim, SHORTLIST_HOME=str(plain.home), PYTHONWARNINGS="default")
    done = subprocess.run(
        [python, "-c", program], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.strip()) > 20, "an answer"

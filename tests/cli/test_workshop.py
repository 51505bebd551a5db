"""The workshop's first two demo steps, word for word but `shortlist` for `foundry`, against a loopback Hub.

Behind the names of the workshop's models stand our own three small ones.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.commands import Done, shortlist
from cli.test_model_run import chat
from hub.loopback import loopback_hub
from hub.workshop import WORKSHOP, workshop_repositories
from shortlist import demo

NOTE = "Priya will send the budget by Friday."


@pytest.fixture
def env(tmp_path: Path) -> Iterator[dict[str, str]]:
    with loopback_hub(workshop_repositories()) as hub:
        yield {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")}


def run(line: str, env: dict[str, str], tmp_path: Path, *rest: str) -> Done:
    """A line of the workshop; `rest` is what stands in quotes."""
    done = shortlist(*line.split(), *rest, cwd=tmp_path, SHORTLIST_THREADS="1", **env)
    assert done.code == 0, done.err
    return done


def ask(alias: str, env: dict[str, str], tmp_path: Path) -> None:
    """`model run` on a terminal: a question, an answer, Ctrl-D."""
    with chat(tmp_path, alias, **env) as terminal:
        terminal.until(">>> ")
        terminal.type(NOTE + "\n")
        terminal.until("tok/s")
        terminal.until(">>> ")
        terminal.type("\x04")
        assert terminal.child.wait(30) == 0


@pytest.mark.engine
def test_models_are_listed_fetched_cached_and_run(env: dict[str, str], tmp_path: Path) -> None:
    assert all(alias in run("model list", env, tmp_path).out for alias in WORKSHOP)
    for alias in ("mistral-7b", "gemma-2-2b", "qwen2.5-0.5b"):
        assert "fetched, verified" in run(f"model download {alias}", env, tmp_path).out
    cached = run("cache list", env, tmp_path).out
    assert all(alias in cached for alias in WORKSHOP), cached
    fetched = {path.resolve().name for path in (tmp_path / "hf").glob("hub/models--*/snapshots/*/*.gguf")}
    served = {hashlib.sha256(demo.demo_model_path(name).read_bytes()).hexdigest() for name in WORKSHOP.values()}
    assert fetched == served

    offline = {**env, "HF_HUB_OFFLINE": "1"}  # nothing of what follows needs the Hub
    for alias, question in (
        ("qwen2.5-0.5b", "List three benefits of local inference."),
        ("mistral-7b", "Explain retrieval augmented generation in one paragraph."),
    ):
        ask(alias, offline, tmp_path)
        told = run(f"model run {alias}", offline, tmp_path, "--prompt", question)
        assert told.out.strip()
        assert "tok/s" in told.err

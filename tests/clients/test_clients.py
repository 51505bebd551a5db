"""Other projects' clients, unmodified, each as a process of its own, against a real service with the demo models."""

import json
import subprocess
from pathlib import Path

import pytest

from clients.conftest import ALIASES, Run, clean_environment
from serve.services import Daemon, until
from shortlist.gguf import read_header

pytestmark = [pytest.mark.clients, pytest.mark.engine]


def test_openai(run: Run, service: Daemon) -> None:
    told = run("with_openai.py")
    assert set(ALIASES) <= set(told["models"])
    assert (told["one"], told["model"]) == ("qwen2.5-0.5b", "qwen2.5-0.5b")
    assert told["text"].strip() == told["streamed"].strip() == told["answer"].strip() != ""
    prompt, answer, total = told["usage"]
    assert prompt + answer == total
    assert told["streamed_usage"] == answer
    assert told["json"]["day"] in ("Monday", "Friday")
    assert told["completion"].strip()
    errors = told["errors"]
    assert errors["unknown"][:4] == ["NotFoundError", 404, "model_not_found", "model"]
    assert errors["long"][:3] == ["BadRequestError", 400, "context_length_exceeded"]
    assert errors["embeddings"][:2] == ["BadRequestError", 400]
    assert errors["parameter"][:3] == ["BadRequestError", 400, "unknown_parameter"]
    assert errors["tools"][:3] == ["BadRequestError", 400, "unsupported_parameter"]
    kind, status, code, _, after = told["refused"]
    assert (kind, status, code) == ("RateLimitError", 429, "queue_full")
    assert int(after) >= 1
    assert told["waited"] is None
    until(lambda: service.rows()["slow"]["cancelled"] == 1)


def test_tools_where_the_template_has_them(run: Run, service: Daemon) -> None:
    tokens = read_header(service.home / "tools.gguf").metadata["tokenizer.ggml.tokens"]
    assert isinstance(tokens, tuple)
    bias = {str(index): -100 for index, token in enumerate(tokens) if token in ("Ċ", "Ġ", "ĉ", "č")}
    told = run("with_tools.py", BIAS=json.dumps(bias | {str(tokens.index("{")): 100}))
    assert (told["name"], told["reason"]) == ("book", "tool_calls")
    assert told["arguments"]["day"] in ("Monday", "Friday")


def test_langchain(run: Run) -> None:
    told = run("with_langchain.py")
    assert told["text"] == told["streamed"] == told["batch"][0] == told["batch"][1] != ""
    assert told["usage"]["total_tokens"] == told["usage"]["input_tokens"] + told["usage"]["output_tokens"]
    assert told["streamed_usage"]["output_tokens"] == told["usage"]["output_tokens"]
    assert told["model"] == "gemma-2-2b"
    assert told["json"]["day"] in ("Monday", "Friday")
    for what, kind, code in (
        ("long", "BadRequestError", "context_length_exceeded"),
        ("unknown", "NotFoundError", "model_not_found"),
        ("embeddings", "BadRequestError", "unsupported_parameter"),
    ):
        kinds, told_code = told[what]
        assert kind in kinds, what
        assert told_code == code


def test_litellm(run: Run) -> None:
    told = run("with_litellm.py")
    assert told["text"] == told["streamed"] != ""
    assert told["streamed_usage"] == told["usage"][1]
    assert told["json"]["day"] in ("Monday", "Friday")
    assert told["unknown"] == ["NotFoundError", 404]
    assert told["long"] == ["ContextWindowExceededError", 400]


def test_foundry_local_sdk(run: Run, service: Daemon) -> None:
    told = run("with_foundry.py")
    assert told["running"]
    assert told["endpoint"] == f"http://127.0.0.1:{service.port}/v1"
    assert told["id"] == told["again"] == "qwen2.5-0.5b-generic-cpu:1"
    assert told["id"] in told["loaded"]
    assert told["id"] not in told["after"]
    assert set(ALIASES) <= set(told["cached"])
    assert told["catalogue"] > 60
    assert told["license"] == "Apache-2.0"
    assert not told["upgradeable"]
    first, second = told["texts"]
    assert first == second != ""
    assert told["errors"]["load"] == [
        "ValueError", "Model phi-4-mini has not been downloaded yet. Please download it first."
    ]  # fmt: skip
    assert told["errors"]["download"][0] == "RuntimeError"
    assert "HF_HUB_OFFLINE" in told["errors"]["download"][1] or "Hub" in told["errors"]["download"][1]


def test_foundry_local_sdk_starts_the_service_where_none_runs(python: Path, shim: Path, tmp_path: Path) -> None:
    env = clean_environment(tmp_path, shim, SHORTLIST_HOME=str(tmp_path / "home"), SHORTLIST_PORT="0")
    program = Path(__file__).with_name("programs") / "starts_the_service.py"
    try:
        done = subprocess.run(
            [python, program], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        told = json.loads(done.stdout.splitlines()[-1])
        port = json.loads((tmp_path / "home/service/state.json").read_bytes())["urls"][0].rpartition(":")[2]
        assert told == {"endpoint": f"http://127.0.0.1:{port}/v1", "loaded": ["notes-small"]}
    finally:
        stopped = subprocess.run(["foundry", "service", "stop"], env=env, capture_output=True, text=True, check=False)
    assert stopped.stdout == "🔴 Service is stopped.\n"

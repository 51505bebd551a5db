"""llama.cpp through xllamacpp, on the smallest demo model."""

import asyncio
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from shortlist.clock import sleep_blocking_ns
from shortlist.demo import demo_model_path, demo_prompts_path
from shortlist.engines import EngineContext, LoadSpec
from shortlist.engines.llamacpp import LlamaCpp
from shortlist.environment import child_environment
from shortlist.errors import BadInput, DeviceMismatch, EngineError, EngineNotReady, InvalidModel, UnknownName
from shortlist.quality.prompts import load_prompts
from shortlist.records import Endpoint, EngineOptions, Generation, Variant

pytestmark = pytest.mark.engine

PROMPTS = ["We agreed to ship on Friday; Zoë owns it.", "The budget review moves to noon.", "Hello"]


@pytest.fixture(scope="module")
def model() -> Path:
    demo = pytest.importorskip("shortlist.demo", reason="the demo models are not built yet")
    path = Path(demo.demo_model_path("notes-small"))
    if not path.exists():
        pytest.skip(f"the demo model is not built yet: {path}")
    return path


def load_spec(path: Path | None, logs: Path, options: EngineOptions | None = None, parallel: int = 1) -> LoadSpec:
    return LoadSpec(
        "small", "small", Variant("gguf"), options or EngineOptions(threads=1), path, logs, parallel, 60 * 10**9
    )


def with_model(spec: LoadSpec, use: Callable[[LlamaCpp, Endpoint], Awaitable[None]]) -> None:
    async def go() -> None:
        engine = LlamaCpp(EngineContext())
        endpoint = await engine.open(spec)
        try:
            await use(engine, endpoint)
        finally:
            await engine.close()
        assert engine.pids() == ()

    asyncio.run(go())


def fails(spec: LoadSpec, kind: type[Exception], match: str | None = None) -> None:
    engine = LlamaCpp(EngineContext())
    with pytest.raises(kind, match=match):
        asyncio.run(engine.open(spec))
    assert engine.pids() == ()


def call(url: str, headers: Any, body: Any = None) -> tuple[int, str]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def chat(engine: LlamaCpp, endpoint: Endpoint, prompt: str, **keys: Any) -> dict[str, Any]:
    body = {"messages": [{"role": "user", "content": prompt}], "max_tokens": 8, "temperature": 0, "seed": 0}
    body |= {**engine.extra_body(Generation()), **keys}
    url = f"{endpoint.base_url}/chat/completions"
    status, text = await asyncio.to_thread(call, url, engine.request_headers(), body)
    assert status == 200, text
    reply: dict[str, Any] = json.loads(text)
    return reply


def cached(reply: dict[str, Any]) -> set[int]:
    return {reply["usage"]["prompt_tokens_details"]["cached_tokens"], reply["timings"]["cache_n"]}


def test_probe_finds_the_library_without_a_model() -> None:
    loaded = "xllamacpp" in sys.modules
    info = LlamaCpp(EngineContext()).probe()
    assert info.available
    assert info.version
    assert any(device.lower().startswith("cpu") for device in info.devices)
    assert info.acceleration
    assert ("xllamacpp" in sys.modules) == loaded  # it stays in the child


def test_an_endpoint_says_what_it_is_and_no_more(model: Path, tmp_path: Path) -> None:
    async def use(engine: LlamaCpp, endpoint: Endpoint) -> None:
        assert (endpoint.engine, endpoint.device, endpoint.model) == ("llamacpp", "cpu", "small")
        assert endpoint.base_url.startswith("http://127.0.0.1:")
        assert (endpoint.pid,) == engine.pids()
        assert engine.load_ns
        assert engine.settings["gpu_layers"] == 0
        reply = await chat(engine, endpoint, PROMPTS[0])
        assert reply["model"] == "small"
        assert str(model) not in json.dumps(reply)
        assert reply["usage"]["completion_tokens"] >= 1
        assert engine.request_headers()["Authorization"].removeprefix("Bearer ") not in repr(endpoint)

    with_model(load_spec(model, tmp_path), use)


def test_no_prompt_is_answered_from_a_cache(model: Path, tmp_path: Path) -> None:
    """One prompt three times, interleaved with others: always 0, by both counts; with the option it is not."""

    async def cold(engine: LlamaCpp, endpoint: Endpoint) -> None:
        for prompt in (PROMPTS[0], PROMPTS[1], PROMPTS[0], PROMPTS[2], PROMPTS[0], PROMPTS[0]):
            assert cached(await chat(engine, endpoint, prompt)) == {0}
        together = await asyncio.gather(*(chat(engine, endpoint, PROMPTS[0]) for _ in range(4)))
        assert {count for reply in together for count in cached(reply)} == {0}

    async def warm(engine: LlamaCpp, endpoint: Endpoint) -> None:
        await chat(engine, endpoint, PROMPTS[0])
        assert min(cached(await chat(engine, endpoint, PROMPTS[0]))) > 0
        assert "prefix_cache" in endpoint.capabilities

    with_model(load_spec(model, tmp_path, parallel=2), cold)
    with_model(load_spec(model, tmp_path, EngineOptions(threads=1, prefix_cache=True)), warm)


def test_temperature_0_repeats_over_fresh_processes(model: Path, tmp_path: Path) -> None:
    answers = []

    async def use(engine: LlamaCpp, endpoint: Endpoint) -> None:
        answers.append((await chat(engine, endpoint, PROMPTS[0], max_tokens=24))["choices"][0]["message"]["content"])

    for _ in range(2):
        with_model(load_spec(model, tmp_path), use)
    assert answers[0] == answers[1]


def test_each_of_the_parallel_requests_has_the_whole_context(model: Path, tmp_path: Path) -> None:
    async def use(engine: LlamaCpp, endpoint: Endpoint) -> None:
        assert engine.settings["context"] == 256
        props = await asyncio.to_thread(
            call, endpoint.base_url.removesuffix("/v1") + "/props", engine.request_headers()
        )
        told = json.loads(props[1])
        assert (told["total_slots"], told["default_generation_settings"]["n_ctx"]) == (3, 256)

    with_model(load_spec(model, tmp_path, EngineOptions(threads=1, context=256), parallel=3), use)


def test_a_prompt_beyond_the_context_is_an_error_not_a_cut(model: Path, tmp_path: Path) -> None:
    async def use(engine: LlamaCpp, endpoint: Endpoint) -> None:
        body = {"messages": [{"role": "user", "content": "notes " * 4000}], "max_tokens": 4}
        url = f"{endpoint.base_url}/chat/completions"
        status, text = await asyncio.to_thread(call, url, engine.request_headers(), body)
        assert status == 400
        assert "exceed" in text

    with_model(load_spec(model, tmp_path), use)


def test_a_stream_ends_with_usage(model: Path, tmp_path: Path) -> None:
    async def use(engine: LlamaCpp, endpoint: Endpoint) -> None:
        keys = {
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 12,
            **engine.extra_body(Generation(fixed_tokens=12)),
        }
        body = {"messages": [{"role": "user", "content": "Hello"}], **keys}
        url = f"{endpoint.base_url}/chat/completions"
        _, text = await asyncio.to_thread(call, url, engine.request_headers(), body)
        *_, last, done = [part for part in text.split("\n\n") if part]
        assert done == "data: [DONE]"
        assert json.loads(last[6:])["usage"]["completion_tokens"] == 12  # the end token was ignored

    with_model(load_spec(model, tmp_path), use)


def test_nothing_but_health_is_told_without_the_key(model: Path, tmp_path: Path) -> None:
    """No page for browsers, no slots, and no leave for a foreign origin."""

    async def use(engine: LlamaCpp, endpoint: Endpoint) -> None:
        root = endpoint.base_url.removesuffix("/v1")
        for path in ("/v1/models", "/props", "/slots", "/metrics", "/v1/chat/completions", "/lora-adapters"):
            for headers in ({}, {"Authorization": "Bearer no"}):
                assert (await asyncio.to_thread(call, root + path, headers))[0] == 401
        assert (await asyncio.to_thread(call, root + "/", {}))[0] == 404
        assert (await asyncio.to_thread(call, root + "/slots", engine.request_headers()))[0] == 501
        request = urllib.request.Request(root + "/health", headers={"Origin": "http://evil.example"})
        with await asyncio.to_thread(urllib.request.urlopen, request) as reply:
            assert reply.headers["Access-Control-Allow-Origin"] != "http://evil.example"
        listening = [c for c in psutil.Process(endpoint.pid).net_connections("inet") if c.status == psutil.CONN_LISTEN]
        assert [c.laddr.ip for c in listening] == ["127.0.0.1"]

    with_model(load_spec(model, tmp_path), use)


@pytest.mark.parametrize("kv_type", ["f16", "q8_0"])
def test_kv_types_are_taken(model: Path, tmp_path: Path, kv_type: str) -> None:
    async def use(engine: LlamaCpp, endpoint: Endpoint) -> None:
        assert engine.settings["kv_type"] == kv_type
        await chat(engine, endpoint, "Hello")

    with_model(load_spec(model, tmp_path, EngineOptions(threads=1, kv_type=kv_type)), use)


def test_greedy_answers_are_the_same_with_speculation_and_tokens_were_guessed(tmp_path: Path) -> None:
    """The demo's thirty prompts on its largest model, character for character."""
    prompts = load_prompts(demo_prompts_path())
    answers: list[list[str]] = []
    guessed = []

    async def use(engine: LlamaCpp, endpoint: Endpoint) -> None:
        texts = []
        for prompt in prompts:
            messages = [{"role": one.role, "content": one.content} for one in prompt.messages]
            reply = await chat(engine, endpoint, "", messages=messages, max_tokens=60)
            texts.append(reply["choices"][0]["message"]["content"])
            guessed.append(reply["timings"].get("draft_n", 0))
        answers.append(texts)

    kinds: tuple[dict[str, str], ...] = ({}, {"speculation": "ngram:3:8"})
    for extra in kinds:
        assert sum(guessed) == 0
        options = EngineOptions(threads=1, extra=extra)
        with_model(load_spec(demo_model_path("notes-large"), tmp_path, options), use)
    assert answers[0] == answers[1]
    assert sum(guessed) > 0


# --- as it fails ----------------------------------------------------------------------------------------------------


def test_a_bad_file_never_reaches_the_engine(model: Path, tmp_path: Path) -> None:
    cut, other = tmp_path / "cut.gguf", tmp_path / "other.gguf"
    cut.write_bytes(model.read_bytes()[:5000])
    other.write_bytes(b"hello")
    for path in (tmp_path / "none.gguf", cut, other):
        fails(load_spec(path, tmp_path / "logs"), InvalidModel)
    assert not (tmp_path / "logs").exists()


def test_what_llama_cpp_says_of_a_failed_load_is_quoted(model: Path, tmp_path: Path) -> None:
    """An architecture that our reader has no opinion on and llama.cpp does not know."""
    odd = tmp_path / "odd.gguf"
    odd.write_bytes(model.read_bytes().replace(b"llama", b"lluma"))
    fails(load_spec(odd, tmp_path), EngineNotReady, "unknown model architecture")


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (EngineOptions(context=10**6), BadInput),
        (EngineOptions(context=0), BadInput),
        (EngineOptions(kv_type="q9"), UnknownName),
        (EngineOptions(device="cpu", gpu_layers=3), BadInput),
        (EngineOptions(extra={"turbo": "1"}), UnknownName),
        (EngineOptions(extra={"batch": "many"}), BadInput),
        (EngineOptions(extra={"speculation": "draft"}), BadInput),
    ],
)
def test_options_that_cannot_be_met_are_refused(
    model: Path, tmp_path: Path, options: EngineOptions, kind: type[Exception]
) -> None:
    fails(load_spec(model, tmp_path, options), kind)


def test_no_file_is_bad_input(tmp_path: Path) -> None:
    fails(load_spec(None, tmp_path), BadInput, "needs a .gguf file")


@pytest.mark.parametrize("options", [EngineOptions(device="gpu"), EngineOptions(gpu_layers=2)])
def test_a_gpu_that_is_not_there_is_a_mismatch(model: Path, tmp_path: Path, options: EngineOptions) -> None:
    if any(not device.lower().startswith("cpu") for device in LlamaCpp(EngineContext()).probe().devices):
        pytest.skip("this machine has a device that llama.cpp can use")
    fails(load_spec(model, tmp_path, options), DeviceMismatch)


def test_a_killed_engine_is_a_crash_with_its_log(model: Path, tmp_path: Path) -> None:
    async def use(engine: LlamaCpp, endpoint: Endpoint) -> None:
        assert await engine.crash() is None
        psutil.Process(endpoint.pid).kill()
        error = await engine.crash(60 * 10**9)
        assert error is not None
        assert "SIGKILL" in error.message

    with_model(load_spec(model, tmp_path), use)


def test_one_model_at_a_time(model: Path, tmp_path: Path) -> None:
    async def use(engine: LlamaCpp, endpoint: Endpoint) -> None:
        with pytest.raises(EngineError, match="close it first"):
            await engine.open(load_spec(model, tmp_path))
        assert engine.pids() == (endpoint.pid,)
        await chat(engine, endpoint, "Hello")  # the first goes on, and its key with it

    with_model(load_spec(model, tmp_path), use)


PARENT = """
import asyncio, sys
from pathlib import Path
from shortlist.clock import sleep_blocking_ns
from shortlist.engines import EngineContext, LoadSpec, find_engine
from shortlist.records import EngineOptions, Variant

async def main():
    engine = find_engine("llamacpp")(EngineContext())
    spec = LoadSpec("s", "s", Variant("gguf"), EngineOptions(threads=1), Path(sys.argv[1]), Path(sys.argv[2]))
    print((await engine.open(spec)).pid, flush=True)
    sleep_blocking_ns(600 * 10**9)

asyncio.run(main())
"""


def test_kill_9_of_the_parent_ends_the_engine(model: Path, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    argv = [sys.executable, str(script), str(model), str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=child_environment()) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.kill()
        for _ in range(1000):
            if not psutil.pid_exists(pid):
                return
            sleep_blocking_ns(20 * 10**6)
    pytest.fail(f"engine process {pid} outlived its parent")

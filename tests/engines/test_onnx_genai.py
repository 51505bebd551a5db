"""ONNX Runtime GenAI on notes-small: what the conformance suite does not ask of every engine."""

import asyncio
import json
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from cli.commands import Done, shortlist
from conformance.client import Client, Reply
from conformance.stand import Loop
from onnx_folders import FOLDER
from shortlist.engines import EngineContext, LoadSpec
from shortlist.engines.onnx_genai import OnnxGenai
from shortlist.errors import BadInput, DeviceMismatch, EngineError, EngineNotReady, ShortlistError
from shortlist.records import EngineOptions, Variant

NOTE = "Friday meeting: Zoë will send the new price list by 14 March."
GREEDY = "Decision: send the new price list. Owner: Zoë. Deadline: 11 March."

needs_onnx = pytest.mark.onnx


def load_spec(path: Path | None, logs: Path, options: EngineOptions | None = None, parallel: int = 1) -> LoadSpec:
    options = options or EngineOptions(threads=1)
    return LoadSpec("small", "small", Variant("onnx"), options, path, logs, parallel, 60 * 10**9)


def refused(path: Path | None, logs: Path, options: EngineOptions | None = None) -> ShortlistError:
    engine = OnnxGenai(EngineContext())
    with pytest.raises((EngineError, BadInput)) as caught:
        asyncio.run(engine.open(load_spec(path, logs, options)))
    assert engine.pids() == ()
    return caught.value


def copied(tmp_path: Path, **changes: Any) -> Path:
    """The folder with other content in some files; None takes one away."""
    folder = tmp_path / "copy"
    shutil.copytree(FOLDER, folder)
    for name, content in changes.items():
        path = folder / name.replace("__", ".")
        path.unlink() if content is None else path.write_text(content)
    return folder


# --- without the library --------------------------------------------------------------------------------------------


def test_without_its_extra_the_engine_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patched: whether the library is here must not decide what is tested."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    info = OnnxGenai(EngineContext()).probe()
    assert (info.available, "pip install 'shortlist[onnx]'" in (info.reason or "")) == (False, True)
    error = refused(FOLDER, tmp_path)
    assert isinstance(error, EngineNotReady)
    assert "pip install 'shortlist[onnx]'" in error.message


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (EngineOptions(context=4096), "4096 was asked, the model has 1024"),
        (EngineOptions(kv_type="q8_0"), "kv_type"),
        (EngineOptions(gpu_layers=3), "gpu_layers"),
        (EngineOptions(prefix_cache=True), "prefix_cache"),
        (EngineOptions(extra={"speculation": "ngram"}), "speculation"),
    ],
)
def test_options_that_it_cannot_honour_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: EngineOptions, says: str
) -> None:
    """Patched: the library is not needed to say no."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    assert says in refused(FOLDER, tmp_path, options).message


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    for path in (None, tmp_path / "x.gguf"):
        assert "opens ONNX folders" in refused(path, tmp_path).message


# --- with it --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OnnxGenai, Client, Path]]:
    """One engine with two slots, whose child has a home of its own, where all that it writes is seen."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
            patch.setenv(name, str(home))
        patch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
        loop, engine = Loop(), OnnxGenai(EngineContext())
        endpoint = loop.run(engine.open(load_spec(FOLDER, tmp_path_factory.mktemp("logs"), parallel=2)))
        yield engine, Client(endpoint.base_url, endpoint.model, engine.request_headers()), home
        loop.run(engine.close())
        loop.close()


@needs_onnx
def test_probe_finds_the_library_without_loading_it_here() -> None:
    loaded = "onnxruntime_genai" in sys.modules
    info = OnnxGenai(EngineContext()).probe()
    assert info.available, info.reason
    assert info.version
    assert info.devices[0] == "CPU"
    assert ("onnxruntime_genai" in sys.modules) == loaded


@needs_onnx
def test_it_answers_greedily_and_counts(opened: tuple[OnnxGenai, Client, Path]) -> None:
    engine, client, _ = opened
    reply = client.chat(NOTE)
    assert (reply.text, reply.finish) == (GREEDY, "stop")
    assert reply.json["usage"]["prompt_tokens"] == 39
    assert dict(engine.settings) == {"threads": 1, "context": 1024, "parallel": 2}
    assert engine.load_ns


@needs_onnx
def test_nothing_is_told_to_anybody(opened: tuple[OnnxGenai, Client, Path]) -> None:
    """Telemetry is off: no socket but our own port, and no identifier or store on the disk."""
    engine, client, home = opened
    client.chat(NOTE)
    (pid,) = engine.pids()
    port = int(client.base_url.removesuffix("/v1").rpartition(":")[2])
    used = {(c.family, c.laddr.port) for c in psutil.Process(pid).net_connections("all") if c.laddr}
    assert used == {(socket.AF_INET, port)}
    assert [str(path) for path in home.rglob("*")] == []
    environment = psutil.Process(pid).cwd()
    assert not list(Path(environment).glob("*.ses"))


@needs_onnx
@pytest.mark.parametrize(
    ("schema", "says"),
    [({"type": "frob"}, "frob"), ({"$ref": "http://x/y"}, "http://x/y"), ({"enum": ["Zoë", "東京"]}, "several tokens")],
)
def test_a_schema_that_it_cannot_hold_to_is_refused_before_the_answer(
    opened: tuple[OnnxGenai, Client, Path], schema: Any, says: str
) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}
    reply = opened[1].chat(NOTE, response_format=form, max_tokens=20)
    assert (reply.status, reply.json["error"]["code"]) == (400, "unsupported_parameter")
    assert says in reply.error


@needs_onnx
def test_sampling_keys_are_honoured_or_refused(opened: tuple[OnnxGenai, Client, Path]) -> None:
    _, client, _ = opened
    hot = {"temperature": 1.5, "max_tokens": 30}
    assert client.chat(NOTE, **hot, top_k=1).text == client.chat(NOTE, max_tokens=30).text
    assert client.chat(NOTE, **hot, top_p=0.0001, top_k=0).text == client.chat(NOTE, max_tokens=30).text
    assert client.chat(NOTE, repeat_penalty=1.3).text == client.chat(NOTE, repetition_penalty=1.3).text != GREEDY
    for keys in ({"min_p": 0.1}, {"presence_penalty": 1}, {"logit_bias": {"1": 2}}, {"logprobs": True}):
        assert "not supported" in client.chat(NOTE, **keys).error


@needs_onnx
def test_a_short_question_does_not_wait_for_a_long_one(opened: tuple[OnnxGenai, Client, Path]) -> None:
    """Two slots take turns at each token: the long answer is still under way when the short one is over."""
    _, client, _ = opened
    long = client.events(NOTE, max_tokens=900, ignore_eos=True)
    for _ in range(5):
        next(long)
    assert client.chat(NOTE).text == GREEDY
    assert len([event for event in long if event.get("choices")]) > 100


@needs_onnx
def test_a_client_that_leaves_while_its_question_is_read_frees_the_engine(
    opened: tuple[OnnxGenai, Client, Path],
) -> None:
    engine, client, _ = opened
    body = json.dumps(client.body("note " * 950, max_tokens=50, ignore_eos=True, stream=True)).encode()
    port = int(client.base_url.removesuffix("/v1").rpartition(":")[2])
    head = f"POST /v1/chat/completions HTTP/1.1\r\nAuthorization: {engine.request_headers()['Authorization']}\r\n"
    before = client.get("/metrics")
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", port), 30) as sock:
            sock.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            assert sock.recv(10)  # the reply has begun: the question is known to fit, and is read now
    assert client.chat(NOTE).text == GREEDY
    count = [int(text.split()[-1]) for text in (before, client.get("/metrics"))]
    assert count[1] - count[0] < 10 * 50


@needs_onnx
def test_the_folders_own_chat_template_counts_without_foundrys(tmp_path: Path) -> None:
    folder = copied(tmp_path, inference_model__json=None)
    assert ask_once(folder, tmp_path).text == GREEDY
    other = {
        "Name": "x",
        "PromptTemplate": {"prompt": "<|im_start|>user\n{Content}!<|im_end|>\n<|im_start|>assistant\n"},
    }
    (folder / "inference_model.json").write_text(json.dumps(other))
    assert ask_once(folder, tmp_path).json["usage"]["prompt_tokens"] == 40  # with the mark that it adds


def ask_once(folder: Path, logs: Path) -> Reply:
    async def go() -> Reply:
        engine = OnnxGenai(EngineContext())
        endpoint = await engine.open(load_spec(folder, logs))
        try:
            client = Client(endpoint.base_url, endpoint.model, engine.request_headers())
            return await asyncio.to_thread(client.chat, NOTE)
        finally:
            await engine.close()

    return asyncio.run(go())


@needs_onnx
def test_what_cannot_be_loaded_is_told_with_the_librarys_words(tmp_path: Path) -> None:
    damaged = copied(tmp_path)
    (damaged / "model.onnx").write_bytes(b"\x08\x07rubbish")
    assert "could not load" in refused(damaged, tmp_path).message
    shutil.rmtree(damaged)
    mute = copied(tmp_path, inference_model__json=None)
    config = json.loads((mute / "tokenizer_config.json").read_text())
    del config["chat_template"]
    (mute / "tokenizer_config.json").write_text(json.dumps(config))
    assert "chat template" in refused(mute, tmp_path).message


@needs_onnx
def test_weights_outside_the_folder_are_not_read(tmp_path: Path) -> None:
    """The graph itself names its weights' file; the library refuses one that leads out."""
    import onnx

    folder = copied(tmp_path)
    (folder / "model.onnx.data").rename(tmp_path / "outside.data")
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../outside.data"
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    assert "could not load" in refused(folder, tmp_path).message


@needs_onnx
def test_a_gpu_that_is_not_there_is_an_error_and_not_a_fallback(tmp_path: Path) -> None:
    assert isinstance(refused(FOLDER, tmp_path, EngineOptions(device="gpu")), DeviceMismatch)


@needs_onnx
def test_the_command_line_takes_a_folder_for_a_model(tmp_path: Path) -> None:
    """Added by name, run, examined, benched beside its GGUF: the format chooses the engine."""
    assert command(tmp_path, "model", "add", "small-onnx", FOLDER).code == 0
    listed = command(tmp_path, "model", "info", "small-onnx", "--json").json["data"]
    assert listed["fit"]["engine_bytes"] > 0
    answered = command(tmp_path, "model", "run", "small-onnx", "--prompt", NOTE, "--json").json["data"]
    assert (answered["text"], answered["engine"]) == (GREEDY, "onnx_genai")
    assert "small-onnx: loaded in" in command(tmp_path, "doctor", "small-onnx", "--no-network").out
    wrong = command(tmp_path, "bench", "small-onnx", "--engine", "llamacpp")
    assert (wrong.code, "--engine onnx_genai" in wrong.err) == (2, True)
    bench = command(tmp_path, "bench", "notes-small", "small-onnx", "--rounds", "1", "--max-tokens", "8")
    assert bench.code == 0, bench.err
    run = command(tmp_path, "runs", "export", "last").json
    assert {candidate["engine"] for candidate in run["candidates"]} == {"llamacpp", "onnx_genai"}


def command(home: Path, *args: object) -> Done:
    return shortlist(*args, cwd=home, SHORTLIST_HOME=str(home / "home"))

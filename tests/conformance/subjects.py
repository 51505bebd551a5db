"""The engines that are examined: how each is opened, how its tokens are counted, and what it cannot do and why.

To add one: a function that returns a `Subject`, and a line in `SUBJECTS`.
"""

import json
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from adapters.ngram import LINES, train
from conformance.client import Client
from make_random_gguf import SHAPES, write_random_gguf
from onnx_folders import FOLDER, write_slow_folder
from shortlist.demo import demo_model_path
from shortlist.engines import Engine, EngineContext, LoadSpec, find_engine
from shortlist.engines.wire_child import GENERATED_TOTAL
from shortlist.models.adapters import adapter_variant, read_adapter
from shortlist.records import Endpoint, EngineOptions, Format, Generation, Variant

CONTEXT = 512
PARALLEL = 4
START_LIMIT_NS = 120 * 10**9


@dataclass(frozen=True, slots=True)
class Open:
    """An engine with its model open."""

    engine: Engine
    endpoint: Endpoint
    client: Client

    def long(self, tokens: int) -> dict[str, Any]:
        """What to add to a request so that the answer has exactly so many tokens."""
        return {"max_tokens": tokens, **self.engine.extra_body(Generation(max_tokens=tokens, fixed_tokens=tokens))}


Events = Sequence[Mapping[str, Any]]


def _with_content(events: Events) -> int:
    """A piece of text is a token."""
    return sum(bool(e.get("choices") and e["choices"][0].get("delta", {}).get("content")) for e in events)


@dataclass(frozen=True, slots=True)
class Counter:
    """How an engine's tokens are counted from outside.

    `decoded`: what it worked out so far, whoever got it; a prompt counts the same each time. `seen`: what a client has
    with these events of a stream that was asked for with `keys`.
    """

    decoded: Callable[[Open], int]
    seen: Callable[[Events], int] = _with_content
    keys: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subject:
    """An engine to examine.

    `spec` gets the folder for logs and whether a slow model is wanted. `utf8`: what to add to a request so that the
    answer has characters of several bytes. `cannot`: case and reason; it must then be refused clearly. `embeds`: extra
    options that open a model for embeddings, where that is another way to open it. `is_ours`: its version is
    Shortlist's. `command`: what engine `command` starts.
    """

    name: str
    spec: Callable[[Path, bool], LoadSpec]
    counter: Counter | None = None
    utf8: Mapping[str, Any] = field(default_factory=dict)
    cannot: Mapping[str, str] = field(default_factory=dict)
    embeds: Mapping[str, str] = field(default_factory=dict)
    is_ours: bool = False
    command: str | None = None

    def make(self) -> Engine:
        return find_engine(self.name)(EngineContext(command=self.command))


SPELLED = "Zoë · 東京 · 🙂"
CONSTRAINED = {
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "word", "strict": True, "schema": {"enum": [SPELLED]}},
    },
    "max_tokens": 120,
}
"""For engines that hold an answer to a schema: the only answer has characters of two, three and four bytes."""


def _llamacpp() -> Subject:
    counter = Counter(_decoding_steps, _timed, {"timings_per_token": True})
    return Subject("llamacpp", _gguf("llamacpp"), counter, CONSTRAINED, embeds={"embeddings": "1"})


def _command() -> Subject:
    """llama.cpp's own server in a program that knows nothing of us."""
    argv = [sys.executable, str(Path(__file__).parents[1] / "engines" / "foreign_llama.py"), "-m", "{model}"]
    numbers = [part for name in ("port", "threads", "context", "parallel") for part in (f"--{name}", f"{{{name}}}")]
    like = _llamacpp()
    cannot = {"embeddings": "this program was started for chat alone"}
    told = shlex.join([*argv, *numbers])
    return replace(like, name="command", spec=_gguf("command"), command=told, cannot=cannot, embeds={})


def _gguf(label: str) -> Callable[[Path, bool], LoadSpec]:
    def spec(logs: Path, is_slow: bool) -> LoadSpec:
        path = _slow_model(logs.parent) if is_slow else demo_model_path("notes-small")
        options = EngineOptions(threads=1, context=CONTEXT)
        return LoadSpec(label, "notes", Variant("gguf"), options, path, logs, PARALLEL, START_LIMIT_NS)

    return spec


def _slow_model(folder: Path) -> Path:
    """Random weights, so many that a token takes milliseconds: longer than a host's scheduler takes a core away."""
    path = folder / "slow.gguf"
    if not path.exists():
        shape = replace(SHAPES["tiny"], width=768, layers=8, heads=12, kv_heads=4, feed_forward=3072, head_width=64)
        write_random_gguf(path, shape, "q4_0")
    return path


def _timed(events: Events) -> int:
    """The tokens so far, as llama.cpp says with each event: one that is half a character has no text."""
    return max((int((event.get("timings") or {}).get("predicted_n", 0)) for event in events), default=0)


def _decoding_steps(open_: Open) -> int:
    """llama.cpp's own count of decoding steps: with one request in flight, a token each."""
    found = re.search(r"^llamacpp:n_decode_total (\d+)", open_.client.get("/metrics"), re.MULTILINE)
    assert found is not None
    return int(found[1])


def _adapter() -> Subject:
    """A language model of letters as a user's class, trained here on a few lines; it keeps a log of its letters."""

    def spec(logs: Path, is_slow: bool) -> LoadSpec:
        folder = logs.parent / "adapter"
        folder.mkdir(exist_ok=True)
        (folder / "weights.json").write_text(json.dumps(train(LINES)))
        path = folder / ("slow.adapter.json" if is_slow else "ngram.adapter.json")
        source = Path(__file__).parents[1] / "adapters" / "ngram.py"
        name = "SlowNgram" if is_slow else "Ngram"
        path.write_text(json.dumps({"adapter": f"{source}:{name}", "weights": "weights.json"}))
        variant = adapter_variant(read_adapter(path))
        return LoadSpec("adapter", "notes", variant, EngineOptions(), path, logs, PARALLEL, START_LIMIT_NS)

    cannot = {
        "json_schema": "the class does not say that it holds answers to one",
        "embeddings": "a class generates text",
    }
    return Subject("adapter", spec, Counter(_generated), cannot=cannot, is_ours=True)


def _generated(open_: Open) -> int:
    """The letters that the class wrote to its error stream's log, one line each."""
    assert open_.endpoint.pid is not None
    logs = [Path(f"/proc/{open_.endpoint.pid}/fd/2").resolve()]
    return sum(path.read_text().count("letter\n") for path in logs)


def _onnx_genai() -> Subject:
    def spec(logs: Path, is_slow: bool) -> LoadSpec:
        path = _slow_folder(logs.parent) if is_slow else FOLDER
        options = EngineOptions(threads=1, context=CONTEXT)
        return LoadSpec("onnx_genai", "notes", Variant("onnx"), options, path, logs, PARALLEL, START_LIMIT_NS)

    counter = Counter(generated, _counted, {"stream_options": {"continuous_usage_stats": True}})
    return Subject("onnx_genai", spec, counter, {}, {"embeddings": "opens models for chat alone"})


def _slow_folder(folder: Path) -> Path:
    path = folder / "slow-onnx"
    return path if path.exists() else write_slow_folder(path)


def generated(open_: Open) -> int:
    """The count of our own wire: tokens that came out of the engine, whoever got them."""
    found = re.search(rf"^{GENERATED_TOTAL} (\d+)", open_.client.get("/metrics"), re.MULTILINE)
    assert found is not None
    return int(found[1])


def _counted(events: Events) -> int:
    """The tokens so far, as our wire says with each event when it is asked to."""
    return max(((event.get("usage") or {}).get("completion_tokens", 0) for event in events), default=0)


def _fake() -> Subject:
    def spec(logs: Path, is_slow: bool) -> LoadSpec:
        script = f"ttft=5ms,gap={'5ms' if is_slow else '1ms'},chunks=12,split=50,context={CONTEXT}"
        return LoadSpec("fake", script, Variant("endpoint"), EngineOptions(), None, logs, PARALLEL, START_LIMIT_NS)

    cannot = {
        "json_schema": "has no model that could be held to one",
        "embeddings": "has no model that could make them",
    }
    return Subject("fake", spec, Counter(_written), cannot=cannot, is_ours=True)


def _written(open_: Open) -> int:
    """The text events that the fake engine wrote; its log is complete when no reply is under way."""
    log = Path(str(open_.engine.settings["write_log"]))
    lines = map(json.loads, log.read_text().splitlines() if log.exists() else [])
    return sum(line["kind"] == "text" and line["is_last_piece"] for line in lines)


SUBJECTS: Mapping[str, Callable[[], Subject]] = {
    "llamacpp": _llamacpp,
    "onnx_genai": _onnx_genai,
    "command": _command,
    "adapter": _adapter,
    "fake": _fake,
}
MARKS: Mapping[str, tuple[pytest.MarkDecorator, ...]] = {
    "llamacpp": (pytest.mark.engine,),
    "onnx_genai": (pytest.mark.onnx,),
    "command": (pytest.mark.engine, pytest.mark.slow),  # the model of llamacpp again, through one process more
}


def of_a_user(name: str, model: str, cannot: Mapping[str, str]) -> Subject:
    """Somebody's own engine, with a model's file or folder; nothing is known of it that it does not say."""
    path = Path(model)
    kind: Format = "gguf" if path.suffix == ".gguf" else "onnx" if (path / "genai_config.json").exists() else "adapter"

    def spec(logs: Path, is_slow: bool) -> LoadSpec:
        place = path if path.exists() else None
        return LoadSpec(name, model, Variant(kind), EngineOptions(), place, logs, PARALLEL, START_LIMIT_NS)

    return Subject(name, spec, cannot=cannot)

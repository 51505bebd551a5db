"""The process that holds an ONNX model: ONNX Runtime GenAI behind our wire, until SIGTERM, or until the parent is gone.

`--probe` prints, as one JSON object, which version and devices there are; it loads no model.
"""

import json
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from shortlist.clock import monotonic_ns
from shortlist.engines import foundry_prompt, guidance
from shortlist.engines.oga import Generation, Library, Model, OgaError
from shortlist.engines.wire_child import serve
from shortlist.engines.wire_generation import Cancel, Piece, Wire
from shortlist.engines.wire_request import Asked, overflow, unsupported
from shortlist.errors import DeviceMismatch, EngineNotReady
from shortlist.lifeline import Report, run_child
from shortlist.onnxfolder import READ_AT_ONCE
from shortlist.records import Json, Message

_ACCEPTS = frozenset({"temperature", "top_p", "top_k", "seed", "ignore_eos", "json_schema"})
_PENALTIES = frozenset({"repetition_penalty", "repeat_penalty"})
"""One penalty: as the library and as llama.cpp call it."""
_GRAPHICS = ("cuda", "dml")
_SEEDS = 1 << 31
_PROBE_MESSAGES = (Message("user", "Hello"),)


class Turns:
    """One thread at a time, in the order in which they asked: the library promises nothing to two at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._is_taken = False

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for the turn and have it."""
        called = threading.Event()
        with self._lock:
            if self._is_taken:
                self._waiting.append(called)
            else:
                self._is_taken = True
                called.set()
        called.wait()
        try:
            yield
        finally:
            with self._lock:
                if self._waiting:
                    self._waiting.popleft().set()
                else:
                    self._is_taken = False


class OnnxGenerator:
    """Answers one after the other, token by token; several at once take turns at each token."""

    def __init__(self, model: Model, config: Mapping[str, Any]) -> None:
        self._model = model
        self._template: Mapping[str, str] | None = config["template"]
        self._turns = Turns()
        self.context: int = config["context"]
        self.device = model.device.lower()
        self.wire = Wire(config["alias"], self.context, _ACCEPTS | _PENALTIES, config["parallel"])

    def pieces(self, asked: Asked, cancel: Cancel) -> Iterator[Piece]:
        """One answer. Raises Refusal for what does not fit, and for a schema that the library cannot hold to."""
        with self._turns.taken():
            tokens = self._model.encode(self.prompt(asked.messages))
        if not 0 < len(tokens) < self.context:
            raise overflow(len(tokens), self.context)
        yield Piece(prompt_tokens=len(tokens), cached_tokens=0)
        limit = self.context if asked.max_tokens is None else min(len(tokens) + asked.max_tokens, self.context)
        generation = self._begin(asked, limit)
        try:
            cancel.call(generation.terminate)
            # In pieces: others' tokens come in between, the logits of all positions, which the library keeps, stay
            # small, and it is faster than all at once (docs/decisions/0035).
            for start in range(0, len(tokens), READ_AT_ONCE):
                with self._turns.taken():
                    generation.read(tokens[start : start + READ_AT_ONCE])
            yield from self._answer(generation, cancel)
        except OgaError:
            if not cancel.is_set:  # else it was broken off because nobody listens
                raise
        finally:
            with self._turns.taken():
                generation.close()

    def prompt(self, messages: tuple[Message, ...]) -> str:
        """The text that the model reads: Foundry Local's template where the folder has one, else the tokenizer's."""
        if self._template is not None:
            return foundry_prompt.render(self._template, messages)
        return self._model.chat(json.dumps([{"role": m.role, "content": m.content} for m in messages]))

    def _begin(self, asked: Asked, limit: int) -> Generation:
        schema = None if asked.json_schema is None else self._schema(asked.json_schema)
        try:
            with self._turns.taken():
                return self._model.generation(search_options(asked.options, limit), schema)
        except OgaError as error:
            if schema is not None:  # all else that is set was checked before
                raise unsupported("response_format", "json_schema", error.message) from None
            raise

    def _schema(self, schema: Json) -> str:
        """As the library is given it. Raises Refusal for a literal with a character that takes several tokens.

        The library knows such tokens by their text, which is none, and fails in the middle of the answer.
        """
        for literal in guidance.literals(schema):
            if not literal.isascii():
                with self._turns.taken():
                    is_split = self._model.splits(literal)
                if is_split:
                    reason = "it has characters of several tokens, and ONNX Runtime GenAI cannot force those"
                    raise unsupported("response_format", repr(literal), reason)
        return json.dumps(guidance.tight(schema))

    def _answer(self, generation: Generation, cancel: Cancel) -> Iterator[Piece]:
        is_over = False
        while not is_over and not cancel.is_set:
            with self._turns.taken():
                token = generation.step()
                is_end = token in self._model.end_tokens
                text = "" if is_end else generation.text(token)
                is_over = is_end or generation.is_done
            yield Piece(text, 1, "stop" if is_end else "length" if is_over else None)


def search_options(options: Mapping[str, Any], limit: int) -> dict[str, float | bool]:
    """What was asked for in the library's words. What was not is the folder's own (`search` in genai_config.json)."""
    search: dict[str, float | bool] = {"max_length": limit, "num_beams": 1, "num_return_sequences": 1}
    temperature = options.get("temperature")
    if temperature is not None:
        search["do_sample"] = temperature > 0
        if temperature > 0:
            search["temperature"] = temperature
    if options.get("top_k") is not None:
        search["top_k"] = max(options["top_k"], 0)
    for name, called in (("top_p", "top_p"), *((name, "repetition_penalty") for name in sorted(_PENALTIES))):
        if options.get(name) is not None:
            search[called] = options[name]
    if options.get("seed") is not None:
        search["random_seed"] = options["seed"] % _SEEDS
    if options.get("ignore_eos"):
        search["min_length"] = limit
    return search


def _providers(library: Library, config: Mapping[str, Any]) -> list[str] | None:
    """Execution providers for the device asked for; None leaves the folder's own. Raises DeviceMismatch."""
    here = [
        name for name, is_there in zip(_GRAPHICS, (library.has_cuda, library.has_directml), strict=True) if is_there
    ]
    built_for = [name for name in config["providers"] if name in here]
    if config["device"] == "cpu":
        return []
    if built_for:
        return None
    if config["device"] == "gpu":
        if not here:
            raise DeviceMismatch("a GPU was asked for, and this build of onnxruntime-genai has no provider for one")
        return here[:1]
    return []


def _load(library: Library, config: Mapping[str, Any]) -> OnnxGenerator:
    """The model, after one pass, so that the first request does not fault the weights in."""
    overlay = {"model": {"decoder": {"session_options": {"intra_op_num_threads": config["threads"]}}}}
    try:
        model = Model(library, config["path"], json.dumps(overlay), _providers(library, config))
    except OgaError as error:
        raise EngineNotReady(f"ONNX Runtime GenAI could not load {config['path']}: {error.message}") from error
    generator = OnnxGenerator(model, config)
    try:
        prompt = generator.prompt(_PROBE_MESSAGES)
    except OgaError as error:
        raise EngineNotReady(f"{config['path']} has no chat template that can be used: {error.message}") from error
    first = Asked(_PROBE_MESSAGES, max_tokens=1, options={"temperature": 0.0})
    if len(model.encode(prompt)) < generator.context:
        for _ in generator.pieces(first, Cancel()):
            pass
    return generator


def _main(config: dict[str, Any], report: Report) -> None:
    library = Library()
    began = monotonic_ns()
    generator = _load(library, config)
    load_ns = monotonic_ns() - began
    device = "cpu" if generator.device == "cpu" else "gpu"
    serve(generator, config["key"], partial(report, device=device, version=library.version, load_ns=load_ns))
    os._exit(0)  # a worker may still compute; to wait for it, or to free the model under it, helps nobody


def _probe() -> None:
    library = Library()
    graphics = [name for name, is_there in (("CUDA", library.has_cuda), ("DirectML", library.has_directml)) if is_there]
    found = {
        "version": library.version,
        "devices": ["CPU", *graphics],
        "acceleration": [f"{name} execution provider" for name in ("CPU", *graphics)],
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    if "--probe" in sys.argv[1:]:
        _probe()
    else:
        run_child(_main, is_leaf=True)

"""Greedy answers from a GGUF file through llama.cpp (xllamacpp), one at a time, with every cache off."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import xllamacpp

MAX_TOKENS: Final = 80


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer and how long it took."""

    text: str
    duration_ns: int
    prompt_tokens: int
    answer_tokens: int


def open_server(model_path: Path, threads: int = 1) -> xllamacpp.Server:
    """A loaded model. Prefix caching and the cache of old prompts are off; they would be measured instead."""
    params = xllamacpp.CommonParams()
    params.model.path = str(model_path)
    params.n_parallel = 1
    params.n_ctx = 1024
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.verbosity = 0
    params.cache_prompt = False
    params.cache_ram_mib = 0
    return xllamacpp.Server(params)


def ask(server: xllamacpp.Server, messages: Sequence[Mapping[str, str]]) -> Answer:
    """One chat completion at temperature 0."""
    request = {"messages": list(messages), "max_tokens": MAX_TOKENS, "temperature": 0, "cache_prompt": False}
    start_ns = time.perf_counter_ns()  # noqa: TID251  the package and its clock are not needed to train
    reply: dict[str, Any] = server.handle_chat_completions(request)
    duration_ns = time.perf_counter_ns() - start_ns  # noqa: TID251
    usage = reply["usage"]
    text = reply["choices"][0]["message"]["content"] or ""
    return Answer(text, duration_ns, usage["prompt_tokens"], usage["completion_tokens"])


def answers(model_path: Path, conversations: Iterable[Sequence[Mapping[str, str]]]) -> list[Answer]:
    """Answers to all conversations from a fresh server."""
    server = open_server(model_path)
    return [ask(server, messages) for messages in conversations]

"""GuideLLM's benchmark JSON (report version 2, as GuideLLM 0.8 writes it): the part of it that we read, as types.

Read from the output of GuideLLM 0.8.1. Times are Unix seconds.
"""

import json
from typing import Annotated, Any

import msgspec

from shortlist.errors import InvalidFile
from shortlist.files import convert
from shortlist.records import Json, Message

VERSION = 2

Seconds = Annotated[float, msgspec.Meta(ge=0, le=4e9)]
"""A Unix time: to the year 2096."""


class Timings(msgspec.Struct):
    """When a request was wanted, sent, and answered."""

    targeted_start: Seconds | None = None
    resolve_start: Seconds | None = None
    request_start: Seconds | None = None
    first_token_iteration: Seconds | None = None
    first_output_token_iteration: Seconds | None = None
    last_token_iteration: Seconds | None = None
    request_end: Seconds | None = None
    resolve_end: Seconds | None = None
    token_iterations: int = 0

    @property
    def sent(self) -> float | None:
        """When the request went out."""
        return self.request_start if self.request_start is not None else self.resolve_start

    @property
    def end(self) -> float | None:
        """When the reply was over, or the request had failed."""
        return self.request_end if self.request_end is not None else self.resolve_end


class RequestInfo(msgspec.Struct):
    """What the scheduler knows of a request."""

    timings: Timings
    error: str | None = None


class Tokens(msgspec.Struct):
    """Counts of one side of a request."""

    text_tokens: int | None = None
    cached_tokens: int | None = None


class Request(msgspec.Struct):
    """One request; `request_args` is JSON inside a text, and missing where it failed or was not sampled."""

    request_id: str
    info: RequestInfo
    request_args: str | None = None
    output: str | None = None
    reasoning_output: str | None = None
    input_metrics: Tokens = msgspec.field(default_factory=Tokens)
    output_metrics: Tokens = msgspec.field(default_factory=Tokens)

    @property
    def body(self) -> Json:
        """What was sent to the server; empty where the file does not say."""
        try:
            arguments = json.loads(self.request_args or "{}")
        except (ValueError, RecursionError):
            return {}
        body = arguments.get("body") if isinstance(arguments, dict) else None
        return body if isinstance(body, dict) else {}

    @property
    def messages(self) -> tuple[Message, ...]:
        """The turns asked; none where the file does not say."""
        body = self.body
        if isinstance(body.get("prompt"), str):
            return (Message("user", body["prompt"]),)
        turns = body.get("messages")
        return tuple(_message(turn) for turn in turns if isinstance(turn, dict)) if isinstance(turns, list) else ()


def _message(turn: Json) -> Message:
    content: Any = turn.get("content")
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        content = "\n".join(part for part in parts if isinstance(part, str))
    return Message(str(turn.get("role", "user")), content if isinstance(content, str) else "")


class Requests(msgspec.Struct):
    """All requests of a benchmark, by how they ended."""

    successful: list[Request] = []
    errored: list[Request] = []
    incomplete: list[Request] = []


class Strategy(msgspec.Struct):
    """How requests were sent."""

    type_: str
    streams: int | None = None
    max_concurrency: int | None = None
    rate: float | None = None


class Phase(msgspec.Struct):
    """Warm-up or cool-down; no value and no percent: there is none."""

    percent: float | None = None
    value: float | None = None

    @property
    def is_set(self) -> bool:
        """Whether requests were to be left out."""
        return self.percent is not None or self.value is not None


class Config(msgspec.Struct):
    """What a benchmark was asked to do."""

    strategy: Strategy
    backend: Json = {}
    sample_size: int | None = None
    warmup: Phase = msgspec.field(default_factory=Phase)
    cooldown: Phase = msgspec.field(default_factory=Phase)
    prefer_response_metrics: bool = True

    @property
    def model(self) -> str:
        """The model that was asked for."""
        return str(self.backend.get("model") or "model")


class Window(msgspec.Struct):
    """When measuring began and ended, warm-up and cool-down outside."""

    measure_start_time: float
    measure_end_time: float


class Benchmark(msgspec.Struct):
    """One load on one server."""

    config: Config
    scheduler_metrics: Window
    requests: Requests


class Metadata(msgspec.Struct):
    """Who wrote the file."""

    version: int
    guidellm_version: str = "(version unknown)"
    python_version: str | None = None
    platform: str | None = None


class Report(msgspec.Struct):
    """A file."""

    metadata: Metadata
    benchmarks: list[Benchmark]


def is_guidellm(document: object) -> bool:
    """Whether a decoded JSON document is GuideLLM's."""
    if not isinstance(document, dict):
        return False
    metadata = document.get("metadata")
    return (
        isinstance(document.get("benchmarks"), list) and isinstance(metadata, dict) and "guidellm_version" in metadata
    )


def read_report(document: Json, file: str) -> Report:
    """The document as types. Raises InvalidFile for another version, no benchmark, and what has another shape."""
    version = document["metadata"].get("version")
    if version != VERSION:
        hint = "GuideLLM 0.8 writes version 2: guidellm export FILE, or measure again"
        raise InvalidFile(file, "metadata.version", f"expected {VERSION}, found {version!r}", hint=hint)
    report = convert(document, Report, file)
    if not report.benchmarks:
        raise InvalidFile(file, "benchmarks", "no benchmark came to its end")
    return report

"""GGUF models through xllamacpp: llama.cpp's own server, in a child process behind a loopback port and a random key."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from shortlist.engines import EngineContext, EngineInfo, LoadSpec
from shortlist.engines.asking import SPECULATION, checked_kv_type, ngram_sizes
from shortlist.engines.child_engine import ChildEngine, probe_child
from shortlist.errors import BadInput, UnknownName
from shortlist.machine import default_threads
from shortlist.records import Endpoint, EngineOptions, Generation

MODULE = "shortlist.engines.llamacpp_child"
MAX_DEFAULT_CONTEXT = 4096
EXTRAS = ("batch", "cache_ram", "embeddings", "threads_batch", "ubatch")
"""`cache_ram`: MiB for prompts that left their slot, where the prefix cache is on; llama.cpp's own is 8192.
`embeddings`: 1 opens the model for vectors, and for nothing else."""
CAPABILITIES = (
    "cached_tokens", "chat", "completions", "count", "ignore_eos", "json_object", "json_schema", "logit_bias",
    "logprobs", "min_p", "penalties", "repeat_penalty", "seed", "stop", "stream", "tools_by_template", "top_k", "usage",
)  # fmt: skip
EMBEDDING_CAPABILITIES = ("count", "embeddings")
_ALL_LAYERS = 999


class LlamaCpp(ChildEngine):
    """llama.cpp, the default engine. Prefix cache and the RAM cache of prompts are off unless asked for."""

    name: ClassVar[str] = "llamacpp"
    tunable: ClassVar[tuple[str, ...]] = ("threads", "threads_batch", "speculation", "batch", "ubatch", "kv_type")
    """What `tune` may try: options, and keys of `extra`."""
    package: ClassVar[str] = "xllamacpp"  # its version is the engine's (`installed_version`)

    def __init__(self, context: EngineContext) -> None:  # noqa: ARG002 - engines are constructed alike
        super().__init__()
        self._prefix_cache = False

    def probe(self) -> EngineInfo:
        """Asked of a short-lived child: the library is large, and a driver that it wakes may take its process down."""
        return probe_child(self.name, MODULE, "xllamacpp")

    async def open(self, spec: LoadSpec) -> Endpoint:
        """Read the file's header within bounds, then load it in a fresh child."""
        self._refuse_second()
        config = self._configure(spec)
        child, ready = await self._open_child(MODULE, spec, config | {"key": self._key, "alias": spec.model})
        if ready.device == "cpu":
            self._settings = {**self._settings, "gpu_layers": 0}
        return self._endpoint(spec, child, ready, self._capabilities)

    def extra_body(self, generation: Generation) -> Mapping[str, Any]:
        """`cache_prompt` said again with each request, and no stop at the end token for a fixed length."""
        body: dict[str, Any] = {"cache_prompt": self._prefix_cache}
        if generation.fixed_tokens is not None:
            body["ignore_eos"] = True
        return body

    @property
    def _capabilities(self) -> tuple[str, ...]:
        if self._settings.get("embeddings"):
            return EMBEDDING_CAPABILITIES
        return (*CAPABILITIES, *(("prefix_cache",) if self._prefix_cache else ()))

    def _configure(self, spec: LoadSpec) -> dict[str, Any]:
        options = spec.options
        if spec.path is None:
            raise BadInput(f"{spec.label}: engine {self.name} needs a .gguf file")
        settings: dict[str, int | str | bool] = {
            "threads": options.threads or default_threads(),
            "context": _context(spec.label, spec.path, options),
            "parallel": spec.parallel,
            "gpu_layers": _gpu_layers(spec.label, options),
            "kv_type": checked_kv_type(options.kv_type or "f16"),
            "prefix_cache": options.prefix_cache,
            **_speculation(options),
            **_extras(options),
        }
        if settings.get("embeddings"):
            settings |= _embedding_settings(spec.path, int(settings["context"]))
        self._settings = settings
        self._prefix_cache = options.prefix_cache
        self._key = secrets.token_urlsafe(32)
        asked = options.device == "gpu" or bool(options.gpu_layers)
        return {"path": str(spec.path), "needs_gpu": asked, **settings}


def _context(label: str, path: Path, options: EngineOptions) -> int:
    """Tokens per request; never more than the model was trained for, which llama.cpp would cut without a word."""
    from shortlist.gguf import read_header

    trained = read_header(path).context_length
    if options.context is None:
        return min(trained or MAX_DEFAULT_CONTEXT, MAX_DEFAULT_CONTEXT)
    if options.context < 1 or (trained is not None and options.context > trained):
        raise BadInput(f"{label}: a context of {options.context} was asked, the model has {trained}")
    return options.context


def _embedding_settings(path: Path, context: int) -> dict[str, int | str | bool]:
    """A text has to be in one batch to become a vector; where the file names no pooling, it is the mean.

    One slot: texts of different lengths that share a batch change each other's vectors (pooled per part of a batch).
    """
    from shortlist.gguf import read_header

    has_pooling = any(key.endswith(".pooling_type") for key in read_header(path).metadata)
    return {"parallel": 1, "batch": context, "ubatch": context, "pooling": "" if has_pooling else "mean"}


def _gpu_layers(label: str, options: EngineOptions) -> int:
    if options.device == "cpu":
        if options.gpu_layers:
            raise BadInput(f"{label}: {options.gpu_layers} layers on a GPU contradict device cpu")
        return 0
    return _ALL_LAYERS if options.gpu_layers is None else options.gpu_layers


def _speculation(options: EngineOptions) -> dict[str, int | str | bool]:
    """What the child is told of it: nothing where it is off."""
    sizes = ngram_sizes(options.extra.get(SPECULATION, "off"))
    if sizes is None:
        return {}
    looked_up, guessed = sizes
    told = {SPECULATION: "ngram", "ngram_looked_up": looked_up, "ngram_guessed": guessed}
    return {name: value for name, value in told.items() if value is not None}


def _extras(options: EngineOptions) -> dict[str, int]:
    given = {key: value for key, value in options.extra.items() if key != SPECULATION}
    for key, value in given.items():
        if key not in EXTRAS:
            raise UnknownName("option of engine llamacpp", key, (*EXTRAS, SPECULATION))
        least = 0 if key in ("cache_ram", "embeddings") else 1
        if not value.isascii() or not value.isdigit() or int(value) < least:
            raise BadInput(f"option {key} of engine llamacpp is a number of at least {least}, not {value!r}")
    return {key: int(value) for key, value in given.items()}

"""The process that holds a GGUF model: xllamacpp's server, until SIGTERM, or until the parent is gone.

`--probe` prints, as one JSON object, which version, devices and instruction sets there are; it loads no model.
"""

import json
import signal
import sys
import threading
from typing import Any

from shortlist.clock import monotonic_ns
from shortlist.errors import DeviceMismatch, EngineNotReady
from shortlist.lifeline import Report, run_child

_WARNINGS = 2


def _gpus(xllamacpp: Any) -> list[str]:
    kinds = xllamacpp.ggml_backend_dev_type
    graphics = (kinds.GGML_BACKEND_DEVICE_TYPE_GPU, kinds.GGML_BACKEND_DEVICE_TYPE_IGPU)
    return [device["name"] for device in xllamacpp.get_device_info() if device["type"] in graphics]


def _parameters(xllamacpp: Any, config: dict[str, Any], gpu_layers: int) -> Any:
    p = xllamacpp.CommonParams()
    p.model.path = config["path"]
    p.model_alias = {config["alias"]}  # else replies name the file's place on this host
    p.n_parallel = config["parallel"]
    p.n_ctx = config["context"] * config["parallel"]  # llama.cpp splits it over the slots
    p.fit_params = False  # it would shrink the context or move layers without a word
    p.ctx_shift = False  # a full context is told, never made room in by forgetting the beginning
    p.cpuparams.n_threads = config["threads"]
    p.cpuparams_batch.n_threads = config.get("threads_batch", config["threads"])
    p.n_batch = config.get("batch", p.n_batch)
    p.n_ubatch = config.get("ubatch", p.n_ubatch)
    p.n_gpu_layers = gpu_layers
    p.no_kv_offload = p.no_op_offload = gpu_layers == 0
    p.cache_type_k = p.cache_type_v = getattr(xllamacpp.ggml_type, f"GGML_TYPE_{config['kv_type'].upper()}")
    p.cache_prompt = config["prefix_cache"]
    if "cache_ram" in config:
        p.cache_ram_mib = config["cache_ram"]
    if not config["prefix_cache"]:
        p.cache_ram_mib = 0
    if p.cache_ram_mib == 0:
        p.cache_idle_slots = False
    if config.get("embeddings"):
        p.embedding = True
        if config["pooling"] == "mean":
            p.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    if config.get("speculation") == "ngram":
        _guess_ahead(xllamacpp, p, config)
    p.warmup = True  # one pass at load time, so that the first request does not fault the weights in
    p.verbosity = _WARNINGS
    _lock_down(p, config["key"])
    return p


def _guess_ahead(xllamacpp: Any, p: Any, config: dict[str, Any]) -> None:
    """What stood after the last tokens where they stood before is guessed to stand there again, and checked at once."""
    p.speculative.types = [xllamacpp.common_speculative_type.COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE]
    p.speculative.ngram_simple.size_n = config.get("ngram_looked_up", p.speculative.ngram_simple.size_n)
    p.speculative.ngram_simple.size_m = config.get("ngram_guessed", p.speculative.ngram_simple.size_m)


def _lock_down(p: Any, key: str) -> None:
    """Loopback, a key, no pages for browsers, nothing fetched."""
    p.hostnames = ["127.0.0.1"]
    p.port = 0
    p.api_keys = [key]
    p.cors_origins = "http://127.0.0.1"
    p.cors_origins_explicit = True
    p.cors_credentials = False
    p.ui = False
    p.endpoint_slots = p.endpoint_props = False
    p.endpoint_metrics = True  # counts alone, and behind the key: how many tokens were decoded, whoever got them
    p.offline = True


def _main(config: dict[str, Any], report: Report) -> None:
    import xllamacpp

    gpus = _gpus(xllamacpp)
    if config["needs_gpu"] and not gpus:
        raise DeviceMismatch("a GPU was asked for, and this build of llama.cpp finds none")
    gpu_layers = config["gpu_layers"] if gpus else 0
    began = monotonic_ns()
    try:
        server = xllamacpp.Server(_parameters(xllamacpp, config, gpu_layers))
    except RuntimeError as error:
        raise EngineNotReady(f"llama.cpp could not load {config['path']}") from error
    load_ns = monotonic_ns() - began
    device = "gpu" if gpu_layers else "cpu"
    report(server.listening_address, device=device, version=xllamacpp.__version__, load_ns=load_ns)
    threading.Event().wait()


def _probe() -> None:
    import xllamacpp

    features = [part.strip().split(" = ") for part in xllamacpp.get_system_info().replace("CPU :", "|").split("|")]
    found = {
        "version": xllamacpp.__version__,
        "devices": [f"{device['name']}: {device['description']}" for device in xllamacpp.get_device_info()],
        "acceleration": [pair[0] for pair in features if len(pair) == 2 and pair[1] == "1"],
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    if "--probe" in sys.argv[1:]:
        _probe()
    else:
        # SIGTERM at its default ends the process at once: it holds nothing that could be lost.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        run_child(_main, is_leaf=True)

"""How far the prediction of `shortlist model info` is from what llama.cpp takes: predicted against measured memory.

    python benchmarks/fit_error.py [--shape qwen2.5-0.5b] [--types q8_0,q4_0] [--contexts 512,8192] [--full]

Random-weight models are made on the spot. Each is loaded in a process of its own and asked once, with about as long a
prompt as one micro-batch holds (`--full`: one that fills the context), then the resident memory of its process is
read. The engine's own part is what the smallest demo model takes beyond its own prediction, and is left out on both
sides: the error is of what depends on the model. Ends with status 1 when one is over 15 %.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import urllib.request
from pathlib import Path

from make_random_gguf import SHAPES, write_random_gguf
from shortlist import demo
from shortlist.engines import EngineContext, LoadSpec
from shortlist.engines.llamacpp import LlamaCpp
from shortlist.measure.memory import read_memory
from shortlist.models.fit import Fit, Load
from shortlist.models.rows import fit_of_file
from shortlist.records import EngineOptions, Variant
from shortlist.units import size

LIMIT = 0.15
_PROMPT_TOKENS = 480
_LOAD_LIMIT_NS = 300 * 10**9
_ASK_LIMIT_S = 900


async def measured_bytes(path: Path, load: Load, prompt_tokens: int, logs: Path) -> int:
    """Resident bytes of the engine's processes after one answered request."""
    engine = LlamaCpp(EngineContext())
    options = EngineOptions(context=load.context, kv_type=load.kv_type)
    spec = LoadSpec("fit", "fit", Variant("gguf"), options, path, logs, timeout_ns=_LOAD_LIMIT_NS)
    endpoint = await engine.open(spec)
    try:
        await asyncio.to_thread(_ask, endpoint.base_url, dict(engine.request_headers()), prompt_tokens)
        return read_memory(engine.pids()).total_bytes
    finally:
        await engine.close()


def _ask(base_url: str, headers: dict[str, str], tokens: int) -> None:
    """A prompt of about so many tokens; letters that no merge joins are a token each at the most."""
    body = {"prompt": "q x " * (tokens // 4), "max_tokens": 2, "temperature": 0, "cache_prompt": False}
    asked = urllib.request.Request(  # noqa: S310 - our own loopback address
        f"{base_url}/completions", json.dumps(body).encode(), {**headers, "Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=_ASK_LIMIT_S) as reply:  # noqa: S310
        reply.read()


def predicted(path: Path, load: Load) -> Fit:
    fit = fit_of_file(path, load)
    if fit is None:
        raise SystemExit(f"{path}: nothing to predict from")
    return fit


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", default="qwen2.5-0.5b", choices=sorted(SHAPES))
    parser.add_argument("--types", default="q8_0,q4_0")
    parser.add_argument("--contexts", default="512,8192")
    parser.add_argument("--kv", default="f16,q8_0")
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    worst = 0.0
    print(f"{'weights':8} {'context':>7} {'kv':5} {'predicted':>10} {'measured':>10} {'error':>7}   engine left out")
    with tempfile.TemporaryDirectory() as folder:
        small = demo.demo_model_path("notes-small")
        logs, base = Path(folder), Load(512)
        engine = asyncio.run(measured_bytes(small, base, _PROMPT_TOKENS, logs)) - predicted(small, base).model_bytes
        for weight_type in options.types.split(","):
            path = logs / f"{weight_type}.gguf"
            write_random_gguf(path, SHAPES[options.shape], weight_type)
            for context in map(int, options.contexts.split(",")):
                for kv_type in options.kv.split(","):
                    load = Load(context, kv_type=kv_type)
                    tokens = context - 32 if options.full else min(_PROMPT_TOKENS, context - 32)
                    found = asyncio.run(measured_bytes(path, load, tokens, logs)) - engine
                    told = predicted(path, load).model_bytes
                    error = told / found - 1
                    worst = max(worst, abs(error))
                    sizes = f"{size(told):>10} {size(found):>10} {error:>+7.1%}"
                    print(f"{weight_type:8} {context:>7} {kv_type:5} {sizes}   {size(engine)}", flush=True)
            path.unlink()
    print(f"largest error {worst:.1%}, limit {LIMIT:.0%}")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())

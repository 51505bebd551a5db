"""Well-known programs that open an OpenAI port, each as it is started when it is found on PATH.

Written after their documentation; none of them was run by us, and a section of the same name replaces one whole.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass

from shortlist.engines.template import Template
from shortlist.environment import foreign_environment

_VERSION_LIMIT_S = 10
_HUB = ("HF_HOME", "HF_HUB_*", "HF_ENDPOINT", "XDG_CACHE_HOME")
_NVIDIA = ("CUDA_*", "NVIDIA_*")
_LLAMA = ("cached_tokens", "chat", "ignore_eos", "seed", "stream", "usage")

PRESETS: dict[str, Template] = {
    one.name: one
    for one in (
        Template(
            "llama-server",
            (
                *("llama-server", "--model", "{model}", "--host", "127.0.0.1", "--port", "{port}"),
                *("--ctx-size", "{total_context}", "--parallel", "{parallel}", "--threads", "{threads}"),
                *("--n-gpu-layers", "{gpu_layers}", "--cache-ram", "0"),
            ),
            ready="/health",
            env={"LLAMA_API_KEY": "{key}"},
            pass_env=(*_NVIDIA, "GGML_*"),
            body={"cache_prompt": False},
            caches_prompts=False,
            version=("--version",),
            capabilities=_LLAMA,
        ),
        Template(
            "llamafile",
            (
                *("llamafile", "--server", "--nobrowser", "-m", "{model}", "--host", "127.0.0.1", "--port", "{port}"),
                *("-c", "{total_context}", "-np", "{parallel}", "-t", "{threads}", "-ngl", "{gpu_layers}"),
            ),
            pass_env=_NVIDIA,
            body={"cache_prompt": False},
            version=("--version",),
        ),
        Template(
            "vllm",
            (
                *("vllm", "serve", "{model}", "--host", "127.0.0.1", "--port", "{port}"),
                *("--max-model-len", "{context}", "--no-enable-prefix-caching"),
            ),
            opens="name",
            ready="/health",
            env={"VLLM_API_KEY": "{key}"},
            pass_env=(*_HUB, *_NVIDIA, "VLLM_*"),
            caches_prompts=False,
            capabilities=("chat", "ignore_eos", "seed", "stream", "usage"),
        ),
        Template(
            "mlx_lm.server",
            ("mlx_lm.server", "--model", "{model}", "--host", "127.0.0.1", "--port", "{port}"),
            opens="name",
            pass_env=_HUB,
        ),
        Template(
            "ollama",
            ("ollama", "serve"),
            opens="name",
            env={"OLLAMA_HOST": "127.0.0.1:{port}", "OLLAMA_CONTEXT_LENGTH": "{context}"},
            pass_env=(*_NVIDIA, "OLLAMA_MODELS"),
            version=("--version",),
        ),
    )
}

SERVICES = {
    "foundry": "its service outlives it: foundry service start, then --endpoint with the URL that it prints",
}
"""Programs that are found too, and that cannot be owned by whoever starts them."""


@dataclass(frozen=True, slots=True)
class Program:
    """A well-known program: where it is (None: not on PATH), and why it cannot be an engine."""

    name: str
    path: str | None
    reason: str | None = None


def find_programs() -> tuple[Program, ...]:
    """Every well-known program, in the order of the list."""
    engines = [Program(name, shutil.which(preset.argv[0])) for name, preset in PRESETS.items()]
    return (*engines, *(Program(name, shutil.which(name), why) for name, why in SERVICES.items()))


def on_path() -> tuple[str, ...]:
    """Names of the presets whose program is there."""
    return tuple(name for name, preset in PRESETS.items() if shutil.which(preset.argv[0]))


def version_of(template: Template) -> str | None:
    """What the program prints as its version, the first number after that word; None where it is not asked."""
    if not template.version:
        return None
    try:
        done = subprocess.run(
            [template.argv[0], *template.version],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=_VERSION_LIMIT_S,
            env=foreign_environment(template.pass_env),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = f"{done.stdout}\n{done.stderr}".splitlines()
    found = (re.search(r"v?(\d[\w.+-]*)", line.lower().partition("version")[2]) for line in lines)
    return next((number[1][:40] for number in found if number), None)

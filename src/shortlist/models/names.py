"""What a typed name says: an alias with its version, tag or quantisation, a Hub repository, or a path. Pure text.

qwen2.5-1.5b                           an alias
qwen2.5-1.5b@q4_k_m                    the variant of that quantisation (`@onnx`: of that format)
qwen2.5-0.5b-instruct-generic-cpu:4    a Foundry Local id: the ONNX variant where there is one, version 4 (`foundry`)
qwen3:4b, qwen3:4b-q4_k_m              Ollama's names: after `:`, digits alone are a version, the rest is a tag
hf:owner/repo, hf:owner/repo/file.gguf, hf:owner/repo@revision
./model.gguf, folder/model             a path: it ends in .gguf, or there is a separator in it
"""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from shortlist.errors import BadInput
from shortlist.gguf.types import FILE_TYPES

QUANTISATIONS = frozenset(FILE_TYPES.values()) | {"int4", "int8", "fp16", "bf16", "q3_k", "q4_k", "q5_k"}
FORMATS = ("gguf", "onnx")
_FOUNDRY = re.compile(
    r"(?P<stem>.+)-(?:generic-(?:cpu|gpu)|cuda-gpu|trtrtx-gpu|openvino-(?:cpu|gpu|npu)|qnn-npu|vitis-npu|webgpu-gpu)"
)
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_REVISION = re.compile(r"[\w./-]+")


@dataclass(frozen=True, slots=True)
class Name:
    """A name taken apart. `stem` is an alias, a repository (`hub`) or the path as typed.

    `wanted` is a quantisation or a format; `file` and `revision` are of a repository. `is_foundry`: it had the form of
    Foundry Local's ids, whose `wanted` onnx means what the alias alone means where a model has no such variant.
    """

    kind: Literal["alias", "hub", "path"]
    stem: str
    typed: str
    wanted: str | None = None
    version: int | None = None
    tag: str | None = None
    file: str | None = None
    revision: str | None = None
    is_foundry: bool = False


def parse_name(text: str) -> Name:
    """The parts of a name; whether there is such a model is not asked here. Raises BadInput for what cannot be one."""
    typed = text.strip()
    if not typed or "\0" in typed:
        raise BadInput(f"{text!r} is not a model's name", hint="shortlist model list")
    if typed.startswith("hf:"):
        return _hub(typed)
    if typed.lower().endswith(".gguf") or typed.startswith(("~", ".")) or len(Path(typed).parts) > 1:
        return Name("path", typed, typed)
    stem, at, wanted = typed.partition("@")
    if at and not wanted:
        raise BadInput(f"{text!r} names no quantisation after @", hint=f"write it like {stem}@q4_k_m")
    stem, colon, rest = stem.partition(":")
    if not stem or (colon and not rest):
        raise BadInput(f"{text!r} is not a model's name", hint="shortlist model list")
    foundry = _FOUNDRY.fullmatch(stem)
    if foundry:
        stem, wanted = foundry["stem"], wanted or "onnx"
    if rest.isascii() and rest.isdigit():
        return Name("alias", stem, typed, wanted.lower() or None, int(rest), is_foundry=bool(foundry))
    tag, quantisation = _tag(rest)
    return Name("alias", stem, typed, (wanted or quantisation).lower() or None, None, tag, is_foundry=bool(foundry))


def _tag(rest: str) -> tuple[str | None, str]:
    """An Ollama tag without the quantisation that may end it: `4b-instruct-q4_K_M` → `4b-instruct`, `q4_k_m`."""
    head, _, last = rest.rpartition("-")
    if last.lower() in QUANTISATIONS:
        rest, quantisation = head, last.lower()
    else:
        quantisation = ""
    return (None if rest in ("", "latest") else rest), quantisation


def _hub(typed: str) -> Name:
    place, at, revision = typed.removeprefix("hf:").partition("@")
    parts = PurePosixPath(place).parts
    repository, file = "/".join(parts[:2]), "/".join(parts[2:]) or None
    is_plain = not any(part in ("..", "/") for part in parts)
    if not _REPOSITORY.fullmatch(repository) or not is_plain or (at and not _REVISION.fullmatch(revision)):
        raise BadInput(
            f"{typed!r} is not a Hub name",
            hint="write it like hf:owner/repository/file.gguf@revision",
        )
    return Name("hub", repository, typed, file=file, revision=revision or None)


def squeezed(name: str) -> str:
    """A name without case and separators, so that `llama3.2:1b`, `llama-3.2-1b` and `Llama-3.2-1B` are one."""
    return re.sub(r"[^a-z0-9.]", "", name.lower())

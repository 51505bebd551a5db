"""How many bytes an engine must read to give one more token, from the header alone.

A decode step reads every weight that works on the token once, and the keys and values of all tokens before it. The
embedding table is a look-up of one row, unless it also gives the logits; of the experts only those in use are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shortlist.gguf.header import GgufHeader, Tensor
from shortlist.gguf.types import bytes_per_element

_EMBEDDING = "token_embd.weight"
_LOOKED_UP = frozenset({_EMBEDDING, "per_layer_token_embd.weight", "position_embd.weight", "token_types.weight"})


@dataclass(frozen=True, slots=True)
class StepBytes:
    """What one decode step reads: `weights_bytes`, and `kv_bytes_per_token` for each token of the context.

    `window`: some layers look at no more than so many tokens; None where all look at all.
    """

    weights_bytes: int
    kv_bytes_per_token: int
    window: int | None = None


def step_bytes(parts: Sequence[GgufHeader], kv_type: str = "f16") -> StepBytes | str:
    """The bytes of a model in one file or in several parts; a text where they cannot be told from the header: why."""
    first = parts[0]
    tensors = [tensor for part in parts for tensor in part.tensors]
    if unknown := sorted({tensor.type for tensor in tensors if tensor.bytes is None}):
        return f"tensors of a type that is not known here ({', '.join(unknown)})"
    of = first.architecture
    if first.metadata.get(f"{of}.attention.kv_lora_rank") is not None:
        return "keys and values are kept compressed (latent attention)"
    if any(str(key).startswith(f"{of}.ssm.") for key in first.metadata):
        return "it keeps a state besides keys and values"
    kv = _kv_bytes_per_token(first, kv_type)
    if kv is None:
        return "the header does not give the sizes of keys and values"
    share = _expert_share(first)
    is_tied = not any(tensor.name == "output.weight" for tensor in tensors)
    weights = sum(_read_of(tensor, share, is_tied=is_tied) for tensor in tensors)
    window = first.metadata.get(f"{of}.attention.sliding_window")
    return StepBytes(round(weights), kv, window if isinstance(window, int) and window > 0 else None)


def _read_of(tensor: Tensor, expert_share: float, *, is_tied: bool) -> float:
    size = tensor.bytes or 0
    if tensor.name in _LOOKED_UP:
        return size if is_tied and tensor.name == _EMBEDDING else 0
    return size * expert_share if "_exps." in tensor.name else size


def _expert_share(header: GgufHeader) -> float:
    count, used = (
        header.metadata.get(f"{header.architecture}.{name}") for name in ("expert_count", "expert_used_count")
    )
    if isinstance(count, int) and isinstance(used, int) and 0 < used <= count:
        return used / count
    return 1.0


def _kv_bytes_per_token(header: GgufHeader, kv_type: str) -> int | None:
    """Keys and values of one token over all layers; None where a size is missing or differs between layers."""
    heads, layers = header.head_count_kv, header.block_count
    key, value = header.key_length, header.value_length
    if heads is None or not layers or key is None or value is None:
        return None
    total = sum(heads) if isinstance(heads, tuple) else heads * layers
    return round(total * (key + value) * bytes_per_element(kv_type))

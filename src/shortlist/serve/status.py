"""What the service says of itself: as one of `service status` and `ps`, in JSON's terms."""

from typing import Any

from shortlist.serve.model import Model


def model_row(model: Model, now_ns: int) -> dict[str, Any]:
    """One model: state, memory with its basis, requests, speed. None: not measured, or not the case."""
    tally, opened = model.tally, model.open
    state = "busy" if model.in_use else "draining" if opened and opened.is_draining else model.state
    rate = tally.decoded_tokens / (tally.decode_ns / 1e9) if tally.decode_ns and tally.decoded_tokens else None
    return {
        "model": model.label,
        "state": state,
        "engine": model.opening.engine,
        "device": opened.endpoint.device if opened else None,
        "pid": opened.endpoint.pid if opened else None,
        "is_pinned": model.is_pinned,
        "memory_bytes": model.charge_bytes or None,
        "memory_basis": model.basis,
        "resident_bytes": opened.resident_bytes if opened else None,
        "idle_ns": now_ns - opened.last_used_ns if opened and not model.in_use else None,
        "slots": model.opening.spec.parallel,
        "in_use": model.in_use,
        "waiting": len(model.queue),
        "requests": tally.requests,
        "cancelled": tally.cancelled,
        "prompt_tokens": tally.prompt_tokens,
        "completion_tokens": tally.completion_tokens,
        "tokens_per_s": rate,
        "loads": tally.loads,
        "load_ns": tally.load_ns,
        "loading_ns": tally.loading_ns,
        "evictions": tally.evictions,
        "crashes": tally.crashes,
        "warmed": opened.warmed if opened else 0,
        "kept_loads": tally.kept_loads,
        "kept_ns": tally.kept_ns,
        "retry_in_ns": max(0, model.retry_ns - now_ns) if model.state in ("absent", "failed") else None,
        "error": model.error.message if model.error else None,
    }


def model_rows(models: "list[Model]", now_ns: int) -> list[dict[str, Any]]:
    """All of them, those that are open first."""
    rows = [model_row(model, now_ns) for model in models]
    return sorted(rows, key=lambda row: (row["state"] in ("absent", "failed"), row["model"]))

"""Records as rows of the tables, and back."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from shortlist.records import (
    Block,
    Candidate,
    Cell,
    Endpoint,
    Event,
    Executor,
    Json,
    MemoryPoint,
    Plan,
    PlannedBlock,
    RunInfo,
    Sample,
    SampleError,
    Score,
    Usage,
    from_builtins,
    to_builtins,
)
from shortlist.results import chunks

T = TypeVar("T")
Row = Mapping[str, Any]


def finite(value: Any) -> Any:
    """Builtins as JSON can hold them: it has no infinity and no NaN, and not measured is None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value


def dumps(value: object) -> str:
    """A record as ASCII JSON: lone surrogates and NUL come back as they were, which UTF-8 JSON cannot promise."""
    return json.dumps(finite(to_builtins(value)), separators=(",", ":"))


def loads(text: str, kind: type[T]) -> T:
    """JSON text back as a record."""
    return from_builtins(json.loads(text), kind)


def _optional(value: object | None) -> str | None:
    return None if value is None else dumps(value)


def block_row(run_id: str, block: Block) -> dict[str, Any]:
    """One attempt at a block."""
    row: dict[str, Any] = {name: getattr(block, name) for name in block.__slots__}
    return row | {"run": run_id, "endpoint": _optional(block.endpoint), "error": _optional(block.error)}


def block_of(row: Row) -> Block:
    """The record of a row."""
    values = {name: row[name] for name in Block.__slots__}
    values["endpoint"] = None if row["endpoint"] is None else loads(row["endpoint"], Endpoint)
    values["error"] = None if row["error"] is None else loads(row["error"], SampleError)
    return Block(**values)


def sample_row(run_id: str, sample: Sample) -> dict[str, Any]:
    """One request as measured; its chunks become one blob."""
    row: dict[str, Any] = {name: getattr(sample, name) for name in sample.__slots__ if name != "usage"}
    usage = sample.usage or Usage()
    return row | {
        "run": run_id,
        "chunks": chunks.encode(sample.chunks),
        "has_usage": sample.usage is not None,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "error": _optional(sample.error),
        "disturbance": dumps(sample.disturbance),
    }


def sample_of(row: Row) -> Sample:
    """The record of a row."""
    values = {name: row[name] for name in Sample.__slots__ if name != "usage"}
    values["usage"] = Usage(row["prompt_tokens"], row["completion_tokens"]) if row["has_usage"] else None
    values["chunks"] = chunks.StoredChunks(bytes(row["chunks"]))
    values["error"] = None if row["error"] is None else loads(row["error"], SampleError)
    values["disturbance"] = loads(row["disturbance"], tuple[str, ...])
    values["is_accepted"] = bool(row["is_accepted"])
    return Sample(**values)


def memory_row(run_id: str, point: MemoryPoint) -> dict[str, Any]:
    """One reading of an engine's memory."""
    return {name: getattr(point, name) for name in point.__slots__} | {"run": run_id}


def memory_of(row: Row) -> MemoryPoint:
    """The record of a row."""
    return MemoryPoint(**{name: row[name] for name in MemoryPoint.__slots__})


def event_row(run_id: str, event: Event) -> dict[str, Any]:
    """One event."""
    return {name: getattr(event, name) for name in event.__slots__} | {"run": run_id, "data": dumps(event.data)}


def event_of(row: Row) -> Event:
    """The record of a row."""
    values = {name: row[name] for name in Event.__slots__}
    return Event(**values | {"data": loads(row["data"], Json)})


def score_row(run_id: str, score: Score) -> dict[str, Any]:
    """One scorer's verdict."""
    return {name: getattr(score, name) for name in score.__slots__} | {"run": run_id, "parts": dumps(score.parts)}


def score_of(row: Row) -> Score:
    """The record of a row."""
    return Score(row["sample"], row["scorer"], row["value"], loads(row["parts"], Json))


def run_row(info: RunInfo) -> dict[str, Any]:
    """The manifest; candidates and cells have tables of their own, the plan's blocks are kept as lengths."""
    plan = info.plan
    manifest = {
        "suite": plan.suite,
        "looks": plan.looks,
        "race": plan.race,
        "blocks": [[block.candidate, block.round, len(block.cells)] for block in plan.blocks],
        "flags": info.flags,
        "skipped": info.skipped,
        "pins": info.pins,
        "sweep": info.sweep,
    }
    return {
        "id": info.id,
        "name": info.name,
        "started_at": info.started_at,
        "state": info.state,
        "manifest": dumps(manifest),
        "schema_version": info.schema_version,
    }


def run_of(row: Row, candidates: Sequence[Candidate], cells: Sequence[Cell]) -> RunInfo:
    """The manifest of a row, with its candidates and cells in plan order."""
    manifest = json.loads(row["manifest"])
    blocks, start = [], 0
    for candidate, round_, length in manifest.pop("blocks"):
        blocks.append(PlannedBlock(candidate, round_, tuple(cells[start : start + length])))
        start += length
    plan = {"suite": manifest.pop("suite"), "looks": manifest.pop("looks"), "race": manifest.pop("race", None)}
    plan |= {"candidates": [], "blocks": []}
    outer = {name: row[name] for name in ("id", "name", "started_at", "state", "schema_version")}
    info = from_builtins({**outer, **manifest, "plan": plan}, RunInfo)
    return replace(info, plan=replace(info.plan, candidates=tuple(candidates), blocks=tuple(blocks)))


def cell_rows(run_id: str, plan: Plan) -> list[dict[str, Any]]:
    """Every cell of a plan, with its place in the order of sending."""
    return [
        {name: getattr(cell, name) for name in cell.__slots__} | {"run": run_id, "position": position}
        for position, cell in enumerate(plan.cells)
    ]


def cell_of(row: Row) -> Cell:
    """The record of a row."""
    return Cell(**{name: row[name] for name in Cell.__slots__})


def executor_row(executor: Executor) -> dict[str, Any]:
    """A process that ran blocks."""
    row: dict[str, Any] = {name: getattr(executor, name) for name in executor.__slots__}
    return row | {"host": dumps(executor.host), "versions": dumps(executor.versions)}


def executor_of(row: Row) -> Executor:
    """The record of a row."""
    values = {name: row[name] for name in Executor.__slots__}
    return Executor(**values | {"host": json.loads(row["host"]), "versions": json.loads(row["versions"])})

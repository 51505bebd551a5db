"""What a bench writes, and how it becomes rows: statements only, inside the caller's transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Table, insert, update

from shortlist.clock import wall_ns
from shortlist.errors import StoreError
from shortlist.records import (
    Annotation,
    Block,
    Choice,
    Event,
    Executor,
    Json,
    MemoryPoint,
    RunInfo,
    Sample,
    Score,
    uuid7,
)
from shortlist.results import rows, tables


@dataclass(frozen=True, slots=True)
class Finished:
    """A block's end: its record in its last state, which of its samples are the accepted ones, and what disturbed some.

    `disturbance` renews that of samples by id, accepted or not: it is known only when the block is over.
    """

    block: Block
    accepted: tuple[str, ...] = ()
    disturbance: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


Write = Executor | Block | Finished | Sample | MemoryPoint | Event | Score | Annotation
"""What one batch may hold; a bare Block is a block that starts."""

_AT_ONCE = 500


def write_all(connection: Connection, run_id: str, items: Iterable[Write]) -> None:
    """Write these in their order; neighbours of one kind go in one statement. What is there already stays as it is."""
    for kind, neighbours in groupby(items, type):
        group = list(neighbours)
        if kind is not Finished:
            _insert(connection, run_id, kind, group)
        for item in group:
            if isinstance(item, Finished):
                _finish(connection, run_id, item)


def _insert(connection: Connection, run_id: str, kind: type, items: Sequence[Any]) -> None:
    table, row_of, replaced = _TABLES[kind]
    statement = tables.insert_or(connection, table, replacing=replaced)
    connection.execute(statement, [row_of(run_id, item) for item in items])


def _annotation_row(run_id: str, annotation: Annotation) -> dict[str, Any]:
    return {name: getattr(annotation, name) for name in annotation.__slots__} | {"run": run_id}


def _executor_row(_run_id: str, executor: Executor) -> dict[str, Any]:
    return rows.executor_row(executor)


_TABLES: Mapping[type, tuple[Table, Any, tuple[str, ...]]] = {
    Executor: (tables.EXECUTOR, _executor_row, ()),
    Block: (tables.BLOCK, rows.block_row, ()),
    Sample: (tables.SAMPLE, rows.sample_row, ()),
    MemoryPoint: (tables.MEMORY_POINT, rows.memory_row, ()),
    Event: (tables.EVENT, rows.event_row, ()),
    Score: (tables.SCORE, rows.score_row, ("value", "parts")),
    Annotation: (tables.ANNOTATION, _annotation_row, ("value", "note")),
}


def _finish(connection: Connection, run_id: str, finished: Finished) -> None:
    block = finished.block
    if block.state == "running" or (block.state == "cut" and finished.accepted):
        raise StoreError(f"block {block.id} is {block.state} and cannot end with {len(finished.accepted)} accepted")
    table = tables.BLOCK
    ended = connection.execute(
        update(table).where(table.c.id == block.id, table.c.run == run_id), rows.block_row(run_id, block)
    )
    if ended.rowcount != 1:
        raise StoreError(f"block {block.id} ends and was never started")
    table = tables.SAMPLE
    found = 0
    for start in range(0, len(finished.accepted), _AT_ONCE):
        ids = finished.accepted[start : start + _AT_ONCE]
        query = update(table).where(table.c.id.in_(ids), table.c.block == block.id, table.c.cell.is_not(None))
        found += connection.execute(query.values(is_accepted=True)).rowcount
    for sample, causes in finished.disturbance.items():
        query = update(table).where(table.c.id == sample, table.c.block == block.id)
        connection.execute(query.values(disturbance=rows.dumps(causes)))
    if found != len(set(finished.accepted)):
        raise StoreError(f"{len(finished.accepted)} samples are accepted for block {block.id}, {found} of them stored")


def lay_plan(connection: Connection, info: RunInfo, locations: Mapping[str, str]) -> None:
    """The candidates and cells of a plan; those that are there keep their rows, but for their place in the order."""
    candidates = [
        {"run": info.id, "id": c.id, "position": n, "record": rows.dumps(c), "location": locations.get(c.id)}
        for n, c in enumerate(info.plan.candidates)
    ]
    for replaced, chosen in (
        (("position", "record", "location"), [row for row in candidates if row["location"] is not None]),
        (("position", "record"), [row for row in candidates if row["location"] is None]),
    ):
        if chosen:
            connection.execute(tables.insert_or(connection, tables.CANDIDATE, replacing=replaced), chosen)
    cells = rows.cell_rows(info.id, info.plan)
    if cells:
        connection.execute(tables.insert_or(connection, tables.CELL, replacing=("position",)), cells)


def add_choice(connection: Connection, run_id: str, choice: Choice, made_from: tuple[Json, Json, int | None]) -> str:
    """A decision beside its needs, preferences and seed; its new id."""
    needs, preferences, seed = made_from
    choice_id = uuid7(wall_ns())
    row = {"id": choice_id, "run": run_id, "seed": seed, "record": rows.dumps(choice)}
    connection.execute(
        insert(tables.CHOICE), row | {"needs": rows.dumps(needs), "preferences": rows.dumps(preferences)}
    )
    return choice_id

"""Rows back into runs, in an order that does not depend on the database."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, RowMapping, Select, Table, func, select

from shortlist.records import (
    Annotation,
    Candidate,
    Choice,
    Run,
    RunState,
)
from shortlist.results import rows, tables

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunListing:
    """A run in one line. `accepted` of `cells` are measured."""

    id: str
    name: str | None
    started_at: str
    state: RunState
    candidates: tuple[str, ...]
    rounds: int
    prompts: int
    cells: int
    accepted: int

    @property
    def short_id(self) -> str:
        """The last eight hex digits."""
        return self.id[-8:]


def list_runs(connection: Connection) -> tuple[RunListing, ...]:
    """Every run in brief, newest first."""
    labels: dict[str, list[str]] = {}
    candidate = tables.CANDIDATE.c
    for row in connection.execute(select(candidate.run, candidate.record).order_by(candidate.run, candidate.position)):
        labels.setdefault(row.run, []).append(rows.loads(row.record, Candidate).label)
    cell, sample = tables.CELL.c, tables.SAMPLE.c
    counts = {
        row[0]: (row[1], row[2], row[3])
        for row in connection.execute(
            select(
                cell.run,
                func.count(),
                func.count(cell.round.distinct()),
                func.count(cell.prompt.distinct()),
            ).group_by(cell.run)
        )
    }
    query = select(sample.run, func.count()).where(sample.is_accepted, sample.cell.is_not(None)).group_by(sample.run)
    accepted = {row[0]: row[1] for row in connection.execute(query)}
    listed = []
    for run in connection.execute(select(tables.RUN).order_by(tables.RUN.c.id.desc())):
        cells, rounds, prompts = counts.get(run.id, (0, 0, 0))
        of_run = (run.id, run.name, run.started_at, run.state, tuple(labels.get(run.id, ())))
        listed.append(RunListing(*of_run, rounds, prompts, cells, accepted.get(run.id, 0)))
    return tuple(listed)


def _plain(row: RowMapping) -> rows.Row:
    return {str(name): value for name, value in row.items()}


def _all(connection: Connection, query: Select[Any], record_of: Callable[[rows.Row], T]) -> tuple[T, ...]:
    return tuple(record_of(_plain(row)) for row in connection.execute(query).mappings())


def _of(run_id: str, table: Table, *order: str) -> Select[Any]:
    return select(table).where(table.c.run == run_id).order_by(*(table.c[name] for name in order))


def load_run(connection: Connection, run_id: str) -> Run:
    """A run as a whole; blocks by start, samples by block and sequence."""
    row = connection.execute(select(tables.RUN).where(tables.RUN.c.id == run_id)).mappings().one()
    candidates = _all(
        connection, _of(run_id, tables.CANDIDATE, "position"), lambda row: rows.loads(row["record"], Candidate)
    )
    cells = _all(connection, _of(run_id, tables.CELL, "position"), rows.cell_of)
    blocks = _all(connection, _of(run_id, tables.BLOCK, "started_ns", "id"), rows.block_of)
    place = {block.id: position for position, block in enumerate(blocks)}
    samples = _all(connection, _of(run_id, tables.SAMPLE, "seq", "id"), rows.sample_of)
    points = _all(connection, _of(run_id, tables.MEMORY_POINT, "ns", "phase"), rows.memory_of)
    events = _all(connection, _of(run_id, tables.EVENT, "executor", "sequence"), rows.event_of)
    used = {block.executor for block in blocks} | {event.executor for event in events}
    used |= {sample.executor for sample in samples}
    executors = _all(connection, select(tables.EXECUTOR).order_by(tables.EXECUTOR.c.id), rows.executor_of)
    return Run(
        info=rows.run_of(_plain(row), candidates, cells),
        executors=tuple(executor for executor in executors if executor.id in used),
        blocks=blocks,
        samples=tuple(sorted(samples, key=lambda sample: place[sample.block])),
        memory_points=tuple(sorted(points, key=lambda point: place[point.block])),
        events=events,
        scores=_all(connection, _of(run_id, tables.SCORE, "sample", "scorer"), rows.score_of),
        annotations=_all(
            connection, _of(run_id, tables.ANNOTATION, "output_sha256", "rater", "dimension", "repeat"), _annotation_of
        ),
        choices=_all(connection, _of(run_id, tables.CHOICE, "id"), lambda row: rows.loads(row["record"], Choice)),
    )


def _annotation_of(row: rows.Row) -> Annotation:
    return Annotation(**{name: row[name] for name in Annotation.__slots__})

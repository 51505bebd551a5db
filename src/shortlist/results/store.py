"""Runs on disk: SQLite in WAL mode, every commit flushed to the disk before it counts.

The calls are plain and blocking; each is one transaction. Any thread may call, since each transaction takes a
connection of its own from a small pool; a bench writes through `writer.Sink`, whose thread is then the only writer.
Reads of one run see one snapshot.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Engine, create_engine, delete, event, func, insert, select, update
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from shortlist.errors import RunMismatch, StoreError, UnknownName
from shortlist.records import (
    Annotation,
    Block,
    Choice,
    Event,
    Executor,
    Json,
    MemoryPoint,
    Run,
    RunInfo,
    RunState,
    Sample,
    Score,
)
from shortlist.results import rows, tables
from shortlist.results.migrations import migrate
from shortlist.results.names import RunName, check_name, find_run
from shortlist.results.peaks import Opened, peaks
from shortlist.results.reading import RunListing, list_runs, load_run
from shortlist.results.reserve import Waiting, reserve_path
from shortlist.results.writing import Finished, Write, add_choice, lay_plan, write_all

log = logging.getLogger(__name__)

_BUSY_MS = 10_000
_HINTS = {
    "SQLITE_FULL": "the disk is full: free some space",
    "SQLITE_READONLY": "the results may not be written: look at the rights of the folder",
    "SQLITE_CANTOPEN": "look at the rights of the folder",
    "SQLITE_BUSY": "another process is writing: try again",
    "SQLITE_NOTADB": "this is not a results file: move it away",
    "SQLITE_CORRUPT": "the results file is damaged: move it away",
    "SQLITE_IOERR": "the disk failed: look at the system's log",
}


def _store_error(path: Path, error: Exception) -> StoreError:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    name = getattr(cause, "sqlite_errorname", "")
    hint = next((hint for start, hint in _HINTS.items() if name.startswith(start)), None)
    return StoreError(f"{path}: {cause}", hint=hint)


def _on_connect(connection: Any, _record: object) -> None:
    # The driver's own transaction handling leaves schema changes outside transactions; SQLAlchemy begins them instead.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={_BUSY_MS}"):
        connection.execute(f"PRAGMA {pragma}").close()


def _on_begin(connection: Connection) -> None:
    # A writer takes its lock at once: a read lock that is raised later fails at once where another process writes.
    mode = "IMMEDIATE" if connection.get_execution_options().get("is_writing") else "DEFERRED"
    connection.exec_driver_sql(f"BEGIN {mode}")


class Store:
    """The results of this host. Owns its connections: close it, or use it as a context manager."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self._reads = engine
        self._writes = engine.execution_options(is_writing=True)
        self.path = path

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open, make or migrate the file, and take in what a full disk left in the reserve beside it.

        Raises StoreError where it cannot be read or written, is another database, or is newer than this code.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{path.parent} cannot be made: {error.strerror}") from error
        engine = create_engine(URL.create("sqlite", database=str(path)))
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)
        store = cls(engine, path)
        try:
            with store._writing() as connection:
                migrate(connection)
        except StoreError:
            store.close()
            raise
        try:
            store.recover_reserve()
        except StoreError as error:
            # Reading must go on while the disk is full; a bench is refused by its own reserve until this succeeds.
            log.warning("results in %s wait for space: %s", reserve_path(path), error)
        return store

    def recover_reserve(self) -> int:
        """Store what a full disk left in the reserve, and delete it; how many items that were.

        Nothing is doubled if it is stopped half-way and run again. Raises StoreError where there still is no space.
        """
        with Waiting(reserve_path(self.path)) as waiting:
            if waiting.kept is None:
                return 0
            with self._writing() as connection:
                here = set(connection.scalars(select(tables.RUN.c.id)))
                kept = [(run_id, item) for run_id, item in waiting.kept.items if run_id in here or run_id == ""]
                for run_id, item in kept:
                    write_all(connection, run_id, [item])
            waiting.delete()
            if len(kept) < len(waiting.kept.items):
                gone = len(waiting.kept.items) - len(kept)
                log.warning("%s items in %s belonged to runs that were removed", gone, reserve_path(self.path))
            if waiting.kept.torn:
                log.warning("the last line of %s was cut short and is lost", reserve_path(self.path))
            return len(kept)

    def close(self) -> None:
        """Close all connections; nothing is pending, since every call commits."""
        self._reads.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Connection]:
        try:
            with engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OverflowError, UnicodeEncodeError) as error:
            raise _store_error(self.path, error) from error

    def _writing(self) -> AbstractContextManager[Connection]:
        return self._transaction(self._writes)

    def _reading(self) -> AbstractContextManager[Connection]:
        return self._transaction(self._reads)

    # --- runs ---------------------------------------------------------------------------------------------------------

    def create_run(self, info: RunInfo, locations: Mapping[str, str]) -> None:
        """Begin a run; `locations`: where each candidate's model lies on this host. Raises BadInput for a bad name."""
        if info.name is not None:
            check_name(info.name)
        with self._writing() as connection:
            connection.execute(insert(tables.RUN), rows.run_row(info))
            lay_plan(connection, info, locations)

    def update_run(self, info: RunInfo, locations: Mapping[str, str] | None = None) -> None:
        """Renew the manifest; the plan may have grown. Raises RunMismatch where it lost cells, UnknownName."""
        with self._writing() as connection:
            self._require(connection, info.id)
            query = select(tables.CELL.c.id).where(tables.CELL.c.run == info.id)
            lost = set(connection.scalars(query)) - {cell.id for cell in info.plan.cells}
            if lost:
                raise RunMismatch(f"the plan of run {info.short_id} may grow, and {len(lost)} of its cells are gone")
            row = rows.run_row(info)
            connection.execute(update(tables.RUN).where(tables.RUN.c.id == info.id), row)
            lay_plan(connection, info, locations or {})

    def set_state(self, run_id: str, state: RunState) -> None:
        """Mark a run as running, done, interrupted or failed."""
        with self._writing() as connection:
            self._require(connection, run_id)
            connection.execute(update(tables.RUN).where(tables.RUN.c.id == run_id).values(state=state))

    def remove_run(self, run_id: str) -> None:
        """Delete a run with all that hangs on it, and the executors that no run uses any more."""
        with self._writing() as connection:
            self._require(connection, run_id)
            connection.execute(delete(tables.RUN).where(tables.RUN.c.id == run_id))
            used = select(tables.BLOCK.c.executor).union(select(tables.EVENT.c.executor))
            connection.execute(delete(tables.EXECUTOR).where(tables.EXECUTOR.c.id.not_in(used)))

    def add_run(self, run: Run) -> None:
        """Store a whole run, as an import does. Raises RunMismatch where it is here, BadInput on a bad name."""
        if run.info.name is not None:
            check_name(run.info.name)
        with self._writing() as connection:
            if connection.scalar(select(func.count()).where(tables.RUN.c.id == run.info.id)):
                raise RunMismatch(
                    f"run {run.info.short_id} is here already", hint=f"shortlist runs remove {run.info.short_id}"
                )
            connection.execute(insert(tables.RUN), rows.run_row(run.info))
            lay_plan(connection, run.info, {})
            parts = (run.executors, run.blocks, run.samples, run.memory_points, run.events, run.scores, run.annotations)
            for part in parts:
                write_all(connection, run.info.id, part)
            for choice in run.choices:
                add_choice(connection, run.info.id, choice, ({}, {}, None))

    def load_run(self, run_id: str) -> Run:
        """A run as a whole. Raises UnknownName."""
        with self._reading() as connection:
            self._require(connection, run_id)
            return load_run(connection, run_id)

    def list_runs(self) -> tuple[RunListing, ...]:
        """Every run in brief, newest first."""
        with self._reading() as connection:
            return list_runs(connection)

    def resolve(self, ref: str) -> str:
        """The id of the run that `last`, a name, `name@short`, a short id or a whole id means.

        Raises UnknownName, or BadInput where several runs answer to it.
        """
        with self._reading() as connection:
            query = select(tables.RUN.c.id, tables.RUN.c.name).order_by(tables.RUN.c.id)
            return find_run(ref, [RunName(row.id, row.name) for row in connection.execute(query)])

    def memory_peaks(self, opened: Opened, fingerprint: str) -> Mapping[str, int]:
        """The most memory that files took on the host of this fingerprint when opened like this, by SHA-256."""
        with self._reading() as connection:
            return peaks(connection, opened, fingerprint)

    def locations(self, run_id: str) -> dict[str, str]:
        """Where the models of a run lay on this host, by candidate id."""
        table = tables.CANDIDATE.c
        with self._reading() as connection:
            query = select(table.id, table.location).where(table.run == run_id, table.location.is_not(None))
            return {row.id: row.location for row in connection.execute(query)}

    # --- what is measured ---------------------------------------------------------------------------------------------

    def write(self, run_id: str, items: Sequence[Write]) -> None:
        """Many things in one transaction, in their order; things that are there already stay as they are.

        Raises StoreError, and then nothing of the batch is stored.
        """
        with self._writing() as connection:
            write_all(connection, run_id, items)

    def add_executor(self, executor: Executor) -> None:
        """The process that will run blocks."""
        self.write("", [executor])

    def start_block(self, run_id: str, block: Block) -> None:
        """A block begins."""
        self.write(run_id, [block])

    def add_samples(self, run_id: str, samples: Sequence[Sample]) -> None:
        """Finished requests, not accepted yet."""
        self.write(run_id, samples)

    def finish_block(self, run_id: str, block: Block, accepted: Sequence[str]) -> None:
        """A block ends: its state and the accepting of its samples are one transaction. A cut block accepts none."""
        self.write(run_id, [Finished(block, tuple(accepted))])

    def add_memory_points(self, run_id: str, points: Sequence[MemoryPoint]) -> None:
        """Readings of an engine's memory."""
        self.write(run_id, points)

    def add_event(self, run_id: str, happened: Event) -> None:
        """An event; one that arrives twice is stored once."""
        self.write(run_id, [happened])

    def add_score(self, run_id: str, score: Score) -> None:
        """A scorer's verdict; a later one of the same scorer replaces it."""
        self.write(run_id, [score])

    def add_annotation(self, run_id: str, annotation: Annotation) -> None:
        """A rating; a later one of the same rater replaces it."""
        self.write(run_id, [annotation])

    def remove_annotation(self, run_id: str, annotation: Annotation) -> None:
        """Take a rating back; nothing happens where there is none under its key."""
        table = tables.ANNOTATION
        key = {column.name for column in table.primary_key.columns} - {"run"}
        where = [table.c[name] == getattr(annotation, name) for name in sorted(key)]
        with self._writing() as connection:
            connection.execute(delete(table).where(table.c.run == run_id, *where))

    def add_choice(
        self, run_id: str, choice: Choice, *, needs: Json, preferences: Json, seed: int | None = None
    ) -> str:
        """A decision with what it was made from; its id."""
        with self._writing() as connection:
            self._require(connection, run_id)
            return add_choice(connection, run_id, choice, (needs, preferences, seed))

    def choice_basis(self, run_id: str, choice: str | None = None) -> tuple[Json, Json, int | None] | None:
        """Needs, preferences and seed of a choice by the end of its id, else of the last; None: nothing was chosen.

        Raises UnknownName for an id that no choice of the run has.
        """
        query = select(tables.CHOICE).where(tables.CHOICE.c.run == run_id).order_by(tables.CHOICE.c.id)
        with self._reading() as connection:
            found = list(connection.execute(query).mappings())
        if choice is not None:
            ids = [str(row["id"]) for row in found]
            found = [row for row in found if str(row["id"]).endswith(choice)]
            if len(found) != 1:
                raise UnknownName("choice", choice, [one[-8:] for one in ids])
        if not found:
            return None
        row = found[-1]
        return rows.loads(row["needs"], dict), rows.loads(row["preferences"], dict), row["seed"]

    def _require(self, connection: Connection, run_id: str) -> None:
        if not connection.scalar(select(func.count()).where(tables.RUN.c.id == run_id)):
            raise UnknownName("run", run_id, (), hint="shortlist runs list")

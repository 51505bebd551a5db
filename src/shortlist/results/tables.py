"""The tables as SQLAlchemy Core sees them. Migrations make them; a test holds both together.

Nanoseconds are BIGINT, records of many parts are JSON text, ids are text. Text that strangers wrote is kept as UTF-8
bytes: a NUL or a lone surrogate in a model's answer must neither be changed nor stop a bench.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Dialect,
    Float,
    ForeignKey,
    Insert,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects import postgresql, sqlite

from shortlist.errors import StoreError

METADATA = MetaData()


class StrangersText(TypeDecorator[str]):
    """Text of any content as bytes (`CAST(text AS TEXT)` reads it in SQL)."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Python text to bytes."""
        return None if value is None else value.encode("utf-8", "surrogatepass")

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Bytes to Python text."""
        return None if value is None else bytes(value).decode("utf-8", "surrogatepass")


def _key(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _big(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _run(*, is_key: bool = False) -> Column[str]:
    return Column("run", Text, ForeignKey("run.id", ondelete="CASCADE"), primary_key=is_key, nullable=False)


SCHEMA_VERSION = Table("schema_version", METADATA, Column("version", Integer, primary_key=True), _text("applied_at"))

EXECUTOR = Table(
    "executor",
    METADATA,
    _key("id"),
    _text("fingerprint"),
    _text("boot_id"),
    _text("clock_source"),
    _text("host"),
    _text("versions"),
)

RUN = Table(
    "run",
    METADATA,
    _key("id"),
    Column("name", Text),
    _text("started_at"),
    _text("state"),
    _text("manifest"),
    _big("schema_version"),
)

# `location` is where the model lies on this host; it is the one thing here that never leaves it.
CANDIDATE = Table(
    "candidate", METADATA, _run(is_key=True), _key("id"), _big("position"), _text("record"), Column("location", Text)
)

CELL = Table(
    "cell",
    METADATA,
    _run(is_key=True),
    _key("id"),
    _big("position"),
    _text("candidate"),
    _text("prompt"),
    _big("round"),
    _big("repeat"),
    Column("due_offset_ns", BigInteger),
)

BLOCK = Table(
    "block",
    METADATA,
    _key("id"),
    _run(),
    _text("candidate"),
    _big("round"),
    _big("attempt"),
    _text("state"),
    _text("executor"),
    _big("started_ns"),
    Column("ended_ns", BigInteger),
    Column("load_ns", BigInteger),
    Column("load", Text),
    Column("endpoint", Text),
    Column("error", Text),
)

SAMPLE = Table(
    "sample",
    METADATA,
    _key("id"),
    _run(),
    Column("cell", Text),
    Column("block", Text, ForeignKey("block.id", ondelete="CASCADE"), nullable=False),
    _text("executor"),
    _text("phase"),
    _text("status"),
    _big("seq"),
    _big("due_ns"),
    Column("sent_ns", BigInteger),
    Column("headers_ns", BigInteger),
    Column("end_ns", BigInteger),
    Column("chunks", LargeBinary, nullable=False),
    Column("has_usage", Boolean, nullable=False),
    Column("prompt_tokens", BigInteger),
    Column("completion_tokens", BigInteger),
    Column("cached_tokens", BigInteger),
    Column("token_basis", Text),
    Column("finish_reason", StrangersText),
    Column("text", StrangersText, nullable=False),
    Column("reasoning", StrangersText, nullable=False),
    Column("text_sha256", Text),
    Column("error", Text),
    _text("disturbance"),
    Column("prompt", Text),
    Column("is_accepted", Boolean, nullable=False),
)

SCORE = Table(
    "score",
    METADATA,
    _run(is_key=True),
    _key("sample"),
    _key("scorer"),
    Column("value", Float, nullable=False),
    _text("parts"),
)

ANNOTATION = Table(
    "annotation",
    METADATA,
    _run(is_key=True),
    _key("output_sha256"),
    _key("rater"),
    _key("dimension"),
    _big("value"),
    Column("note", StrangersText, nullable=False),
    Column("repeat", BigInteger, primary_key=True),
)

MEMORY_POINT = Table(
    "memory_point",
    METADATA,
    _run(),
    Column("block", Text, ForeignKey("block.id", ondelete="CASCADE"), primary_key=True),
    Column("ns", BigInteger, primary_key=True),
    _key("phase"),
    Column("anonymous_bytes", BigInteger),
    Column("file_bytes", BigInteger),
    _big("total_bytes"),
    _text("basis"),
    Column("vram_bytes", BigInteger),
)

EVENT = Table(
    "event",
    METADATA,
    _run(),
    _key("executor"),
    Column("sequence", BigInteger, primary_key=True),
    _big("ns"),
    _text("kind"),
    Column("block", Text),
    _text("data"),
)

CHOICE = Table(
    "choice",
    METADATA,
    _key("id"),
    _run(),
    _text("needs"),
    _text("preferences"),
    Column("seed", BigInteger),
    _text("record"),
)


def insert_or(connection: Connection, table: Table, *, replacing: tuple[str, ...] = ()) -> Insert:
    """An insert that leaves an existing row as it is, or renews the named columns of it; keyed by the primary key."""
    keys = [column.name for column in table.primary_key.columns]
    makers: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
    if connection.dialect.name not in makers:
        raise StoreError(f"no upsert is written for the database {connection.dialect.name}")
    statement: sqlite.Insert = makers[connection.dialect.name](table)
    if not replacing:
        return statement.on_conflict_do_nothing(index_elements=keys)
    renewed = {name: statement.excluded[name] for name in replacing}
    return statement.on_conflict_do_update(index_elements=keys, set_=renewed)

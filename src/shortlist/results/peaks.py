"""The most memory that a file took on this host in earlier runs: what replaces a prediction."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, func, select

from shortlist.records import Candidate, from_json
from shortlist.results import tables

DEFAULT_CONTEXT = 4096
"""What an engine of ours takes where no context was asked for, if the model has as much."""


class _Load(msgspec.Struct):
    concurrency: int = 1


class _Suite(msgspec.Struct):
    load: _Load


class _Manifest(msgspec.Struct):
    suite: _Suite


@dataclass(frozen=True, slots=True)
class Opened:
    """How a model was open: what decides its memory beside the file."""

    context: int
    kv_type: str
    parallel: int


def peaks(connection: Connection, opened: Opened, fingerprint: str) -> Mapping[str, int]:
    """Bytes at the peak by the SHA-256 of a model's first file, over finished blocks of this host opened like this.

    Only models of one file: the parts of a split one are not told apart by the first.
    """
    point, block, candidate, executor = tables.MEMORY_POINT.c, tables.BLOCK.c, tables.CANDIDATE.c, tables.EXECUTOR.c
    query = (
        select(candidate.record, tables.RUN.c.manifest, func.max(point.total_bytes).label("peak"))
        .join_from(tables.MEMORY_POINT, tables.BLOCK, point.block == block.id)
        .join(tables.EXECUTOR, executor.id == block.executor)
        .join(tables.CANDIDATE, (candidate.run == block.run) & (candidate.id == block.candidate))
        .join(tables.RUN, tables.RUN.c.id == block.run)
        .where(point.phase == "peak", block.state == "done", executor.fingerprint == fingerprint)
        .group_by(block.run, block.candidate)
    )
    found: dict[str, int] = {}
    for row in connection.execute(query):
        one = from_json(row.record, Candidate)
        load = msgspec.json.decode(row.manifest, type=_Manifest).suite.load
        told = Opened(one.options.context or DEFAULT_CONTEXT, one.options.kv_type or "f16", load.concurrency)
        if told == opened and len(one.variant.files) == 1 and (digest := one.variant.files[0].sha256):
            found[digest] = max(found.get(digest, 0), row.peak)
    return found

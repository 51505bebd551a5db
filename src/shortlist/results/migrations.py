"""The shape of the results file, as numbered steps that only go forward.

A step, once released, is never edited: it is frozen SQL, free of today's table definitions. `{blob}` is the one word
that databases spell differently. Each step runs in the transaction that also records its number.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, inspect, text

from shortlist.clock import iso, wall_ns
from shortlist.errors import StoreError

Step = str
"""The statements of one step, with semicolons between them."""

_FIRST: Step = """
    CREATE TABLE executor (
      id TEXT PRIMARY KEY NOT NULL, fingerprint TEXT NOT NULL, boot_id TEXT NOT NULL,
      clock_source TEXT NOT NULL, host TEXT NOT NULL, versions TEXT NOT NULL
    );
    CREATE TABLE run (
      id TEXT PRIMARY KEY NOT NULL, name TEXT, started_at TEXT NOT NULL, state TEXT NOT NULL,
      manifest TEXT NOT NULL, schema_version BIGINT NOT NULL
    );
    CREATE TABLE candidate (
      run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE, id TEXT NOT NULL, position BIGINT NOT NULL,
      record TEXT NOT NULL, location TEXT, PRIMARY KEY (run, id)
    );
    CREATE TABLE cell (
      run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE, id TEXT NOT NULL, position BIGINT NOT NULL,
      candidate TEXT NOT NULL, prompt TEXT NOT NULL, round BIGINT NOT NULL, repeat BIGINT NOT NULL,
      due_offset_ns BIGINT, PRIMARY KEY (run, id)
    );
    CREATE TABLE block (
      id TEXT PRIMARY KEY NOT NULL, run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE,
      candidate TEXT NOT NULL, round BIGINT NOT NULL, attempt BIGINT NOT NULL, state TEXT NOT NULL,
      executor TEXT NOT NULL, started_ns BIGINT NOT NULL, ended_ns BIGINT, load_ns BIGINT, load TEXT,
      endpoint TEXT, error TEXT
    );
    CREATE INDEX block_run ON block (run);
    CREATE TABLE sample (
      id TEXT PRIMARY KEY NOT NULL, run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE, cell TEXT,
      block TEXT NOT NULL REFERENCES block(id) ON DELETE CASCADE, executor TEXT NOT NULL,
      phase TEXT NOT NULL, status TEXT NOT NULL, seq BIGINT NOT NULL, due_ns BIGINT NOT NULL,
      sent_ns BIGINT, headers_ns BIGINT, end_ns BIGINT, chunks {blob} NOT NULL, has_usage BOOLEAN NOT NULL,
      prompt_tokens BIGINT, completion_tokens BIGINT, cached_tokens BIGINT, token_basis TEXT,
      finish_reason {blob}, text {blob} NOT NULL, reasoning {blob} NOT NULL, text_sha256 TEXT, error TEXT,
      disturbance TEXT NOT NULL, prompt TEXT, is_accepted BOOLEAN NOT NULL
    );
    CREATE UNIQUE INDEX sample_accepted ON sample (run, cell) WHERE is_accepted;
    CREATE INDEX sample_block ON sample (block);
    CREATE TABLE score (
      run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE, sample TEXT NOT NULL, scorer TEXT NOT NULL,
      value DOUBLE PRECISION NOT NULL, parts TEXT NOT NULL, PRIMARY KEY (run, sample, scorer)
    );
    CREATE TABLE annotation (
      run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE, output_sha256 TEXT NOT NULL,
      rater TEXT NOT NULL, dimension TEXT NOT NULL, value BIGINT NOT NULL, note {blob} NOT NULL,
      PRIMARY KEY (run, output_sha256, rater, dimension)
    );
    CREATE TABLE memory_point (
      run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE,
      block TEXT NOT NULL REFERENCES block(id) ON DELETE CASCADE, ns BIGINT NOT NULL, phase TEXT NOT NULL,
      anonymous_bytes BIGINT, file_bytes BIGINT, total_bytes BIGINT NOT NULL, basis TEXT NOT NULL,
      vram_bytes BIGINT, PRIMARY KEY (block, ns, phase)
    );
    CREATE TABLE event (
      run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE, executor TEXT NOT NULL,
      sequence BIGINT NOT NULL, ns BIGINT NOT NULL, kind TEXT NOT NULL, block TEXT, data TEXT NOT NULL,
      PRIMARY KEY (executor, sequence)
    );
    CREATE TABLE choice (
      id TEXT PRIMARY KEY NOT NULL, run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE,
      needs TEXT NOT NULL, preferences TEXT NOT NULL, seed BIGINT, record TEXT NOT NULL
    )
"""

# A rater may see an output again: the repeat becomes part of the key, which SQLite can only do in a new table.
_REPEATED_RATINGS: Step = """
    CREATE TABLE annotation_of_2 (
      run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE, output_sha256 TEXT NOT NULL,
      rater TEXT NOT NULL, dimension TEXT NOT NULL, value BIGINT NOT NULL, note {blob} NOT NULL,
      repeat BIGINT NOT NULL, PRIMARY KEY (run, output_sha256, rater, dimension, repeat)
    );
    INSERT INTO annotation_of_2 SELECT run, output_sha256, rater, dimension, value, note, 0 FROM annotation;
    DROP TABLE annotation;
    ALTER TABLE annotation_of_2 RENAME TO annotation
"""

STEPS: tuple[Step, ...] = (_FIRST, _REPEATED_RATINGS)
"""Step n brings a file from version n − 1 to n."""

_BLOB = {"sqlite": "BLOB", "postgresql": "BYTEA"}


def version_of(connection: Connection) -> int:
    """The version of an open file; 0 for an empty one. Raises StoreError where the file is some other database."""
    names = set(inspect(connection).get_table_names())
    if not names:
        return 0
    if "schema_version" not in names:
        raise StoreError(
            "the results file is a database of something else", hint="give another --home or move the file"
        )
    return int(connection.execute(text("SELECT max(version) FROM schema_version")).scalar() or 0)


def migrate(connection: Connection, steps: Sequence[Step] = STEPS) -> int:
    """Bring an open file to the newest version, inside the caller's transaction; the version that it had.

    Raises StoreError where the file is newer than this code: it is then left untouched.
    """
    found = version_of(connection)
    if found > len(steps):
        raise StoreError(
            f"the results file has version {found} and this Shortlist knows up to {len(steps)}",
            hint="pip install --upgrade shortlist",
        )
    if not found:
        connection.execute(
            text("CREATE TABLE schema_version (version INTEGER PRIMARY KEY NOT NULL, applied_at TEXT NOT NULL)")
        )
    for number, step in enumerate(steps[found:], start=found + 1):
        for statement in step.split(";"):
            connection.execute(text(statement.format(blob=_BLOB[connection.dialect.name])))
        connection.execute(
            text("INSERT INTO schema_version VALUES (:number, :at)"), {"number": number, "at": iso(wall_ns())}
        )
    return found

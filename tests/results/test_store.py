"""Runs on disk: nothing lost, nothing doubled, nothing half accepted."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from results.made_run import RUN_ID, Shape, make_plan, make_run
from shortlist.errors import BadInput, RunMismatch, StoreError, UnknownName
from shortlist.records import Block, Choice, Event, Run, RunInfo, Sample, Score, uuid7
from shortlist.results import tables
from shortlist.results.migrations import STEPS, migrate
from shortlist.results.store import Store

RUN = make_run()
HERE = Path(__file__).parent


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "home" / "results.db") as opened:
        yield opened


def begun(store: Store) -> tuple[Block, list[Sample]]:
    """A run with one started block; its samples are not accepted and not stored yet."""
    store.create_run(RUN.info, {})
    store.add_executor(RUN.executors[0])
    store.start_block(RUN_ID, replace(RUN.blocks[0], state="running", ended_ns=None))
    samples = [replace(s, is_accepted=False) for s in RUN.samples if s.block == RUN.blocks[0].id]
    return RUN.blocks[0], samples


def test_a_run_comes_back_exactly_as_it_was_added(store: Store) -> None:
    store.add_run(RUN)
    assert store.load_run(RUN_ID) == RUN


def test_a_run_written_step_by_step_equals_the_one_added_whole(store: Store) -> None:
    store.create_run(replace(RUN.info, state="running"), {})
    store.add_executor(RUN.executors[0])
    for block in RUN.blocks:
        store.start_block(RUN_ID, replace(block, state="running", ended_ns=None, error=None))
        mine = [sample for sample in RUN.samples if sample.block == block.id]
        store.add_samples(RUN_ID, [replace(sample, is_accepted=False) for sample in mine])
        store.finish_block(RUN_ID, block, [sample.id for sample in mine if sample.is_accepted])
    store.add_memory_points(RUN_ID, RUN.memory_points)
    store.add_event(RUN_ID, RUN.events[0])
    store.add_score(RUN_ID, RUN.scores[0])
    store.add_annotation(RUN_ID, RUN.annotations[0])
    store.add_choice(RUN_ID, RUN.choices[0], needs={"p95": "2s"}, preferences={}, seed=7)
    store.set_state(RUN_ID, "done")
    assert store.load_run(RUN_ID) == RUN


def test_it_is_all_there_after_closing_and_opening_again(tmp_path: Path) -> None:
    with Store.open(tmp_path / "r.db") as store:
        store.add_run(RUN)
    with Store.open(tmp_path / "r.db") as store:
        assert store.load_run(RUN_ID) == RUN


def test_every_commit_is_flushed_and_the_log_is_a_wal(store: Store) -> None:
    with store._reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


@pytest.mark.parametrize("text", ["", "\x00nul\x00", "\ud800 alone", "\udfff\u202e", "é" * 10_000, "\x1b[31m"])
def test_any_text_of_a_model_is_kept(store: Store, text: str) -> None:
    _, samples = begun(store)
    odd = replace(samples[0], text=text, reasoning=text, finish_reason=text)
    store.add_samples(RUN_ID, [odd])
    assert store.load_run(RUN_ID).samples == (odd,)


def test_a_lone_surrogate_in_an_error_message_is_kept(store: Store) -> None:
    begun(store)
    event = Event("exec-1", 9, 1, "warning", None, {"message": "\ud800", "x": float("inf")})
    store.add_event(RUN_ID, event)
    assert store.load_run(RUN_ID).events[0].data == {"message": "\ud800", "x": None}


# --- accepting --------------------------------------------------------------------------------------------------------


def test_samples_are_accepted_with_the_end_of_their_block_or_not_at_all(store: Store) -> None:
    block, samples = begun(store)
    store.add_samples(RUN_ID, samples)
    accepted = [sample.id for sample in samples if sample.cell]
    with pytest.raises(StoreError, match=r"5 samples are accepted .* 4 of them stored"):
        store.finish_block(RUN_ID, block, [*accepted, "nobody"])
    found = store.load_run(RUN_ID)
    assert found.blocks[0].state == "running"
    assert not any(sample.is_accepted for sample in found.samples)


def test_a_cut_block_keeps_its_samples_unaccepted(store: Store) -> None:
    block, samples = begun(store)
    store.add_samples(RUN_ID, samples)
    with pytest.raises(StoreError, match="cut"):
        store.finish_block(RUN_ID, replace(block, state="cut"), [samples[1].id])
    store.finish_block(RUN_ID, replace(block, state="cut"), [])
    found = store.load_run(RUN_ID)
    assert found.blocks[0].state == "cut"
    assert len(found.samples) == len(samples)
    assert not any(sample.is_accepted for sample in found.samples)


def test_a_cell_has_at_most_one_accepted_sample(store: Store) -> None:
    block, samples = begun(store)
    second = replace(samples[1], id="again", seq=99)
    store.add_samples(RUN_ID, [*samples, second])
    with pytest.raises(StoreError, match="UNIQUE"):
        store.finish_block(RUN_ID, block, [samples[1].id, "again"])
    store.finish_block(RUN_ID, block, ["again"])
    assert [s.id for s in store.load_run(RUN_ID).samples if s.is_accepted] == ["again"]


def test_a_warm_up_cannot_be_accepted(store: Store) -> None:
    block, samples = begun(store)
    store.add_samples(RUN_ID, samples)
    warm = next(sample for sample in samples if sample.cell is None)
    with pytest.raises(StoreError, match="0 of them stored"):
        store.finish_block(RUN_ID, block, [warm.id])


def test_a_block_that_never_started_cannot_end(store: Store) -> None:
    begun(store)
    with pytest.raises(StoreError, match="never started"):
        store.finish_block(RUN_ID, RUN.blocks[1], [])


def test_a_failed_write_leaves_nothing_of_its_batch(store: Store) -> None:
    _, samples = begun(store)
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        store.write(RUN_ID, [samples[0], replace(samples[1], block="nowhere")])
    assert store.load_run(RUN_ID).samples == ()


def test_an_event_that_arrives_twice_is_stored_once(store: Store) -> None:
    begun(store)
    for _ in range(2):
        store.add_event(RUN_ID, RUN.events[0])
    assert store.load_run(RUN_ID).events == RUN.events


def test_a_sample_that_arrives_twice_stays_as_it_is(store: Store) -> None:
    block, samples = begun(store)
    store.add_samples(RUN_ID, samples)
    store.finish_block(RUN_ID, block, [samples[1].id])
    store.add_samples(RUN_ID, samples)
    assert [s.id for s in store.load_run(RUN_ID).samples if s.is_accepted] == [samples[1].id]


def test_a_later_score_replaces_the_earlier_of_its_scorer(store: Store) -> None:
    store.add_run(RUN)
    store.add_score(RUN_ID, Score(RUN.scores[0].sample, "facets", 0.5, {}))
    assert [score.value for score in store.load_run(RUN_ID).scores] == [0.5]


def test_a_stamp_past_64_bits_is_a_clear_error(store: Store) -> None:
    _, samples = begun(store)
    with pytest.raises(StoreError, match="too large"):
        store.add_samples(RUN_ID, [replace(samples[0], due_ns=2**70)])


# --- runs -------------------------------------------------------------------------------------------------------------


def test_the_plan_may_grow_and_keeps_its_cells(store: Store) -> None:
    short = replace(RUN.info, plan=make_plan(Shape(rounds=2)))
    store.create_run(short, {RUN.info.plan.candidates[0].id: "/models/tiny.gguf"})
    store.update_run(RUN.info)
    assert store.load_run(RUN_ID).info == RUN.info
    assert store.locations(RUN_ID) == {RUN.info.plan.candidates[0].id: "/models/tiny.gguf"}
    with pytest.raises(RunMismatch, match="48 of its cells are gone"):
        store.update_run(short)


def test_the_place_of_a_model_is_kept_and_never_part_of_the_run(store: Store) -> None:
    store.create_run(RUN.info, {RUN.info.plan.candidates[0].id: "/secret/tiny.gguf"})
    assert "/secret" not in repr(store.load_run(RUN_ID))


def test_runs_are_listed_newest_first_with_their_progress(store: Store) -> None:
    older = replace(RUN.info, id=uuid7(10**18), name="old", plan=make_plan(Shape(rounds=1)))
    store.add_run(RUN)
    store.create_run(older, {})
    newest, oldest = store.list_runs()
    assert (newest.id, newest.candidates[0], newest.rounds, newest.prompts) == (RUN_ID, "tiny", 5, 4)
    assert (newest.cells, newest.accepted) == (80, 80)
    assert (oldest.name, oldest.cells, oldest.accepted) == ("old", 16, 0)


def test_a_removed_run_leaves_nothing_behind(store: Store) -> None:
    store.add_run(RUN)
    store.remove_run(RUN_ID)
    with store._reading() as connection:
        for table in tables.METADATA.sorted_tables:
            if table is not tables.SCHEMA_VERSION:
                assert connection.execute(table.select()).all() == [], table.name
    with pytest.raises(UnknownName):
        store.remove_run(RUN_ID)


def test_a_run_is_imported_once(store: Store) -> None:
    store.add_run(RUN)
    with pytest.raises(RunMismatch, match="here already"):
        store.add_run(RUN)


def test_decisions_are_kept_with_what_they_were_made_from(store: Store) -> None:
    store.create_run(RUN.info, {})
    choice = Choice("ship", RUN.info.plan.candidates[0].id, stability=0.98)
    store.add_choice(RUN_ID, choice, needs={"latency.p95": "2s"}, preferences={"order": ["facets"]}, seed=3)
    assert store.load_run(RUN_ID).choices == (choice,)
    with pytest.raises(UnknownName):
        store.add_choice("nobody", choice, needs={}, preferences={})


IDS = ("01970000-0000-7000-8000-0000aaaa7f3c", "01980000-0000-7000-8000-0000bbbb7f3c")


@pytest.fixture
def named(store: Store) -> Store:
    for run_id, name in zip(IDS, ("main", "main"), strict=True):
        store.create_run(RunInfo(run_id, name, "2026", "done", RUN.info.plan), {})
    store.create_run(RunInfo(RUN_ID, None, "2026", "done", RUN.info.plan), {})
    return store


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ("last", IDS[1]),
        ("aaaa7f3c", IDS[0]),
        ("AAAA7F3C", IDS[0]),
        ("main@bbbb7f3c", IDS[1]),
        (IDS[1], IDS[1]),
        (RUN_ID.replace("-", ""), RUN_ID),
        ("eed7f3c", RUN_ID),
    ],
)
def test_a_run_is_found_by_what_people_call_it(named: Store, ref: str, expected: str) -> None:
    assert named.resolve(ref) == expected


@pytest.mark.parametrize("ref", ["7f3c", "main", "main@7f3c"])
def test_several_answers_are_listed_and_none_is_guessed(named: Store, ref: str) -> None:
    with pytest.raises(BadInput, match="main@aaaa7f3c, main@bbbb7f3c"):
        named.resolve(ref)


@pytest.mark.parametrize("ref", ["nobody", "main@ffff", "f3c", "", "@", "%", "main@"])
def test_an_unknown_run_names_the_known_ones(named: Store, ref: str) -> None:
    with pytest.raises(UnknownName, match="unknown run"):
        named.resolve(ref)


def test_last_of_no_runs_is_unknown(store: Store) -> None:
    with pytest.raises(UnknownName):
        store.resolve("last")


@pytest.mark.parametrize("name", ["", "last", "a@b", " x", "x\n", "\x1b[31m"])
def test_a_name_that_could_not_be_referred_to_is_refused(store: Store, name: str) -> None:
    with pytest.raises(BadInput, match="cannot name a run"):
        store.create_run(replace(RUN.info, name=name), {})


# --- the file ---------------------------------------------------------------------------------------------------------


def columns(path: Path) -> dict[str, dict[str, bool]]:
    engine = create_engine(f"sqlite:///{path}")
    found = inspect(engine)
    shape = {
        name: {column["name"]: bool(column["nullable"]) for column in found.get_columns(name)}
        for name in found.get_table_names()
    }
    engine.dispose()
    return shape


def test_the_migrations_make_the_tables_that_the_code_reads(store: Store) -> None:
    expected = {t.name: {c.name: bool(c.nullable) for c in t.columns} for t in tables.METADATA.sorted_tables}
    assert columns(store.path) == expected


def test_a_file_of_version_1_opens_with_its_run_intact(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "old.db") as connection:
        connection.executescript((HERE / "version1.sql").read_text(encoding="utf-8"))
    connection.close()
    with Store.open(tmp_path / "old.db") as store:
        found = store.load_run(RUN_ID)
    expected = make_run(Shape(rounds=1, prompts=("n-001",)))
    assert found == expected


def test_a_further_step_runs_once_and_keeps_the_data(store: Store) -> None:
    store.add_run(RUN)
    steps = (*STEPS, "ALTER TABLE run ADD COLUMN place TEXT; UPDATE run SET place = 'here'")
    for found in (2, 3):
        with store._writing() as connection:
            assert migrate(connection, steps) == found
    with store._reading() as connection:
        assert connection.exec_driver_sql("SELECT place FROM run").scalars().all() == ["here"]
        assert connection.exec_driver_sql("SELECT version FROM schema_version").scalars().all() == [1, 2, 3]


def test_a_step_that_fails_leaves_the_file_at_its_version(store: Store) -> None:
    with pytest.raises(StoreError, match="nowhere"), store._writing() as connection:
        migrate(connection, (*STEPS, "CREATE TABLE half (id TEXT); DROP TABLE nowhere"))
    assert "half" not in columns(store.path)
    with store._writing() as connection:
        assert migrate(connection) == 2


def test_a_newer_file_is_refused_and_left_untouched(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    Store.open(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO schema_version VALUES (7, 'tomorrow')")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="version 7 and this Shortlist knows up to 2") as caught:
        Store.open(path)
    assert caught.value.hint == "pip install --upgrade shortlist"
    assert path.read_bytes() == before


def test_a_file_of_something_else_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("not a database, but long enough to be looked at\n" * 20)
    with pytest.raises(StoreError, match="not a database"):
        Store.open(tmp_path / "text.db")
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE cats (name TEXT)")
    connection.close()
    with pytest.raises(StoreError, match="something else"):
        Store.open(tmp_path / "other.db")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        Store.open(tmp_path / "file" / "results.db")
    with pytest.raises(StoreError):
        Store.open(tmp_path)


def test_many_threads_may_write_and_read_at_once(store: Store) -> None:
    _, samples = begun(store)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for step in range(10):
                store.add_samples(RUN_ID, [replace(samples[0], id=f"{number}-{step}")])
                store.load_run(RUN_ID)
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(store.load_run(RUN_ID).samples) == 40


def test_two_processes_may_make_the_file_at_the_same_time(tmp_path: Path) -> None:
    code = "import sys, pathlib, shortlist.results.store as s; s.Store.open(pathlib.Path(sys.argv[1])).close()"
    argv = [sys.executable, "-c", code, str(tmp_path / "x.db")]
    running = [subprocess.Popen(argv, stderr=subprocess.PIPE) for _ in range(4)]
    for process in running:
        _, stderr = process.communicate()
        assert process.returncode == 0, stderr.decode()


def test_loading_an_unknown_run_is_unknown(store: Store) -> None:
    with pytest.raises(UnknownName):
        store.load_run("nobody")


def test_a_run_without_samples_loads(store: Store) -> None:
    empty = Run(replace(RUN.info, state="running"), (), (), ())
    store.create_run(empty.info, {})
    assert store.load_run(RUN_ID) == empty

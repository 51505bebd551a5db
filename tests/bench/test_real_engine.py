"""A bench through llama.cpp on the demo models: nothing cached, memory and load kept, repeatable texts."""

import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from bench.benches import run, stored
from shortlist import demo
from shortlist.bench.job import NO_WATCH
from shortlist.bench.progress import BlockOver, Loaded
from shortlist.bench.roster import Opening, make_roster
from shortlist.bench.session import new_session
from shortlist.quality.prompts import load_prompts
from shortlist.records import EngineOptions, Generation, LoadShape, Prompt, Run, SampleError, Suite
from shortlist.results.export import export_golden
from shortlist.results.store import Store
from shortlist.results.summary import summarise
from spinner import spinner

pytestmark = pytest.mark.engine
UNWATCHED = (NO_WATCH,)  # a busy machine changes nothing in how often a cell is sent
ONE_THREAD = Opening("llamacpp", EngineOptions(device="cpu", threads=1))


def bench(folder: Path, names: list[str], prompts: tuple[Prompt, ...], rounds: int = 1, **how: object) -> Run:
    opening = Opening("llamacpp", EngineOptions(device="cpu", threads=1, **how))  # type: ignore[arg-type]
    some = new_session(
        Suite(prompts, Generation(max_tokens=24), rounds=rounds), make_roster(names, None, opening), "x", UNWATCHED
    )
    with Store.open(folder / "results.db") as store:
        assert run(some, store) == "done"
        return stored(some, store)


def asked(count: int) -> tuple[Prompt, ...]:
    return load_prompts(demo.demo_prompts_path())[:count]


def test_one_prompt_three_times_interleaved_with_others_is_never_read_from_a_cache(tmp_path: Path) -> None:
    first, *others = asked(4)
    again = [replace(first, id=f"again-{n}", pair_with=None) for n in (1, 2)]
    prompts = (first, others[0], again[0], others[1], again[1], others[2])
    whole = bench(tmp_path, ["notes-small"], prompts, rounds=2)
    samples = [s for s in whole.samples if s.phase == "measure"]
    assert len(samples) == 12
    assert {s.status for s in samples} == {"ok"}
    assert {s.cached_tokens for s in samples} == {0}
    same = {s.text for s in samples if s.prompt in (first.id, "again-1", "again-2")}
    assert len(same) == 1


def test_with_the_prefix_cache_asked_for_the_cache_shows(tmp_path: Path) -> None:
    # The counterpart: without it, a zero above could be a counter that never counts.
    first, other = asked(2)
    prompts = (first, replace(first, id="again", pair_with=None), other)
    whole = bench(tmp_path, ["notes-small"], prompts, rounds=3, prefix_cache=True)
    assert any((s.cached_tokens or 0) > 0 for s in whole.samples)


def test_memory_load_and_footprint_are_measured_and_the_manifest_says_how(tmp_path: Path) -> None:
    whole = bench(tmp_path, ["notes-small", "notes-large"], asked(3))
    small, large = summarise(whole).candidates
    for one in (small, large):
        assert {"memory.loaded", "memory.peak", "load.warm", "footprint"} <= set(one.figures)
    sizes = [one.figures["footprint"].point for one in (small, large)]
    assert sizes == [demo.demo_model_path(n).stat().st_size for n in ("notes-small", "notes-large")]
    points = {p.phase for p in whole.memory_points}
    assert points == {"loaded", "peak"}
    assert all((p.anonymous_bytes or 0) + (p.file_bytes or 0) > 10e6 for p in whole.memory_points)
    assert all(b.load == "warm" and (b.load_ns or 0) > 0 for b in whole.blocks)
    endpoint = whole.blocks[0].endpoint
    assert endpoint is not None
    assert (endpoint.engine, endpoint.device) == ("llamacpp", "cpu")
    assert whole.executors[0].versions["xllamacpp"]


def test_two_greedy_runs_give_one_golden_export(tmp_path: Path) -> None:
    exports = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        exports.append(export_golden(bench(tmp_path / name, ["notes-small", "notes-medium"], asked(4))))
    assert exports[0] == exports[1]


def test_a_model_file_that_changes_while_the_bench_runs_fails_its_candidate(tmp_path: Path) -> None:
    path = tmp_path / "mine.gguf"
    path.write_bytes(demo.demo_model_path("notes-small").read_bytes())
    some = new_session(Suite(asked(1), rounds=3), make_roster([str(path)], None, ONE_THREAD), flags=UNWATCHED)
    done: list[BlockOver] = []

    def touch(told: object) -> None:
        if isinstance(told, BlockOver):
            done.append(told)
            path.touch()

    with Store.open(tmp_path / "results.db") as store:
        run(some, store, touch)
    assert [over.block.state for over in done] == ["done", "failed", "failed"]
    assert "was changed" in (done[1].block.error or SampleError("", "")).message


def test_fixed_tokens_ignores_the_end_token(tmp_path: Path) -> None:
    suite = Suite(asked(2), Generation(fixed_tokens=40), rounds=1)
    some = new_session(suite, make_roster(["notes-small"], None, ONE_THREAD), flags=UNWATCHED)
    with Store.open(tmp_path / "results.db") as store:
        run(some, store)
        samples = stored(some, store).samples
    assert {s.usage.completion_tokens for s in samples if s.usage} == {40}
    assert {s.finish_reason for s in samples} == {"length"}


def test_an_open_loop_above_capacity_waits_in_the_engines_queue_and_is_told(tmp_path: Path) -> None:
    flood = LoadShape("open", concurrency=2, rate_per_s=2000.0, arrivals="constant")
    suite = Suite(asked(15), Generation(max_tokens=24), flood, rounds=1, repeats=2)
    some = new_session(suite, make_roster(["notes-large"], None, ONE_THREAD), flags=UNWATCHED)
    with Store.open(tmp_path / "results.db") as store:
        assert run(some, store) == "done"
        whole = stored(some, store)
    opened = next(event for event in whole.events if event.kind == "opened")
    assert opened.data["settings"]["parallel"] == 2
    (one,) = summarise(whole).candidates
    assert one.failed == 0
    assert (one.figures["backlog"].point or 0) > 0.3
    assert any("piled up" in warning for warning in summarise(whole).warnings)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_real_process_beside_llama_cpp_is_named_and_the_host_called_too_noisy(
    tmp_path: Path,
) -> None:
    some = new_session(
        Suite(asked(2), Generation(fixed_tokens=30), rounds=1), make_roster(["notes-large"], None, ONE_THREAD)
    )
    with Store.open(tmp_path / "results.db") as store, ExitStack() as beside:

        def trouble(told: object) -> None:
            if isinstance(told, Loaded):  # the largest of all that is busy here, whoever else is
                beside.enter_context(spinner(tmp_path, "eats-cores", count=6))
            elif isinstance(told, BlockOver):
                beside.close()

        run(some, store, trouble)
        whole = stored(some, store)
    measured = [s for s in whole.samples if s.phase == "measure"]
    assert len(measured) == 4
    assert sum(s.is_accepted for s in measured) == 2
    assert all(any("eats-cores" in cause for cause in s.causes) for s in measured), [s.causes for s in measured]
    warnings = " ".join(summarise(whole).warnings)
    assert "the host was too noisy: 2 of 2 requests were disturbed" in warnings
    assert "eats-cores" in warnings
    rows = [row for event in whole.events if event.kind == "conditions" for row in event.data["rows"]]
    assert all(row[1] > 0 for row in rows)

"""A phase as it is measured: real processes, kept as a run; cut when time is up."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.benches import quiet
from shortlist.bench.job import NO_WATCH
from shortlist.bench.known_truth import NO_SELFTEST
from shortlist.bench.progress import Progress
from shortlist.clock import SYSTEM
from shortlist.models.refs import ResolvedModel, resolve
from shortlist.quality.prompts import single_prompt
from shortlist.records import EngineOptions, Generation, Plan, Suite, Variant
from shortlist.results.store import Store
from shortlist.tune.grid import Setting
from shortlist.tune.lab import Ask, BenchLab, Phase, Subject

LONG_NS = 60 * 10**9


@contextmanager
def shown(_phase: str, _plan: Plan) -> Iterator[Progress]:
    yield quiet


def measured(
    tmp_path: Path, model: ResolvedModel, settings: tuple[Setting, ...], *, left_ns: int = LONG_NS, rounds: int = 1
) -> tuple[Phase, list[str]]:
    suite = Suite(single_prompt("Priya will send the budget by Friday."), Generation(max_tokens=16), warmup=0)
    subject = Subject({"": model}, suite, EngineOptions(), (NO_WATCH, NO_SELFTEST))
    with Store.open(tmp_path / "results.db") as store:
        lab = BenchLab(store, subject, shown, "tune m")
        phase = asyncio.run(lab.measure(Ask("first round", settings, rounds, SYSTEM.now_ns() + left_ns)))
        return phase, [run.state for run in store.list_runs()]


@pytest.mark.engine
def test_settings_of_a_real_model_are_measured_beside_each_other_and_kept_as_a_run(tmp_path: Path) -> None:
    settings = (Setting("llamacpp"), Setting("llamacpp", EngineOptions(threads=1, extra={"ubatch": "64"})))
    refused = Setting("llamacpp", EngineOptions(kv_type="q99"))
    phase, states = measured(tmp_path, resolve("notes-small"), (*settings, refused))
    assert states == ["done"]
    labels = [one.label for one in settings]
    assert list(phase.evidence) == labels
    assert [phase.rounds_of(label, "tokens_per_s") for label in labels] == [1, 1]
    assert all(phase.answers[label] for label in labels)
    assert all(phase.block_ns[label] > 0 for label in labels)
    assert phase.versions["llamacpp"]
    assert phase.failed == {refused.label: "unknown KV type 'q99'"}


def test_when_time_is_up_the_block_is_cut_and_its_run_says_so(tmp_path: Path) -> None:
    model, settings = ResolvedModel("ttft=60s,gap=1ms,chunks=2", Variant("endpoint"), None), (Setting("fake"),)
    phase, states = measured(tmp_path, model, settings, left_ns=4 * 10**9)
    assert states == ["interrupted"]
    assert not phase.evidence
    assert measured(tmp_path, model, settings, left_ns=0)[1] == states  # not even begun

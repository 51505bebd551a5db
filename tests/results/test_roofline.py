"""results/roofline.py: the roof and MBU of runs whose truth is written down."""

from dataclasses import replace

import pytest

from results.made_run import MS, make_run
from shortlist.records import Block, Chunk, Endpoint, Event, Interval, LoadShape, Run, Sample, Usage
from shortlist.results.export import export_run, import_run
from shortlist.results.summary import summarise

WEIGHTS, KV, BANDWIDTH = 10**8, 10**4, 2 * 10**10
GAP_MS, TOKENS, PROMPT = 10, 20, 60


def sample_at(sample: Sample, gap_ms: int = GAP_MS) -> Sample:
    """The same reply with a token every `gap_ms`."""
    first = sample.due_ns + 50 * MS
    stamps = [first + n * gap_ms * MS for n in range(TOKENS)]
    chunks = tuple(Chunk(stamp, 180, "text") for stamp in stamps)
    return replace(sample, chunks=chunks, end_ns=stamps[-1], usage=Usage(PROMPT, TOKENS), sent_ns=sample.due_ns)


def facts(run: Run, label: str = "tiny", **changes: object) -> Event:
    one = next(c for c in run.info.plan.candidates if c.label == label)
    data = {
        "candidate": one.id,
        "weights_bytes": WEIGHTS,
        "kv_bytes_per_token": KV,
        "window": None,
        "threads": 2,
        "bytes_per_s": BANDWIDTH,
        "is_steady": True,
        "last_cache_bytes": 10**6,
    }
    return Event("exec-1", 90, 1, "roofline", data={**data, **changes})


def a_run(**changes: object) -> Run:
    whole = make_run()
    samples = tuple(sample_at(s) if s.status == "ok" else s for s in whole.samples)
    return replace(whole, samples=samples, events=(*whole.events, facts(whole, "tiny", **changes)))


def figures(run: Run, label: str = "tiny") -> dict[str, Interval]:
    return dict(next(c for c in summarise(run).candidates if c.label == label).figures)


def test_mbu_is_bytes_of_a_step_times_steps_over_bandwidth() -> None:
    found = figures(a_run())
    read = WEIGHTS + KV * (PROMPT + TOKENS / 2)
    roof = BANDWIDTH / read
    assert found["roofline_tokens_per_s"].point == pytest.approx(roof)
    assert found["decode_tokens_per_s"].point == pytest.approx(1000 / GAP_MS)
    assert found["mbu"].point == pytest.approx(1000 / GAP_MS / roof)
    assert "20.0 GB/s read by 2 threads" in found["mbu"].basis


def test_the_interval_of_mbu_is_over_rounds() -> None:
    whole = a_run()
    blocks = {block.id: block.round for block in whole.blocks}
    drifted = [sample_at(s, 10 + blocks[s.block]) if s.status == "ok" else s for s in whole.samples]
    found = figures(replace(whole, samples=tuple(drifted)))["mbu"]
    assert found.n == 5
    assert found.low is not None
    assert found.high is not None
    assert found.low < (found.point or 0) < found.high


def test_prefill_counts_the_prompt_that_was_read_from_sent() -> None:
    whole = a_run()
    assert figures(whole)["prefill_tokens_per_s"].point == pytest.approx(PROMPT / 0.05)
    cached = replace(whole, samples=tuple(replace(s, cached_tokens=20) for s in whole.samples))
    assert figures(cached)["prefill_tokens_per_s"].point == pytest.approx((PROMPT - 20) / 0.05)
    all_of_it = replace(whole, samples=tuple(replace(s, cached_tokens=PROMPT) for s in whole.samples))
    assert figures(all_of_it)["prefill_tokens_per_s"].point is None


def test_a_reason_that_was_noted_withholds_roof_and_mbu() -> None:
    found = figures(a_run(reason="the weights (1 MB) are under 4 times the last cache (33 MB)"))
    assert found["mbu"].point is None
    assert "under 4 times the last cache" in found["mbu"].note
    assert found["decode_tokens_per_s"].point is not None


def test_a_context_past_the_attention_window_withholds_it() -> None:
    assert figures(a_run(window=PROMPT + TOKENS))["mbu"].point is not None
    found = figures(a_run(window=PROMPT + TOKENS - 1))["mbu"]
    assert found.point is None
    assert "window" in found.note


def with_blocks(run: Run, change: dict[str, object]) -> Run:
    def changed(block: Block) -> Block:
        return replace(block, endpoint=replace(block.endpoint, **change)) if block.endpoint else block  # type: ignore[arg-type]

    return replace(run, blocks=tuple(changed(block) for block in run.blocks))


def test_an_engine_on_a_gpu_has_no_roof_of_the_hosts_memory() -> None:
    found = figures(with_blocks(a_run(), {"device": "gpu"}))["mbu"]
    assert found.point is None
    assert "ran on gpu" in found.note


def test_other_threads_than_bandwidth_was_measured_with_withhold_it() -> None:
    whole = a_run()
    block = next(b for b in whole.blocks if isinstance(b.endpoint, Endpoint))
    opened = [
        Event("exec-1", 100 + n, 1, "opened", data={"block": one.id, "settings": {"threads": 1}})
        for n, one in enumerate(whole.blocks)
        if one.candidate == block.candidate
    ]
    label = next(c.label for c in whole.info.plan.candidates if c.id == block.candidate)
    found = figures(replace(whole, events=(*whole.events, facts(whole, label), *opened)), label)["mbu"]
    assert found.point is None
    assert "1 threads" in found.note


def test_a_bandwidth_that_decoding_outran_was_no_roof() -> None:
    found = figures(a_run(bytes_per_s=BANDWIDTH // 3))
    assert found["mbu"].point is None
    assert found["roofline_tokens_per_s"].point is None
    assert "6.7 GB/s" in found["mbu"].note
    assert "disturbed" in found["mbu"].note


def test_a_run_that_noted_nothing_has_no_such_figure() -> None:
    assert "mbu" not in figures(make_run())


def test_what_was_not_streamed_shows_no_decoding() -> None:
    whole = a_run()
    generation = replace(whole.info.plan.suite.generation, stream=False)
    suite = replace(whole.info.plan.suite, generation=generation, load=LoadShape())
    plain = replace(whole, info=replace(whole.info, plan=replace(whole.info.plan, suite=suite)))
    found = figures(plain)
    assert found["mbu"].point is None
    assert found["decode_tokens_per_s"].point is None


def test_the_roof_survives_export_and_import() -> None:
    whole = a_run()
    again = import_run(export_run(whole))
    assert figures(again)["mbu"] == figures(whole)["mbu"]

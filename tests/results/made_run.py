"""A run made by hand, with numbers that are the same every time."""

import hashlib
from dataclasses import dataclass, replace

from shortlist.records import (
    Annotation,
    Block,
    Candidate,
    CandidateResult,
    Cell,
    Choice,
    Chunk,
    Endpoint,
    EngineOptions,
    Event,
    Executor,
    Look,
    MemoryPoint,
    Message,
    ModelFile,
    Plan,
    PlannedBlock,
    Prompt,
    Run,
    RunInfo,
    Sample,
    SampleError,
    Score,
    Suite,
    Usage,
    Variant,
    content_id,
    make_candidate,
    text_sha256,
)

MS = 10**6
RUN_ID = "0197a5c0-0000-7000-8000-00005eed7f3c"
PROMPTS = ("n-001", "n-002", "n-003", "n-004")
SPEEDS_MS = {"tiny": 200, "small": 205, "large": 600}
"""Mean latency; tiny and small are equal within a twentieth."""


@dataclass(frozen=True, slots=True)
class Shape:
    rounds: int = 5
    prompts: tuple[str, ...] = PROMPTS
    broken: str | None = "broken"
    seed: int = 0


def _noise(*parts: object) -> float:
    """Between -1 and 1, from the hash of what it is for."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:6]) / 2**47 - 1


def _candidate(label: str) -> Candidate:
    digest = hashlib.sha256(label.encode()).hexdigest()
    size = {"tiny": 2_720_000, "small": 4_100_000, "large": 8_300_000}.get(label, 1000)
    variant = Variant("gguf", "q8_0", (ModelFile(f"{label}.gguf", size, digest),))
    return make_candidate(label, f"demo/{label}", "llamacpp", variant, EngineOptions(threads=2))


def _cell(candidate: str, prompt: str, number: int) -> Cell:
    return Cell(content_id([candidate, prompt, number]), candidate, prompt, number)


def make_plan(shape: Shape) -> Plan:
    labels = [*SPEEDS_MS, *([shape.broken] if shape.broken else [])]
    candidates = tuple(_candidate(label) for label in labels)
    prompts = tuple(Prompt(name, (Message("user", f"Summarise note {name}."),)) for name in shape.prompts)
    blocks = tuple(
        PlannedBlock(one.id, number, tuple(_cell(one.id, name, number) for name in shape.prompts))
        for number in range(1, shape.rounds + 1)
        for one in candidates
    )
    look = Look("2026-11-02T08:00:00.000Z", shape.rounds, len(prompts))
    return Plan(Suite(prompts, rounds=shape.rounds), candidates, blocks, (look,))


def make_sample(block: Block, cell: Cell, label: str, seq: int, seed: int = 0) -> Sample:
    """A reply of 20 chunks; its latency is the candidate's, with 1 % of noise per round and 2 % per request."""
    due = block.started_ns + 2000 * MS + seq * 1000 * MS
    drift = 1 + 0.01 * _noise(seed, label, cell.round) + 0.02 * _noise(seed, label, cell.round, cell.prompt)
    length = round(SPEEDS_MS[label] * MS * drift)
    sent, first = due + MS // 10, due + length // 4
    stamps = [first + (length - length // 4) * n // 19 for n in range(20)]
    text = f"Decision on {cell.prompt}: ship it. Owner: Ines. Due: Friday."
    return Sample(
        id=content_id([block.id, seq]),
        cell=cell.id,
        block=block.id,
        executor=block.executor,
        phase="measure",
        status="ok",
        seq=seq,
        due_ns=due,
        sent_ns=sent,
        headers_ns=sent + MS,
        end_ns=stamps[-1] + MS,
        chunks=tuple(Chunk(stamp, 180, "text", 20_000) for stamp in stamps),
        usage=Usage(60, 20),
        cached_tokens=0,
        token_basis="usage",
        finish_reason="length" if cell.prompt == "n-004" else "stop",
        text=text,
        text_sha256=text_sha256(text),
        prompt=cell.prompt,
        is_accepted=True,
    )


def _failed(block: Block, cell: Cell, seq: int, error: SampleError) -> Sample:
    sample = make_sample(block, cell, "tiny", seq)
    return replace(
        sample, status="failed", error=error, text="", text_sha256=None, usage=None, chunks=(), finish_reason=None
    )


def _block(planned: PlannedBlock, number: int, error: SampleError | None) -> Block:
    started = number * 10_000 * MS
    endpoint = Endpoint("http://127.0.0.1:4242", "m", 123, "llamacpp", "b7000", "cpu")
    return Block(
        id=content_id(["block", number]),
        candidate=planned.candidate,
        round=planned.round,
        attempt=1,
        state="failed" if error else "done",
        executor="exec-1",
        started_ns=started,
        ended_ns=started + 9000 * MS,
        load_ns=None if error else 800 * MS + number * MS,
        load=None if error else "warm",
        endpoint=None if error else endpoint,
        error=error,
    )


def _memory(block: Block, label: str, number: int) -> tuple[MemoryPoint, ...]:
    size = {"tiny": 40, "small": 60, "large": 110}[label] * 10**6 + number * 4096
    return (
        MemoryPoint(block.id, block.started_ns + 1, "loaded", size // 2, size // 4, size // 4 * 3, "rss"),
        MemoryPoint(block.id, block.started_ns + 2, "peak", size // 2, size - size // 2, size, "VmHWM"),
    )


def make_run(shape: Shape = Shape()) -> Run:
    plan = make_plan(shape)
    labels = {candidate.id: candidate.label for candidate in plan.candidates}
    error = SampleError("EngineNotReady", "the file is cut short at byte 812")
    blocks: list[Block] = []
    samples: list[Sample] = []
    points: list[MemoryPoint] = []
    for number, planned in enumerate(plan.blocks):
        label = labels[planned.candidate]
        block = _block(planned, number, error if label == shape.broken else None)
        blocks.append(block)
        if label == shape.broken:
            samples += [_failed(block, cell, seq + 1, error) for seq, cell in enumerate(planned.cells)]
            continue
        warm = make_sample(block, planned.cells[0], label, 0, shape.seed)
        samples.append(replace(warm, phase="warmup", cell=None, is_accepted=False))
        samples += [make_sample(block, cell, label, seq + 1, shape.seed) for seq, cell in enumerate(planned.cells)]
        points += _memory(block, label, number)
    first = next(sample for sample in samples if sample.is_accepted)
    skipped = (CandidateResult("qwen2.5-0.5b", "qwen2.5-0.5b", "skipped", "no source is known for this alias"),)
    host = {"cpu": "i7-1165G7", "threads": 8, "memory_bytes": 16 * 10**9}
    return Run(
        info=RunInfo(RUN_ID, "notes", "2026-11-02T08:00:00.000Z", "done", plan, ("resident",), skipped),
        executors=(Executor("exec-1", "f00d", "boot-1", "monotonic", host, {"shortlist": "0.1.0"}),),
        blocks=tuple(blocks),
        samples=tuple(samples),
        memory_points=tuple(points),
        events=(Event("exec-1", 1, 5, "warning", blocks[0].id, {"message": "3 requests disturbed (apt, 1.4 cores)"}),),
        scores=(Score(first.id, "facets", 0.75, {"deadline": True}),),
        annotations=(Annotation(text_sha256(first.text), "ann", "faithfulness", 4, "good"),),
        choices=(Choice("not_enough_evidence", None),),
    )

"""A run of five candidates and sixty prompts with invented numbers, and a decision made by hand to go with it."""

import hashlib
import math
from dataclasses import dataclass, replace

from shortlist.choose.decision import Advice, Decision, Need, NeedJudgement, PreferenceDifference, Segment
from shortlist.records import (
    Block,
    Candidate,
    Cell,
    Choice,
    Chunk,
    Endpoint,
    EngineOptions,
    Event,
    Exclusion,
    Executor,
    Flip,
    Interval,
    Look,
    MemoryPoint,
    Message,
    ModelFile,
    NeedVerdict,
    Plan,
    PlannedBlock,
    Prompt,
    Run,
    RunInfo,
    Sample,
    SampleError,
    Scorecard,
    Suite,
    Usage,
    Variant,
    Verdict,
    content_id,
    make_candidate,
    text_sha256,
)
from shortlist.report.scene import Scene
from shortlist.results.figures import PairFigure, PromptQuality, PromptQualityFigure, QualitySummary, RunSummary
from shortlist.results.series import DisturbedSpan, series
from shortlist.results.summary import summarise

MS = 10**6
S = 1000 * MS
RUN_ID = "0197a5c0-0000-7000-8000-0000ab5c7f3c"


@dataclass(frozen=True, slots=True)
class Model:
    label: str
    mean_ms: float
    memory_mb: int
    facets: float


MODELS = (
    Model("qwen2.5-1.5b@q4_0", 1240, 1410, 0.90),
    Model("qwen2.5-1.5b@q8_0", 1830, 2110, 0.91),
    Model("smollm2-1.7b@q4_0", 1470, 1550, 0.88),
    Model("qwen2.5-0.5b@q8_0", 550, 820, 0.71),
    Model("llama3.2-1b@q4_0", 900, 1020, 0.84),
)
TWINS = tuple(Model(f"the-same-model-once-more-{n}@q4_0", 1240, 1410, 0.90) for n in range(1, 6))
"""Five candidates whose values coincide."""


@dataclass(frozen=True, slots=True)
class Size:
    prompts: int = 60
    clusters: int = 20
    rounds: int = 5
    is_same: bool = False


def noise(*parts: object) -> float:
    """Roughly normal, from the hash of what it is for."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return sum(int.from_bytes(digest[at : at + 4]) / 2**32 - 0.5 for at in (0, 4, 8, 12)) * math.sqrt(3)


def _candidate(model: Model) -> Candidate:
    digest = hashlib.sha256(model.label.encode()).hexdigest()
    file = ModelFile(f"{model.label}.gguf", model.memory_mb * 700_000, digest)
    return make_candidate(
        model.label, model.label, "llamacpp", Variant("gguf", "q4_0", (file,)), EngineOptions(threads=2)
    )


def _answer(model: Model, prompt: str, number: int, *, is_same: bool) -> str:
    wording = 0 if is_same else int(abs(noise("text", model.label, prompt)) * 3)
    day = ("Friday", "Monday", "Thursday")[wording % 3]
    late = f" (seen in round {number})" if not is_same and abs(noise("vary", model.label, prompt, number)) > 1.9 else ""
    who = "Priya" if wording < 3 else "The team"
    return f"Action on {prompt}: {who} sends the revised budget by 15:00 {day}. Tom reviews it on Monday.{late}"


def _sample(block: Block, cell: Cell, model: Model, place: tuple[int, int], size: Size) -> Sample:
    seq, due = place
    key = "same" if size.is_same else model.label
    spread = 1 + 0.02 * noise("round", key, cell.round) + 0.12 * noise("request", key, cell.round, cell.prompt)
    long = 1.25 if noise("tail", key, cell.round, cell.prompt) > 2.0 else 1.0
    length = round(model.mean_ms * MS * max(0.4, spread) * long)
    first = due + length // 5
    stamps = [first + (length - length // 5) * n // 9 for n in range(10)]
    text = _answer(model, cell.prompt, cell.round, is_same=size.is_same)
    return Sample(
        id=content_id([block.id, seq]),
        cell=cell.id,
        block=block.id,
        executor="exec-1",
        phase="measure",
        status="ok",
        seq=seq,
        due_ns=due,
        sent_ns=due + 100_000,
        headers_ns=due + MS,
        end_ns=stamps[-1] + MS,
        chunks=tuple(Chunk(stamp, 180, "text", 20_000) for stamp in stamps),
        usage=Usage(300, 38),
        cached_tokens=0,
        token_basis="usage",
        finish_reason="stop",
        text=text,
        text_sha256=text_sha256(text),
        prompt=cell.prompt,
        is_accepted=True,
    )


def _cluster(at: int, prompts: int, clusters: int) -> str:
    return f"m-{at * clusters // prompts + 1:02d}"


def _cell(candidate: str, prompt: str, number: int) -> Cell:
    return Cell(content_id([candidate, prompt, number]), candidate, prompt, number)


def _note(number: int) -> str:
    return (
        f"Note {number}: okay so budget. Priya said she would get it over by three on Friday, the revised one, not the "
        "one from March. Tom to look at it on Monday. Nobody has taken the venue yet; ask again next week."
    )


def big_run(models: tuple[Model, ...] = MODELS, size: Size = Size()) -> Run:
    """Every request of every round, three of them disturbed and measured again."""
    candidates = tuple(_candidate(model) for model in models)
    prompts = tuple(
        Prompt(
            f"n-{n + 1:03d}", (Message("user", _note(n + 1)),), cluster=f"m-{n * size.clusters // size.prompts + 1:02d}"
        )
        for n in range(size.prompts)
    )
    planned = tuple(
        PlannedBlock(
            one.id, number, tuple(Cell(content_id([one.id, p.id, number]), one.id, p.id, number) for p in prompts)
        )
        for number in range(1, size.rounds + 1)
        for one in candidates[number % len(candidates) :] + candidates[: number % len(candidates)]
    )
    by_id = dict(zip((one.id for one in candidates), models, strict=True))
    blocks: list[Block] = []
    samples: list[Sample] = []
    points: list[MemoryPoint] = []
    now = 0
    for number, one in enumerate(planned):
        model, started = by_id[one.candidate], now
        ident = content_id(["block", number])
        endpoint = Endpoint("http://127.0.0.1:4242", "m", 123, "llamacpp", "b7000", "cpu")
        load = model.memory_mb * MS
        block = Block(ident, one.candidate, one.round, 1, "done", "exec-1", started, None, load, "warm", endpoint)
        now += load + S
        for seq, cell in enumerate(one.cells, 1):
            sample = _sample(block, cell, model, (seq, now), size)
            if number == 6 and seq in (11, 12, 13):
                slow = replace(
                    sample,
                    id=content_id([sample.id, "slow"]),
                    is_accepted=False,
                    end_ns=(sample.end_ns or 0) + 900 * MS,
                    chunks=tuple(replace(chunk, ns=chunk.ns + 900 * MS) for chunk in sample.chunks),
                    disturbance=("apt took 1.4 cores",),
                )
                samples.append(slow)
                now = (slow.end_ns or now) + 2 * MS
                sample = _sample(block, cell, model, (seq + 1000, now), size)
            samples.append(sample)
            now = (sample.end_ns or now) + 2 * MS
        blocks.append(replace(block, ended_ns=now))
        peak = model.memory_mb * 10**6 + int(4e6 * noise("memory", model.label, one.round))
        points.append(MemoryPoint(ident, started + 1, "loaded", peak // 2, peak // 4, peak // 4 * 3, "rss"))
        points.append(MemoryPoint(ident, started + 2, "peak", peak // 2, peak - peak // 2, peak, "VmHWM"))
        now += S
    host = {"line": "i7-1165G7, 8 threads, 16 GB, governor performance, on mains power"}
    versions = {"shortlist": "0.1.0", "xllamacpp": "2026.10"}
    plan = Plan(Suite(prompts, rounds=size.rounds), candidates, planned, (Look("2026-11-23T08:00:00.000Z", 5, 60),))
    return Run(
        info=RunInfo(RUN_ID, "meeting-notes", "2026-11-23T08:00:00.000Z", "done", plan),
        executors=(Executor("exec-1", "f00d", "boot-1", "monotonic", host, versions),),
        blocks=tuple(blocks),
        samples=tuple(samples),
        memory_points=tuple(points),
        events=(Event("exec-1", 1, 5, "warning", None, {"message": "3 requests disturbed (apt), measured again"}),),
    )


# --- the decision -----------------------------------------------------------------------------------------------------

P95 = Need("p95<2s", "latency.p95", "<", 2e9)
MEMORY = Need("memory<2GB", "memory.peak", "<", 2e9)
FACETS = Need("facets>=0.85", "facets", ">=", 0.85)
GUARD = Need("error_rate<=1%", "error_rate", "<=", 0.01, is_asked=False)
LICENCE = Need("licence=commercial", "licence", "=", "commercial")
NEEDS = (P95, MEMORY, FACETS, LICENCE, GUARD)


def _facets(model: Model) -> Interval:
    half = 0.03 if model.facets > 0.8 else 0.06
    return Interval(model.facets, model.facets - half, model.facets + half, 0.95, "t over clusters", 20, "score")


def _judge(candidate: str, need: Need, interval: Interval | None) -> NeedJudgement:
    if isinstance(need.limit, str):
        return NeedJudgement(candidate, need, "pass", None, "apache-2.0: permissive")
    if interval is None or interval.low is None or interval.high is None:
        return NeedJudgement(candidate, need, "cannot tell", interval, "no interval")
    is_upper = need.operator in ("<", "<=")
    good, bad = (interval.high, interval.low) if is_upper else (interval.low, interval.high)
    sign = 1 if is_upper else -1
    verdict: NeedVerdict = "cannot tell"
    if not need.is_asked or sign * good <= sign * need.limit:
        verdict = "pass"
    elif sign * bad > sign * need.limit:
        verdict = "fail"
    return NeedJudgement(candidate, need, verdict, interval)


def _difference(candidate: str, place: int, model: Model, pick: Model) -> list[PreferenceDifference]:
    lead = round(model.facets - pick.facets, 3)
    half = 0.02 if place == 1 else 0.045
    quality = Interval(lead, lead - half, lead + half, 0.95, "paired t over clusters", 20, "score")
    ratio = model.mean_ms / pick.mean_ms - 1
    latency = Interval(ratio, ratio - 0.03, ratio + 0.03, 0.95, "paired t of rounds", 5, "share")
    word: Verdict = "equivalent" if abs(lead) + half < 0.05 else "worse" if lead + half < 0 else "not told apart"
    more = 9 if word == "not told apart" else None
    speed: Verdict = "equivalent" if abs(ratio) < 0.02 else "worse" if ratio > 0 else "better"
    return [
        PreferenceDifference(candidate, "quality", quality, 0.05, word, more, "prompts"),
        PreferenceDifference(candidate, "latency", latency, 0.05, speed),
    ]


def _sweeps(pick: str, small: str) -> dict[str, tuple[Segment, ...]]:
    return {
        P95.text: (
            Segment(None, 0.82e9, "none_qualifies", None),
            Segment(0.82e9, 1.48e9, "none_qualifies", None),
            Segment(1.48e9, 1.71e9, "not_enough_evidence", None),
            Segment(1.71e9, None, "ship", pick),
        ),
        MEMORY.text: (Segment(None, 1.405e9, "none_qualifies", None), Segment(1.405e9, None, "ship", pick)),
        FACETS.text: (
            Segment(None, 0.65, "ship", small),
            Segment(0.65, 0.77, "not_enough_evidence", None),
            Segment(0.77, 0.87, "ship", pick),
            Segment(0.87, 0.93, "not_enough_evidence", None),
            Segment(0.93, None, "none_qualifies", None),
        ),
    }


def big_decision(summary: RunSummary, models: tuple[Model, ...] = MODELS) -> Decision:
    """The first candidate is shipped; intervals of speed and memory are the run's own, those of quality invented."""
    ids = [one.candidate for one in summary.candidates]
    by_id = dict(zip(ids, models, strict=True))
    judgements = []
    for one in summary.candidates:
        for need in NEEDS:
            interval = _facets(by_id[one.candidate]) if need is FACETS else one.figures.get(need.figure)
            judgements.append(_judge(one.candidate, need, interval))
    pick = ids[0]
    excluded = [Exclusion(j.candidate, j.need.text, j.verdict, j.interval) for j in judgements if j.verdict == "fail"]
    differences = [found for at, one in enumerate(ids) if at for found in _difference(one, at, by_id[one], by_id[pick])]
    cards = tuple(
        Scorecard(one, quality={"facets": _facets(model)}, licence="permissive") for one, model in by_id.items()
    )
    choice = Choice(
        "ship",
        pick,
        excluded=tuple(excluded),
        flips=(Flip(FACETS.text, 0.85, 0.65, ids[3]), Flip(P95.text, 2e9, 1.71e9, None)),
        stability=0.98,
    )
    advice = Advice(
        "4 more rounds would do, about 19 min (estimate, 80 % power)",
        "shortlist bench --resume ab5c7f3c --rounds 9",
        19 * 60 * S,
    )
    return Decision(
        choice=choice,
        sentence=(
            f"Ship {by_id[pick].label}. {by_id[ids[1]].label} is equal in quality and out: 2.31 s and 2.11 GB, 2 s and "
            f"2 GB allowed. {by_id[ids[2]].label} can't be told from the limits."
        ),
        labels={one: model.label for one, model in by_id.items()},
        needs=NEEDS,
        preferences=("quality", "latency"),
        judgements=tuple(judgements),
        differences=tuple(differences),
        scorecards=cards,
        sweeps=_sweeps(pick, ids[3]),
        skipped=("rating",),
        advice=(advice,),
        notes=("5 rounds, 60 prompts in 20 clusters.",),
        margins={"facets": 0.05, "rating": 0.25, "speed": 0.05, "memory": 0.05},
        reference=pick,
    )


def with_quality(summary: RunSummary, models: tuple[Model, ...] = MODELS, clusters: int = 20) -> RunSummary:
    """Facet scores in quarters, prompt by prompt, and the floor."""
    prompts = []
    for at, prompt in enumerate(summary.prompts):
        figures = []
        for one, model in zip(summary.candidates, models, strict=True):
            raw = round((model.facets + 0.16 * noise("score", model.label, prompt.prompt)) * 4) / 4
            is_critical = raw < 0.6
            score = 0.0 if is_critical else min(1.0, raw)
            failed = {"deadline": 5} if is_critical else {"names the owner": 2} if score < 1 else {}
            figures.append(PromptQualityFigure(one.candidate, 5, score, is_critical, failed))
        prompts.append(
            PromptQuality(prompt.prompt, f"m-{at * clusters // len(summary.prompts) + 1:02d}", tuple(figures))
        )
    nulls = {
        "empty": Interval(0.0, 0.0, 0.04, 0.95, "exact bounds on clusters", 20, "score"),
        "echo": Interval(0.52, 0.44, 0.60, 0.95, "t over clusters", 20, "score"),
    }
    share = Interval(0.8, 0.61, 0.92, 0.95, "t over clusters", 12, "share")
    pairs = tuple(PairFigure(one.candidate, 24, 4, 2, share) for one in summary.candidates)
    candidates = tuple(
        replace(one, figures={**one.figures, "facets": _facets(model)})
        for one, model in zip(summary.candidates, models, strict=True)
    )
    quality = QualitySummary(tuple(prompts), nulls, pairs, (), clusters)
    return replace(summary, quality=quality, candidates=candidates)


def big_scene(models: tuple[Model, ...] = MODELS, size: Size = Size()) -> Scene:
    """All that a report can be made of."""
    run = big_run(models, size)
    summary = with_quality(summarise(run), models, size.clusters)
    return Scene(summary, big_decision(summary, models), series(run))


def hostile_scene(text: str) -> Scene:
    """The text in every place of a report that a stranger can write to."""
    scene = big_scene(MODELS, Size(prompts=6, clusters=6, rounds=2))
    summary, decision = scene.summary, scene.decision
    assert decision is not None
    assert scene.series is not None
    error = SampleError(text, text)
    labels = {one: f"{text}{at}" for at, one in enumerate(decision.labels)}
    candidates = tuple(
        replace(one, label=labels[one.candidate], status="partial", reason=text, engine=text, sample=text)
        for one in summary.candidates
    )
    prompts = tuple(
        replace(one, asked=text, answers=tuple(replace(answer, text=text, reasoning=text) for answer in one.answers))
        for one in summary.prompts
    )
    quality = summary.quality
    assert quality is not None
    figures = [
        replace(one, cluster=text, figures=tuple(replace(f, failed={text: 1}) for f in one.figures))
        for one in quality.prompts
    ]
    summary = replace(
        summary,
        name=text,
        candidates=candidates,
        prompts=prompts,
        flags=(text,),
        hosts=({"cpu": text, "line": text},),
        versions={text: text},
        engines=(text,),
        stamps=(text,),
        warnings=(text,),
        quality=replace(quality, prompts=tuple(figures), raters=(text,)),
    )
    answers = tuple(
        replace(
            one,
            answers=tuple(
                replace(a, text=text, reasoning=text, error=error if at % 2 else None)
                for at, a in enumerate(one.answers)
            ),
        )
        for one in scene.series.answers
    )
    spans = tuple(replace(one, disturbed=(DisturbedSpan(0, 10**9, text),)) for one in scene.series.candidates)
    decision = replace(
        decision,
        sentence=f"Ship {text}.",
        labels=labels,
        judgements=tuple(replace(one, note=text) for one in decision.judgements),
        scorecards=tuple(replace(one, licence=text) for one in decision.scorecards),
        advice=(Advice(text, text), Advice(text, "")),
        notes=(text,),
        skipped=(text,),
    )
    return Scene(summary, decision, replace(scene.series, candidates=spans, answers=answers))

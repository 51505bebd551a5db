"""A run as a report tells it. Only accepted, measured requests count; a failed one is never averaged into latency."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median

from shortlist.measure.causes import said_once, summed_up
from shortlist.records import (
    RESENT,
    Block,
    Candidate,
    CandidateResult,
    CandidateStatus,
    Executor,
    Interval,
    Prompt,
    Run,
    Sample,
)
from shortlist.results import candidate_figures as figures_of
from shortlist.results import metrics
from shortlist.results.accepted import Measured, Requests, requests_by_candidate
from shortlist.results.candidate_figures import Manner
from shortlist.results.comparable import imported_from
from shortlist.results.disturbance import noise_of, summarise_disturbance, without_disturbed
from shortlist.results.energy import energy_and_cost
from shortlist.results.figures import (
    DETERMINISTIC,
    Answer,
    CandidateSummary,
    Outlier,
    PromptFigure,
    PromptSummary,
    RunSummary,
    SpeedComparison,
)
from shortlist.results.goodput import goodput_figures, parse_limits
from shortlist.results.measuring import figure_errors, measuring_error
from shortlist.results.one_model import answers_of_one_model
from shortlist.results.quality import quality_figures, quality_warnings, summarise_quality
from shortlist.results.racing import race_line, why_left_out
from shortlist.results.reached import is_growing, load_warnings, reached_figures, without_far_ends
from shortlist.results.repeatability import repeatability
from shortlist.results.roofline import roofline_figures
from shortlist.results.speed import SPEED_MARGIN, compare_speeds
from shortlist.stats.outliers import modified_z_scores, outliers
from shortlist.units import counted


def summarise(
    run: Run, *, level: float = 0.95, speed_margin: float = SPEED_MARGIN, failures_as_infinite: bool = False
) -> RunSummary:
    """All numbers of a run. `failures_as_infinite` counts failed requests in percentiles, as needs judge them."""
    requests = requests_by_candidate(run)
    suite = run.info.plan.suite
    manner = manner_of(run, level, failures_as_infinite=failures_as_infinite)
    candidates = candidate_summaries(run, requests, manner)
    candidates += [_skipped(result) for result in run.info.skipped]
    error = measuring_error(run)
    errors = {one.candidate: figure_errors(one.figures, error) for one in candidates}
    return RunSummary(
        run=run.info.id,
        goodput=tuple(limit.text for limit in manner.limits),
        repeatability=repeatability(requests, level),
        pins=run.info.pins,
        name=run.info.name,
        started_at=run.info.started_at,
        state=run.info.state,
        rounds=len({cell.round for cell in run.info.plan.cells}),
        prompts=_prompts(suite.prompts, requests),
        candidates=tuple(candidates),
        comparisons=_told_apart(compare_speeds(requests, errors, level=level, margin=speed_margin), candidates),
        load=suite.load,
        generation=suite.generation,
        level=level,
        looks=len(run.info.plan.looks),
        race=race_line(run),
        flags=run.info.flags,
        hosts=tuple(dict(executor.host) for executor in _one_per_host(run)),
        versions={name: version for executor in run.executors for name, version in executor.versions.items()},
        engines=_engines(run.blocks),
        stamps=_stamps(run),
        round_ns=manner.round_ns,
        warnings=(*_warnings(run, candidates), *_load_warnings(run, candidates, requests), *quality_warnings(run)),
        quality=summarise_quality(run, level),
        disturbance=summarise_disturbance(run),
        measuring_error=error,
        one_model=answers_of_one_model(run, requests),
    )


def manner_of(
    run: Run,
    level: float = 0.95,
    *,
    failures_as_infinite: bool = False,
    percentiles: frozenset[str] | None = None,
) -> Manner:
    """How this run is summarised."""
    suite = run.info.plan.suite
    return Manner(
        level,
        suite.generation.stream,
        failures_as_infinite,
        _round_ns(run),
        limits=parse_limits(suite.goodput),
        no_gaps=_no_gaps(run),
        percentiles=percentiles,
    )


def candidate_summaries(run: Run, requests: Mapping[str, Requests], manner: Manner) -> list[CandidateSummary]:
    """Every candidate of the plan with its figures, and without the rest of a report."""
    further = (quality_figures(run, manner.level), energy_and_cost(run, manner.level))
    return [
        _with(_candidate(run, candidate, requests[candidate.id], manner), *further)
        for candidate in run.info.plan.candidates
    ]


def _no_gaps(run: Run) -> str:
    """Why chunk gaps are not known: another tool kept the first and last chunk of a reply alone."""
    tool = imported_from(run)
    return f"{tool} keeps the first and the last chunk of a reply, and none between" if tool else ""


def _told_apart(
    comparisons: Sequence[SpeedComparison], candidates: Sequence[CandidateSummary]
) -> tuple[SpeedComparison, ...]:
    """No verdict on a pair of which the host disturbed too much of one."""
    noise = {one.candidate: noise_of(one) for one in candidates}
    return tuple(
        replace(one, verdict=None, ratio=None, more_rounds=None, note=why)
        if (why := noise[one.candidate] or noise[one.against])
        else one
        for one in comparisons
    )


def _with(one: CandidateSummary, *further: Mapping[str, Mapping[str, Interval]]) -> CandidateSummary:
    figures = dict(one.figures)
    for by_candidate in further:
        figures |= by_candidate.get(one.candidate, {})
    return replace(one, figures=figures)


def _one_per_host(run: Run) -> list[Executor]:
    return list({executor.fingerprint: executor for executor in run.executors}.values())


def _engines(blocks: Sequence[Block]) -> tuple[str, ...]:
    known = [block.endpoint for block in blocks if block.endpoint is not None]
    return tuple(sorted({f"{e.engine} {e.engine_version or '(version unknown)'} on {e.device or '?'}" for e in known}))


def _stamps(run: Run) -> tuple[str, ...]:
    """Where arrivals were stamped: by the kernel, at a read in user space, or after decryption."""
    return tuple(sorted({str(event.data.get("basis")) for event in run.events if event.kind == "stamps"}))


def _round_ns(run: Run) -> int | None:
    """One more round of every candidate that was measured, from the lengths of the blocks that are done."""
    lengths: dict[str, list[int]] = {}
    for block in run.blocks:
        if block.state == "done" and block.ended_ns is not None:
            lengths.setdefault(block.candidate, []).append(block.ended_ns - block.started_ns)
    return round(sum(median(values) for values in lengths.values())) or None


# --- candidates -----------------------------------------------------------------------------------------------------


def _skipped(one: CandidateResult) -> CandidateSummary:
    return CandidateSummary(one.candidate, one.label, one.label, "", None, one.status, one.reason, 0, 0, 0, 0, {})


def _candidate(run: Run, candidate: Candidate, requests: Requests, manner: Manner) -> CandidateSummary:
    blocks = [block for block in run.blocks if block.candidate == candidate.id]
    planned = sum(cell.candidate == candidate.id for cell in run.info.plan.cells)
    status, reason = _status(requests, planned, blocks, why_left_out(run, candidate.id))
    samples = requests.samples
    complete = requests.complete
    done = {block.id for block in blocks if block.state == "done"}
    points = [point for point in run.memory_points if point.block in done]
    found = {
        **figures_of.speed_figures(requests, manner),
        **figures_of.answer_figures(requests, manner),
        **_load_figures(run, requests, manner),
        **figures_of.load_figures((block for block in blocks if block.id in done), manner.level),
        **figures_of.memory_figures(points, manner.level),
        **figures_of.footprint_figures(candidate.variant),
        **roofline_figures(run, candidate, requests, manner),
    }
    if is_growing(found):
        found = without_far_ends(found)
    return CandidateSummary(
        candidate=candidate.id,
        label=candidate.label,
        model=candidate.model,
        engine=candidate.engine,
        quantisation=candidate.variant.quantisation,
        status=status,
        reason=reason,
        n=len(samples),
        planned=planned,
        rounds=len(complete.by_round()),
        failed=metrics.failures(samples),
        figures=found,
        token_basis=tuple(sorted({s.token_basis for s in complete.samples if s.token_basis is not None})),
        cached_tokens=figures_of.cached_tokens(samples),
        disturbed=sum(bool(sample.causes) for sample in samples),
        sample=complete.samples[-1].text if complete.items else None,
        causes=summed_up(cause for sample in samples for cause in sample.causes),
        undisturbed=without_disturbed(requests, manner),
        options=candidate.options.told,
    )


def _status(
    requests: Requests, planned: int, blocks: Sequence[Block], left_out: str | None
) -> tuple[CandidateStatus, str | None]:
    n, complete = len(requests.items), len(requests.complete.items)
    why = _commonest_error(requests.samples, blocks)
    if complete == planned and planned:
        return "ok", None
    if complete:
        told = f"; {left_out}" if left_out and n < planned else ""
        missing = f"{told}; {planned - n} of {planned} not measured" if n < planned else ""
        failed = f"{n - complete} of {n} requests failed" + (f" ({why})" if why else "") if n > complete else ""
        return "partial", (failed + missing).removeprefix("; ")
    if n or any(block.state == "failed" for block in blocks):
        return "failed", why or "no request completed"
    return "partial", f"0 of {planned} measured"


def _commonest_error(samples: Sequence[Sample], blocks: Sequence[Block]) -> str | None:
    errors = [block.error for block in blocks if block.error is not None and block.state == "failed"]
    errors = errors or [sample.error for sample in samples if sample.error is not None]
    if not errors:
        return None
    error = Counter(errors).most_common(1)[0][0]
    return f"{error.type}: {error.message}"


# --- prompts --------------------------------------------------------------------------------------------------------


def _prompts(prompts: Sequence[Prompt], requests: Mapping[str, Requests]) -> tuple[PromptSummary, ...]:
    by_prompt = {candidate: one.by_prompt() for candidate, one in requests.items()}
    return tuple(
        _prompt(prompt, {candidate: found.get(prompt.id, ()) for candidate, found in by_prompt.items()})
        for prompt in prompts
    )


def _prompt(prompt: Prompt, items: Mapping[str, Sequence[Measured]]) -> PromptSummary:
    return PromptSummary(
        prompt.id,
        "\n\n".join(message.content for message in prompt.messages if message.role == "user"),
        tuple(_prompt_figure(candidate, mine) for candidate, mine in items.items()),
        tuple(_answer(candidate, mine) for candidate, mine in items.items() if mine),
    )


def _prompt_figure(candidate: str, items: Sequence[Measured]) -> PromptFigure:
    timed = [(item, latency) for item in items if (latency := metrics.latency_ns(item.sample)) is not None]
    failed = metrics.failures(item.sample for item in items)
    if not timed:
        return PromptFigure(candidate, len(items), failed, None, None)
    values = [float(latency) for _, latency in timed]
    scores = modified_z_scores(values)
    far = tuple(
        Outlier(timed[i][0].cell.round, timed[i][0].cell.repeat, timed[i][1], scores[i]) for i in outliers(values)
    )
    return PromptFigure(candidate, len(items), failed, median(values), max(latency for _, latency in timed), far)


def _answer(candidate: str, items: Sequence[Measured]) -> Answer:
    complete = [item for item in items if metrics.is_complete(item.sample)]
    last = (complete or items)[-1]
    texts = {(item.sample.text, item.sample.reasoning) for item in complete}
    sample = last.sample
    return Answer(
        candidate,
        last.cell.round,
        sample.status,
        sample.text,
        sample.reasoning,
        metrics.completion_tokens(sample),
        sample.finish_reason,
        len(texts) > 1 if len(complete) > 1 else None,
        sample.error,
    )


# --- warnings -------------------------------------------------------------------------------------------------------


def _warnings(run: Run, candidates: Sequence[CandidateSummary]) -> tuple[str, ...]:
    found = []
    if run.info.state != "done":
        found.append(f"the run is {run.info.state}: what follows is what was measured so far")
    if run.info.plan.suite.is_resident and len({block.round for block in run.blocks}) > 1:
        found.append(
            "every candidate stayed loaded: the rounds of each share one process, and intervals over rounds leave out "
            "what differs between processes"
        )
    if DETERMINISTIC in run.info.flags and any(one.engine == "remote" for one in run.info.plan.candidates):
        found.append(
            "prompts were repeated as they are, so an endpoint may have read them from a cache: TTFT may be too good"
        )
    options = {candidate.id: candidate.options for candidate in run.info.plan.candidates}
    for one in candidates:
        if one.cached_tokens and not options[one.candidate].prefix_cache:
            found.append(f"{one.label}: up to {one.cached_tokens} prompt tokens came from a cache, so TTFT is too good")
        if len(one.token_basis) > 1:
            found.append(
                f"{one.label}: tokens were counted on {len(one.token_basis)} bases: {', '.join(one.token_basis)}"
            )
    found += said_once(_disturbed_warnings(candidates))
    bases = {basis for one in candidates for basis in one.token_basis}
    if len(bases) > 1:
        found.append("tokens of the candidates were counted on different bases: compare characters/s instead")
    resent = sum(sample.is_accepted and RESENT in sample.disturbance for sample in run.samples)
    if resent:
        found.append(f"{counted(resent, 'request')} sent twice, for the server had closed the connection meanwhile")
    energies = {
        one.figures["energy.gross.requests"].basis for one in candidates if "energy.gross.requests" in one.figures
    }
    if len(energies) > 1:
        found.append(f"energy was counted on different bases ({', '.join(sorted(energies))}): do not rank by it")
    messages = (event.data.get("message") for event in run.events if event.kind == "warning")
    found += [message for message in messages if isinstance(message, str)]
    return tuple(dict.fromkeys(found))


def _disturbed_warnings(candidates: Sequence[CandidateSummary]) -> Iterator[tuple[str, str]]:
    for one in candidates:
        if noise := noise_of(one):
            yield one.label, f"{noise}; speed is not concluded from"
        elif one.disturbed:
            by = "; ".join(one.causes)
            yield one.label, f"{one.disturbed} of {one.n} requests stayed disturbed ({by}) and are counted"


def _load_figures(run: Run, requests: Requests, manner: Manner) -> dict[str, Interval]:
    suite = run.info.plan.suite
    warmups = suite.warmup * suite.load.concurrency
    good = goodput_figures(requests, manner.limits, is_streamed=manner.is_streamed, level=manner.level, warmups=warmups)
    return {**good, **reached_figures(requests, suite.load, manner.level, warmups)}


def _load_warnings(run: Run, candidates: Sequence[CandidateSummary], requests: Mapping[str, Requests]) -> Iterator[str]:
    load = run.info.plan.suite.load
    yield from said_once(
        (one.label, text)
        for one in candidates
        for text in load_warnings(requests.get(one.candidate, Requests(())), one.figures, load)
    )

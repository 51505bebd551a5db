"""A GuideLLM report as runs: what its definitions allow, and a warning for what they do not.

One load (strategy, streams, rate) on one model is one run, for a run has one load. Benchmarks of the same load are its
rounds, in one file or in several; nobody started the engine afresh between them, and the run says so. A single
benchmark is a single round: it has no spread between rounds, and none is made up.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from shortlist.clock import iso
from shortlist.errors import InvalidFile
from shortlist.records import (
    Block,
    Cell,
    Chunk,
    Endpoint,
    EngineOptions,
    Event,
    Executor,
    Generation,
    LoadShape,
    Look,
    Plan,
    PlannedBlock,
    Prompt,
    Run,
    RunInfo,
    Sample,
    Suite,
    Usage,
    Variant,
    content_id,
    make_candidate,
    text_sha256,
)
from shortlist.results.comparable import IMPORTED
from shortlist.results.guidellm_file import Benchmark, Config, Report, Request, Timings
from shortlist.results.guidellm_terms import error_of, load_of, numbers_of, target_of, tokens_of
from shortlist.units import counted

UNKNOWN = Prompt("not-recorded", ())
"""Stands for requests whose words the file does not keep: those that failed, and those that were not sampled."""

_ASKED = {"max_tokens": ("max_completion_tokens", "max_tokens"), "temperature": ("temperature",), "seed": ("seed",)}
_SOON = 10**6  # the run's axis begins a millisecond before its first request


@dataclass(frozen=True, slots=True)
class Origin:
    """One benchmark of one file."""

    file: str
    report: Report
    benchmark: Benchmark


def guidellm_runs(reports: Sequence[tuple[str, Report]], name: str | None = None) -> tuple[Run, ...]:
    """One run per model and load. `name` is the run's, with the load behind it where there are several.

    Raises InvalidFile where no request is kept, or the load is none that we have.
    """
    groups: dict[tuple[str, LoadShape], list[Origin]] = {}
    for file, report in reports:
        for place, benchmark in enumerate(report.benchmarks):
            if not (benchmark.requests.successful or benchmark.requests.errored):
                hint = "let GuideLLM keep its requests: its sample size must not be 0"
                raise InvalidFile(file, f"benchmarks[{place}].requests", "no request is kept", hint=hint)
            load = load_of(benchmark.config, file, place)
            if all(_due(load, one.info.timings) is None for one in _all(benchmark)):
                raise InvalidFile(file, f"benchmarks[{place}].requests", "no request says when it was sent")
            groups.setdefault((benchmark.config.model, load), []).append(Origin(file, report, benchmark))
    several = len(groups) > 1
    return tuple(
        _Import(model, load, origins, _named(name, model, load) if several else name).run()
        for (model, load), origins in groups.items()
    )


def _named(name: str | None, model: str, load: LoadShape) -> str | None:
    shape = f"{load.concurrency}-streams" if load.kind == "closed" else f"{load.rate_per_s:g}-per-s"
    return None if name is None else f"{name}-{model}-{shape}".replace("@", "-")


class _Import:
    """One run being put together from the benchmarks of one load."""

    def __init__(self, model: str, load: LoadShape, origins: Sequence[Origin], name: str | None) -> None:
        self._model, self._load, self._origins, self._name = model, load, origins, name
        self._first = origins[0]
        self._prompts: dict[str, Prompt] = {}
        self._candidate = make_candidate(model, model, "remote", Variant("endpoint"), EngineOptions())
        sent = [_due(load, one.info.timings) for origin in origins for one in _all(origin.benchmark)]
        self._zero = min(one for one in sent if one is not None)
        self._left_out = self._warm = 0

    def run(self) -> Run:
        """The whole of it."""
        rounds = [self._round(number, origin) for number, origin in enumerate(self._origins, 1)]
        samples = tuple(sample for _, _, found in rounds for sample in found)
        warnings = self._warnings()
        executor = self._executor()
        events = (Event(executor.id, n, 0, "warning", None, {"message": text}) for n, text in enumerate(warnings, 1))
        return Run(
            info=self._info(tuple(planned for planned, _, _ in rounds), samples),
            executors=(executor,),
            blocks=tuple(block for _, block, _ in rounds),
            samples=samples,
            events=tuple(events),
        )

    def _info(self, planned: tuple[PlannedBlock, ...], samples: Sequence[Sample]) -> RunInfo:
        generation, unset = self._generation()
        prompts = tuple(self._prompts.values())
        suite = Suite(prompts, generation, self._load, len(planned), warmup=round(self._warm / len(planned)))
        started = iso(round(self._zero * 1e9))
        look = Look(started, len(planned), len(prompts))
        plan = Plan(suite, (self._candidate,), planned, (look,))
        version = self._first.report.metadata.guidellm_version
        flags = (f"{IMPORTED}guidellm {version}", *unset)
        return RunInfo(self._run_id(samples), self._name, started, "done", plan, flags)

    def _run_id(self, samples: Sequence[Sample]) -> str:
        """A UUIDv7 of the first request's time and of the requests: the same files give the same run."""
        digits = hashlib.sha256("".join(sample.id for sample in samples).encode()).hexdigest()
        time = f"{round(self._zero * 1000):012x}"[-12:]
        return f"{time[:8]}-{time[8:]}-7{digits[:3]}-8{digits[3:6]}-{digits[6:18]}"

    def _executor(self) -> Executor:
        metadata = self._first.report.metadata
        client = f"not recorded (client: {metadata.platform})" if metadata.platform else "not recorded"
        versions = {"guidellm": metadata.guidellm_version, "python": metadata.python_version}
        known = {name: version for name, version in versions.items() if version}
        named = content_id([self._first.file, self._zero])
        return Executor(named, "", "", "time.time", {"line": f"host: {client}"}, known)

    # --- one benchmark, one request -----------------------------------------------------------------------------------

    def _round(self, number: int, origin: Origin) -> tuple[PlannedBlock, Block, list[Sample]]:
        requests = sorted(_all(origin.benchmark), key=lambda one: _due(self._load, one.info.timings) or 0.0)
        requests = [one for one in requests if _due(self._load, one.info.timings) is not None]
        self._left_out += len(origin.benchmark.requests.incomplete)
        executor = self._executor().id
        block_id = content_id([executor, number, [one.request_id for one in requests]])
        samples, cells, asked = [], [], dict[str, int]()
        for seq, request in enumerate(requests):
            cell = None
            if self._is_measured(request, origin.benchmark):
                prompt = self._prompt(request)
                repeat = asked[prompt.id] = asked.get(prompt.id, -1) + 1
                named = content_id([self._candidate.id, prompt.id, number, repeat])
                cell = Cell(named, self._candidate.id, prompt.id, number, repeat)
                cells.append(cell)
            samples.append(self._sample(request, cell, (block_id, executor, seq), origin.benchmark.config))
        self._warm += len(requests) - len(cells)
        ends = [sample.end_ns or sample.due_ns for sample in samples]
        endpoint = Endpoint(target_of(origin.benchmark.config), self._model, None, "remote", None, None)
        block = Block(
            block_id, self._candidate.id, number, 1, "done", executor, samples[0].due_ns, max(ends), endpoint=endpoint
        )
        return PlannedBlock(self._candidate.id, number, tuple(cells)), block, samples

    def _is_measured(self, request: Request, benchmark: Benchmark) -> bool:
        """Whether it was sent after the warm-up and before the cool-down."""
        sent, window = request.info.timings.sent, benchmark.scheduler_metrics
        if sent is None:
            return True
        is_warm = benchmark.config.warmup.is_set and sent < window.measure_start_time
        return not (is_warm or (benchmark.config.cooldown.is_set and sent >= window.measure_end_time))

    def _prompt(self, request: Request) -> Prompt:
        messages = request.messages
        prompt = Prompt(f"p-{content_id(messages)[:8]}", messages) if messages else UNKNOWN
        return self._prompts.setdefault(prompt.id, prompt)

    def _ns(self, seconds: float | None) -> int | None:
        return None if seconds is None else round((seconds - self._zero) * 1e9) + _SOON

    def _sample(self, request: Request, cell: Cell | None, place: tuple[str, str, int], config: Config) -> Sample:
        timings = request.info.timings
        text, reasoning = request.output or "", request.reasoning_output or ""
        error = error_of(request.info.error)
        chunks = self._chunks(timings, has_reasoning=bool(reasoning))
        tokens, basis = tokens_of(request, config)
        block, executor, seq = place
        due = self._ns(_due(self._load, timings))
        assert due is not None
        return Sample(
            id=content_id([block, seq, request.request_id]),
            cell=None if cell is None else cell.id,
            block=block,
            executor=executor,
            phase="warmup" if cell is None else "measure",
            status="failed" if error else "ok" if text or reasoning or chunks else "empty",
            seq=seq,
            due_ns=due,
            sent_ns=self._ns(timings.sent),
            end_ns=self._ns(timings.end),
            chunks=() if error else chunks,
            usage=None if error else Usage(request.input_metrics.text_tokens, tokens),
            cached_tokens=request.input_metrics.cached_tokens,
            token_basis=None if error else basis,
            text=text,
            reasoning=reasoning,
            text_sha256=None if error else text_sha256(text),
            error=error,
            prompt=None if cell is None else cell.prompt,
            is_accepted=cell is not None,
        )

    def _chunks(self, timings: Timings, *, has_reasoning: bool) -> tuple[Chunk, ...]:
        """The first and the last token, and the first of the answer after its reasoning: no more is kept."""
        first, text, last = (
            self._ns(one)
            for one in (
                timings.first_token_iteration,
                timings.first_output_token_iteration,
                timings.last_token_iteration,
            )
        )
        found = [] if first is None else [Chunk(first, 0, "reasoning" if has_reasoning and text != first else "text")]
        if first is not None and text is not None and text > first:
            found.append(Chunk(text, 0, "text"))
        if last is not None and found and last > found[-1].ns:
            found.append(Chunk(last, 0, "text"))
        return tuple(found)

    # --- what was asked, and what to say of it ------------------------------------------------------------------------

    def _generation(self) -> tuple[Generation, tuple[str, ...]]:
        """The first request's parameters; those that it left to the server are flags, for a number would be a guess."""
        bodies = (one.body for origin in self._origins for one in origin.benchmark.requests.successful)
        body = next((body for body in bodies if body), {})
        given, plain = numbers_of(body, _ASKED), Generation()
        generation = Generation(
            max_tokens=int(given.get("max_tokens", plain.max_tokens)),
            temperature=float(given.get("temperature", plain.temperature)),
            seed=int(given.get("seed", plain.seed)),
            stream=bool(self._first.benchmark.config.backend.get("stream", True)),
            fixed_tokens=int(given["max_tokens"]) if body.get("ignore_eos") and "max_tokens" in given else None,
        )
        return generation, tuple(f"server's-{name}" for name in _ASKED if name not in given)

    def _warnings(self) -> list[str]:
        version = self._first.report.metadata.guidellm_version
        found = [f"measured by GuideLLM {version}: what its client added to a time is in it and was not measured"]
        if self._load.kind == "closed":
            found.append("TTFT and latency count from sent: the file does not say when a slot became free")
        if len(self._origins) == 1:
            found.append(
                "one benchmark is one round: how far rounds lie apart is not known, so no mean has an interval"
            )
        else:
            rounds = counted(len(self._origins), "benchmark")
            found.append(f"{rounds} of one load are its rounds; nobody started the engine afresh between them")
        found.append("of a reply the file keeps the first and the last token: chunk gaps are withheld")
        found.append("the server's hardware, memory, load time and prefix cache are not in the file")
        config = self._first.benchmark.config
        if config.sample_size is not None:
            found.append(
                f"of each benchmark {config.sample_size} requests at the most are in the file, drawn at random"
            )
        if not self._warm:
            found.append("no request was a warm-up")
        if self._left_out:
            found.append(f"{counted(self._left_out, 'request')} that GuideLLM cut off at the end of its time left out")
        if UNKNOWN.id in self._prompts:
            found.append("of requests that failed, and of those not sampled, the file does not keep the words")
        return found


def _due(load: LoadShape, timings: Timings) -> float | None:
    """Under a rate the time that the schedule wanted; else when it was sent: nobody says when a slot was free."""
    return timings.targeted_start if load.kind == "open" else timings.sent


def _all(benchmark: Benchmark) -> list[Request]:
    """The requests that came to an end; what was cut off when the time was over says nothing of the server."""
    return [*benchmark.requests.successful, *benchmark.requests.errored]

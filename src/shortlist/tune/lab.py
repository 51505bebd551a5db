"""Measures settings side by side: each phase of a tuning is a run of the store, made of fresh engine processes."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from shortlist.bench.blocks import MOST_IN_VAIN
from shortlist.bench.estimate import guessed_pace
from shortlist.bench.job import Patience
from shortlist.bench.known_truth import NO_SELFTEST, streams_of
from shortlist.bench.progress import Progress
from shortlist.bench.roster import Roster
from shortlist.bench.session import Connection, Session, carry_out, new_session
from shortlist.choose.evidence import CandidateEvidence, evidence_from
from shortlist.choose.needsfile import Needs
from shortlist.clock import SYSTEM
from shortlist.models.refs import ResolvedModel
from shortlist.profiles import over
from shortlist.records import Candidate, EngineOptions, Plan, Run, RunInfo, Suite, make_candidate
from shortlist.results.store import Store
from shortlist.tune.answers import Answers, answers_of
from shortlist.tune.grid import Setting

_ANSWERED = "latency.mean"  # the figure that every setting has that answered at all
_CLOSING_NS = 2 * 10**9  # what a cut block's engine may take to end


@dataclass(frozen=True, slots=True)
class Ask:
    """What is to be measured: so many rounds of these settings, as a race or not, over by `until_ns` whatever happens.

    In a single round they go in the order given, so that what is worth most is measured before time is up.
    """

    phase: str
    settings: tuple[Setting, ...]
    rounds: int
    until_ns: int
    raced_by: str | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """What was measured, by the setting's label. `block_ns`: what one block took; `failed`: why there is nothing.

    `disturbed` is the share of the accepted requests that something else on this host disturbed.
    """

    name: str
    run: str
    rounds: int
    evidence: Mapping[str, CandidateEvidence] = field(default_factory=dict)
    answers: Mapping[str, Answers] = field(default_factory=dict)
    block_ns: Mapping[str, float] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    disturbed: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)

    def rounds_of(self, label: str, figure: str) -> int:
        """In how many rounds a setting was measured."""
        one = self.evidence.get(label)
        return 0 if one is None else len(one.rounds.get(figure, {}))


class Lab(Protocol):
    """Where settings are measured; a test has one without engines."""

    def guess_ns(self, setting: Setting) -> float:
        """About how long one block of it takes, before anything was measured."""
        ...

    async def measure(self, ask: Ask) -> Phase:
        """Measure, until it is done or time is up."""
        ...


@dataclass(frozen=True, slots=True)
class Subject:
    """What is tuned: the models by the name that settings give them, how they are asked, and what the user set."""

    models: Mapping[str, ResolvedModel]
    suite: Suite
    asked: EngineOptions
    flags: tuple[str, ...] = ()

    def candidate(self, setting: Setting) -> Candidate:
        """A setting as a bench knows it."""
        model = self.models[setting.model]
        options = over(self.asked, setting.tuned)
        return make_candidate(setting.label, model.label, setting.engine, model.variant, options, model.card)


class BenchLab:
    """Measures by benches. `show` gives whom to tell of a phase's plan and progress.

    The caller has the host (`hold_host`, for a run like `info`) and puts its hold into `connection`.
    """

    def __init__(
        self, store: Store, subject: Subject, show: Callable[[str, Plan], AbstractContextManager[Progress]], title: str
    ) -> None:
        self._store, self._subject, self._show, self._title = store, subject, show, title
        self.connection = Connection()

    def info(self, settings: tuple[Setting, ...]) -> RunInfo:
        """What a run of these settings is like."""
        return self._session(Ask("first round", settings, 1, 0)).info

    def guess_ns(self, setting: Setting) -> float:
        """From the file's size, as a bench guesses."""
        suite = self._subject.suite
        pace = guessed_pace(self._subject.candidate(setting), Plan(suite, (), ()))
        return pace.start_ns + (suite.warmup + len(suite.prompts) * suite.repeats) * pace.request_ns

    async def measure(self, ask: Ask) -> Phase:
        """One run. A block that is being measured when time is up is cut, and its run stays `interrupted`."""
        session = self._session(ask)
        left_ns = ask.until_ns - SYSTEM.now_ns() - _CLOSING_NS
        if left_ns <= 0:
            return Phase(ask.phase, "", 0)
        with self._show(ask.phase, session.info.plan) as progress:
            try:
                async with asyncio.timeout(left_ns / 1e9):
                    # On a busy host no block is run again until one was quiet: rounds are worth more than that.
                    patience = Patience(disturbed=MOST_IN_VAIN)
                    work = carry_out(
                        session, self._store, self.connection, progress, budget_ns=left_ns, patience=patience
                    )
                    await work
            except TimeoutError:
                pass  # what was measured is kept
        run = self._store.load_run(session.info.id)
        return phase_of(ask, run)

    def _session(self, ask: Ask) -> Session:
        subject = self._subject
        candidates = {one.label: subject.candidate(one) for one in ask.settings}
        paths: dict[str, Path] = {}
        for one in ask.settings:
            path = subject.models[one.model].path
            if path is not None:
                paths[candidates[one.label].id] = path
        roster = Roster(tuple(candidates.values()), paths)
        suite = replace(subject.suite, rounds=ask.rounds)
        raced_by = None if ask.raced_by is None else Needs((), (ask.raced_by,))
        session = new_session(suite, roster, f"{self._title}: {ask.phase}", subject.flags, raced_by)
        if ask.rounds == 1:
            session = _in_order(session)
        if NO_SELFTEST not in subject.flags:
            session = replace(session, selftest_streams=streams_of(suite.load))
        return session


def _in_order(session: Session) -> Session:
    plan = session.info.plan
    places = {candidate.id: place for place, candidate in enumerate(plan.candidates)}
    blocks = tuple(sorted(plan.blocks, key=lambda block: places[block.candidate]))
    return replace(session, info=replace(session.info, plan=replace(plan, blocks=blocks)))


def phase_of(ask: Ask, run: Run) -> Phase:
    """What a run gives a tuning."""
    labels = {candidate.id: candidate.label for candidate in run.info.plan.candidates}
    evidence = {labels[one.candidate]: one for one in evidence_from(run).candidates if one.rounds.get(_ANSWERED)}
    accepted = [sample for sample in run.samples if sample.is_accepted]
    errors = {labels[block.candidate]: block.error.message for block in run.blocks if block.error is not None}
    return Phase(
        ask.phase,
        run.info.short_id,
        ask.rounds,
        evidence,
        {labels[owner]: answers for owner, answers in answers_of(run).items()},
        _block_ns(run, labels),
        {label: message.splitlines()[0] for label, message in errors.items() if label not in evidence},
        sum(bool(sample.causes) for sample in accepted) / max(1, len(accepted)),
        _versions(run),
    )


def _block_ns(run: Run, labels: Mapping[str, str]) -> dict[str, float]:
    """The time that a finished block took, those that were cut and run again counted to it."""
    spent: dict[str, float] = {}
    done: dict[str, int] = {}
    for block in run.blocks:
        if block.ended_ns is not None:
            label = labels[block.candidate]
            spent[label] = spent.get(label, 0.0) + block.ended_ns - block.started_ns
            done[label] = done.get(label, 0) + (block.state != "cut")
    return {label: spent[label] / count for label, count in done.items() if count}


def _versions(run: Run) -> dict[str, str]:
    """Engine → the version that its endpoints reported."""
    endpoints = (block.endpoint for block in run.blocks)
    return {one.engine: one.engine_version or "" for one in endpoints if one is not None}

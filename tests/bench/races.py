"""Small races on the fake engine: each model's answer is given, and each prompt asks for one word of it."""

from dataclasses import replace
from pathlib import Path

from bench.benches import prompts, quiet, run, stored
from shortlist.bench.job import NO_WATCH
from shortlist.bench.race import needs_of
from shortlist.bench.roster import Opening, make_roster
from shortlist.bench.session import Session, new_session
from shortlist.choose.decide import Manner, decide_run
from shortlist.choose.decision import Decision
from shortlist.choose.needs import parse_needs
from shortlist.choose.needsfile import Needs
from shortlist.quality.scorers import score_run
from shortlist.records import EngineOptions, Facet, LoadShape, Prompt, Run, Suite
from shortlist.results.store import Store

NEVER_TOLD = "p95<2s"
"""Five rounds of twelve prompts are too few for it: its leader goes to the last look."""


def model(words: int, ttft: str = "2ms") -> str:
    """A fake engine that answers so many prompts right."""
    return f"ttft={ttft},gap=0ms,text={' '.join(f'w{n}' for n in range(1, words + 1))}"


def asked(count: int = 12) -> tuple[Prompt, ...]:
    return tuple(
        replace(prompt, facets=(Facet("word", "must_include", (f"w{n}",)),))
        for n, prompt in enumerate(prompts(count), 1)
    )


def race(
    *models: str, needs: tuple[str, ...] = (), prefer: tuple[str, ...] = ("quality",), rounds: int = 5, load: int = 1
) -> Session:
    roster = make_roster(models, None, Opening("fake", EngineOptions()))
    suite = Suite(asked(), rounds=rounds, warmup=0, load=LoadShape(concurrency=load))
    return new_session(suite, roster, flags=(NO_WATCH,), raced_by=Needs(parse_needs(needs), prefer))


def raced(some: Session, tmp_path: Path) -> Run:
    """The run of a race that was carried out, scored."""
    with Store.open(tmp_path / "results.db") as store:
        assert run(some, store, quiet) == "done"
        return scored(stored(some, store))


def scored(whole: Run) -> Run:
    return replace(whole, scores=score_run(whole))


def decided(whole: Run) -> Decision:
    assert whole.info.plan.race is not None
    return decide_run(whole, needs_of(whole.info.plan.race), Manner(draws=0, has_sweeps=False))


def rounds_of(whole: Run) -> list[int]:
    """How many rounds of each candidate were measured, in the plan's order."""
    done = [block for block in whole.blocks if block.state in ("done", "failed")]
    return [len({b.round for b in done if b.candidate == c.id}) for c in whole.info.plan.candidates]

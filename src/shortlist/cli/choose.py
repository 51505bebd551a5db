"""`shortlist choose`: which candidate to ship; and the decision that `bench --need` ends with."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shortlist import settings
from shortlist.cli.output import emit_json, wants_ascii
from shortlist.errors import BadInput

if TYPE_CHECKING:
    from shortlist.choose.decision import Decision
    from shortlist.choose.needsfile import Needs
    from shortlist.records import Run
    from shortlist.results.store import Store

EXIT_CODES = {"ship": 0, "ship_cheapest_of_equals": 0, "none_qualifies": 3, "not_enough_evidence": 4}
_OPTIONS = [
    click.option("--needs", "needs_file", type=click.Path(path_type=Path), help="needs.toml."),
    click.option("--need", "typed", multiple=True, metavar="EXPR", help="A need, as 'p95<2s'; may be given again."),
    click.option("--prefer", metavar="LIST", help="Preferences, the weightiest first. [quality,latency]"),
]


@dataclass(frozen=True, slots=True)
class AskedNeeds:
    """Needs and preferences as they were typed."""

    needs_file: Path | None = None
    typed: tuple[str, ...] = ()
    prefer: str | None = None

    @property
    def is_given(self) -> bool:
        """Whether a decision was asked for at all."""
        return bool(self.needs_file or self.typed or self.prefer)


def needs_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options --needs, --need and --prefer, for every command that ends with a decision."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.command(name="choose")
@click.argument("run", default="last")
@needs_options
@click.option("--json", "as_json", is_flag=True, help="Print the decision as JSON.")
@click.option("--ascii", "is_ascii", is_flag=True, help="Plain ASCII output.")
def command(
    *, run: str, needs_file: Path | None, typed: tuple[str, ...], prefer: str | None, as_json: bool, is_ascii: bool
) -> int:
    """Which candidate of a run to ship: one sentence first, then the numbers behind it.

    Exit codes: 0 a pick, 3 no candidate meets the needs, 4 not enough evidence to tell.
    """
    from shortlist.cli.report import priced
    from shortlist.cli.runs import open_store

    needs = read_needs(AskedNeeds(needs_file, typed, prefer))
    with open_store() as store:
        run_id = store.resolve(run)
        decision = decide_and_store(store, run_id, needs)
        show_decision(
            priced(store.load_run(run_id)), decision, as_json=as_json, is_ascii=is_ascii or settings.load().ascii
        )
    return EXIT_CODES[decision.choice.verdict]


def read_needs(asked: AskedNeeds) -> "Needs":
    """What the needs options ask for; nothing is measured or stored. Raises BadInput: do it before a bench starts."""
    from shortlist.choose.needs import parse_needs
    from shortlist.choose.needsfile import join_needs, load_needs, parse_order

    if asked.prefer is not None and not asked.prefer.replace(",", "").strip():
        raise BadInput("--prefer names nothing", hint="write it like --prefer quality,latency")
    file = load_needs(asked.needs_file) if asked.needs_file else None
    return join_needs(file, parse_needs(asked.typed), parse_order(asked.prefer or ""))


def decide_and_store(store: "Store", run_id: str, needs: "Needs") -> "Decision":
    """Decide on a stored run, and store the choice beside what it was made from."""
    from shortlist.choose.decide import SEED, decide_run
    from shortlist.cli.report import priced
    from shortlist.models.policy import load_policy
    from shortlist.records import to_builtins

    loaded = settings.load()
    policy = load_policy(loaded.licence_policy, loaded.home)
    run = priced(store.load_run(run_id))
    actions = policy.actions({one.id: one.card for one in run.info.plan.candidates})
    decision = decide_run(run, needs, actions=actions)
    made_from = {"needs": [need.text for need in needs.needs], "licences": actions, "margins": dict(needs.margins)}
    preferences = {"order": list(needs.prefer), "weights": to_builtins(needs.weights)}
    store.add_choice(run_id, decision.choice, needs=made_from, preferences=preferences, seed=SEED)
    return decision


def show_decision(run: "Run", decision: "Decision", *, as_json: bool, is_ascii: bool) -> None:
    """The decision on stdout."""
    if as_json:
        emit_json("shortlist-choice", decision)
        return
    from shortlist.report.terminal import print_decision
    from shortlist.results.summary import summarise

    print_decision(summarise(run), decision, is_ascii=wants_ascii(is_ascii))

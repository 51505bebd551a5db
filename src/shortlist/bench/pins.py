"""What a deterministic run pins, as digests: whoever repeats it can see at once whether it was the same thing."""

from collections.abc import Mapping

from shortlist.errors import RunMismatch
from shortlist.machine import fingerprint, host_facts, versions
from shortlist.records import Plan, content_id

ALL = "all"
"""The digest over the other pins."""


def pins(plan: Plan) -> Mapping[str, str]:
    """Digests of prompts, generation, load and candidates (model digests, engines, options), of host and versions.

    `all` is one digest over them. Rounds are left out: more of them change nothing of what is repeated.
    """
    suite = plan.suite
    candidates = sorted([one.id, one.engine, one.options.threads] for one in plan.candidates)
    found = {
        "prompts": content_id(suite.prompts),
        "generation": content_id(suite.generation),
        "load": content_id([suite.load, suite.warmup, suite.repeats, suite.order_seed]),
        "candidates": content_id(candidates),
        "host": fingerprint(host_facts()),
        "versions": content_id(versions()),
    }
    return {**found, ALL: content_id(found)}


def check_pins(pinned: Mapping[str, str], plan: Plan) -> None:
    """Raise RunMismatch where a deterministic run would go on with something else than it pinned."""
    now = pins(plan)
    moved = [name for name, digest in pinned.items() if name != ALL and now.get(name) != digest]
    if moved:
        raise RunMismatch(
            f"the run is deterministic and pinned its {', '.join(moved)}, which changed since it began",
            hint="go back to what it was, or start a new run",
        )

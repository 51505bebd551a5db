"""What must be the same in two runs before their numbers are compared, and what else differs between them.

pyperf's rule: metadata that must match is compared before any number is. Engine, version, quantisation, threads and the
like may differ, for they are what one compares; they are named.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shortlist.errors import NotComparable, UnknownName
from shortlist.profiles import FLAG as PROFILE
from shortlist.records import Candidate, LoadShape, Prompt, Run, content_id, to_builtins
from shortlist.results.changes import Fact, Mismatch
from shortlist.results.pairing import Pair, same_prompts
from shortlist.units import counted, duration

GROUPS: Mapping[str, str] = {
    "prompts": "the prompts asked",
    "facets": "facets, clusters or rubric of a prompt",
    "parameters": "tokens, temperature, seed, streaming, repeats, limits",
    "load": "how requests arrive",
    "warm-up": "warm-up requests per block",
    "prefix-cache": "whether prompts may come from a cache",
    "hardware": "processor, memory, GPU",
    "flags": "stamps such as resident or allow-shared",
    "tool": "what measured, and so the definitions",
}
"""What must match, as --allow takes it."""

IMPORTED = "imported:"
"""Begins the flag of a run that another tool measured."""

_OWN_GROUP = ("prefix-cache",)
_HARMLESS = ("no-watch", "no-selftest", PROFILE)  # what was measured is the same: less is known of it, or it is tuned
_SHOWN_HOST = (("os", "release"), ("cpu", "governor"), ("power",), ("virtual_machine",))
_OPTIONS = ("device", "threads", "context", "kv_type", "gpu_layers")


def check_comparable(base: Run, head: Run, pairs: Sequence[Pair], allow: Iterable[str] = ()) -> tuple[Mismatch, ...]:
    """The mismatches that `allow` lets pass. Raises NotComparable that names the others, UnknownName for a group."""
    allowed = set(allow)
    for group in sorted(allowed):
        if group not in GROUPS:
            raise UnknownName("group for --allow", group, GROUPS)
    found = mismatches(base, head, pairs)
    refused = [one for one in found if one.group not in allowed]
    if refused:
        listed = "".join(f"\n  {one.text}" for one in refused)
        groups = dict.fromkeys([*(one.group for one in refused), *sorted(allowed)])
        raise NotComparable(
            f"these runs cannot be compared as they are:{listed}",
            hint=f"to compare them all the same: --allow {','.join(groups)}",
        )
    return found


def mismatches(base: Run, head: Run, pairs: Sequence[Pair]) -> tuple[Mismatch, ...]:
    """Everything that differs and must not."""
    suites = base.info.plan.suite, head.info.plan.suite
    found = [*_prompts(suites[0].prompts, suites[1].prompts)]
    generations = [
        {
            **to_builtins(one.generation),
            "timeout": duration(one.timeout_ns),
            "repeats": one.repeats,
            "goodput": _words(one.goodput),
        }
        for one in suites
    ]
    found += _differing("parameters", *generations)
    found += _one("load", "load", *(load_words(one.load) for one in suites))
    found += _one("warm-up", "warm-up requests", *(str(one.warmup) for one in suites))
    for pair in pairs:
        caches = ("on" if one.options.prefix_cache else "off" for one in (pair.base, pair.head))
        found += _one("prefix-cache", f"prefix cache of {pair.head.label}", *caches)
    found += _hardware(base, head)
    found += _one("flags", "flags", *(_words(_flags(run)) for run in (base, head)))
    return (*found, *_one("tool", "measured by", *(_tool(run) for run in (base, head))))


def _one(group: str, what: str, base: str, head: str) -> tuple[Mismatch, ...]:
    return () if base == head else (Mismatch(group, what, base, head),)


def _differing(group: str, base: Mapping[str, Any], head: Mapping[str, Any]) -> list[Mismatch]:
    return [Mismatch(group, key, _value(base[key]), _value(head[key])) for key in base if base[key] != head[key]]


def _value(value: object) -> str:
    return "not set" if value is None else str(value)


def _words(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(values))) or "none"


def load_words(load: LoadShape) -> str:
    """`4 at a time`, `2 requests/s (poisson)`."""
    if load.kind == "closed":
        return f"{load.concurrency} at a time"
    return f"{load.rate_per_s:g} requests/s ({load.arrivals})" if load.rate_per_s else "open loop"


def _prompts(base: Sequence[Prompt], head: Sequence[Prompt]) -> list[Mismatch]:
    renamed = same_prompts(base, head)
    found = []
    # A prompt without words stands for what another tool did not keep: nobody can tell whether it is the same.
    lost = [prompt.id for prompt in base if prompt.messages and prompt.id not in renamed.values()]
    new = [prompt.id for prompt in head if prompt.messages and prompt.id not in renamed]
    if lost or new:
        counts = [f"{len(side)} of which {len(only)} only there" for side, only in ((base, lost), (head, new))]
        named = ", ".join([*lost[:3], *new[:3]])
        found.append(Mismatch("prompts", f"prompts ({named}{', …' * (len(lost) > 3 or len(new) > 3)})", *counts))
    ours = {prompt.id: prompt for prompt in base}
    shared = [(prompt, ours[renamed[prompt.id]]) for prompt in head if prompt.id in renamed]
    judged = [theirs.id for theirs, mine in shared if _judged(theirs, mine) != _judged(mine, mine)]
    if judged:
        named = ", ".join(judged[:3]) + ", …" * (len(judged) > 3)
        what = f"what {counted(len(judged), 'prompt')} {'is' if len(judged) == 1 else 'are'} judged by ({named})"
        found.append(Mismatch("facets", what, "one thing", "another"))
    return found


def _judged(prompt: Prompt, called: Prompt) -> str:
    return content_id([prompt.facets, prompt.rubric, prompt.cluster or called.id])


def _hardware(base: Run, head: Run) -> tuple[Mismatch, ...]:
    """Hosts that are not known are no mismatch: `unknown_hosts` warns of them."""
    prints = [{one.fingerprint for one in run.executors if one.fingerprint} for run in (base, head)]
    if prints[0] == prints[1] or not (prints[0] and prints[1]):
        return ()
    return (Mismatch("hardware", "host", *(_words(_hosts(run)) for run in (base, head))),)


def _hosts(run: Run) -> set[str]:
    return {str(one.host.get("line") or one.fingerprint) for one in run.executors if one.fingerprint}


def unknown_hosts(base: Run, head: Run) -> tuple[str, ...]:
    """A warning where nobody wrote down which hardware a run was measured on."""
    unknown = [
        side for side, run in (("BASE", base), ("HEAD", head)) if not any(one.fingerprint for one in run.executors)
    ]
    if not unknown:
        return ()
    return (f"the hardware of {' and '.join(unknown)} is not recorded, so nobody can tell whether it is the same",)


def _flags(run: Run) -> set[str]:
    """Flags that change what numbers mean; what has a group of its own, and the tool, are told there."""
    left_out = (*_OWN_GROUP, *_HARMLESS)
    return {flag for flag in run.info.flags if flag not in left_out and not flag.startswith(IMPORTED)}


def _tool(run: Run) -> str:
    """The tool without its version: definitions are the tool's."""
    named = imported_from(run)
    return "shortlist" if named is None else named.partition(" ")[0]


def imported_from(run: Run) -> str | None:
    """`guidellm 0.8.1` for a run that this tool measured; None for our own."""
    return next((flag.removeprefix(IMPORTED) for flag in run.info.flags if flag.startswith(IMPORTED)), None)


# --- what may differ --------------------------------------------------------------------------------------------------


def run_facts(base: Run, head: Run) -> tuple[Fact, ...]:
    """Versions and settings of the hosts that differ."""
    versions = [
        {**_versions(run), "flags": _words(flag for flag in run.info.flags if flag in _HARMLESS)}
        for run in (base, head)
    ]
    found = _changed(versions[0], versions[1])
    hosts = [_host(run) for run in (base, head)]
    return (*found, *_changed(hosts[0], hosts[1]))


def candidate_facts(base: Run, head: Run, pair: Pair) -> tuple[Fact, ...]:
    """What differs between a candidate and its other self: the model's file, the engine, its options."""
    return _changed(_candidate(base, pair.base), _candidate(head, pair.head))


def _changed(base: Mapping[str, str], head: Mapping[str, str]) -> tuple[Fact, ...]:
    names = dict.fromkeys([*base, *head])
    both = [(name, base.get(name, "not known"), head.get(name, "not known")) for name in names]
    return tuple(Fact(name, mine, theirs) for name, mine, theirs in both if mine != theirs)


def _versions(run: Run) -> dict[str, str]:
    found: dict[str, set[str]] = {}
    for executor in run.executors:
        for name, version in executor.versions.items():
            found.setdefault(name, set()).add(version)
    return {name: _words(values) for name, values in sorted(found.items())}


def _host(run: Run) -> dict[str, str]:
    found: dict[str, set[str]] = {}
    for executor in run.executors:
        for path in _SHOWN_HOST:
            value: Any = executor.host
            for key in path:
                value = value.get(key) if isinstance(value, dict) else None
            if value is not None:
                found.setdefault(" ".join(path), set()).add(str(value))
    return {name: _words(values) for name, values in found.items()}


def _candidate(run: Run, candidate: Candidate) -> dict[str, str]:
    endpoints = {b.endpoint for b in run.blocks if b.candidate == candidate.id and b.endpoint is not None}
    digests = [f"{file.sha256 or file.size_bytes}"[:12] for file in candidate.variant.files]
    options = to_builtins(candidate.options)
    known = {
        "model": candidate.model,
        "quantisation": candidate.variant.quantisation,
        "file": _words(digests) if digests else None,
        "engine": _words({f"{one.engine} {one.engine_version or ''}".strip() for one in endpoints})
        if endpoints
        else None,
        "device": _words({one.device or "not told" for one in endpoints}) if endpoints else None,
        **{f"option {name}": options[name] for name in _OPTIONS if name != "device"},
        **{f"option {name}": value for name, value in sorted(candidate.options.extra.items())},
    }
    return {name: str(value) for name, value in known.items() if value is not None}

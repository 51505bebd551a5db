"""The roof that memory sets over decoding, and how near a candidate comes to it (MBU).

A step must read the weights and the keys and values of the context so far; so tokens/s cannot exceed read bandwidth ÷
bytes of a step. MBU is the share of the bandwidth that decoding used: bytes of a step × steps/s ÷ bandwidth, one token
a step. Definition: `docs/measuring.md`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shortlist.records import Block, Candidate, Interval, Json, Run, Sample
from shortlist.results import metrics
from shortlist.results.accepted import Requests
from shortlist.results.candidate_figures import Manner, withheld
from shortlist.results.noted import noted, noted_by
from shortlist.stats.intervals import mean_t

_MOST_SHARE = 1.05
"""No engine reads faster than the memory gives: past this the bandwidth was read while something else ran."""


@dataclass(frozen=True, slots=True)
class Roof:
    """What a candidate's steps read in one process, and how fast the host reads."""

    weights_bytes: int
    kv_bytes_per_token: int
    window: int | None
    bytes_per_s: float

    def step_bytes(self, sample: Sample) -> float | None:
        """Bytes of a mean decode step: at the context in the middle of the reply. None without token counts."""
        usage = sample.usage
        if usage is None or usage.prompt_tokens is None or usage.completion_tokens is None:
            return None
        if self.window is not None and usage.prompt_tokens + usage.completion_tokens > self.window:
            return None
        return self.weights_bytes + self.kv_bytes_per_token * (usage.prompt_tokens + usage.completion_tokens / 2)

    def tokens_per_s(self, sample: Sample) -> float | None:
        """What bandwidth alone would allow."""
        read = self.step_bytes(sample)
        return None if read is None else self.bytes_per_s / read

    def share(self, sample: Sample) -> float | None:
        """MBU of one reply."""
        roof, rate = self.tokens_per_s(sample), metrics.decode_tokens_per_s(sample)
        return None if roof is None or rate is None else rate / roof


def roofline_figures(run: Run, candidate: Candidate, requests: Requests, manner: Manner) -> Mapping[str, Interval]:
    """`roofline_tokens_per_s` and `mbu`, or why they are withheld; nothing for a run that noted nothing about it."""
    facts = {
        executor: data
        for (executor, one), data in noted_by(run, "roofline", "candidate").items()
        if one == candidate.id
    }
    if not facts:
        return {}
    blocks = {block.id: block for block in run.blocks if block.candidate == candidate.id}
    threads = {str(event.data.get("block")): _threads(event.data) for event in noted(run, "opened")}
    reason = next((str(data["reason"]) for data in facts.values() if "reason" in data), None)
    reason = (
        reason
        or _unlike(facts, blocks, threads)
        or (None if manner.is_streamed else "not streamed: decoding is not seen apart")
    )
    if reason:
        return _withheld(reason, manner)
    roofs = {block.id: _roof(facts[block.executor]) for block in blocks.values() if block.executor in facts}

    def of(measure: str) -> list[float]:
        return requests.complete.round_means(
            lambda sample: getattr(roofs[sample.block], measure)(sample) if sample.block in roofs else None
        )

    shares = of("share")
    if shares and sum(shares) / len(shares) > _MOST_SHARE:
        return _withheld(
            f"decoding read more than the {_basis(list(facts.values()))}: that reading was disturbed", manner
        )
    if not shares:
        return _withheld("no reply has token counts and 16 tokens, all inside the model's attention window", manner)
    basis = _basis(list(facts.values()))
    return {
        "roofline_tokens_per_s": mean_t(of("tokens_per_s"), "tokens/s", level=manner.level, basis=basis),
        "mbu": mean_t(shares, "share", level=manner.level, basis=basis),
    }


def _withheld(reason: str, manner: Manner) -> Mapping[str, Interval]:
    units = {"roofline_tokens_per_s": "tokens/s", "mbu": "share"}
    return {name: withheld(unit, reason, manner.level) for name, unit in units.items()}


def _threads(opened: Json) -> int | None:
    settings = opened.get("settings")
    threads = settings.get("threads") if isinstance(settings, dict) else None
    return threads if isinstance(threads, int) else None


def _unlike(facts: Mapping[str, Json], blocks: Mapping[str, Block], threads: Mapping[str, int | None]) -> str | None:
    """Why an engine's process is not what the bandwidth was measured for."""
    for block in blocks.values():
        if block.endpoint is not None and block.endpoint.device != "cpu":
            return (
                f"the engine ran on {block.endpoint.device or 'an unknown device'}, and the host's memory was measured"
            )
        used, data = threads.get(block.id), facts.get(block.executor)
        if data is not None and used is not None and used != data["threads"]:
            return f"the engine used {used} threads, bandwidth was measured with {data['threads']}"
    return None


def _roof(data: Json) -> Roof:
    return Roof(data["weights_bytes"], data["kv_bytes_per_token"], data["window"], data["bytes_per_s"])


def _basis(facts: Sequence[Json]) -> str:
    rates = sorted({f"{data['bytes_per_s'] / 1e9:.1f}" for data in facts})
    threads = sorted({data["threads"] for data in facts})
    unsteady = "" if all(data["is_steady"] for data in facts) else ", measured while the host was busy"
    return f"{'/'.join(rates)} GB/s read by {'/'.join(map(str, threads))} threads{unsteady}"

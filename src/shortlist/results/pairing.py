"""Which candidate of one run stands against which of another, and which prompts are the same in both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shortlist.errors import BadInput, UnknownName
from shortlist.records import Candidate, Prompt, Run


@dataclass(frozen=True, slots=True)
class Pair:
    """A candidate of BASE and the one of HEAD that it is compared with."""

    base: Candidate
    head: Candidate


@dataclass(frozen=True, slots=True)
class Pairing:
    """The pairs, and the labels of candidates that the other run lacks."""

    pairs: tuple[Pair, ...]
    only_base: tuple[str, ...] = ()
    only_head: tuple[str, ...] = ()


@dataclass
class _Open:
    """Candidates that have no partner yet."""

    base: list[Candidate]
    head: list[Candidate]
    pairs: list[Pair] = field(default_factory=list)

    def take(self, base: Candidate, head: Candidate) -> None:
        self.base.remove(base)
        self.head.remove(head)
        self.pairs.append(Pair(base, head))

    def match(self, key: Callable[[Candidate], str]) -> None:
        """Pair those that have the same key, where it is one candidate's alone in each run."""
        for base in list(self.base):
            same = [[one for one in side if key(one) == key(base)] for side in (self.base, self.head)]
            if len(same[0]) == len(same[1]) == 1:
                self.take(base, same[1][0])


def pair_candidates(base: Run, head: Run, asked: Sequence[str] = ()) -> Pairing:
    """Pairs by content, then by label, then by model; two single candidates are a pair whatever they are called.

    `asked` names what is wanted: `LABEL`, or `BASE=HEAD` where names differ; the rest is left out. Raises UnknownName,
    BadInput where nothing pairs.
    """
    still = _Open(list(base.info.plan.candidates), list(head.info.plan.candidates))
    if asked:
        for text in asked:
            still.take(*_asked(text, still))
        return Pairing(tuple(still.pairs))
    for key in (lambda one: one.id, lambda one: one.label, lambda one: one.model):
        still.match(key)
    if len(still.base) == len(still.head) == 1 and not still.pairs:
        still.take(still.base[0], still.head[0])
    if not still.pairs:
        names = [", ".join(one.label for one in side) for side in (still.base, still.head)]
        raise BadInput(
            f"no candidate stands in both runs: {names[0]} in BASE, {names[1]} in HEAD",
            hint=f"--candidate '{still.base[0].label}={still.head[0].label}'" if still.base and still.head else None,
        )
    places = {candidate.id: place for place, candidate in enumerate(base.info.plan.candidates)}
    pairs = sorted(still.pairs, key=lambda pair: places[pair.base.id])
    left = [tuple(one.label for one in side) for side in (still.base, still.head)]
    return Pairing(tuple(pairs), *left)


def _asked(text: str, still: _Open) -> tuple[Candidate, Candidate]:
    """The pair meant by `LABEL` or `BASE=HEAD`; a label may hold a `=` itself."""
    sides = [{one.label: one for one in side} for side in (still.base, still.head)]
    splits = [(text, text), *((text[:at], text[at + 1 :]) for at, sign in enumerate(text) if sign == "=")]
    for mine, theirs in splits:
        if mine in sides[0] and theirs in sides[1]:
            return sides[0][mine], sides[1][theirs]
    mine, _, theirs = text.partition("=")
    if mine not in sides[0]:
        raise UnknownName("candidate of BASE", mine, sides[0])
    raise UnknownName("candidate of HEAD", theirs or mine, sides[1], hint=f"--candidate '{mine}=NAME IN HEAD'")


def same_prompts(base: Sequence[Prompt], head: Sequence[Prompt]) -> dict[str, str]:
    """HEAD's prompt id → BASE's, where both ask the same words; equal ids win where one text is asked twice."""
    waiting: dict[tuple[object, ...], list[str]] = {}
    for prompt in base:
        waiting.setdefault(prompt.messages, []).append(prompt.id)
    found: dict[str, str] = {}
    for prompt in head:
        if prompt.id in waiting.get(prompt.messages, ()):
            waiting[prompt.messages].remove(prompt.id)
            found[prompt.id] = prompt.id
    for prompt in head:
        if prompt.id not in found and waiting.get(prompt.messages):
            found[prompt.id] = waiting[prompt.messages].pop(0)
    return found

"""Answers side by side: each distinct answer once, with who gave it. Strangers' text, shown as plain text."""

from collections.abc import Mapping, Sequence

from shortlist.report.markup import Markup, joined, tag
from shortlist.report.scene import Scene
from shortlist.results.figures import PromptSummary
from shortlist.results.series import DistinctAnswer, GivenBy


def answers_section(scene: Scene, limit: int | None) -> Markup | None:
    """At most `limit` prompts, those on which the candidates differ most first; None: all, in the file's order."""
    prompts = scene.summary.prompts
    found = _distinct(scene)
    shown = [prompt for prompt in prompts if found.get(prompt.prompt)]
    if not shown:
        return None
    note = None
    if limit is not None and len(shown) > limit:
        total = len(shown)
        shown = sorted(shown, key=lambda one: _spread(scene, one.prompt, found[one.prompt]), reverse=True)[:limit]
        words = (
            f"{limit} of {total} prompts, those with the widest differences first. All of them: shortlist report "
            f"{scene.summary.short_id} --answers"
        )
        note = tag("p", words, class_="soft")
    return joined(note, *(_prompt(scene, prompt, found[prompt.prompt]) for prompt in shown))


def _distinct(scene: Scene) -> Mapping[str, Sequence[DistinctAnswer]]:
    if scene.series is not None:
        return {one.prompt: one.answers for one in scene.series.answers}
    return {prompt.prompt: _from_summary(prompt) for prompt in scene.summary.prompts}


def _from_summary(prompt: PromptSummary) -> tuple[DistinctAnswer, ...]:
    """Without a series only the last round's answers are known."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for at, answer in enumerate(prompt.answers):
        found.setdefault((answer.text, answer.reasoning, str(answer.error)), []).append(at)
    distinct = []
    for places in found.values():
        first = prompt.answers[places[0]]
        given = tuple(GivenBy(prompt.answers[at].candidate, (prompt.answers[at].round,)) for at in places)
        distinct.append(DistinctAnswer(first.text, first.reasoning, first.status, first.error, given, ""))
    return tuple(distinct)


def _spread(scene: Scene, prompt: str, answers: Sequence[DistinctAnswer]) -> tuple[float, int]:
    view = scene.summary.quality
    figures = next((one.figures for one in view.prompts if one.prompt == prompt), ()) if view is not None else ()
    known = [one.facets for one in figures if one.facets is not None]
    return (max(known) - min(known) if known else 0.0), len(answers)


def _failed_facets(scene: Scene, prompt: str) -> Mapping[str, str]:
    """Candidate → which facets its answers to this prompt failed, and how often."""
    view = scene.summary.quality
    figures = next((one.figures for one in view.prompts if one.prompt == prompt), ()) if view is not None else ()
    found = {}
    for one in figures:
        failed = ", ".join(f"{facet} ({count} of {one.n})" for facet, count in one.failed.items())
        if one.facets is not None:
            found[one.candidate] = f"✕ failed: {failed}" if failed else "✓ every facet"
    return found


def _prompt(scene: Scene, prompt: PromptSummary, answers: Sequence[DistinctAnswer]) -> Markup:
    asked = tag("pre", prompt.asked, class_="asked", tabindex=0, role="region", aria_label=f"Asked: {prompt.prompt}")
    facets = _failed_facets(scene, prompt.prompt)
    cards = (_answer(scene, answer, facets) for answer in answers)
    return joined(tag("h3", prompt.prompt), asked, tag("div", *cards, class_="answers"))


def _answer(scene: Scene, answer: DistinctAnswer, facets: Mapping[str, str]) -> Markup:
    names = ", ".join(dict.fromkeys(scene.label(one.candidate) for one in answer.given))
    is_picked = any(one.candidate == scene.pick for one in answer.given)
    body: list[Markup | None] = []
    if answer.reasoning:
        body += [tag("p", "Reasoning:"), tag("pre", answer.reasoning), tag("p", "Answer:")]
    if answer.error is not None:
        body.append(tag("pre", f"{answer.error.type}: {answer.error.message}"[:500]))
    elif answer.text.strip():
        body.append(tag("pre", answer.text))
    else:
        body.append(tag("p", "(an empty answer)"))
    rounds = _rounds(scene, answer.given)
    failed = None if answer.error is None else f"{answer.status}; "
    said = {one.candidate: facets[one.candidate] for one in answer.given if one.candidate in facets}
    if len(set(said.values())) == 1:
        body.append(tag("p", next(iter(said.values()))))
    else:
        body += [tag("p", f"{scene.label(candidate)}: {words}") for candidate, words in said.items()]
    return tag(
        "div",
        tag("h4", names),
        *body,
        tag("p", failed, rounds),
        class_="answer picked" if is_picked else "answer",
    )


def _rounds(scene: Scene, given: Sequence[GivenBy]) -> str:
    """`every round`, or which rounds; by candidate where they differ."""
    total = scene.summary.rounds
    said = {one.candidate: _which(one.rounds, total) for one in given}
    if len(set(said.values())) == 1:
        return next(iter(said.values()))
    return "; ".join(f"{scene.label(candidate)}: {words}" for candidate, words in said.items())


def _which(rounds: Sequence[int], total: int) -> str:
    if len(rounds) == total and total > 1:
        return "every round"
    return f"round{'s' if len(rounds) > 1 else ''} {', '.join(map(str, rounds))} of {total}"

"""`report.md`: the workshop's table with ours beside it, then every prompt, and the answers side by side."""

from collections.abc import Iterable, Sequence
from typing import Any

from shortlist.choose.decision import Decision, NeedJudgement
from shortlist.records import Interval
from shortlist.report.dimensions import ENERGY, PHASES, energy_notes, has_any, phase_notes
from shortlist.report.escape import markdown_block, markdown_cell, markdown_inline
from shortlist.report.numbers import NOTHING, nanoseconds, with_error
from shortlist.report.scene import Scene
from shortlist.report.verdicts import (
    difference_numbers,
    difference_words,
    figure_name,
    flip_lines,
    footing,
    judgement_words,
    need_text,
    standing_words,
)
from shortlist.report.wording import (
    GLYPHS,
    comparison_line,
    is_loaded,
    load_words,
    notes,
    repeatability_lines,
    run_line,
)
from shortlist.results.figures import Answer, CandidateSummary, PromptFigure, PromptSummary, RunSummary

_DETAILS = (
    ("Median latency", "latency.p50"),
    ("Longest latency", "latency.max"),
    ("TTFT", "ttft.mean"),
    ("TTFT p95", "ttft.p95"),
    ("TTFT from sent", "ttft.service"),
    ("First text after reasoning", "ttft.text"),
    ("TPOT", "tpot"),
    ("Gap p50", "gap.p50"),
    ("Gap p99", "gap.p99"),
    ("Throughput, tokens/s", "throughput"),
    ("Characters/s", "characters_per_s"),
    ("Total tokens/s (the workshop's)", "total_tokens_per_s"),
)
_REACHED = (
    ("In flight", "reached.concurrency"),
    ("Sent/s", "reached.rate"),
    ("Completed/s", "reached.completed"),
    ("Arrivals that piled up", "backlog"),
    ("Client late, p99", "late.p99"),
    ("Goodput, requests/s", "goodput"),
    ("Good requests", "goodput.share"),
)
_RESOURCES = (
    ("Load, warm", "load.warm"),
    ("Load, cold", "load.cold"),
    ("Memory, loaded", "memory.loaded"),
    ("Memory, peak", "memory.peak"),
    ("Anonymous, at the end", "memory.peak.anonymous"),
    ("File-backed, at the end", "memory.peak.file"),
    ("GPU memory", "memory.vram"),
    ("On disk", "footprint"),
)
_QUALITY = (
    ("Facets", "facets"),
    ("Critical failures", "critical"),
    ("Rating", "rating"),
)
_OUTPUTS = (
    ("Tokens per answer", "output_tokens"),
    ("Characters per answer", "output_characters"),
    ("Cut at the token limit", "length_share"),
    ("Failed requests", "error_rate"),
)


def render_markdown(summary: RunSummary, decision: Decision | None = None) -> str:
    """The report as Markdown, the decision on top; answers stand in fenced blocks as plain text."""
    parts = [
        *_decision(summary, decision),
        f"# {markdown_inline(run_line(summary))}",
        f"Started {markdown_inline(summary.started_at)}, {summary.state}.",
        *(f"> **Warning:** {markdown_inline(warning)}" for warning in summary.warnings),
        _workshop_table(summary),
        bullets_md(notes(summary)),
        *_quality(summary),
        "## Told apart?",
        bullets_md(comparison_line(summary, one) for one in summary.comparisons) or "Nothing to compare.",
        "## Not measured, or not wholly",
        _reasons(summary.candidates),
        "## Speed in detail",
        _figures_table(summary.candidates, _DETAILS),
        "## Prefill, decode and the roofline",
        _figures_table(summary.candidates, PHASES),
        bullets_md(phase_notes(summary)),
        *_energy(summary),
        "## Load, memory, disk",
        _figures_table(summary.candidates, _RESOURCES),
        "## Answers: how long",
        _figures_table(summary.candidates, _OUTPUTS),
        *_loads(summary),
        *_repeated(summary),
        "## Prompt by prompt",
        _prompt_table(summary),
        "## Answers side by side",
        *(_answers(summary, prompt) for prompt in summary.prompts),
        "## How it was measured",
        _manner(summary),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _loads(summary: RunSummary) -> list[str]:
    """Whether the load was reached, and how many requests were good."""
    if not is_loaded(summary):
        return []
    return ["## The load that was reached", _figures_table(summary.candidates, _REACHED)]


def _repeated(summary: RunSummary) -> list[str]:
    if not summary.repeatability:
        return []
    pinned = [[markdown_inline(name), f"`{digest}`"] for name, digest in summary.pins.items()]
    table = table_md(["Pinned", "Digest"], pinned) if pinned else ""
    return ["## Repeatability", bullets_md(repeatability_lines(summary)), table]


def _quality(summary: RunSummary) -> list[str]:
    """Facets, critical failures and ratings; the null candidates stand below as the floor."""
    if summary.quality is None:
        return []
    nulls = [[f"{name} answer (null)", with_error(one)] for name, one in summary.quality.nulls.items()]
    return [
        "## Quality",
        _figures_table(summary.candidates, _QUALITY),
        table_md(["The floor", "Facets"], nulls) if nulls else "",
    ]


def _energy(summary: RunSummary) -> list[str]:
    """Energy and cost with their bases; nothing where neither was counted."""
    if not has_any(summary, ENERGY):
        return []
    return ["## Energy and cost", _figures_table(summary.candidates, ENERGY), bullets_md(energy_notes(summary))]


def _decision(summary: RunSummary, decision: Decision | None) -> list[str]:
    """The sentence as the first line, then needs, differences, what would change it, and what to run next."""
    if decision is None:
        return []
    scene = Scene(summary, decision)
    shown = [one.candidate for one in summary.candidates]
    head = ["Candidate", "Verdict", *(markdown_inline(need_text(need)) for need in decision.needs)]
    rows = [
        [
            markdown_inline(scene.label(candidate)),
            markdown_inline(standing_words(decision, candidate)),
            *(_judged(scene.judgement(candidate, need)) for need in decision.needs),
        ]
        for candidate in shown
    ]
    parts = [f"# {markdown_inline(decision.sentence)}", bullets_md(footing(decision)), table_md(head, rows)]
    flips = flip_lines(decision)
    if flips:
        parts += ["## What would change this", bullets_md(flips)]
    if decision.differences:
        against = markdown_inline(scene.label(scene.reference or ""))
        parts += [f"## Difference to {against}", _differences(scene, decision)]
    for advice in decision.advice:
        parts.append(markdown_inline(advice.text))
        if advice.command:
            parts.append(markdown_block(advice.command))
    return parts


def _judged(judged: NeedJudgement | None) -> str:
    number = "" if judged is None or judged.interval is None else f" ({with_error(judged.interval)})"
    return markdown_inline(judgement_words(judged) + number)


def _differences(scene: Scene, decision: Decision) -> str:
    rows = [
        [
            markdown_inline(scene.label(one.candidate)),
            markdown_inline(figure_name(one.preference)),
            markdown_inline(difference_numbers(one)),
            markdown_inline(difference_words(one)),
        ]
        for one in decision.differences
    ]
    return table_md(["Candidate", "In", "Difference", "Verdict"], rows)


def _row(cells: Iterable[str]) -> str:
    return f"|{'|'.join(cells)}|"


def table_md(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its cells are Markdown already."""
    return "\n".join([_row(head), _row("---" for _ in head), *(_row(row) for row in rows)])


def bullets_md(lines: Iterable[str]) -> str:
    """A list of sentences, escaped here."""
    return "\n".join(f"- {markdown_inline(line)}" for line in lines)


def _bare(interval: Interval | None, divisor: float, decimals: int) -> str:
    return NOTHING if interval is None or interval.point is None else f"{interval.point / divisor:.{decimals}f}"


def _workshop_table(summary: RunSummary) -> str:
    """Four columns as the workshop prints them, in seconds, then ours with unit and interval."""
    level = f"{summary.level * 100:.0f} %"
    head = ["Model", "Avg Latency", "p95", "TPS"]
    head += [f"Mean latency, {level}", f"p95, {level}", f"Tokens/s, {level}", "Status"]
    rows = []
    for one in summary.candidates:
        mean, p95, tps = (one.figures.get(name) for name in ("latency.mean", "latency.p95", "tokens_per_s"))
        seed = (_bare(mean, 1e9, 2), _bare(p95, 1e9, 2), _bare(tps, 1, 1))
        ours = (with_error(mean), with_error(p95), with_error(tps))
        rows.append([markdown_inline(one.label), *seed, *ours, f"{GLYPHS[one.status]} {one.status}"])
    return table_md(head, rows)


def _reasons(candidates: Sequence[CandidateSummary]) -> str:
    found = []
    for one in candidates:
        if one.status != "ok":
            why = markdown_inline(one.reason or "no reason is known", 500)
            found.append(f"- **{markdown_inline(one.label)}**: {one.status}: {why}")
    return "\n".join(found) or "Every candidate was measured in full."


def _figures_table(candidates: Sequence[CandidateSummary], wanted: Sequence[tuple[str, str]]) -> str:
    measured = [one for one in candidates if one.n]
    names = [(head, name) for head, name in wanted if any(_is_given(one.figures.get(name)) for one in measured)]
    if not names:
        return "Nothing was measured."
    rows = ([markdown_inline(one.label), *(with_error(one.figures.get(name)) for _, name in names)] for one in measured)
    return table_md(["Model", *(head for head, _ in names)], rows)


def _is_given(interval: Interval | None) -> bool:
    return interval is not None and interval.point is not None


def _prompt_table(summary: RunSummary) -> str:
    head = ["Prompt", "Model", "n", "Failed", "Median", "Maximum", "Outliers (kept)"]
    rows = [
        [
            markdown_inline(prompt.prompt, 60),
            markdown_inline(summary.label_of(figure.candidate)),
            str(figure.n),
            str(figure.failed),
            nanoseconds(figure.median_ns),
            nanoseconds(figure.max_ns),
            _outliers(figure),
        ]
        for prompt in summary.prompts
        for figure in prompt.figures
        if figure.n
    ]
    return table_md(head, rows)


def _outliers(figure: PromptFigure) -> str:
    return "; ".join(f"round {one.round}: {nanoseconds(one.latency_ns)} (z {one.score:.1f})" for one in figure.outliers)


def _answers(summary: RunSummary, prompt: PromptSummary) -> str:
    """What was asked, then the candidates' answers side by side: a column each."""
    parts = [f"### {markdown_inline(prompt.prompt, 80)}", markdown_block(prompt.asked)]
    if prompt.answers:
        head = [markdown_inline(summary.label_of(answer.candidate)) for answer in prompt.answers]
        rows = [[_said(answer) for answer in prompt.answers], [_about(answer) for answer in prompt.answers]]
        parts.append(table_md(head, rows))
    return "\n\n".join(parts)


def _said(answer: Answer) -> str:
    if answer.error is not None:
        return f"{markdown_inline(answer.error.type)}: {markdown_inline(answer.error.message, 200)}"
    thought = f"*reasoning:* {markdown_cell(answer.reasoning)}<br>*answer:* " if answer.reasoning else ""
    return thought + (markdown_cell(answer.text) or "*(empty)*")


def _about(answer: Answer) -> str:
    said = [f"round {answer.round}", answer.status]
    if answer.tokens is not None:
        said.append(f"{answer.tokens} tokens")
    if answer.finish_reason is not None:
        said.append(f"ended by {markdown_inline(answer.finish_reason, 40)}")
    if answer.changed is not None:
        said.append("changed between rounds" if answer.changed else "the same in every round")
    return ", ".join(said)


def _manner(summary: RunSummary) -> str:
    generation = summary.generation
    facts: list[tuple[str, Any]] = [
        ("temperature", generation.temperature),
        ("at most", f"{generation.max_tokens} tokens"),
        ("seed", generation.seed),
        ("streamed", "yes" if generation.stream else "no"),
        ("load", f"{summary.load.kind}, {load_words(summary.load)}"),
        *(("stamps of the self-test", error.stamps) for error in (summary.measuring_error,) if error is not None),
        *(("engine", engine) for engine in summary.engines),
        *(("arrivals stamped", stamps) for stamps in summary.stamps),
        *sorted(summary.versions.items()),
    ]
    if generation.fixed_tokens is not None:
        facts.append(("fixed length", f"{generation.fixed_tokens} tokens, the end token ignored"))
    facts += [("host", host.get("line", "not told")) for host in summary.hosts]
    return table_md(
        ["What", "Value"], [[markdown_inline(str(name)), markdown_inline(str(fact))] for name, fact in facts]
    )

"""A run whose prompts have facets, a rubric and pairs, and whose answers are given word by word."""

from collections.abc import Mapping
from dataclasses import replace

from results.made_run import Shape, make_run
from shortlist.records import Facet, Prompt, Run, text_sha256

PROMPTS = tuple(f"n-{number:03d}" for number in range(1, 13))
RIGHT = "Priya sends the budget by 15:00."
LATE = "Priya sends the budget."
WRONG = "Tom sends the budget by 3pm."

FACETS = (
    Facet("owner", "must_include", any_of=("Priya",), critical=True),
    Facet("deadline", "must_include", any_of=("3pm",)),
    Facet("no-tom", "must_not_include", any_of=("Tom",)),
    Facet("len", "max_words", value=20),
)
RUBRIC = {"faithfulness": {"1": "invented", "5": "I would send it"}}


def prompt_of(run: Run, name: str) -> Prompt:
    return next(prompt for prompt in run.info.plan.suite.prompts if prompt.id == name)


def answering(
    answers: Mapping[str, Mapping[str, str]],
    *,
    default: str = RIGHT,
    clusters: int = 12,
    facets: tuple[Facet, ...] = FACETS,
    rubric: Mapping[str, Mapping[str, str]] = RUBRIC,
    rounds: int = 2,
) -> Run:
    """Label → prompt → what that candidate answers in every round; everything else is `default`. Not scored yet."""
    run = make_run(Shape(rounds=rounds, prompts=PROMPTS))
    prompts = tuple(
        replace(
            prompt,
            cluster=f"m-{number % clusters}",
            facets=facets,
            rubric=rubric,
            source=f"The note {prompt.id}.",
            pair_with=PROMPTS[number + 1] if number % 2 == 0 else None,
        )
        for number, prompt in enumerate(run.info.plan.suite.prompts)
    )
    plan = replace(run.info.plan, suite=replace(run.info.plan.suite, prompts=prompts))
    labels = {candidate.id: candidate.label for candidate in plan.candidates}
    cells = {cell.id: cell for cell in plan.cells}
    samples = []
    for sample in run.samples:
        cell = cells.get(sample.cell or "")
        if cell is None or sample.status != "ok":
            samples.append(sample)
            continue
        text = answers.get(labels[cell.candidate], {}).get(cell.prompt, default)
        samples.append(replace(sample, text=text, text_sha256=text_sha256(text)))
    return replace(
        run, info=replace(run.info, plan=plan), samples=tuple(samples), scores=(), annotations=(), choices=()
    )


def candidate_id(run: Run, label: str) -> str:
    return next(candidate.id for candidate in run.info.plan.candidates if candidate.label == label)

"""The demo's prompt suite asked through llama.cpp and scored by its facets, as the product will score it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from notes_recipe.engine import answers
from notes_recipe.scoring import holds


def passes(answer: str, facet: Mapping[str, Any]) -> bool:
    """Whether an answer passes one facet."""
    if facet["kind"] == "max_words":
        return len(answer.split()) <= int(facet["value"])
    found = any(holds(answer, text) for text in facet["any_of"])
    return found is (facet["kind"] == "must_include")


def score(answer: str, facets: Sequence[Mapping[str, Any]]) -> float:
    """Facets passed over all; 0 where a critical one fails."""
    passed = [passes(answer, facet) for facet in facets]
    if any(facet.get("critical") and not right for facet, right in zip(facets, passed, strict=True)):
        return 0.0
    return fmean(passed)


def suite_scores(model_path: Path, suite_path: Path) -> dict[str, float]:
    """Mean score of one model, over all prompts and over those with names known and never seen."""
    suite = json.loads(suite_path.read_text(encoding="utf-8"))
    prompts = suite["prompts"]
    given = answers(
        model_path, [[{"role": "user", "content": suite["template"].format(note=one["note"])}] for one in prompts]
    )
    scored = [score(answer.text, prompt["facets"]) for answer, prompt in zip(given, prompts, strict=True)]
    is_unseen = ["unseen-names" in prompt["tags"] for prompt in prompts]
    return {
        "n": len(prompts),
        "score": round(fmean(scored), 4),
        "score_known_names": round(fmean(one for one, odd in zip(scored, is_unseen, strict=True) if not odd), 4),
        "score_unseen_names": round(fmean(one for one, odd in zip(scored, is_unseen, strict=True) if odd), 4),
        "answer_tokens_max": max(answer.answer_tokens for answer in given),
        "prompt_tokens_max": max(answer.prompt_tokens for answer in given),
    }

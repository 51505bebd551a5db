"""Facet shares and time per answer of one GGUF file on the held-out sets, through llama.cpp."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from notes_recipe.engine import Answer, answers
from notes_recipe.scoring import facets, shares

SET_NAMES: Final = ("known_names", "unseen_names", "unseen_items", "free_hand")
NS_PER_MS: Final = 1e6


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a held-out file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def measured(rows: Sequence[Mapping[str, Any]], given: Sequence[Answer]) -> dict[str, float]:
    """Shares, how many answers were word for word the reference, and the median time of an answer."""
    exact = sum(answer.text.strip() == row["reference"] for answer, row in zip(given, rows, strict=True))
    return {
        "n": len(rows),
        **shares(facets(answer.text, row) for answer, row in zip(given, rows, strict=True)),
        "exact": round(exact / len(rows), 4),
        "prompt_tokens_p50": median(answer.prompt_tokens for answer in given),
        "answer_tokens_p50": median(answer.answer_tokens for answer in given),
        "answer_ms_p50": round(median(answer.duration_ns for answer in given) / NS_PER_MS, 1),
    }


def evaluate(model_path: Path, heldout: Path, answers_path: Path | None = None) -> dict[str, dict[str, float]]:
    """Every set's measurements; the answers are kept as JSON lines where a path is given."""
    out, kept = {}, []
    for name in SET_NAMES:
        rows = read_rows(heldout / f"{name}.jsonl")
        given = answers(model_path, [row["messages"] for row in rows])
        out[name] = measured(rows, given)
        for answer, row in zip(given, rows, strict=True):
            kept.append({"set": name, "note": row["note"], "reference": row["reference"], "answer": answer.text})
    if answers_path:
        answers_path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in kept), encoding="utf-8")
    return out

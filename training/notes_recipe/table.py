"""The measured table for the README, from the cards: `python -m notes_recipe.table`."""

import json
from pathlib import Path
from typing import Any, Final

from notes_recipe.evaluate import SET_NAMES
from notes_recipe.scoring import FACETS

MODELS: Final = Path(__file__).parents[2] / "src" / "shortlist" / "demo" / "models"
SHARES: Final = (*FACETS, "share", "all", "exact")


def _cards() -> list[dict[str, Any]]:
    cards = [json.loads(path.read_text(encoding="utf-8")) for path in MODELS.glob("*.card.json")]
    return sorted(cards, key=lambda card: int(card["parameters"]))


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def main() -> None:
    """Print one table of accuracy and one of sizes."""
    print(f"| model | set | n | {' | '.join(SHARES)} | ms per answer |")
    print("|---" * (len(SHARES) + 4) + "|")
    for card in _cards():
        for name in SET_NAMES:
            row = card["extra"]["measured"]["sets"][name]
            shares = " | ".join(_percent(row[share]) for share in SHARES)
            print(f"| {card['alias']} | {name} | {row['n']} | {shares} | {row['answer_ms_p50']} |")
    print(
        "\n| model | width, layers, heads, ff | parameters | bytes | tokens | training s | demo score, known, unseen |"
    )
    print("|---|---|---|---|---|---|---|")
    for card in _cards():
        recipe, shape = card["extra"]["recipe"], card["extra"]["recipe"]["shape"]
        demo = card["extra"]["measured"]["sets"]["demo_prompts"]
        scores = ", ".join(f"{demo[key]:.2f}" for key in ("score", "score_known_names", "score_unseen_names"))
        size = card["variants"][0]["files"][0]["size_bytes"]
        sizes = f"{shape['width']}, {shape['layers']}, {shape['heads']}, {shape['feed_forward']}"
        print(
            f"| {card['alias']} | {sizes} | {card['parameters']} | {size} | {recipe['tokens_seen']} "
            f"| {recipe['training_s']} | {scores} |"
        )


if __name__ == "__main__":
    main()

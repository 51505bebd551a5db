"""Does the Hugging Face folder say what GGUF files say?

It is compared with the shipped Q8_0 file and with an F16 file made from the same weights.
Needs `transformers`; run `python -m notes_recipe.agreement`.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import torch
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from notes_recipe.engine import MAX_TOKENS, answers
from notes_recipe.evaluate import read_rows
from notes_recipe.gguf_file import write_gguf
from notes_recipe.recipes import RECIPES

NAME: Final = "notes-small"
TRAINING: Final = Path(__file__).parents[1]
FOLDER: Final = TRAINING / "checkpoints" / NAME
SHIPPED: Final = TRAINING.parent / "src" / "shortlist" / "demo" / "models" / f"{NAME}.gguf"
PROMPTS: Final = 100
Conversation = Sequence[dict[str, str]]


def conversations() -> list[Conversation]:
    """Half with known names, half with names never seen."""
    sets = ("known_names", "unseen_names")
    return [
        row["messages"] for name in sets for row in read_rows(TRAINING / "heldout" / f"{name}.jsonl")[: PROMPTS // 2]
    ]


def hugging_face_answers(asked: Sequence[Conversation]) -> list[str]:
    """Greedy answers of the folder through `transformers`, in F32."""
    model: Any = AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32)
    tokenizer: Any = AutoTokenizer.from_pretrained(FOLDER)
    out = []
    for messages in asked:
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"]
        mask = torch.ones_like(ids)
        made = model.generate(ids, attention_mask=mask, max_new_tokens=MAX_TOKENS, do_sample=False)
        out.append(tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True))
    return out


def f16_answers(asked: Sequence[Conversation]) -> list[str]:
    """Greedy answers of an F16 file made from the folder, through llama.cpp."""
    weights = {key.removeprefix("model."): value for key, value in load_file(FOLDER / "model.safetensors").items()}
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{NAME}.gguf"
        write_gguf(path, RECIPES[NAME].shape, weights, FOLDER / "tokenizer.json", "f16")
        return [answer.text for answer in answers(path, asked)]


def main() -> None:
    """Print how many answers are the same."""
    asked = conversations()
    wanted = hugging_face_answers(asked)
    for precision, given in (
        ("f16", f16_answers(asked)),
        ("q8_0", [answer.text for answer in answers(SHIPPED, asked)]),
    ):
        same = sum(one == other for one, other in zip(wanted, given, strict=True))
        print(json.dumps({"model": NAME, "gguf": precision, "prompts": len(asked), "same_answer": same}))


if __name__ == "__main__":
    main()

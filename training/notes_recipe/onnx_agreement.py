"""Do llama.cpp and ONNX Runtime GenAI say the same, from one F32 source?

`python -m notes_recipe.onnx_agreement [NAME...] [--folders FOLDER]` asks both, through Shortlist's own engines, every
prompt of the demo at temperature 0. Both files are F32: of notes-small from its checkpoint, of the others from the
shipped file. Where two answers differ, the first differing token is shown with the two best logits there: a margin near
zero is rounding, a wide one a fault. Needs shortlist[onnx], gguf and safetensors.
"""

import argparse
import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from safetensors.numpy import load_file

from notes_recipe.gguf_file import Weights, write_gguf
from notes_recipe.gguf_weights import weights_of_gguf
from notes_recipe.shape import SHAPES
from shortlist.chat.conversation import Asking, Conversation
from shortlist.demo import demo_prompts_path
from shortlist.engines import EngineContext, LoadSpec, find_engine
from shortlist.quality.prompts import load_prompts
from shortlist.records import EngineOptions, Generation, Prompt, Variant

CHECKPOINTS: Final = Path(__file__).parents[1] / "checkpoints"
SHIPPED: Final = Path(__file__).parents[2] / "src" / "shortlist" / "demo" / "models"
CHECKPOINT: Final = "notes-small"
MAX_TOKENS: Final = 150


def weights_of(name: str) -> Weights:
    """The one source of both files."""
    if name != CHECKPOINT:
        return weights_of_gguf(SHIPPED / f"{name}.gguf", SHAPES[name].heads)
    stored = load_file(CHECKPOINTS / name / "model.safetensors")
    return {key.removeprefix("model."): value for key, value in stored.items()}


async def answers(engine_name: str, path: Path, prompts: Sequence[Prompt], logs: Path) -> list[str]:
    """Greedy answers through one engine of ours, one thread."""
    engine = find_engine(engine_name)(EngineContext())
    variant = Variant("onnx" if engine_name == "onnx_genai" else "gguf")
    spec = LoadSpec(engine_name, path.stem, variant, EngineOptions(device="cpu", threads=1), path, logs)
    endpoint = await engine.open(spec)
    try:
        talk = Conversation(engine, endpoint, Asking(Generation(MAX_TOKENS)))
        out = []
        for prompt in prompts:
            talk.messages = list(prompt.messages[:-1])
            answer = await talk.ask(prompt.messages[-1].content, lambda _: None)
            out.append(answer.text)
        return out
    finally:
        await engine.close()


def first_difference(folder: Path, prompt: Prompt, one: str, other: str) -> dict[str, Any]:
    """Where two answers part, and how sure the model is there: the two best logits of the ONNX folder."""
    import onnxruntime_genai as og

    og.disable_telemetry_events()
    model = og.Model(str(folder))
    tokenizer = og.Tokenizer(model)
    asked = tokenizer.apply_chat_template(
        json.dumps([{"role": m.role, "content": m.content} for m in prompt.messages]), add_generation_prompt=True
    )
    left, right = list(tokenizer.encode(one)), list(tokenizer.encode(other))
    pairs = zip(left, right, strict=False)
    at = next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(left), len(right)))
    params = og.GeneratorParams(model)
    params.set_search_options(max_length=1024)
    generator = og.Generator(model, params)
    generator.append_tokens([*tokenizer.encode(asked), *left[:at]])
    logits = np.asarray(generator.get_logits()).reshape(-1)
    best, second = np.argsort(logits)[::-1][:2]
    return {
        "token": at,
        "best": tokenizer.decode([int(best)]),
        "second": tokenizer.decode([int(second)]),
        "margin": float(logits[best] - logits[second]),
    }


def compare(name: str, folder: Path) -> dict[str, Any]:
    """One model's answers through both engines."""
    prompts = load_prompts(demo_prompts_path())
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / f"{name}-f32.gguf"
        write_gguf(path, SHAPES[name], weights_of(name), CHECKPOINTS / CHECKPOINT / "tokenizer.json", "f32")
        llama = asyncio.run(answers("llamacpp", path, prompts, Path(scratch)))
        onnx = asyncio.run(answers("onnx_genai", folder, prompts, Path(scratch)))
    differing = [
        {"prompt": prompt.id, "llamacpp": one, "onnx_genai": other, **first_difference(folder, prompt, one, other)}
        for prompt, one, other in zip(prompts, llama, onnx, strict=True)
        if one != other
    ]
    same = len(prompts) - len(differing)
    return {"model": name, "prompts": len(prompts), "same_text": same, "texts": len(set(onnx)), "differing": differing}


def main() -> None:
    """Print one JSON object per model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[CHECKPOINT], metavar="NAME")
    parser.add_argument("--folders", type=Path, default=CHECKPOINTS, help="where the folders NAME-onnx are")
    asked = parser.parse_args()
    for name in asked.names:
        print(json.dumps(compare(name, asked.folders / f"{name}-onnx"), ensure_ascii=False))


if __name__ == "__main__":
    main()

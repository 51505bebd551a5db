"""A demo model as a folder of ONNX Runtime GenAI, as Foundry Local has them.

`python -m notes_recipe.onnx_folder [NAME...] [--out FOLDER]`. notes-small is made from its F32 checkpoint and, without
`--out`, into checkpoints/notes-small-onnx, which is kept in the repository. The other two are made from the weights of
their shipped files, Q8_0 turned back to F32. Needs torch and onnxruntime-genai, whose builder writes the graph; the
same versions write the same bytes.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from notes_recipe.chat import END, START
from notes_recipe.gguf_weights import weights_of_gguf
from notes_recipe.hf_folder import write_hf_folder
from notes_recipe.shape import SHAPES

TRAINING: Final = Path(__file__).parents[1]
CHECKPOINT: Final = "notes-small"
CHECKPOINTS: Final = TRAINING / "checkpoints"
SHIPPED: Final = TRAINING.parent / "src" / "shortlist" / "demo" / "models"
_KEPT: Final = ("genai_config.json", "model.onnx", "model.onnx.data", "tokenizer.json", "tokenizer_config.json")


def prompt_template() -> dict[str, str]:
    """The chat format in Foundry Local's words."""
    turns = {role: f"{START}{role}\n{{Content}}{END}" for role in ("system", "user", "assistant")}
    return {**turns, "prompt": f"{turns['user']}\n{START}assistant\n"}


def write_onnx_folder(out: Path, name: str, hugging_face: Path, precision: str = "fp32") -> None:
    """Have the library's own builder write the graph, and add what Foundry Local wants to know."""
    with TemporaryDirectory() as scratch:
        made = Path(scratch) / "made"
        arguments = ["-i", str(hugging_face), "-o", str(made), "-p", precision, "-e", "cpu", "-c", scratch]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "ORT_DISABLE_TELEMETRY": "1"}
        command = [sys.executable, "-m", "onnxruntime_genai.models.builder", *arguments]
        subprocess.run(command, check=True, env=environment)
        config: dict[str, Any] = json.loads((made / "tokenizer_config.json").read_text(encoding="utf-8"))
        template = made / "chat_template.jinja"
        if template.exists():
            config["chat_template"] = template.read_text(encoding="utf-8")
            (made / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        out.mkdir(parents=True, exist_ok=True)
        for file in _KEPT:
            shutil.copyfile(made / file, out / file)
    about = {"Name": name, "PromptTemplate": prompt_template()}
    (out / "inference_model.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def make(name: str, out: Path, precision: str) -> None:
    """One model's folder."""
    if name == CHECKPOINT:
        write_onnx_folder(out, name, CHECKPOINTS / CHECKPOINT, precision)
        return
    shape = SHAPES[name]
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        weights = weights_of_gguf(SHIPPED / f"{name}.gguf", shape.heads)
        write_hf_folder(folder, shape, weights, CHECKPOINTS / CHECKPOINT / "tokenizer.json")
        write_onnx_folder(out, name, folder, precision)


def main() -> None:
    """Make the folders that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[CHECKPOINT], metavar="NAME", help=", ".join(SHAPES))
    parser.add_argument("--out", type=Path, default=CHECKPOINTS, help="folder for the folders NAME-onnx")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "int4"))
    asked = parser.parse_args()
    for name in asked.names:
        if name not in SHAPES:
            parser.error(f"{name} is none of {', '.join(SHAPES)}")
        make(name, asked.out / f"{name}-onnx", asked.precision)


if __name__ == "__main__":
    main()

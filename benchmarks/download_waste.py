"""Bytes that a server sends for a file over a line that breaks, per byte of the file: ours, and huggingface_hub's own.

    python benchmarks/download_waste.py

Connections are reset, or the process is killed, at random places of a file of 24 MB from a loopback Hub. Ours goes on
by itself after a reset and by the same command after a kill; `hf_hub_download` is called again whenever it ends. Four
minutes, most of them waits between tries.
"""

import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from cli.commands import argv  # noqa: E402 - the tests' helpers, whose place is known only now
from gguf_files import llama_bytes  # noqa: E402
from hub.loopback import Fault, Hub, Repository, Reset, loopback_hub  # noqa: E402
from shortlist.clock import sleep_blocking_ns  # noqa: E402

DATA = llama_bytes() + random.Random(1).randbytes(24_000_000)
OURS = argv("model", "download", "hf:o/r/m.gguf", "--anyway")
THEIRS = [sys.executable, "-c", "import huggingface_hub as h; h.hf_hub_download('o/r', 'm.gguf')"]
MOST_CALLS = 80


def environment(hub: Hub, folder: str) -> dict[str, str]:
    quiet = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    return {**os.environ, **quiet, "HF_ENDPOINT": hub.url, "HF_HOME": folder, "SHORTLIST_HOME": f"{folder}/home"}


def is_whole(folder: str) -> bool:
    return any(path.read_bytes() == DATA for path in Path(folder).glob("hub/models--*/snapshots/*/m.gguf"))


def reset_at(typed: list[str], places: list[int]) -> str:
    """The command, called until it has the file."""
    with loopback_hub({"o/r": Repository({"m.gguf": DATA})}) as hub, tempfile.TemporaryDirectory() as folder:
        faults: list[Fault] = [Reset(place) for place in places]
        hub.faults["m.gguf"], calls = faults, 0
        while not is_whole(folder) and calls < MOST_CALLS:
            calls += 1
            subprocess.run(typed, env=environment(hub, folder), capture_output=True, check=False)
        return f"{hub.sent['m.gguf'] / len(DATA):6.3f} x the file's bytes, {calls} call(s), whole: {is_whole(folder)}"


def kill_at(typed: list[str], places: list[int]) -> str:
    """The command, killed when the server has sent so much in all, then called to its end."""
    with loopback_hub({"o/r": Repository({"m.gguf": DATA})}) as hub, tempfile.TemporaryDirectory() as folder:
        hub.speed, before = 12e6, 0
        for place in places:
            child = subprocess.Popen(
                typed, env=environment(hub, folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            began = hub.sent["m.gguf"]
            while hub.sent["m.gguf"] - began < place - before and child.poll() is None:
                sleep_blocking_ns(1_000_000)
            child.kill()
            child.wait()
            before = place
        hub.speed = None
        subprocess.run(typed, env=environment(hub, folder), capture_output=True, check=False)
        left = sum(path.stat().st_size for path in Path(folder).rglob("*.incomplete"))
        share = hub.sent["m.gguf"] / len(DATA)
        return f"{share:6.3f} x the file's bytes, whole: {is_whole(folder)}, {left / 1e6:.1f} MB of partial files left"


def main() -> None:
    chosen = random.Random(0)
    cuts, kills = (sorted(chosen.sample(range(len(DATA)), count)) for count in (50, 20))
    for name, typed in (("shortlist model download", OURS), ("hf_hub_download", THEIRS)):
        print(f"{name:<25} 50 resets  {reset_at(typed, list(cuts))}", flush=True)
        print(f"{name:<25} 20 kills   {kill_at(typed, kills)}", flush=True)


if __name__ == "__main__":
    main()

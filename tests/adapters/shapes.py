"""Every way in which a class may give its answer, and every way in which it may fail."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any


class _Loaded:
    def load(self, weights_path: str | None) -> None:
        self.weights_path = weights_path


class Text(_Loaded):
    def generate(self, prompt: str, **params: Any) -> str:
        return f"one two  three {prompt}"


class Listed(_Loaded):
    def generate(self, prompt: str) -> list[str]:
        return ["one ", "two  ", "three ", prompt]


class Generated(_Loaded):
    def generate(self, prompt: str) -> Iterator[str]:
        yield from ("one ", "two  ", "three ", prompt)


class LaterText(_Loaded):
    async def load(self, weights_path: str | None) -> None:  # type: ignore[override]
        await asyncio.sleep(0)  # noqa: TID251 - a user's code
        self.weights_path = weights_path

    async def generate(self, prompt: str) -> str:
        await asyncio.sleep(0)  # noqa: TID251
        return f"one two  three {prompt}"


class LaterGenerated(_Loaded):
    async def generate(self, prompt: str) -> AsyncIterator[str]:
        for piece in ("one ", "two  ", "three ", prompt):
            await asyncio.sleep(0)  # noqa: TID251
            yield piece


class Conversed(_Loaded):
    def generate(self, *, messages: list[dict[str, str]], temperature: float = 0.0) -> str:
        return " ".join(f"{m['role']}={m['content']}" for m in messages)


class Both(_Loaded):
    def generate(self, prompt: str, messages: list[dict[str, str]] | None = None) -> str:
        return f"{prompt} {len(messages or [])}"


class Told(_Loaded):
    """Gives back what it was given."""

    def generate(self, prompt: str, **params: Any) -> str:
        return repr(sorted(params.items()))


class Nothing(_Loaded):
    def generate(self, prompt: str, **params: Any) -> None:
        return None


class Numbers(_Loaded):
    def generate(self, prompt: str, **params: Any) -> Iterator[int]:
        yield 3


class Troubled(_Loaded):
    """Does what the question says."""

    def load(self, weights_path: str | None, threads: int = 1) -> None:
        self.threads = threads
        print("loaded, it says")  # noqa: T201

    def generate(self, prompt: str) -> Iterator[str]:
        if prompt == "raise":
            raise ValueError("größe is not there")
        if prompt == "exit":
            sys.exit(3)
        if prompt == "die":
            print("last words")  # noqa: T201
            os._exit(7)
        if prompt.startswith("child "):
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
            Path(prompt.removeprefix("child ")).write_text(str(child.pid))
        if prompt.startswith("close "):
            try:
                while True:
                    yield "on "
            finally:
                Path(prompt.removeprefix("close ")).write_text("closed")
        yield f"threads={self.threads}"


class LoadRaises(Text):
    def load(self, weights_path: str | None) -> None:
        raise RuntimeError("the weights are of another kind")


class LoadExits(Text):
    def load(self, weights_path: str | None) -> None:
        sys.exit("no licence")


class NoGenerate(_Loaded):
    pass


NotAClass = 3

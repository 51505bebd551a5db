"""What the demo models answer: each text that came when one to four requests were in the engine at once."""

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from serve.soak.wire import Ask, Got, Line
from shortlist.demo import demo_names, demo_prompts_path

SLOTS = 4
_LENGTHS = (24, 48, 160)


@dataclass(frozen=True, slots=True)
class Question:
    """What one model is asked."""

    model: str
    name: str
    text: str
    max_tokens: int

    def body(self, *, is_stream: bool = False) -> bytes:
        messages = [{"role": "user", "content": self.text}]
        told = {"model": self.model, "messages": messages, "temperature": 0, "max_tokens": self.max_tokens}
        return json.dumps(told | {"stream": is_stream}).encode()


def questions(count: int) -> list[Question]:
    """The first notes of the demo, for each of its models; some answers are short, some long."""
    suite: dict[str, Any] = json.loads(demo_prompts_path().read_text(encoding="utf-8"))
    notes = suite["prompts"][:count]
    return [
        Question(model, note["id"], suite["template"].replace("{note}", note["note"]), _LENGTHS[at % len(_LENGTHS)])
        for model in demo_names()
        for at, note in enumerate(notes)
    ]


Answers = dict[Question, set[str]]


def text_of(got: Got) -> str:
    """The text of a whole reply, or of as much of a stream as came, without a last event that is an error."""
    if not got.is_stream:
        return str(got.json["choices"][0]["message"]["content"])
    told = [json.loads(event) for event in got.events if event != "[DONE]"]
    chunks = [event["choices"][0]["delta"] for event in told if event.get("choices")]
    return "".join(delta.get("content") or "" for delta in chunks)


async def record(port: int, asked: list[Question], key: str, rounds: int) -> Answers:
    """Ask everything at each batch size, the same question side by side and among others, until nothing new comes."""
    found: Answers = defaultdict(set)
    headers = (("Authorization", f"Bearer {key}"),)

    async def ask(line: Line, question: Question) -> None:
        got = await line.ask(Ask("POST", "/v1/chat/completions", question.body(), headers))
        if got.status != 200:
            raise AssertionError(f"no reference text of {question.model}: {got}")
        found[question].add(text_of(got))

    async def work(line: Line, mine: list[Question]) -> None:
        for question in mine:
            await ask(line, question)

    lines = [Line(port) for _ in range(SLOTS)]
    for model in dict.fromkeys(question.model for question in asked):
        mine = [question for question in asked if question.model == model]
        for turn in range(rounds):
            for size in range(1, SLOTS + 1):
                for question in mine:
                    await asyncio.gather(*(ask(line, question) for line in lines[:size]))
                shifted = [mine[(at + turn) % len(mine) :] + mine[: (at + turn) % len(mine)] for at in range(size)]
                await asyncio.gather(*map(work, lines, shifted))
    for line in lines:
        line.close()
    return found

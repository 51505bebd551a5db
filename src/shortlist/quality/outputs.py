"""The distinct answers of a run, without a word of who gave them: what is rated.

An output's key is a hash over prompt and text: the same words under two prompts are two outputs, and the same answer of
several candidates, or rounds, is one and is rated once.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from shortlist.quality.scorers import scorable
from shortlist.records import Prompt, Run, text_sha256

DEFAULT_RUBRIC: Mapping[str, Mapping[str, str]] = {
    "faithfulness": {
        "1": "says what the source denies or never mentions",
        "2": "a point that matters is wrong",
        "3": "nothing wrong, and a point that matters is missing",
        "4": "all that matters is there, clumsily put",
        "5": "I would send it as it is",
    }
}
"""What is asked where a prompt brings no rubric of its own."""


@dataclass(frozen=True, slots=True)
class Output:
    """One answer to one prompt. `source` is the text that the answer is about."""

    key: str
    prompt: Prompt
    text: str

    @property
    def source(self) -> str:
        """The prompt's source, or what its user turns say."""
        if self.prompt.source is not None:
            return self.prompt.source
        return "\n\n".join(m.content for m in self.prompt.messages if m.role == "user")

    @property
    def rubric(self) -> Mapping[str, Mapping[str, str]]:
        """Dimension → value from 1 to 5 → its words; never empty."""
        return self.prompt.rubric or DEFAULT_RUBRIC


def output_key(prompt: str, text: str) -> str:
    """Sixty-four hex digits over a prompt's id and an answer's text."""
    return text_sha256(f"{len(prompt)}:{prompt}{text}")


def outputs_of(run: Run) -> dict[str, Output]:
    """Every distinct complete accepted answer by its key, in the order of the keys, which shows no candidate."""
    prompts = {prompt.id: prompt for prompt in run.info.plan.suite.prompts}
    asked = {cell.id: prompts[cell.prompt] for cell in run.info.plan.cells}
    found: dict[str, Output] = {}
    for sample in scorable(run):
        prompt = asked.get(sample.cell or "")
        if prompt is not None:
            key = output_key(prompt.id, sample.text)
            found.setdefault(key, Output(key, prompt, sample.text))
    return dict(sorted(found.items()))

"""The chat format: ChatML, rendered here exactly as the template inside the model files renders it."""

from dataclasses import dataclass
from typing import Final

END_OF_TEXT: Final = "<|endoftext|>"
START: Final = "<|im_start|>"
END: Final = "<|im_end|>"
SPECIAL_TOKENS: Final = (END_OF_TEXT, START, END)
CHAT_TEMPLATE: Final = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn before the answer."""

    role: str
    content: str


def render_prompt(messages: tuple[Message, ...]) -> str:
    """The text that the model reads before it answers."""
    turns = "".join(f"{START}{message.role}\n{message.content}{END}\n" for message in messages)
    return f"{turns}{START}assistant\n"

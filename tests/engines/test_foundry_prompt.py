"""Foundry Local's prompt templates, against the chat formats that they stand for."""

import pytest

from shortlist.engines.foundry_prompt import render
from shortlist.engines.wire_request import Refusal
from shortlist.records import Message

CHATML = {
    "system": "<|im_start|>system\n{Content}<|im_end|>",
    "user": "<|im_start|>user\n{Content}<|im_end|>",
    "assistant": "<|im_start|>assistant\n{Content}<|im_end|>",
    "prompt": "<|im_start|>user\n{Content}<|im_end|>\n<|im_start|>assistant\n",
}
LLAMA = {
    "user": "<|start_header_id|>user<|end_header_id|>\n\n{Content}<|eot_id|>",
    "assistant": "<|start_header_id|>assistant<|end_header_id|>\n\n{Content}<|eot_id|>",
    "prompt": "<|start_header_id|>user<|end_header_id|>\n\n{Content}<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
}
TALK = (Message("user", "Hi."), Message("assistant", "Yes?"), Message("user", "Go {Content}."))


def test_turns_are_joined_as_the_prompt_itself_joins_question_and_answer() -> None:
    assert render(CHATML, (Message("system", "Be kind."), *TALK)) == (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi.<|im_end|>\n"
        "<|im_start|>assistant\nYes?<|im_end|>\n<|im_start|>user\nGo {Content}.<|im_end|>\n<|im_start|>assistant\n"
    )
    assert "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nYes?<|eot_id|><|start" in render(LLAMA, TALK)


def test_a_template_of_a_prompt_alone_takes_one_question() -> None:
    assert render({"prompt": "Q: {Content}\nA:"}, TALK[2:]) == "Q: Go {Content}.\nA:"


@pytest.mark.parametrize(
    ("template", "messages"),
    [(LLAMA, (Message("system", "Be kind."), *TALK)), (CHATML, TALK[:2]), ({"prompt": "{Content}"}, TALK)],
)
def test_a_turn_without_a_place_is_refused_and_not_dropped(
    template: dict[str, str], messages: tuple[Message, ...]
) -> None:
    with pytest.raises(Refusal) as caught:
        render(template, messages)
    assert caught.value.code == "unsupported_parameter"

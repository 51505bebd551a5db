"""A chat as Foundry Local's `PromptTemplate` writes it: a text for each role, `prompt` for the question that is asked.

What stands between two turns is not in the templates themselves. It is read off `prompt`, which begins like `user` and
goes on to the assistant's opening: the white space between those two.
"""

from collections.abc import Mapping, Sequence

from shortlist.engines.wire_request import unsupported
from shortlist.onnxfolder import PLACEHOLDER
from shortlist.records import Message


def render(template: Mapping[str, str], messages: Sequence[Message]) -> str:
    """The text that the model reads. Raises Refusal for a turn that the template has no place for."""
    *before, last = messages
    if last.role != "user":
        raise unsupported("messages", last.role, "with this model's template the last message is the user's")
    turns = []
    for number, message in enumerate(before):
        form = template.get(message.role)
        if form is None:
            reason = f"this model's template has no place for the role {message.role}"
            raise unsupported(f"messages[{number}].role", message.role, reason)
        turns.append(_filled(form, message.content))
    return "".join(turn + _between(template) for turn in turns) + _filled(template["prompt"], last.content)


def _filled(form: str, content: str) -> str:
    before, _, after = form.partition(PLACEHOLDER)
    return before + content + after


def _between(template: Mapping[str, str]) -> str:
    user, prompt = template.get("user", ""), template["prompt"]
    if not user or not prompt.startswith(user):
        return ""
    rest = prompt.removeprefix(user)
    return rest[: len(rest) - len(rest.lstrip())]

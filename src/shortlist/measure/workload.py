"""What a planned request says: the JSON body of a chat completion."""

from collections.abc import Mapping
from typing import Any

from shortlist.errors import BadInput
from shortlist.records import Generation, Message, Prompt, to_json


def request_body(
    model: str, prompt: Prompt, generation: Generation, extra: Mapping[str, Any], *, nonce: str | None = None
) -> bytes:
    """The body of `POST /chat/completions`.

    `extra` is what the engine wants beside the standard (`cache_prompt`, with `fixed_tokens` its own spelling of
    `ignore_eos`); it may repeat a field that the plan sets, not change it. `nonce` is unique text put before the first
    message, for an endpoint whose prefix cache cannot be switched off; it costs the same few tokens in every request,
    and the caller stamps the run with it. Raises BadInput for an empty prompt or an `extra` that collides.
    """
    if not prompt.messages:
        raise BadInput(f"prompt {prompt.id!r} has no message")
    body: dict[str, Any] = {
        "model": model,
        "messages": _messages(prompt.messages, nonce),
        "max_tokens": generation.max_tokens if generation.fixed_tokens is None else generation.fixed_tokens,
        "temperature": generation.temperature,
        "seed": generation.seed,
        "stream": generation.stream,
    }
    if generation.stream:
        body["stream_options"] = {"include_usage": True}
    changed = sorted(name for name, value in extra.items() if name in body and body[name] != value)
    if changed:
        raise BadInput(f"the engine's extra fields would change {', '.join(changed)}", hint="set them in the suite")
    return to_json(body | dict(extra))


def _messages(messages: tuple[Message, ...], nonce: str | None) -> list[dict[str, str]]:
    listed = [{"role": m.role, "content": m.content} for m in messages]
    if nonce is not None:
        listed[0]["content"] = f"[{nonce}]\n{listed[0]['content']}"
    return listed

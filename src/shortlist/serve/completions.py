"""POST /v1/completions: text that goes on, from one prompt or several, in the shape that this older API has."""

from collections.abc import Sequence
from typing import Any

from shortlist.errors import BadRequest
from shortlist.serve import answers, checks
from shortlist.serve.bodies import completion_body, seeded
from shortlist.serve.call import Call, Operation
from shortlist.serve.features import check_bias, check_lease
from shortlist.serve.lease import Demand, Lease
from shortlist.serve.merging import Source, merge_stream, merge_whole
from shortlist.serve.relay import leased
from shortlist.serve.replies import Reply
from shortlist.serve.schema import CompletionRequest
from shortlist.serve.tokens import check_fits

MOST_ANSWERS = 64
_PATH = "/completions"
Prompt = str | list[int]


async def complete(call: Call) -> Reply | None:
    """Text that goes on from a prompt."""
    request = await call.decode(CompletionRequest)
    checks.check_completion(request)
    prompts = checks.inputs_of(request.prompt, "prompt")
    if len(prompts) * (request.n or 1) > MOST_ANSWERS:
        raise BadRequest(f"prompts times n are more than {MOST_ANSWERS} answers", param="n")
    needed, limit = checks.features_of(request), checks.limit_of(request)
    text = prompts[0] if isinstance(prompts[0], str) else ""
    async with leased(
        call, request.model, Demand(call.client, limit, call.request_id, frozenset(needed), text)
    ) as lease:
        await check_lease(call, lease, needed, limit)
        await check_bias(call, lease, request.logit_bias)
        if len(prompts) > 1:  # else one of them could be refused in the middle of the others' answers
            await check_fits(call, lease, prompts, "prompt")
        sources = _sources(request, prompts, lease)
        if not request.stream:
            return await merge_whole(call, lease, _PATH, sources)
        options = request.stream_options
        await merge_stream(call, lease, _PATH, sources, keeps_usage=bool(options and options.include_usage))
        return None


def _sources(request: CompletionRequest, prompts: Sequence[Prompt], lease: Lease) -> list[Source]:
    count = request.n or 1
    found = []
    for place, prompt in enumerate(prompts):
        body = completion_body(request, lease) | {"prompt": prompt}
        for number in range(count):
            shape = _Shape(request.logprobs)
            found.append(Source(seeded(body, number), place * count + number, number == 0, shape.reshape))
    return found


class _Shape:
    """Turns llama.cpp's chat-like logprobs into those of completions: four lists, one with each token's place."""

    def __init__(self, top: int | None) -> None:
        self._top = top
        self._offset = 0

    def reshape(self, choice: dict[str, Any]) -> dict[str, Any]:
        """A choice as completions have it."""
        told = choice.get("logprobs")
        if self._top is None or not isinstance(told, dict) or "tokens" in told:
            return choice | {"logprobs": told if self._top is not None else None}
        logged: dict[str, list[Any]] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
        for one in told.get("content") or ():
            logged["tokens"].append(one["token"])
            logged["token_logprobs"].append(one["logprob"])
            logged["top_logprobs"].append({t["token"]: t["logprob"] for t in one["top_logprobs"][: self._top]} or None)
            logged["text_offset"].append(self._offset)
            self._offset += len(one["token"])
        return choice | {"logprobs": logged}


OPERATIONS = (
    Operation(
        "POST", "/v1/completions", complete, "Text that goes on from a prompt.", CompletionRequest, answers.Completion
    ),
)

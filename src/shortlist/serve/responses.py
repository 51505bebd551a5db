"""POST /v1/responses: the stateless part for text, told in that API's words of what a chat completion says."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from shortlist.clock import wall_ns
from shortlist.errors import ConnectionClosed
from shortlist.serve import answers, checks, response_schema, schema
from shortlist.serve.bodies import chat_body, streamed
from shortlist.serve.call import Call, Operation
from shortlist.serve.composing import Composer, encoded
from shortlist.serve.events import Frames, Watch, parse, payloads
from shortlist.serve.features import check_lease
from shortlist.serve.lease import Demand, Lease
from shortlist.serve.relay import EVENTS, exchange, leased, refusal
from shortlist.serve.replies import Reply
from shortlist.serve.response_schema import ResponseRequest
from shortlist.serve.schema import ChatRequest


async def respond(call: Call) -> Reply | None:
    """An answer to an input, nothing of which is kept."""
    request = await call.decode(ResponseRequest)
    check_response(request)
    asked = as_chat(request)
    checks.check_chat(asked)
    needed, limit = checks.features_of(asked), checks.limit_of(asked)
    demand = Demand(call.client, limit, call.request_id, frozenset(needed), checks.question_of(asked))
    async with leased(call, request.model, demand) as lease:
        await check_lease(call, lease, needed, limit)
        composer = Composer(lease.model, request, wall_ns() // 10**9)
        if request.stream:
            await _stream(call, lease, asked, composer)
            return None
        async with aclosing(_events(call, lease, asked)) as events:
            async for told in events:
                composer.take(told)
        composer.end()
        return Reply(encoded(composer.response()))


def check_response(request: ResponseRequest) -> None:
    """Raise BadRequest for what is not of the stateless part."""
    checks.check_known(request)
    if request.reasoning is not None and request.reasoning.summary is not None:
        raise checks.unsupported("reasoning.summary", "thoughts are not summed up")
    if request.stream_options is not None and request.stream_options.include_usage is not None:
        raise checks.unsupported("stream_options.include_usage", "usage always stands in the last event")


def as_chat(request: ResponseRequest) -> ChatRequest:
    """The chat that asks for the same."""
    told: list[Any] = [] if request.instructions is None else [schema.SystemMessage(request.instructions)]
    if isinstance(request.input, str):
        told.append(schema.UserMessage(request.input))
    else:
        told += [_message(message) for message in request.input]
    text = request.text
    return ChatRequest(
        model=request.model,
        messages=told,
        max_completion_tokens=request.max_output_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        response_format=_format(None if text is None else text.format),
        verbosity=None if text is None else text.verbosity,
        reasoning_effort=None if request.reasoning is None else request.reasoning.effort,
        service_tier=request.service_tier,
        stream=True,  # for us: what the client gets is another matter
    )


def _message(message: response_schema.InputMessage) -> schema.ChatMessage:
    kind = {
        "user": schema.UserMessage, "assistant": schema.AssistantMessage,
        "system": schema.SystemMessage, "developer": schema.DeveloperMessage,
    }[message.role]  # fmt: skip
    content = message.content
    found: schema.ChatMessage = kind(content if isinstance(content, str) else "\n".join(part.text for part in content))
    return found


def _format(
    asked: schema.PlainText | schema.JsonObject | response_schema.SchemaFormat | None,
) -> schema.ResponseFormat | None:
    if not isinstance(asked, response_schema.SchemaFormat):
        return asked
    spec = schema.JsonSchemaSpec(asked.name, asked.schema, asked.description, asked.strict)
    return schema.JsonSchema(spec)


async def _events(call: Call, lease: Lease, asked: ChatRequest) -> AsyncGenerator[dict[str, Any], None]:
    """The events of the chat completion behind the response."""
    watch, frames = Watch(lease.model, call.began_ns, keeps_usage=True), Frames()
    try:
        body = streamed(chat_body(asked, lease), lease, wants_usage=True)
        async with exchange(call, lease, "/chat/completions", body) as connection:
            if connection.status != 200:
                raise await refusal(connection)
            while data := await connection.read():
                for payload in payloads(watch.look(frames.feed(data))):
                    yield parse(payload)
            watch.look(frames.rest())
            if not watch.is_done:
                raise ConnectionClosed("the engine's stream ended without its last event")
    finally:
        call.used = watch.used(is_cancelled=call.is_gone)


async def _stream(call: Call, lease: Lease, asked: ChatRequest, composer: Composer) -> None:
    call.error_event = composer.error
    async with aclosing(_events(call, lease, asked)) as events:
        async for told in events:
            data = composer.take(told)
            if not call.is_started:
                call.is_stream = True
                await call.start(200, EVENTS)
            await call.send({"type": "http.response.body", "body": data, "more_body": True})
    await call.finish(composer.end())


OPERATIONS = (
    Operation(
        "POST",
        "/v1/responses",
        respond,
        "An answer to an input, nothing of which is kept.",
        ResponseRequest,
        answers.Response,
    ),
)

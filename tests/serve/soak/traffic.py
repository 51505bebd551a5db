"""Sixty-four clients and one who manages: good questions, clients that go away, bad requests, loads and unloads."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

from serve.soak import verdicts
from serve.soak.truth import Answers, Question
from serve.soak.verdicts import Wrong
from serve.soak.wire import Ask, Got, Line
from shortlist.clock import SYSTEM, monotonic_ns

CHAT = "/v1/chat/completions"
_TRIES = 200
_MOST_WRONG = 20
_WEIGHTS = {"whole": 35, "stream": 35, "leave": 16, "bad": 10, "other": 4}
_LOAD_CODES = {200: ("",), 502: ("engine_crashed", "engine_failed"), 503: ("service_unavailable",)}


@dataclass(frozen=True, slots=True)
class Bad:
    """A request that is refused, and with what."""

    what: str
    status: int
    code: str
    path: str = CHAT
    body: bytes = b""
    method: str = "POST"
    key: str | None = None


def bad_requests(question: Question) -> tuple[Bad, ...]:
    """Around a good question."""
    good = json.loads(question.body())

    def but(**changes: object) -> bytes:
        return json.dumps(good | changes).encode()

    endless = [{"role": "user", "content": "meeting " * 20_000}]
    return (
        Bad("no such model", 404, "model_not_found", body=but(model="nobody")),
        Bad("no JSON", 400, "invalid_json", body=b'{"model": "notes-small", '),
        Bad("an unknown parameter", 400, "unknown_parameter", body=but(wishes=1)),
        Bad("out of range", 400, "invalid_value", body=but(temperature=3)),
        Bad("longer than the context", 400, "context_length_exceeded", body=but(messages=endless)),
        Bad("no such path", 404, "not_found", "/v1/nothing", question.body()),
        Bad("a wrong method", 405, "method_not_allowed", method="DELETE"),
        Bad("a wrong key", 401, "invalid_api_key", body=question.body(), key="n" * 40),
        Bad("more than the memory", 507, "does_not_fit", body=but(model="too-big")),
    )


@dataclass(slots=True)
class Seen:
    """What the clients saw."""

    outcomes: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    wrongs: int = 0
    ids: set[str] = field(default_factory=set)
    longest_ns: dict[str, int] = field(default_factory=dict)

    def judge(self, what: str, verdict: Callable[[], str]) -> str:
        """Count an outcome; keep the evidence of what is wrong."""
        try:
            outcome = verdict()
        except (Wrong, ValueError, KeyError, IndexError) as error:
            self.wrongs += 1
            outcome = "WRONG"
            if len(self.wrong) < _MOST_WRONG:
                self.wrong.append(f"{what}: {type(error).__name__}: {error}")
        self.outcomes[outcome] += 1
        return outcome


@dataclass(frozen=True, slots=True)
class Traffic:
    """One soak's traffic."""

    port: int
    answers: Answers
    keys: tuple[str, ...]
    token: str
    clients: int
    seed: int
    seen: Seen = field(default_factory=Seen)

    async def run(self, until_ns: int) -> None:
        """Until the time is over and everybody has an answer."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._manager(until_ns))
            for number in range(self.clients):
                tasks.create_task(self._client(number, until_ns))

    async def _client(self, number: int, until_ns: int) -> None:
        chance, line = Random(f"{self.seed} {number}"), Line(self.port)
        asked: list[Question] = list(self.answers)
        jobs: dict[str, Callable[..., Awaitable[None]]] = {
            "whole": self._good, "stream": self._good, "leave": self._leave, "bad": self._bad, "other": self._other,
        }  # fmt: skip
        turn = 0
        while monotonic_ns() < until_ns:
            kind = chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
            turn += 1
            await jobs[kind](line, chance, asked[chance.randrange(len(asked))], f"soak-{number}-{turn}", kind, until_ns)
            await SYSTEM.sleep_ns(chance.randrange(100_000_000))
        line.close()

    def _headers(self, name: str, key: str | None = None) -> tuple[tuple[str, str], ...]:
        number = int(name.split("-")[1])
        own = key or self.keys[number % len(self.keys)]
        return (("Authorization", f"Bearer {own}"), ("X-Request-Id", name), ("Content-Type", "application/json"))

    async def _good(self, line: Line, chance: Random, question: Question, name: str, kind: str, until_ns: int) -> None:
        """Asked until it is answered, or the time is over: a refusal's Retry-After is obeyed."""
        began = monotonic_ns()
        for again in range(_TRIES):
            one = f"{name}-{again}"
            ask = Ask("POST", CHAT, question.body(is_stream=kind == "stream"), self._headers(one))
            got = await line.ask(ask)
            outcome = self._chat(question, one, got)
            if outcome in ("answered", "streamed", "WRONG"):
                self.seen.answered[question.model] += outcome != "WRONG"
                took = monotonic_ns() - began
                self.seen.longest_ns[question.model] = max(took, self.seen.longest_ns.get(question.model, 0))
                return
            if monotonic_ns() > until_ns:
                return
            told = got.header("retry-after")
            await SYSTEM.sleep_ns(round(((int(told) if told.isdigit() else 1) + chance.random()) * 1e9))
        self.seen.judge(name, _never)

    def _chat(self, question: Question, name: str, got: Got) -> str:
        return self.seen.judge(name, lambda: verdicts.of_chat(question, got, name, self.answers[question]))

    async def _leave(self, line: Line, chance: Random, question: Question, name: str, kind: str, until_ns: int) -> None:
        """The client goes: in the middle of a stream, or while it waits for a whole reply."""
        is_stream = chance.random() < 0.7
        leave = {"leave_events": chance.randint(1, 20)} if is_stream else {"leave_s": chance.uniform(0.001, 0.3)}
        ask = Ask("POST", CHAT, question.body(is_stream=is_stream), self._headers(name), **leave)
        self._chat(question, name, await line.ask(ask))

    async def _bad(self, line: Line, chance: Random, question: Question, name: str, kind: str, until_ns: int) -> None:
        bad = chance.choice(bad_requests(question))
        got = await line.ask(Ask(bad.method, bad.path, bad.body, self._headers(name, bad.key)))

        def verdict() -> str:
            verdicts.same_id(got, name)
            code = verdicts.code_of(got)
            if (got.status, code) == (bad.status, bad.code):
                return f"refused: {bad.what}"
            if bad.code in ("context_length_exceeded", "does_not_fit"):  # it waits for its model as others do
                return verdicts.refusal(got)
            raise Wrong(f"{bad.what}: {got.status} {got.body[:300]!r}")

        self.seen.judge(name, verdict)

    async def _other(self, line: Line, chance: Random, question: Question, name: str, kind: str, until_ns: int) -> None:
        """The light routes, and an id of the service's making."""
        path = chance.choice(("/v1/models", f"/v1/models/{question.model}", "/openapi.json"))
        got = await line.ask(Ask("GET", path, headers=self._headers(name)[:1]))

        def verdict() -> str:
            given = got.header("x-request-id")
            if got.status != 200 or given in self.seen.ids or not given.startswith("req-"):
                raise Wrong(f"{path}: {got}")
            self.seen.ids.add(given)
            return "looked"

        self.seen.judge(name, verdict)

    async def _manager(self, until_ns: int) -> None:
        """Loads and unloads by hand, now and then by force."""
        chance, line = Random(self.seed), Line(self.port)
        models = sorted({question.model for question in self.answers})
        while monotonic_ns() < until_ns:
            await SYSTEM.sleep_ns(round(chance.uniform(2, 5) * 1e9))
            what = chance.choice(("load", "load", "unload"))
            told = {"model": chance.choice(models)}
            body = json.dumps(told if what == "load" else told | {"force": chance.random() < 0.3}).encode()
            headers = (("X-Shortlist-Token", self.token), ("Content-Type", "application/json"))
            got = await line.ask(Ask("POST", f"/shortlist/v1/{what}", body, headers))
            self.seen.judge(what, lambda what=what, got=got: _managed(what, got))  # type: ignore[misc]
        line.close()


def _managed(what: str, got: Got) -> str:
    codes = _LOAD_CODES.get(got.status, ())
    if got.broken is not None or not codes or (got.status != 200 and verdicts.code_of(got) not in codes):
        raise Wrong(f"{what}: {got}")
    return f"{what} by hand" if got.status == 200 else f"{what} by hand: {verdicts.code_of(got)}"


def _never() -> str:
    raise Wrong(f"refused {_TRIES} times")

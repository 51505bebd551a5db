"""`shortlist model run`: one question from the command line or a pipe, else a chat in the terminal."""

import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shortlist import settings as settings_file
from shortlist import units
from shortlist.cli.answers import AnswerWriter, answer_data, cut_notes, stats_line
from shortlist.cli.output import emit, emit_json, say
from shortlist.errors import BadInput, Interrupted
from shortlist.records import Generation, Json
from shortlist.settings import Settings

if TYPE_CHECKING:
    from shortlist.chat.conversation import Answer, Asking, Conversation
    from shortlist.chat.live import Piece
    from shortlist.engines import Engine, LoadSpec

MAX_TOKENS = 1024
"""Most tokens of an answer where nobody says otherwise: `max_tokens` has the workshop's 150, which is for benches."""

_MOST_STDIN_BYTES = 16 * 10**6
_SILENT_S = 3.0
_START_LIMIT_NS = 600 * 10**9
_SETTINGS = ("max_tokens", "temperature", "seed", "context", "threads", "device", "kv_type", "gpu_layers",
             "speculation", "engine", "command", "endpoint", "api_key_file", "timeout", "profile", "ascii")  # fmt: skip


@click.command(name="run")
@click.argument("model")
@click.option("--prompt", "question", help="Ask this once, and stop. What is piped in is put under it.")
@click.option("--system", help="What the model is told before all else.")
@click.option("--json-schema", "schema_file", type=click.Path(path_type=Path), help="Hold the answer to this schema.")
@click.option("--max-tokens", type=int, help=f"Most tokens in an answer. [{MAX_TOKENS}]")
@click.option("--temperature", type=float, help="Sampling temperature; 0 is greedy. [0]")
@click.option("--seed", type=int, help="Seed of the sampling. [0]")
@click.option("--context", type=int, help="Tokens of context. [the model's, 4096 at most]")
@click.option("--threads", type=int, help="Threads of the engine. [physical cores]")
@click.option("--device", help="cpu, gpu or auto. [auto]")
@click.option("--kv-type", help="Type of the numbers in the KV cache: f16, q8_0, q4_0, ... [f16]")
@click.option("--gpu-layers", type=int, help="Layers that a GPU computes. [all, where there is one]")
@click.option("--speculation", help="Guess tokens ahead and check them: off, ngram, or ngram:N:M. [off]")
@click.option("--engine", help="What opens model files. [llamacpp]")
@click.option("--profile/--no-profile", default=None, help="Use what `shortlist tune` found. [--profile]")
@click.option("--command", metavar="TEMPLATE", help="Program to start, as 'llama-server -m {model} --port {port}'.")
@click.option("--endpoint", help="Ask this OpenAI-compatible URL; MODEL is then its model's name.")
@click.option("--api-key-file", help="File that holds the endpoint's key.")
@click.option("--timeout", help="Longest silence of the model, as 120s or 2m. [120s]")
@click.option("--accept-licence", is_flag=True, help="You have read the licence that the policy wants read.")
@click.option("--ascii/--no-ascii", "ascii", default=None, help="Plain ASCII output.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text as it comes.")
def command(**options: Any) -> None:
    """Ask a model once, or talk to it in the terminal.

    With --prompt or something piped in, the answer goes to stdout and all else to stderr. Otherwise a chat begins:
    Ctrl-C stops an answer, Ctrl-C or Ctrl-D at the prompt leaves, /help lists commands. Text only: images are refused.
    What does not fit the context is an error, and never cut.
    """
    settings = settings_file.load().with_flags({name: options[name] for name in _SETTINGS})
    converse(settings, options)


def converse(settings: Settings, options: Mapping[str, Any]) -> None:
    """One question or a chat, as the options of `model run` say."""
    from shortlist.chat.conversation import Asking

    question = question_of(options["question"], read_pipe())
    if options["as_json"] and question is None:
        raise BadInput("--json is for one question", hint="add --prompt TEXT, or pipe the question in")
    asking = Asking(_generation(settings), read_schema(options["schema_file"]), settings.timeout)
    engine, spec = prepare(settings, options["model"], accept_licence=options["accept_licence"])
    _note_bench()
    with _opened(engine, spec, asking) as (runner, talk):
        talk.set_system(options["system"])
        if question is None:
            from shortlist.cli.chat_screen import Chat

            Chat(runner, talk, settings, options["model"]).run()
        elif options["as_json"]:
            answer = _ask(runner, talk, question, lambda _: None)
            emit_json("shortlist-answer", answer_data(options["model"], talk, answer), cut_notes(talk.asking, answer))
        else:
            _print_answer(runner, talk, question, asked_ascii=settings.ascii)


def _note_bench() -> None:
    """A bench that runs here is disturbed by a model that works beside it: said, not forbidden."""
    from shortlist.hostlock import living_holder

    holder = living_holder()
    if holder is not None:
        say(f"note: {holder.what} (pid {holder.pid}) measures on this host, and this disturbs it")


def read_pipe() -> str | None:
    """What is piped in; None on a terminal, or where nothing is. Raises BadInput for an image, or what is no text."""
    from shortlist.chat.images import image_kind

    if sys.stdin is None or sys.stdin.isatty():
        return None
    _note_silence()
    data = sys.stdin.buffer.read(_MOST_STDIN_BYTES + 1)
    if len(data) > _MOST_STDIN_BYTES:
        raise BadInput(f"what is piped in is larger than {units.size(_MOST_STDIN_BYTES)}", hint="pipe in a part of it")
    kind = image_kind(data)
    if kind is not None:
        raise BadInput(f"what is piped in is an image ({kind}), and images are not read", hint="pipe in text")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"what is piped in is not UTF-8 text: byte {error.start}", hint="pipe in text") from None
    return text if text.strip() else None


def _note_silence() -> None:
    """A pipe that nobody writes to and nobody closes would be waited for without a word."""
    import select

    try:
        is_ready = bool(select.select([sys.stdin], [], [], _SILENT_S)[0])
    except (OSError, ValueError):  # Windows selects sockets only
        return
    if not is_ready:
        say("note: waiting for what is piped in; if nothing is, end it with Ctrl-D or start with </dev/null")


def question_of(typed: str | None, piped: str | None) -> str | None:
    """The one question: what was typed, with what was piped in under it. Raises BadInput for an image's path."""
    from shortlist.chat.images import refuse_images

    if typed is not None:
        refuse_images(typed)
        if not typed.strip() and piped is None:
            raise BadInput("--prompt is empty", hint="leave it out for a chat")
    parts = [part for part in (typed, piped) if part is not None and part.strip()]
    if not parts and not (sys.stdin and sys.stdin.isatty()):
        raise BadInput("nothing was asked: no --prompt, nothing piped in, and no terminal for a chat")
    return "\n\n".join(parts) if parts else None


def read_schema(path: Path | None) -> Json | None:
    """A JSON Schema, checked. Raises InvalidFile."""
    from shortlist.errors import InvalidFile
    from shortlist.files import read_json

    if path is None:
        return None
    import jsonschema

    schema = read_json(path)
    if not isinstance(schema, dict):
        raise InvalidFile(path, "$", "expected an object")
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        place = "$" + "".join(f".{part}" for part in error.absolute_path)
        raise InvalidFile(path, place, f"is no JSON Schema: {error.message}") from None
    return schema


def prepare(settings: Settings, model: str, *, accept_licence: bool = False) -> "tuple[Engine, LoadSpec]":
    """The engine and what it shall open: admitted by policy and memory first. Raises what those raise."""
    from shortlist.cli.admission import admission
    from shortlist.cli.by_profile import ByProfile
    from shortlist.engines import EngineContext, LoadSpec, engine_for, find_engine, takes_names
    from shortlist.engines.asking import asked_options
    from shortlist.engines.remote import base_url
    from shortlist.models.refs import find, resolve
    from shortlist.models.usage import note_use
    from shortlist.records import Variant

    endpoint = base_url(settings.endpoint) if settings.endpoint else None
    context = EngineContext(endpoint, settings.api_key_file, command=settings.command)
    options = asked_options(settings)
    logs = settings.home / "logs"
    if endpoint or takes_names(settings.engine):
        engine = find_engine("remote" if endpoint else settings.engine)(context)
        limit_ns = settings.timeout if endpoint else _START_LIMIT_NS
        return engine, LoadSpec(model, model, Variant("endpoint"), options, None, logs, timeout_ns=limit_ns)
    library, admit = admission(settings, None, accept_licence=accept_licence, what="run")
    admit(find(model, library))
    here = resolve(model, library)
    name = engine_for(here.label, here.variant, settings.engine, is_asked=settings.source("engine") != "default")
    if here.variant.format != "adapter":
        name, options = ByProfile(settings)(here.label, here.variant, name, options)
    options = replace(options, prefix_cache=name == "llamacpp")  # a chat's next question begins like its last
    if here.path is not None:
        note_use(settings.home, [here.path], "run")
    spec = LoadSpec(here.label, here.label, here.variant, options, here.path, logs, timeout_ns=_START_LIMIT_NS)
    return find_engine(name)(context), spec


@contextmanager
def _opened(engine: "Engine", spec: "LoadSpec", asking: "Asking") -> "Iterator[tuple[asyncio.Runner, Conversation]]":
    """The model open on a loop of its own; closed whatever happens."""
    from shortlist.chat.conversation import Conversation

    with asyncio.Runner() as runner:
        try:
            try:
                endpoint = runner.run(engine.open(spec))
            except KeyboardInterrupt:
                raise Interrupted("interrupted while the model was loaded") from None
            yield runner, Conversation(engine, endpoint, asking)
        finally:
            runner.run(engine.close())


def _generation(settings: Settings) -> Generation:
    is_asked = settings.source("max_tokens") != "default"
    return Generation(settings.max_tokens if is_asked else MAX_TOKENS, settings.temperature, settings.seed)


def _ask(
    runner: asyncio.Runner, talk: "Conversation", question: str, on_piece: "Callable[[Piece], object]"
) -> "Answer":
    from shortlist.chat.schema import check_answer

    try:
        answer = runner.run(talk.ask(question, on_piece))
    except KeyboardInterrupt:
        raise Interrupted("interrupted") from None
    if talk.asking.schema is not None:
        check_answer(answer, talk.asking.schema)
    return answer


def _print_answer(runner: asyncio.Runner, talk: "Conversation", question: str, *, asked_ascii: bool) -> None:
    """The answer as it comes; held to a schema, only once it is whole and valid."""
    writer = AnswerWriter(asked_ascii=asked_ascii)
    is_held = talk.asking.schema is not None
    try:
        answer = _ask(runner, talk, question, (lambda _: None) if is_held else writer.piece)
    finally:
        writer.end()
    if is_held:
        emit(answer.text, asked_ascii=asked_ascii)
    for note in cut_notes(talk.asking, answer):
        say(f"note: {note}")
    say(stats_line(answer))

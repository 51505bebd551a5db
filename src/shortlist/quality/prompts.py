"""Prompt files: a bare list of strings, or the form with templates, clusters and facets.

Every error names the file, the place inside it and what was expected there; unknown keys are errors.
"""

import re
import string
from collections.abc import Iterable
from pathlib import Path

import msgspec

from shortlist.errors import InvalidFile
from shortlist.files import convert, read_json
from shortlist.records import Facet, Json, Message, Prompt

DEFAULT_FILE = Path(__file__).with_name("default_prompts.json")
ROLES = ("system", "user", "assistant", "tool", "developer")


class _FacetEntry(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    kind: str
    any_of: list[str] = []
    regex: str | None = None
    value: int | None = None
    schema: Json | None = None
    critical: bool = False


class _MessageEntry(msgspec.Struct, forbid_unknown_fields=True):
    role: str
    content: str


class PromptEntry(msgspec.Struct, forbid_unknown_fields=True):
    """One prompt as people write it, less the template's variables."""

    id: str | None = None
    cluster: str | None = None
    tags: list[str] = []
    input: str | None = None
    messages: list[_MessageEntry] | None = None
    pair_with: str | None = None
    facets: list[_FacetEntry] = []
    references: list[str] = []
    rubric: dict[str, dict[str, str]] = {}


class PromptFile(msgspec.Struct, forbid_unknown_fields=True):
    """The long form of prompts.json."""

    prompts: list[str | Json]
    version: int = 1
    system: str | None = None
    template: str | None = None
    rubric: dict[str, dict[str, str]] = {}


def load_prompts(path: Path) -> tuple[Prompt, ...]:
    """The prompts of a file, in order. Raises InvalidFile."""
    return parse_prompts(read_json(path), str(path))


def parse_prompts(content: object, file: str) -> tuple[Prompt, ...]:
    """Prompts from decoded JSON in either form; `file` is named in errors. Raises InvalidFile."""
    if isinstance(content, list):
        prompts = tuple(_bare(text, place, file) for place, text in enumerate(content))
    elif isinstance(content, dict):
        whole = convert(content, PromptFile, file, "$")
        if whole.version != 1:
            raise InvalidFile(
                file, "$.version", f"expected 1, got {whole.version}", hint="this Shortlist reads version 1"
            )
        prompts = tuple(_entry(whole, place, file) for place in range(len(whole.prompts)))
    else:
        raise InvalidFile(file, "$", "expected a list of strings, or an object with `prompts`")
    if not prompts:
        raise InvalidFile(file, "$", "there is no prompt in it")
    _check_ids(prompts, file)
    return prompts


def single_prompt(text: str) -> tuple[Prompt, ...]:
    """One prompt typed on the command line or in BENCH_PROMPT."""
    return (Prompt(id="p-01", messages=(Message("user", text),), source=text),)


def _bare(text: object, place: int, file: str) -> Prompt:
    if not isinstance(text, str) or not text.strip():
        raise InvalidFile(file, f"$[{place}]", f"expected a text, got {_shown(text)}")
    return Prompt(id=f"p-{place + 1:02d}", messages=(Message("user", text),), source=text)


def _entry(whole: PromptFile, place: int, file: str) -> Prompt:
    where = f"$.prompts[{place}]"
    given_entry = whole.prompts[place]
    raw = {"input": given_entry} if isinstance(given_entry, str) else given_entry
    variables = _template_variables(whole.template, file)
    entry = convert({k: v for k, v in raw.items() if k not in variables}, PromptEntry, file, where)
    given = {name: raw[name] for name in variables if name in raw}
    text, messages = _messages(whole, entry, given, file, where)
    if whole.system is not None:
        messages = (Message("system", whole.system), *messages)
    return Prompt(
        id=entry.id or f"p-{place + 1:02d}",
        messages=messages,
        cluster=entry.cluster,
        tags=tuple(entry.tags),
        source=text,
        pair_with=entry.pair_with,
        facets=_facets(entry.facets, file, where),
        references=tuple(entry.references),
        rubric=entry.rubric or whole.rubric,
    )


def _messages(
    whole: PromptFile, entry: PromptEntry, given: Json, file: str, where: str
) -> tuple[str, tuple[Message, ...]]:
    ways = [name for name, used in (("input", entry.input), ("messages", entry.messages), ("template", given)) if used]
    if len(ways) != 1:
        wanted = "`input`, `messages` or the template's variables"
        raise InvalidFile(file, where, f"expected exactly one of {wanted}, got {' and '.join(ways) or 'none'}")
    if entry.input is not None:
        return entry.input, (Message("user", entry.input),)
    if entry.messages:
        for at, message in enumerate(entry.messages):
            if message.role not in ROLES:
                raise InvalidFile(file, f"{where}.messages[{at}].role", f"expected one of {', '.join(ROLES)}")
        turns = tuple(Message(m.role, m.content) for m in entry.messages)
        return turns[-1].content, turns
    template = whole.template or ""
    for name in _template_variables(template, file):
        if not isinstance(given.get(name), str):
            raise InvalidFile(file, f"{where}.{name}", f"the template needs a text here, got {_shown(given.get(name))}")
    return "\n".join(given.values()), (Message("user", template.format(**given)),)


def _template_variables(template: str | None, file: str) -> tuple[str, ...]:
    try:
        names = [
            (name, spec, conv) for _, name, spec, conv in string.Formatter().parse(template or "") if name is not None
        ]
    except ValueError as error:
        raise InvalidFile(file, "$.template", f"{error}", hint="write {{ and }} for plain braces") from None
    for name, spec, conversion in names:
        if not name.isidentifier() or spec or conversion:
            raise InvalidFile(
                file, "$.template", f"{{{name}}} is not a plain variable", hint="write {{ for a plain brace"
            )
        if name in PromptEntry.__struct_fields__:
            raise InvalidFile(file, "$.template", f"{{{name}}} is a key of the format", hint="name the variable {note}")
    return tuple(dict.fromkeys(name for name, _, _ in names))


def _facets(entries: Iterable[_FacetEntry], file: str, where: str) -> tuple[Facet, ...]:
    facets: list[Facet] = []
    for at, entry in enumerate(entries):
        place = f"{where}.facets[{at}]"
        if entry.id in {f.id for f in facets}:
            raise InvalidFile(file, f"{place}.id", f"{entry.id!r} stands twice in this prompt")
        _check_facet(entry, file, place)
        facets.append(convert(msgspec.to_builtins(entry), Facet, file, place))
    return tuple(facets)


def _check_facet(entry: _FacetEntry, file: str, place: str) -> None:
    used = {n for n in ("any_of", "regex", "value", "schema") if getattr(entry, n) not in (None, [])}
    allowed = {"must_include": {"any_of", "regex"}, "must_not_include": {"any_of", "regex"}}
    allowed |= {"max_words": {"value"}, "json_schema": {"schema"}}
    if entry.kind not in allowed:
        raise InvalidFile(file, f"{place}.kind", f"expected one of {', '.join(allowed)}, got {entry.kind!r}")
    wanted = allowed[entry.kind]
    if not used or not used <= wanted:
        got = f"got {', '.join(sorted(used))}" if used else "none is given"
        raise InvalidFile(file, place, f"{entry.kind} takes {' or '.join(sorted(wanted))}; {got}")
    if entry.kind == "max_words" and (entry.value or 0) < 1:
        raise InvalidFile(file, f"{place}.value", f"expected a whole number from 1, got {entry.value}")
    if any(not text.strip() for text in entry.any_of):
        raise InvalidFile(file, f"{place}.any_of", "an empty text would be found in every answer")
    try:
        re.compile(entry.regex or "")
    except (re.error, RecursionError, OverflowError) as error:
        raise InvalidFile(file, f"{place}.regex", f"not a regular expression: {error}") from None


def _check_ids(prompts: tuple[Prompt, ...], file: str) -> None:
    seen: set[str] = set()
    for prompt in prompts:
        if prompt.id in seen:
            raise InvalidFile(file, f"prompt {prompt.id!r}", "this id stands twice")
        seen.add(prompt.id)
    for prompt in prompts:
        if prompt.pair_with is not None and (prompt.pair_with not in seen or prompt.pair_with == prompt.id):
            raise InvalidFile(
                file, f"prompt {prompt.id!r}, pair_with", f"{prompt.pair_with!r} is not another prompt's id"
            )


def _shown(value: object) -> str:
    return "nothing" if value is None else f"{str(value)[:40]!r}" if isinstance(value, str) else type(value).__name__

"""An answer that was held to a JSON Schema, checked again here: an engine's word is not taken for it."""

import jsonschema
import msgspec

from shortlist.chat.conversation import Answer
from shortlist.errors import BrokenStream
from shortlist.records import Json


def check_answer(answer: Answer, schema: Json) -> None:
    """Raise BrokenStream for an answer that is no JSON, or not of the schema; it names the place."""
    try:
        value = msgspec.json.decode(answer.text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        hint = "a larger --max-tokens: it was cut there" if answer.finish_reason == "length" else None
        raise BrokenStream(f"the answer is no JSON: {error}", hint=hint) from None
    wrong = next(jsonschema.Draft202012Validator(schema).iter_errors(value), None)
    if wrong is not None:
        place = "$" + "".join(f".{part}" for part in wrong.absolute_path)
        raise BrokenStream(f"the answer is not of the schema: {place}: {wrong.message}")

"""What Schemathesis cannot know: the names of models that are here, without which every question ends with 404."""

from typing import Any

import schemathesis

_NAMES = ("notes-small", "quick")


@schemathesis.hook
def map_body(_: Any, body: Any) -> Any:
    """Three of four bodies that name a model name one of ours."""
    if isinstance(body, dict) and isinstance(body.get("model"), str):
        chance = sum(body["model"].encode("utf-8", "surrogatepass")) % 4
        return body | {"model": _NAMES[chance]} if chance < len(_NAMES) else body
    return body

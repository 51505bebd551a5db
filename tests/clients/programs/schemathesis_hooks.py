"""What Schemathesis cannot know: the names of models that are here, without which every question ends with 404."""

from typing import Any

import schemathesis

_NAMES = ("notes-small", "quick")


@schemathesis.hook
def map_body(_: Any, body: Any) -> Any:
    """Half of the bodies that name a model name one of ours; an empty name is there to be refused."""
    name = body.get("model") if isinstance(body, dict) else None
    if not isinstance(name, str) or not name:
        return body
    chance = sum(name.encode("utf-8", "surrogatepass")) % (2 * len(_NAMES))
    return body | {"model": _NAMES[chance]} if chance < len(_NAMES) else body

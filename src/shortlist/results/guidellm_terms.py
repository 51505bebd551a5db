"""What GuideLLM says of a request or a load, in our words."""

import math
import re
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from shortlist.errors import InvalidFile
from shortlist.records import Json, LoadShape, SampleError, TokenBasis
from shortlist.results.guidellm_file import Config, Request

_ERROR = re.compile(r"(\w+)\((.*)\)\s*$", re.DOTALL)
_LONGEST_ERROR = 500


def load_of(config: Config, file: str, place: int) -> LoadShape:
    """How requests were sent. Raises InvalidFile for a way that is none of ours."""
    strategy = config.strategy
    rate = strategy.rate or 0.0
    if rate > 0 and strategy.type_ == "poisson":
        return LoadShape("open", rate_per_s=rate, arrivals="poisson")
    if rate > 0 and strategy.type_ == "constant":
        return LoadShape("open", rate_per_s=rate, arrivals="constant")
    if strategy.type_ == "synchronous":
        return LoadShape()
    streams = strategy.streams or strategy.max_concurrency or 0
    if strategy.type_ in ("concurrent", "throughput") and streams > 0:
        return LoadShape(concurrency=streams)
    where = f"benchmarks[{place}].config.strategy"
    raise InvalidFile(file, where, f"no load of ours is like {strategy.type_!r}")


def target_of(config: Config) -> str:
    """The server's address without the user and password that may stand in it; empty where it is none."""
    try:
        parts = urlsplit(str(config.backend.get("target") or ""))
    except ValueError:
        return ""
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def numbers_of(body: Json, names: Mapping[str, tuple[str, ...]]) -> dict[str, float]:
    """What a request's body asked for, by our names: the first of each name's keys that holds a finite number."""
    found: dict[str, float] = {}
    for name, keys in names.items():
        value = next((body[key] for key in keys if key in body), None)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            found[name] = value
    return found


def error_of(text: str | None) -> SampleError | None:
    """`ConnectError('…')` as type and message."""
    if text is None:
        return None
    match = _ERROR.match(text)
    kind, message = (match[1], match[2].strip("'\"")) if match else ("Error", text)
    return SampleError(kind, message[:_LONGEST_ERROR])


def tokens_of(request: Request, config: Config) -> tuple[int | None, TokenBasis | None]:
    """Tokens of the answer: as the server counts them, else GuideLLM's tokenizer, else its events of the stream."""
    if request.output_metrics.text_tokens is not None:
        return request.output_metrics.text_tokens, "usage" if config.prefer_response_metrics else "tokenizer"
    events = request.info.timings.token_iterations
    return (events, "chunks") if events else (None, None)

"""What GuideLLM says of a request or a load, in our words."""

import re
from urllib.parse import urlsplit, urlunsplit

from shortlist.errors import InvalidFile
from shortlist.records import LoadShape, SampleError, TokenBasis
from shortlist.results.guidellm_file import Config, Request

_ERROR = re.compile(r"(\w+)\((.*)\)\s*$", re.DOTALL)
_LONGEST_ERROR = 500


def load_of(config: Config, file: str, place: int) -> LoadShape:
    """How requests were sent. Raises InvalidFile for a way that is none of ours."""
    strategy = config.strategy
    if strategy.rate and strategy.type_ == "poisson":
        return LoadShape("open", rate_per_s=strategy.rate, arrivals="poisson")
    if strategy.rate and strategy.type_ == "constant":
        return LoadShape("open", rate_per_s=strategy.rate, arrivals="constant")
    if strategy.type_ == "synchronous":
        return LoadShape()
    streams = strategy.streams or strategy.max_concurrency
    if strategy.type_ in ("concurrent", "throughput") and streams:
        return LoadShape(concurrency=streams)
    where = f"benchmarks[{place}].config.strategy"
    raise InvalidFile(file, where, f"no load of ours is like {strategy.type_!r}")


def target_of(config: Config) -> str:
    """The server's address without the user and password that may stand in it."""
    parts = urlsplit(str(config.backend.get("target") or ""))
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


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

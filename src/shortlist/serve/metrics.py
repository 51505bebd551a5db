"""What the service tells Prometheus: OpenTelemetry's names for GenAI servers and HTTP where there are any, else ours.

Labels have a bounded number of values: routes are those of the table, models those that were found, never what a client
wrote.
"""

import os
from collections.abc import Callable

import psutil

from shortlist import __version__
from shortlist.clock import SYSTEM
from shortlist.serve.call import Finished
from shortlist.serve.exposition import Histogram, Values, gauge, text
from shortlist.serve.limits import Crowd
from shortlist.serve.model import Model
from shortlist.serve.pool import Pool
from shortlist.serve.status import model_row

_TTFT = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 120)
_TPOT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5)
_DURATION = (
    0.001,
    0.005,
    0.01,
    0.02,
    0.04,
    0.08,
    0.16,
    0.32,
    0.64,
    1.28,
    2.56,
    5.12,
    10.24,
    20.48,
    40.96,
    81.92,
    163.84,
)
_FEWEST_TOKENS = 16
_MOST_MODELS = 200
_OTHER = "(other)"

_OPERATIONS = {
    "/v1/chat/completions": "chat", "/v1/responses": "chat", "/v1/completions": "text_completion",
    "/v1/embeddings": "embeddings",
}  # fmt: skip
_MODEL = ("gen_ai_operation_name", "gen_ai_response_model")


class Metrics:
    """Counts finished requests; the rest is read from the pool when somebody asks. `seen` is an observer of `State`."""

    def __init__(self) -> None:
        self._models: set[str] = set()
        self._requests = Histogram(
            "http_server_request_duration_seconds", "Requests by route and status, from head to last byte.", _DURATION,
            ("http_request_method", "http_route", "http_response_status_code"),
        )  # fmt: skip
        self._cancelled = Values(
            "shortlist_requests_cancelled_total",
            "Requests whose client went before the end.",
            "counter",
            ("http_route",),
        )
        self._duration = Histogram(
            "gen_ai_server_request_duration_seconds", "Requests that reached a model, the queue included.", _DURATION,
            (*_MODEL, "error_type"),
        )  # fmt: skip
        self._ttft = Histogram(
            "gen_ai_server_time_to_first_token_seconds", "Request to first content of a stream, with queue and load.",
            _TTFT, _MODEL,
        )  # fmt: skip
        self._tpot = Histogram(
            "gen_ai_server_time_per_output_token_seconds",
            f"Time per token after the first, of streams of {_FEWEST_TOKENS} tokens and more.", _TPOT, _MODEL,
        )  # fmt: skip
        self._wait = Histogram(
            "shortlist_queue_wait_seconds", "From the request to a slot of its model, loading included.", _TTFT,
            ("gen_ai_response_model",),
        )  # fmt: skip
        self._tokens = Values(
            "shortlist_tokens_total", "Tokens of finished requests.", "counter",
            ("gen_ai_response_model", "gen_ai_token_type"),
        )  # fmt: skip

    def seen(self, done: Finished) -> None:
        """One request is over."""
        status = "499" if done.is_cancelled else str(done.status)
        self._requests.observe(done.total_ns / 1e9, done.method, done.route, status)
        if done.is_cancelled:
            self._cancelled.add(1, done.route)
        if done.lease is None:
            return
        model = self._model(done.lease.model)
        labels = (_OPERATIONS.get(done.route, "other"), model)
        self._duration.observe(done.total_ns / 1e9, *labels, "cancelled" if done.is_cancelled else done.code or "")
        self._wait.observe(done.lease.waited_ns / 1e9, model)
        used = done.used
        if used is None:
            return
        for kind, count in (("input", used.prompt_tokens), ("output", used.completion_tokens)):
            if count is not None:
                self._tokens.add(count, model, kind)
        if used.ttft_ns is not None:
            self._ttft.observe(used.ttft_ns / 1e9, *labels)
            tokens = used.completion_tokens or 0
            if used.total_ns is not None and tokens >= _FEWEST_TOKENS and not used.is_cancelled:
                self._tpot.observe((used.total_ns - used.ttft_ns) / 1e9 / (tokens - 1), *labels)

    def _model(self, name: str) -> str:
        if len(self._models) < _MOST_MODELS:
            self._models.add(name)
        return name if name in self._models else _OTHER

    def text(self, pool: Pool, crowd: Crowd | None, active: int) -> bytes:
        """Everything."""
        counted = (
            self._requests, self._cancelled, self._duration, self._ttft, self._tpot, self._wait, self._tokens
        )  # fmt: skip
        models = list(pool.models.values())[:_MOST_MODELS]
        return text([*counted, *_of_models(models), *_of_service(pool, crowd, active)])


def _of_models(models: list[Model]) -> list[Values]:
    """Gauges and counters of each model, as `service ps` shows them."""
    rows = [model_row(model, SYSTEM.now_ns()) for model in models]

    def each(value: Callable[[int], float | None]) -> dict[tuple[str, ...], float | None]:
        return {(row["model"],): value(n) for n, row in enumerate(rows)}

    def counter(name: str, told: str, value: Callable[[int], float | None]) -> Values:
        found = gauge(name, told, each(value), "gen_ai_response_model")
        found.kind = "counter"
        return found

    model = "gen_ai_response_model"
    return [
        gauge("shortlist_model_loaded", "1 for a model that is open.",
              each(lambda n: float(models[n].state == "ready")), model),
        gauge("shortlist_queue_length", "Requests that wait for a model.", each(lambda n: len(models[n].queue)), model),
        gauge("shortlist_model_requests", "Requests in a model's engine.", each(lambda n: models[n].in_use), model),
        gauge("shortlist_model_memory_bytes", "Memory that is booked for a model.",
              each(lambda n: models[n].charge_bytes), model),
        gauge("shortlist_model_resident_bytes", "Memory that its engine takes, as measured.",
              each(lambda n: rows[n]["resident_bytes"]), model),
        counter("shortlist_model_loads_total", "Loads of a model.", lambda n: models[n].tally.loads),
        counter("shortlist_model_load_seconds_total", "Time that those took.",
                lambda n: models[n].tally.loading_ns / 1e9),
        counter("shortlist_model_evictions_total", "Unloads for another model's sake.",
                lambda n: models[n].tally.evictions),
        counter("shortlist_model_crashes_total", "Ends of its engine by itself.", lambda n: models[n].tally.crashes),
    ]  # fmt: skip


def _of_service(pool: Pool, crowd: Crowd | None, active: int) -> list[Values]:
    process = psutil.Process(os.getpid())
    found = [
        gauge("shortlist_requests_active", "Requests under way.", {(): active}),
        gauge("shortlist_memory_room_bytes", "Memory that one more model could have.", {(): pool.room.bytes}),
        gauge("shortlist_build_info", "The version, as a label.", {(__version__,): 1}, "version"),
        gauge("process_resident_memory_bytes", "Memory of the service without its engines.",
              {(): process.memory_info().rss}),
        gauge("process_start_time_seconds", "When it started, since 1970.", {(): process.create_time()}),
    ]  # fmt: skip
    if hasattr(process, "num_fds"):
        found.append(gauge("process_open_fds", "Open file descriptors.", {(): process.num_fds()}))
    if crowd is not None:
        dropped = gauge("shortlist_connections_dropped_total", "Waiting connections that made place for others.",
                        {(): crowd.dropped})  # fmt: skip
        dropped.kind = "counter"
        found += [gauge("shortlist_connections", "Open connections.", {(): len(crowd)}), dropped]
    return found

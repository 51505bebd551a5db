"""The pictures of docs/measuring.md: what each number is, drawn once with the report's own pen.

`python tools/generate_docs.py` writes them beside the generated pages.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

from shortlist.report.pictures.style import file_style
from shortlist.report.svg import Box, Pen, Picture

_WIDTH, _LEFT, _RIGHT = 720.0, 20.0, 700.0


def _span(pen: Pen, ends: tuple[float, float], y: float, text: str, style: str = "strong") -> None:
    """A measured stretch with its name over it."""
    left, right = ends
    pen.line((left, y), (right, y), "ci")
    for x in ends:
        pen.line((x, y - 5), (x, y + 5), "cap")
    pen.text(((left + right) / 2, y - 8), text, style, "middle")


def _stamp(pen: Pen, x: float, y: float, text: str, drop: float = 0) -> None:
    """A moment on the line at y, its name under it; `drop` moves the name down, clear of its neighbours."""
    pen.line((x, y - 6), (x, y + 8 + drop), "axis")
    pen.text((x, y + 21 + drop), text, "note", "middle")


def _bar(pen: Pen, ends: tuple[float, float], y: float, style: str = "seg") -> None:
    pen.rect(Box(ends[0], y - 8, ends[1], y + 8), style)


def one_request() -> Picture:
    """Due to response end."""
    pen = Pen(
        "request",
        _WIDTH,
        "One request, from due to its end",
        "A line of time. Due, sent, headers, a chunk with the role alone, content chunks, a usage chunk and the end. "
        "Time to first token runs from due to the first chunk with content; latency from due to the last one.",
    )
    line, due, sent, headers, role, end = 96.0, 50.0, 110.0, 168.0, 214.0, 664.0
    content = [266.0, 330.0, 388.0, 460.0, 520.0, 578.0]
    pen.line((_LEFT, line), (_RIGHT, line), "axis")
    for x, name, drop in (
        (due, "due", 0.0),
        (sent, "sent", 0.0),
        (headers, "headers", 0.0),
        (role, "role only", 16.0),
        (622.0, "usage", 16.0),
        (end, "end", 0.0),
    ):
        _stamp(pen, x, line, name, drop)
    for x in content:
        pen.add_circle((x, line), 5, "pick")
    pen.text(
        ((content[0] + content[-1]) / 2, line + 21),
        "chunks with content: text, reasoning, tool calls",
        "note",
        "middle",
    )
    _span(pen, (due, content[0]), 40, "TTFT")
    _span(pen, (sent, content[0]), 70, "service TTFT", "note strong")
    _span(pen, (content[2], content[3]), 70, "a gap", "note strong")
    _span(pen, (due, content[-1]), 158, "latency (e2e)")
    _span(pen, (content[0], content[-1]), 188, "÷ tokens after the first chunk = TPOT", "note strong")
    _span(pen, (due, end), 218, "response end: shown beside, never the latency", "note strong")
    pen.grow(232)
    return pen.finish()


def kernel_stamps() -> Picture:
    """What a busy client does not move."""
    pen = Pen(
        "stamps",
        _WIDTH,
        "When a chunk arrived, and when we had it",
        "Chunks reach the kernel at regular times and get a stamp there. The client's loop is busy for a while and "
        "reads late; the difference is kept as the chunk's lag and moves no number.",
    )
    arrivals = [150.0, 250.0, 350.0, 450.0, 550.0, 650.0]
    kernel, loop = 40.0, 110.0
    pen.text((_LEFT, kernel + 4), "kernel", "strong")
    pen.text((_LEFT, loop + 4), "our loop", "strong")
    pen.line((90, kernel), (_RIGHT, kernel), "axis")
    pen.line((90, loop), (_RIGHT, loop), "axis")
    busy = (320.0, 500.0)
    _bar(pen, busy, loop)
    pen.text(((busy[0] + busy[1]) / 2, loop + 4), "busy with something else", "note", "middle")
    for x in arrivals:
        read = busy[1] + 2 if busy[0] <= x <= busy[1] else x + 3
        pen.line((x, kernel), (read, loop), "ghost")
        pen.add_circle((x, kernel), 5, "pick")
        pen.add_circle((read, loop), 4, "hollow")
    _span(pen, (arrivals[2], busy[1] + 2), 142 + 14, "lag of this chunk: kept, printed as p99", "note strong")
    pen.text((arrivals[0], kernel - 14), "stamped here: gaps stay 5 ms", "note")
    pen.grow(170)
    return pen.finish()


def load_shapes() -> Picture:
    """Closed and open loops side by side."""
    pen = Pen(
        "loads",
        _WIDTH,
        "Closed loop and open loop",
        "Above, two slots: a request is due when its slot became free. Below, requests are due on a schedule whatever "
        "became of those before; the wait before sending counts as latency.",
    )
    pen.text((_LEFT, 22), "closed loop at 2: a request is due when its slot is free", "strong")
    for row, lengths in enumerate(((140, 90, 180, 120), (100, 170, 110, 150))):
        x, y = 40.0, 46.0 + 24 * row
        for length in lengths:
            _bar(pen, (x, x + length), y)
            pen.line((x, y - 8), (x, y + 8), "step")
            x += length + 4
    pen.text((_LEFT, 118), "open loop at a rate: due on the schedule, sent or not", "strong")
    schedule = [40.0, 130.0, 220.0, 310.0, 400.0, 490.0]
    for row, (due, begins) in enumerate(zip(schedule, [40.0, 130.0, 220.0, 330.0, 470.0, 600.0], strict=True)):
        y = 140.0 + 17 * row
        pen.rect(Box(begins, y - 6, min(_RIGHT, begins + 130), y + 6), "seg")
        pen.line((due, y), (begins, y), "faint")
        pen.line((due, y - 7), (due, y + 7), "step")
    pen.text((schedule[3] - 8, 140 + 17 * 5 + 4), "dotted: waiting, counted from due", "note", "end")
    pen.grow(240)
    return pen.finish()


def throughput() -> Picture:
    """Tokens over the union of what was in flight."""
    pen = Pen(
        "throughput",
        _WIDTH,
        "Throughput: all tokens over the time with a request in flight",
        "Overlapping requests and their union: time in which nothing was in flight does not count, time in which two "
        "were counts once.",
    )
    rows = (((60, 200), (330, 470)), ((140, 280), (400, 560)), ((600, 660),))
    for number, row in enumerate(rows):
        y = 30.0 + 22 * number
        for ends in row:
            _bar(pen, (float(ends[0]), float(ends[1])), y)
            pen.text(
                ((ends[0] + ends[1]) / 2, y + 4), "120 tokens" if ends[1] - ends[0] > 70 else "50", "note", "middle"
            )
    line = 112.0
    for left, right in ((60.0, 280.0), (330.0, 560.0), (600.0, 660.0)):
        pen.rect(Box(left, line - 5, right, line + 5), "segpick")
    pen.text((_LEFT, line + 28), "throughput = 530 tokens ÷ the blue stretches together", "note")
    pen.grow(152)
    return pen.finish()


def rounds() -> Picture:
    """Why the round is the unit."""
    pen = Pen(
        "rounds",
        _WIDTH,
        "A round is one throw of the dice",
        "Dots of requests in five rounds of two candidates. Within a round all requests share the luck of one process, "
        "so the five ratios of round means are what the interval is made from.",
    )
    heights = ((60, 66, 57), (84, 90, 80), (52, 58, 49), (74, 80, 71), (66, 72, 63))
    for number, (low, high, middle) in enumerate(heights):
        x = 70.0 + 120 * number
        for step, dy in enumerate((-9, 4, -2, 8, -6, 2)):
            pen.path(f"M{x + step * 5:.1f} {low + dy:.1f}h0", "dots")
            pen.path(f"M{x + 48 + step * 5:.1f} {high + 22 + dy:.1f}h0", "dotspick")
        pen.line((x - 4, low), (x + 30, low), "step")
        pen.line((x + 44, high + 22), (x + 78, high + 22), "steppick")
        pen.text((x + 36, 142), f"round {number + 1}", "note", "middle")
        pen.text((x + 36, 158), f"×{(high + 22 + 60) / (middle + 60):.2f}", "strong", "middle")
    pen.text(
        (_LEFT, 186), "five paired ratios, t with 4 degrees of freedom: not 60 requests, and not the 12 prompts", "note"
    )
    pen.grow(198)
    return pen.finish()


def percentiles() -> Picture:
    """How many requests a percentile's interval takes."""
    pen = Pen(
        "percentiles",
        _WIDTH,
        "How many requests a percentile takes",
        "A line of n. Under 72 requests p95 has a point and no interval, under 368 p99 is withheld and the "
        "maximum shown.",
    )
    line, ends = 60.0, (60.0, 250.0, 520.0, 690.0)
    for left, right in pairwise(ends):
        pen.line((left, line), (right, line), "axis")
    for x, name in zip(ends[:3], ("n = 1", "72", "368"), strict=True):
        _stamp(pen, x, line, name)
    for (left, right), words in zip(
        pairwise(ends),
        (
            ("p95: a point alone,", "judges no need"),
            ("p95 with its interval;", "p99 withheld, maximum shown"),
            ("both with", "their intervals"),
        ),
        strict=True,
    ):
        for row, word in enumerate(words):
            pen.text(((left + right) / 2, line - 30 + 15 * row), word, "note", "middle")
    pen.grow(92)
    return pen.finish()


def disturbance() -> Picture:
    """A disturbed request is measured again at the end of its block."""
    pen = Pen(
        "disturbance",
        _WIDTH,
        "A disturbed request is measured again",
        "A block of requests. Another program takes the processor for a while; the three requests in that time are "
        "measured again at the end of the block, in the same process, and the first attempts are kept beside.",
    )
    line = 60.0
    pen.rect(Box(244, 26, 400, 94), "band")
    pen.text((322, 20), "apt took 1.4 cores", "note", "middle")
    for number in range(8):
        x = 50.0 + 62 * number
        if number in (3, 4, 5):
            pen.add_circle((x + 24, line - 14), 5, "hollow")
        else:
            pen.add_circle((x + 24, line), 5, "pick")
    for x in (560.0, 604.0, 648.0):
        pen.add_circle((x, line + 1), 5, "pick")
    pen.line((536, 30), (536, 94), "need")
    pen.text((604, 112), "again, same process", "note", "middle")
    pen.text((290, 112), "hollow: kept beside, not counted", "note", "middle")
    pen.grow(124)
    return pen.finish()


def two_runs() -> Picture:
    """What comparing two runs has to allow for."""
    pen = Pen(
        "two-runs",
        _WIDTH,
        "Two runs differ even where nothing changed",
        "Round means of four runs of the same thing. Each run's rounds lie close together and the runs lie apart: an "
        "interval from rounds alone would call them different. The spread between runs is measured and added.",
    )
    for number, centre in enumerate((70.0, 92.0, 58.0, 84.0)):
        x = 70.0 + 110 * number
        for step, dy in enumerate((-4, 3, -1, 5, -3)):
            pen.path(f"M{x + step * 9:.1f} {centre + dy:.1f}h0", "dots")
        pen.line((x - 6, centre), (x + 42, centre), "step")
        pen.text((x + 18, 128), f"run {number + 1}", "note", "middle")
    _vertical(pen, 520, (58.0, 92.0), "between runs: selftest --aa")
    _vertical(pen, 520, (104.0, 112.0), "between rounds of a run")
    pen.grow(140)
    return pen.finish()


def _vertical(pen: Pen, x: float, ends: tuple[float, float], text: str) -> None:
    pen.line((x, ends[0]), (x, ends[1]), "ci")
    for y in ends:
        pen.line((x - 5, y), (x + 5, y), "cap")
    pen.text((x + 12, (ends[0] + ends[1]) / 2 + 4), text, "note strong")


def roofline() -> Picture:
    """What memory bandwidth allows."""
    pen = Pen(
        "roofline",
        _WIDTH,
        "What the memory allows, and how much of it is used",
        "Each token reads all weights and the KV cache once. Bandwidth over those bytes is the most tokens per second "
        "there can be; the measured rate is drawn on the same line.",
    )
    line, zero, roof, measured = 64.0, 60.0, 600.0, 438.0
    pen.line((zero, line), (_RIGHT, line), "axis")
    pen.rect(Box(zero, line - 8, measured, line + 8), "segpick")
    pen.line((roof, line - 26), (roof, line + 14), "need")
    pen.text((roof, line - 32), "roof: bandwidth ÷ bytes per token", "note strong", "middle")
    pen.text((measured, line - 16), "measured decode tokens/s", "note strong", "end")
    _stamp(pen, zero, line + 2, "0")
    pen.text((zero, line + 44), "MBU = measured ÷ roof. Withheld where the weights nearly fit in the cache.", "note")
    pen.grow(120)
    return pen.finish()


PICTURES: Sequence[Callable[[], Picture]] = (
    one_request,
    kernel_stamps,
    load_shapes,
    throughput,
    rounds,
    percentiles,
    disturbance,
    two_runs,
    roofline,
)


def files() -> dict[str, str]:
    """Every picture by its path from the root."""
    style = file_style()
    drawn = [draw() for draw in PICTURES]
    return {f"docs/pictures/{picture.name}.svg": picture.file(style) for picture in drawn}

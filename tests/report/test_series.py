"""What pictures are drawn from: order of sending, repeated attempts, disturbances, each answer once."""

from dataclasses import replace

from report.scenes import MODELS, Size, big_run
from results.made_run import make_run
from shortlist.results.series import series

RUN = big_run(MODELS, Size(prompts=20, clusters=5, rounds=3))
SERIES = series(RUN)


def test_requests_stand_in_the_order_of_sending_from_the_runs_start() -> None:
    assert len(SERIES.candidates) == 5
    for one in SERIES.candidates:
        assert len(one.requests) == 60
        assert list(one.requests) == sorted(one.requests, key=lambda request: request.offset_ns)
    assert min(one.requests[0].offset_ns for one in SERIES.candidates) == 0


def test_attempts_that_were_measured_again_are_kept_beside_with_their_cause() -> None:
    disturbed = [one for one in SERIES.candidates if one.repeated]
    assert [len(one.repeated) for one in disturbed] == [3]
    assert {span.cause for span in disturbed[0].disturbed} == {"apt took 1.4 cores"}
    for request in disturbed[0].repeated:
        assert any(span.start_ns <= request.offset_ns <= span.end_ns for span in disturbed[0].disturbed)


def test_each_distinct_answer_is_there_once_with_everyone_who_gave_it() -> None:
    for prompt in SERIES.answers:
        texts = [answer.text for answer in prompt.answers]
        assert len(texts) == len(set(texts))
        given = [(by.candidate, number) for answer in prompt.answers for by in answer.given for number in by.rounds]
        assert len(given) == len(set(given)) == 15


def test_failed_requests_are_answers_of_their_own_and_no_latency() -> None:
    run = make_run()
    made = series(run)
    broken = run.info.plan.candidates[-1].id
    one = made.of(broken)
    assert one is not None
    assert one.requests == ()
    errors = [answer for answer in made.answers[0].answers if answer.error is not None]
    assert [by.candidate for answer in errors for by in answer.given] == [broken]


def test_warm_ups_are_nowhere() -> None:
    run = make_run()
    warm = {sample.id for sample in run.samples if sample.phase == "warmup"}
    without = replace(run, samples=tuple(sample for sample in run.samples if sample.id not in warm))
    assert [len(one.requests) for one in series(run).candidates] == [
        len(one.requests) for one in series(without).candidates
    ]

"""Whether HEAD may replace BASE.

It fails where a metric is worse, or a candidate that BASE measured gives no number in HEAD. It cannot tell where
nothing was judged, where something could not be tested (one round, a noisy host), or a candidate is missing in HEAD; a
strict gate also where a regression beyond the margin cannot be excluded: then each metric must be shown to be no worse
than its margin, at the error level of one test, since all of them must pass (an intersection-union test: Berger,
Technometrics 24 (1982) 295-300).
"""

from shortlist.results.changes import CandidateChange, Gate, GateReason, GateVerdict, MetricChange, RunComparison


def judge_gate(comparison: RunComparison, *, is_strict: bool = False) -> Gate:
    """The gate's word and all its reasons, failures first."""
    reasons = [reason for one in comparison.candidates for reason in _candidate(one)]
    reasons += [GateReason(label, None, "cannot tell", "is not in HEAD") for label in comparison.only_base]
    for candidate, change in comparison.changes:
        reason = _metric(candidate, change, comparison.alpha, is_strict=is_strict)
        if reason is not None:
            reasons.append(reason)
    if not comparison.judged and not any(one.verdict in ("better", "worse") for _, one in comparison.changes):
        reasons.append(GateReason("", None, "cannot tell", "nothing was judged"))
    verdicts = {reason.verdict for reason in reasons}
    verdict: GateVerdict = "fail" if "fail" in verdicts else "cannot tell" if verdicts else "pass"
    return Gate(verdict, is_strict, tuple(sorted(reasons, key=lambda one: one.verdict != "fail")))


def _candidate(one: CandidateChange) -> list[GateReason]:
    if one.broken:
        return [GateReason(one.head_label, None, "fail", f"gives no number in HEAD: {one.broken}")]
    return []


def _metric(candidate: CandidateChange, one: MetricChange, alpha: float, *, is_strict: bool) -> GateReason | None:
    if one.verdict == "worse":
        return GateReason(candidate.label, one.metric, "fail", "is worse")
    if one.verdict == "not told apart" and one.p_different is None:
        return GateReason(candidate.label, one.metric, "cannot tell", one.note)
    if not is_strict or one.verdict in ("better", "equivalent"):
        return None
    if one.verdict is None and one.p_no_worse is None:
        return None
    if one.p_no_worse is not None and one.p_no_worse <= alpha:
        return None
    return GateReason(candidate.label, one.metric, "cannot tell", "a regression beyond the margin cannot be excluded")

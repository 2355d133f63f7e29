"""Do the clocks of this machine, Redis and the database agree? Look-ups and the rule of merging go by them."""

from collections.abc import Mapping

from sync.doctor import traffic_findings as findings
from sync.terminal.findings import Check, ok, unknown

PROBLEM_SECONDS = 5.0
WARNING_SECONDS = 1.0


def judge_clocks(ahead_seconds: Mapping[str, float | None]) -> Check:
    """Judge how far each store's clock is ahead of this machine's; None if the store did not tell."""
    measured = {name: seconds for name, seconds in ahead_seconds.items() if seconds is not None}
    spread = max([*measured.values(), 0.0]) - min([*measured.values(), 0.0])
    if spread > WARNING_SECONDS:
        lines = ", ".join(_line(name, seconds) for name, seconds in measured.items() if abs(seconds) > WARNING_SECONDS)
        finding = findings.CLOCKS_DIFFER if spread > PROBLEM_SECONDS else findings.CLOCKS_DRIFT
        return finding(seconds=f"{spread:,.0f}" if spread >= 10 else f"{spread:.1f}", lines=lines)
    if len(measured) < len(ahead_seconds) or not measured:
        silent = " and ".join(name for name in ahead_seconds if name not in measured)
        return unknown("clock", f"{silent or 'no store'} did not tell the time")
    return ok("clock", f"this machine, {' and '.join(measured)} agree within a second")


def _line(name: str, seconds: float) -> str:
    way = "ahead of" if seconds > 0 else "behind"
    return f"{name} is {abs(seconds):,.1f} s {way} this machine"

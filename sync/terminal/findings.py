"""What a check found, how bad that is and what to do about it, in words for a person. Pure; knows no feature."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """How a check ended."""

    PROBLEM = "problem"  # a promise is broken, or will be
    WARNING = "warning"  # it works, and a person should know
    UNKNOWN = "unknown"  # it could not be read
    OK = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line each: what was found, and what to do about it, "" if nothing. Neither quotes a person or a secret."""

    check: str
    status: Severity
    found: str
    remedy: str = ""
    # What `found` and `remedy` were made of, for another language; None if they were made of nothing else.
    finding: "Finding | None" = field(default=None, compare=False, repr=False)
    values: Mapping[str, object] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem or a warning that a check may end with; `found` and `remedy` have places for values, as `str.format`.

    The runbook has an entry for each: a test finds the text of `found` there.
    """

    check: str
    status: Severity
    found: str
    remedy: str

    def __call__(self, **values: object) -> Check:
        """Return the check with `values` in their places."""
        return Check(
            check=self.check,
            status=self.status,
            found=self.found.format(**values),
            remedy=self.remedy.format(**values),
            finding=self,
            values=values,
        )


def problem(check: str, found: str, remedy: str) -> Finding:
    return Finding(check, Severity.PROBLEM, found, remedy)


def warning(check: str, found: str, remedy: str) -> Finding:
    return Finding(check, Severity.WARNING, found, remedy)


def ok(check: str, found: str) -> Check:
    return Check(check=check, status=Severity.OK, found=found)


def unknown(check: str, found: str, remedy: str = "") -> Check:
    return Check(check=check, status=Severity.UNKNOWN, found=found, remedy=remedy)

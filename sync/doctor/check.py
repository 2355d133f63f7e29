"""The order of what `doctor` says: one check a name. Pure."""

from collections.abc import Iterable

from sync.terminal.findings import Check, Severity

# In the order in which they are shown. What stands first may be why what follows is wrong.
CHECKS = (
    "settings",
    "secrets",
    "redis",
    "redis_policy",
    "redis_persistence",
    "redis_memory",
    "database",
    "schema",
    "database_writable",
    "durability",
    "pooler",
    "foreign_tables",
    "forget_key",
    "clock",
    "web",
    "workers",
    "queue",
    "failed_jobs",
    "dead_letters",
    "inbox",
    "refusals",
    "silence",
    "copies",
    "outages",
    "tasks",
    "probe",
)


def ordered(checks: Iterable[Check]) -> list[Check]:
    """Return `checks`, problems first; of equal status in the order of CHECKS."""
    severities = list(Severity)
    return sorted(checks, key=lambda check: (severities.index(check.status), CHECKS.index(check.check)))


def worst(checks: Iterable[Check]) -> Check:
    """Return what matters most of several findings of one check, with the other findings beside it."""
    first, *others = ordered(checks)
    if all(other.status is Severity.OK for other in others):
        return first
    all_found = "; ".join([first.found, *(other.found for other in others if other.status is not Severity.OK)])
    remedies = dict.fromkeys(check.remedy for check in (first, *others) if check.remedy)
    return Check(check=first.check, status=first.status, found=all_found, remedy="; ".join(remedies))

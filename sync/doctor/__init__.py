"""Says what is wrong with an installation, and the remedy: reads settings, both stores and what was counted."""

from sync.doctor.check import Check, Severity
from sync.doctor.follow import check_probe

__all__ = ["Check", "Severity", "check_probe"]

"""Asks the provider what became of messages whose events were lost, and merges the answers as polled facts."""

from sync.reconcile.chore import Reconciliation

__all__ = ["Reconciliation"]

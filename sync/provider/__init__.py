"""Asks the provider's REST API (https://zexa.ao/docs).

It documents three calls. What else is tried may not be offered, which is no mistake. `reconcile` asks what became of
messages whose events were lost, and merges the answers as polled facts.
"""

from sync.provider.client import ListedWebhook, ProviderAnswer, ProviderClient
from sync.provider.errors import ProviderError, ProviderFailure

__all__ = ["ListedWebhook", "ProviderAnswer", "ProviderClient", "ProviderError", "ProviderFailure"]

"""Asks the provider's REST API (https://zexa.ao/docs).

It documents three calls. What else is tried may not be offered, which is no mistake.
"""

from sync.provider.client import ListedWebhook, ProviderAnswer, ProviderClient
from sync.provider.errors import ProviderError, ProviderFailure

__all__ = ["ListedWebhook", "ProviderAnswer", "ProviderClient", "ProviderError", "ProviderFailure"]

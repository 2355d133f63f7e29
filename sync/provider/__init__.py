"""The provider's side: registers the webhook with proof, and asks the REST API.

https://zexa.ao/docs documents three calls of the API. What else is tried may not be offered, which is no mistake.
"""

from sync.provider.client import ProviderAnswer, ProviderClient
from sync.provider.errors import ProviderError, ProviderFailure

__all__ = ["ProviderAnswer", "ProviderClient", "ProviderError", "ProviderFailure"]

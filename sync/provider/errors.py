"""What may go wrong with a request to the provider's API: one sentence each, which says what to do.

No sentence quotes the key, the request or the answer: an answer may repeat what it was sent, or name a person.
"""

import ssl
from collections.abc import Iterator
from enum import StrEnum

from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as AnswerTimeout


class ProviderFailure(StrEnum):
    """How a request failed, as far as it makes a difference for the caller."""

    INVALID_REQUEST = "invalid_request"  # 400: a field is missing, or the JSON is malformed
    UNAUTHORIZED = "unauthorized"  # 401 or 403: no request with this key will succeed
    NOT_FOUND = "not_found"  # 404: there is nothing of this id
    NOT_OFFERED = "not_offered"  # an undocumented call that the API does not know, or not for this key
    VALIDATION_ERROR = "validation_error"  # 422
    RATE_LIMITED = "rate_limited"  # 429: `retry_after_seconds` says until when
    SERVER_ERROR = "server_error"  # 5xx
    TIMEOUT = "timeout"  # the request was sent, and no answer came in time
    BROKEN = "broken"  # the connection ended before the answer did
    UNREADABLE = "unreadable"  # an answer that is not the API's JSON
    REDIRECT = "redirect"  # never followed: the key would go along
    TLS = "tls"  # nothing was sent: the server is not proved to be the one asked for
    UNREACHABLE = "unreachable"  # nothing was sent: no connection
    REFUSED = "refused"  # any other status


# A POST that failed like this may have been carried out all the same.
_UNCLEAR = frozenset(
    {
        ProviderFailure.SERVER_ERROR,
        ProviderFailure.TIMEOUT,
        ProviderFailure.BROKEN,
        ProviderFailure.UNREADABLE,
    }
)


class ProviderError(Exception):
    """The API did not do what was asked; the text is one sentence for a person, without a full stop."""

    def __init__(self, failure: ProviderFailure, sentence: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(sentence)
        self.failure = failure
        self.retry_after_seconds = retry_after_seconds

    @property
    def may_have_been_done(self) -> bool:
        """Return whether what was asked for may have happened: then it must not simply be asked for again."""
        return self.failure in _UNCLEAR


_OF_STATUS = {
    400: (
        ProviderFailure.INVALID_REQUEST,
        "Zexa did not understand the request (400 invalid_request): update zexa-sync, or use Zexa's dashboard",
    ),
    401: (
        ProviderFailure.UNAUTHORIZED,
        "Zexa does not accept the key (401 unauthorized): copy one that is valid from Zexa's dashboard into "
        "ZEXA_API_KEY",
    ),
    403: (
        ProviderFailure.UNAUTHORIZED,
        "the key may not do this (403): give it the right in Zexa's dashboard, or put another one into ZEXA_API_KEY",
    ),
    404: (
        ProviderFailure.NOT_FOUND,
        "Zexa knows nothing of this id (404): check the id, and that ZEXA_API_URL and ZEXA_API_KEY are of the account "
        "that sent it",
    ),
    422: (
        ProviderFailure.VALIDATION_ERROR,
        "Zexa does not take the URL or an event (422 validation_error): give a public https:// URL, and the names "
        "that `zexa-sync webhooks register --help` lists",
    ),
}


def error_of_status(status: int, retry_after_seconds: float | None = None) -> ProviderError:
    """Return what an answer with this status means, which is none of 2xx."""
    if status in _OF_STATUS:
        return ProviderError(*_OF_STATUS[status])
    if status == 429:
        wait = "a minute" if retry_after_seconds is None else f"{retry_after_seconds:,.0f} s"
        return ProviderError(
            ProviderFailure.RATE_LIMITED,
            f"Zexa takes no more requests for now (429): run it again in {wait}",
            retry_after_seconds=retry_after_seconds,
        )
    if 300 <= status < 400:
        return ProviderError(
            ProviderFailure.REDIRECT,
            f"ZEXA_API_URL leads elsewhere ({status}), and the key is not sent after it: set the address of the API "
            "itself, or leave it unset",
        )
    if status >= 500:
        return ProviderError(
            ProviderFailure.SERVER_ERROR,
            f"Zexa failed to answer ({status}): run it again later, and ask Zexa if it goes on",
            retry_after_seconds=retry_after_seconds,
        )
    return ProviderError(
        ProviderFailure.REFUSED,
        f"Zexa refused the request ({status}): see that ZEXA_API_URL is the API's address, and update zexa-sync",
    )


def unreadable(status: int) -> ProviderError:
    """Return what an answer with this status means whose body is not what the API documents."""
    return ProviderError(
        ProviderFailure.UNREADABLE,
        f"what answers at ZEXA_API_URL is not Zexa's API ({status}, without the JSON that it documents): correct the "
        "address, or see which proxy stands between",
    )


def too_long() -> ProviderError:
    """Return what an answer means that is longer than any of the API's."""
    return ProviderError(
        ProviderFailure.UNREADABLE,
        "what answers at ZEXA_API_URL is not Zexa's API (its answer does not end): correct the address, or see which "
        "proxy stands between",
    )


def no_such_path() -> ProviderError:
    """Return what 404 means for a documented path without an id in it."""
    return ProviderError(
        ProviderFailure.REFUSED,
        "there is no such path at ZEXA_API_URL (404): end it with /v1 as in https://api.zexa.ao/v1, or leave it unset",
    )


def not_offered(ability: str) -> ProviderError:
    """Return what it means that an undocumented call is not answered; `ability` is as in "list webhooks"."""
    return ProviderError(ProviderFailure.NOT_OFFERED, f"the provider does not {ability}")


def error_of_connection(error: HTTPError, seconds: float) -> ProviderError:
    """Return what an error of urllib3's means; `seconds` is how long an answer may take."""
    cause = error.reason if isinstance(error, MaxRetryError) and error.reason else error
    if isinstance(cause, NameResolutionError):
        return _unreachable("the host of ZEXA_API_URL has no address", "check its name, and the name server here")
    if isinstance(cause, NewConnectionError):  # which is a kind of the next one
        return _unreachable("nothing takes a connection at ZEXA_API_URL", "check the address, and the firewall")
    if isinstance(cause, ConnectTimeoutError):
        return _unreachable("the host of ZEXA_API_URL takes no connection in time", "check the firewall on the way out")
    if isinstance(cause, SSLError):
        return _error_of_tls(cause)
    if isinstance(cause, AnswerTimeout):
        return ProviderError(
            ProviderFailure.TIMEOUT,
            f"Zexa did not answer within {seconds:g} s: run it again later, and ask Zexa if it goes on",
        )
    return ProviderError(
        ProviderFailure.BROKEN,
        "the connection to Zexa ended before the answer did: run it again, and see which proxy stands between",
    )


def _unreachable(failure: str, remedy: str) -> ProviderError:
    return ProviderError(ProviderFailure.UNREACHABLE, f"{failure}: {remedy}")


def _error_of_tls(error: SSLError) -> ProviderError:
    """Only a connection that never began is surely one over which nothing was sent."""
    causes = list(_chain(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return ProviderError(
                ProviderFailure.TLS,
                f"the certificate at ZEXA_API_URL proves nothing ({cause.verify_message}): check the address, or "
                "let this machine trust the authority that signed it",
            )
    reasons = " ".join(str(cause.reason or "") for cause in causes if isinstance(cause, ssl.SSLError))
    if any(word in reasons for word in ("WRONG_VERSION", "UNSUPPORTED_PROTOCOL", "HANDSHAKE", "UNKNOWN_PROTOCOL")):
        return ProviderError(
            ProviderFailure.TLS,
            "no TLS can be spoken at ZEXA_API_URL: check the address and the port, or see which proxy stands between",
        )
    return ProviderError(
        ProviderFailure.BROKEN,
        "the TLS connection to Zexa broke: run it again, and see which proxy stands between",
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and all that it wraps."""
    waiting, seen = [error], set[int]()
    while waiting:
        cause = waiting.pop()
        if id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [inner for inner in (cause.__cause__, cause.__context__) if inner]
            waiting += [inner for inner in cause.args if isinstance(inner, BaseException)]

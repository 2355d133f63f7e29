"""Why a message failed, in the words of the carrier. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import attrgetter
from typing import Any, NamedTuple

from sync.events.documents import CODE, REASON
from sync.events.interpretation import failure_key
from sync.events.values import prose

_ERROR_REASON = ("message", *REASON, "description", "detail", "title")
_ERRORS_MAX = 20

_codes, _reasons = attrgetter(*CODE), attrgetter(*REASON)


class Failure(NamedTuple):
    """Why a message failed: the code and the reason that are shown, and all that the body tells besides."""

    code: str | None
    reason: str | None
    texts: Sequence[str]

    def says(self, opt_out_failures: frozenset[str]) -> bool:
        """Does the carrier refuse the message because its recipient opted out? It reports a failure, and no opt-out.

        `opt_out_failures` are as `failure_key` returns them.
        """
        return not opt_out_failures.isdisjoint(map(failure_key, self.texts))


NO_FAILURE = Failure(None, None, ())


def failure(fields: Any) -> Failure:
    """`error` is a text, or an object with `code` and `message`; `errors` a list of such. All of them count."""
    codes, reasons = _proses(_codes(fields)), _proses(_reasons(fields))
    if isinstance(fields.error, dict | list) or fields.errors is not None:
        for error in islice(_errors(fields.error, fields.errors), _ERRORS_MAX):
            codes += _texts(error, CODE)
            reasons += _texts(error, _ERROR_REASON)
    return Failure(
        code=next((code for code in codes if failure_key(code) != "0"), codes[0] if codes else None),
        reason=reasons[0] if reasons else None,
        texts=(*codes, *reasons),
    )


def _errors(*values: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the objects that tell of errors, however they nest in lists and in each other; a text as its message."""
    for value in values:
        if isinstance(value, list):
            yield from _errors(*value)
        elif isinstance(value, dict):
            yield value
            yield from _errors(*(value.get(name) for name in ("error", "errors")))
        elif value is not None:
            yield {"message": value}


def _texts(error: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    return _proses(map(error.get, names))


def _proses(values: Iterable[Any]) -> list[str]:
    return [text for value in values if value is not None and (text := prose(value))]

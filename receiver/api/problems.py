"""Refusals as documents of https://www.rfc-editor.org/rfc/rfc9457. None quotes anything of a request."""

import json
from http import HTTPStatus

from receiver.server.asgi import Reply

PROBLEM_TYPE = "application/problem+json"


class Problem(Exception):  # noqa: N818 - it is the standard's word
    """A request is refused with `status`; `detail` says why in one sentence, in our own words."""

    def __init__(self, status: HTTPStatus, detail: str, *headers: tuple[str, str]) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = list(headers)

    def reply(self) -> Reply:
        # A type of about:blank says that the status is all there is to tell the kinds of problems apart.
        document = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
        }
        return api_reply(self.status, PROBLEM_TYPE, json.dumps(document).encode(), *self.headers)


def api_reply(status: HTTPStatus, content_type: str, body: bytes, *headers: tuple[str, str]) -> Reply:
    """Return an answer that nobody keeps: it is true of one moment, and tells of people."""
    return Reply(status, [("Content-Type", content_type), ("Cache-Control", "no-store"), *headers], body)

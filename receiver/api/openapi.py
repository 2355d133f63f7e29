"""The description of look-ups over HTTP, by https://spec.openapis.org/oas/v3.1.1, from the bounds the code keeps."""

from typing import Any

from receiver.api.metrics import METRICS_TYPE
from receiver.api.problems import PROBLEM_TYPE
from receiver.api.question import (
    ADDRESSES_MAX,
    CHANNEL_CHARACTERS_MAX,
    CHANNEL_PATTERN,
    SENDER_CHARACTERS_MAX,
    SENDER_PATTERN,
    STALENESS_SECONDS_DEFAULT,
    STALENESS_SECONDS_MAX,
)
from receiver.server.paths import CHECK_PATH, METRICS_PATH, OPENAPI_PATH
from sync.events.raw import BODY_BYTES_MAX

_Schema = dict[str, Any]


def _object(properties: _Schema, *, required: list[str]) -> _Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _nullable(schema: _Schema) -> _Schema:
    return schema | {"type": [schema["type"], "null"]}


def _reference(name: str) -> _Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_MOMENT = {"type": "string", "format": "date-time", "description": "UTC, with Z"}

_QUESTION = _object(
    {
        "addresses": {
            "type": "array",
            "maxItems": ADDRESSES_MAX,
            "items": {"type": "string"},
            "description": "Phone numbers in any spelling, e-mail addresses, Slack ids.",
        },
        "channel": {
            "type": ["string", "null"],
            "minLength": 1,
            "maxLength": CHANNEL_CHARACTERS_MAX,
            "pattern": CHANNEL_PATTERN,
            "description": "Only opt-outs of this channel, or of none, count. Without it those of any do.",
        },
        "sender": {
            "type": ["string", "null"],
            "minLength": 1,
            "maxLength": SENDER_CHARACTERS_MAX,
            "pattern": SENDER_PATTERN,
            "description": "Only opt-outs from this sender, or from none, count. Without it those from any do.",
        },
        "max_staleness_seconds": {
            "type": ["number", "null"],
            "minimum": 1,
            "maximum": STALENESS_SECONDS_MAX,
            "default": STALENESS_SECONDS_DEFAULT,
            "description": "Where as_of is older than this, unknown stands in place of allowed.",
        },
    },
    required=["addresses"],
)

_MATCH = _object(
    {
        "channel": {"type": "string", "description": "Empty if the opt-out holds for any."},
        "sender": {"type": "string", "description": "Empty if the opt-out holds for any."},
        "since": _MOMENT,
        "source": {"type": "string", "enum": ["event", "failure", "manual", "import"]},
        "message_id": {"type": ["string", "null"]},
    },
    required=["channel", "sender", "since", "source", "message_id"],
)

_RESULT = _object(
    {
        "input": {"type": "string", "description": "The address as it was asked about."},
        "address": {"type": ["string", "null"], "description": "Its one spelling; null if it is no address."},
        "status": {
            "type": "string",
            "enum": ["suppressed", "allowed", "invalid", "unknown"],
            "description": "Only an address that is allowed may be messaged.",
        },
        "match": {"oneOf": [_reference("Match"), {"type": "null"}]},
    },
    required=["input", "address", "status", "match"],
)

_ANSWER = _object(
    {
        "as_of": _nullable(_MOMENT)
        | {"description": "Every opt-out acknowledged up to then is reflected; null if that is not known."},
        "results": {
            "type": "array",
            "maxItems": ADDRESSES_MAX,
            "items": _reference("Result"),
            "description": "One for each address, in their order.",
        },
    },
    required=["as_of", "results"],
)

_PROBLEM = _object(
    {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
    required=["type", "title", "status", "detail"],
)


def _problem(meaning: str, *headers: str) -> _Schema:
    described = {"description": meaning, "content": {PROBLEM_TYPE: {"schema": _reference("Problem")}}}
    header_objects = {name: {"required": True, "schema": {"type": "string"}} for name in headers}
    return described | ({"headers": header_objects} if header_objects else {})


_METHOD = _problem("Another method.", "Allow")
_TOKEN = _problem("The bearer token is missing or wrong.", "WWW-Authenticate")
_BUSY = _problem("Too many questions at once, or none could be answered: come again.", "Retry-After")

_CHECK = {
    "operationId": "checkSuppressions",
    "summary": "May these addresses be messaged?",
    "security": [{"token": []}],
    "requestBody": {"required": True, "content": {"application/json": {"schema": _reference("Question")}}},
    "responses": {
        "200": {"description": "The answer.", "content": {"application/json": {"schema": _reference("Answer")}}},
        "400": _problem("The body is not one JSON object in UTF-8 that names each member once."),
        "401": _TOKEN,
        "405": _METHOD,
        "413": _problem(f"The body is longer than {BODY_BYTES_MAX} bytes."),
        "415": _problem("The body is not sent as application/json."),
        "422": _problem("The body is not a question."),
        "503": _BUSY,
    },
}

_DESCRIBE = {
    "operationId": "describe",
    "summary": "This document.",
    "security": [],
    "responses": {
        "200": {"description": "OpenAPI 3.1.", "content": {"application/json": {"schema": {"type": "object"}}}},
        "405": _METHOD,
    },
}

_MEASURE = {
    "operationId": "measure",
    "summary": "Latency and freshness of opt-outs, and what waits.",
    "security": [{"token": []}],
    "responses": {
        "200": {
            "description": "Prometheus' text format.",
            "content": {METRICS_TYPE.partition(";")[0]: {"schema": {"type": "string"}}},
        },
        "401": _TOKEN,
        "405": _METHOD,
        "503": _BUSY,
    },
}

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "zexa-sync: who may be messaged", "version": "1"},
    "paths": {
        CHECK_PATH: {"post": _CHECK},
        OPENAPI_PATH: {"get": _DESCRIBE},
        METRICS_PATH: {"get": _MEASURE},
    },
    "components": {
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "ZEXA_LOOKUP_TOKEN"}},
        "schemas": {
            "Question": _QUESTION,
            "Answer": _ANSWER,
            "Result": _RESULT,
            "Match": _MATCH,
            "Problem": _PROBLEM,
        },
    },
}

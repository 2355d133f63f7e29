"""Why a process does not run on a database that answers. Loads no SQLAlchemy: the command line names them.

The text of each is a single line for a person.
"""

from collections.abc import Iterable


class SchemaError(Exception):
    """The database answers, but this code cannot run on its schema."""


class SchemaBehind(SchemaError):  # noqa: N818 - a state, which may pass
    """The schema is older than the code, or there is none: a migration may be under way, and can be waited for."""


class ForgetKeyMissing(Exception):  # noqa: N818 - a state, which a setting ends
    """Somebody was forgotten with a key that this process was not given."""

    def __init__(self, key_ids: Iterable[str]) -> None:
        super().__init__(
            f"ZEXA_FORGET_KEY lacks the key {', '.join(sorted(key_ids))} that forgotten people were hashed with: "
            "without it they would be messaged again (docs/runbook.md)"
        )

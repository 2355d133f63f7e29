"""One parameter, however many values: a condition that costs the same to send for one address and for a million."""

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Connection, Text, bindparam, func, select


def is_among(connection: Connection, column: Any, values: Collection[str]) -> ColumnElement[bool]:
    """Return the condition that `column` is one of `values`."""
    if connection.dialect.name == "sqlite":
        text = json.dumps(list(values), ensure_ascii=False)
        listed = func.json_each(bindparam("wanted", text, type_=Text())).table_valued("value")
        return _is_in(column, select(listed.c.value))
    given = bindparam("wanted", list(values), type_=ARRAY(Text()))
    return _is_in(column, select(func.unnest(given).column_valued("given")))


def _is_in(column: Any, listed: Any) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = column.in_(listed)
    return condition

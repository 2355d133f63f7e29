"""One parameter, however many values: a condition that costs the same to send for one address and for a million."""

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Text, bindparam, cast, func, select

from models.statements import packed

WANTED = "wanted"


def in_array(dialect: str, column: Any) -> ColumnElement[bool]:
    """Return the condition that `column` is one of the values that the parameter WANTED lists."""
    if dialect == "sqlite":
        elements = func.json_each(bindparam(WANTED, type_=Text())).table_valued("value")
        values = select(elements.c.value)
    else:
        values = select(func.unnest(cast(bindparam(WANTED, type_=Text()), ARRAY(Text()))).column_valued("given"))
    condition: ColumnElement[bool] = column.in_(values)
    return condition


def array_text(dialect: str, values: Collection[str]) -> str:
    """Return `values` as the parameter WANTED."""
    return json.dumps(list(values), ensure_ascii=False) if dialect == "sqlite" else packed(list(values))

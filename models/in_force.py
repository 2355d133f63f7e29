"""Which opt-outs count: what look-ups, lists and evidence ask the table."""

from sqlalchemy import ColumnElement, Table, or_


def in_force(opt_outs: Table) -> ColumnElement[bool]:
    """Return which rows of `opt_outs` are in force.

    The view `active_opt_outs` and `sync.events.opt_outs.is_in_force` say the same. A test holds the three equal.
    """
    return or_(opt_outs.c.opted_in_at.is_(None), opt_outs.c.opted_in_at <= opt_outs.c.received_at)

"""The views of opt-outs, with the types of their columns.

What each means is in `migrations/sql`.
"""

from sqlalchemy import BigInteger, Double, MetaData, Table, Text
from sqlalchemy import Column as _Column

from models.types import KeyText, UTCDateTime

# Of its own, so that no migration takes them for tables.
_METADATA = MetaData()


def _view(name: str, **types: object) -> Table:
    return Table(name, _METADATA, *(_Column(column, kind) for column, kind in types.items()))  # type: ignore[arg-type]


ACTIVE_OPT_OUTS = _view(
    "active_opt_outs",
    channel=KeyText,
    address=KeyText,
    sender=KeyText,
    opted_out_at=UTCDateTime,
    opted_in_at=UTCDateTime,
    received_at=UTCDateTime,
    source=Text,
    message_id=KeyText,
    note=Text,
    updated_at=UTCDateTime,
    opt_out_id=KeyText,
    person=KeyText,
)
OPT_OUT_STATEMENTS = _view(
    "opt_out_statements",
    id=BigInteger,
    kind=Text,
    channel=KeyText,
    address=KeyText,
    sender=KeyText,
    occurred_at=UTCDateTime,
    received_at=UTCDateTime,
    applied_at=UTCDateTime,
    source=Text,
    message_id=KeyText,
    subject_id=KeyText,
    event=KeyText,
    digest=KeyText,
    stated_by=Text,
    reason=Text,
    opt_out_id=KeyText,
    person=KeyText,
)
SENT_AFTER = _view(
    "sent_after_opt_out",
    message_id=KeyText,
    channel=Text,
    address=KeyText,
    sender=KeyText,
    campaign_id=KeyText,
    status=Text,
    status_at=UTCDateTime,
    opted_out_at=UTCDateTime,
    opt_out_received_at=UTCDateTime,
    opt_out_applied_at=UTCDateTime,
    opt_out_channel=KeyText,
    opt_out_sender=KeyText,
    opt_out_source=Text,
    seconds_after_opt_out=Double,
)

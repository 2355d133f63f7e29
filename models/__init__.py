"""The tables, one a module, and the connection to the database that holds them.

The schema itself is made by the migrations only. A table is loaded once somebody asks for it: SQLModel takes 14 MB,
and the web process needs none of it (`models.plain_tables`).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.audit_entry import AuditEntry
    from models.body import Body
    from models.campaign_status import CampaignStatus
    from models.compatibility import Compatibility
    from models.console_try import ConsoleTry
    from models.console_user import ConsoleUser
    from models.dead_letter import DeadLetter
    from models.further_body import FurtherBody
    from models.inbox import Inbox
    from models.ledger import LedgerEntry
    from models.message_status import MessageStatus
    from models.nameless_opt_out import NamelessOptOut
    from models.opt_out import OptOut
    from models.opt_out_history import OptOutHistory
    from models.report_calendar import ReportCalendar
    from models.rollup_campaigns import RollupCampaign
    from models.rollup_daily import RollupDaily
    from models.rollup_delta import RollupDelta

__all__ = [
    "AuditEntry",
    "Body",
    "CampaignStatus",
    "Compatibility",
    "ConsoleTry",
    "ConsoleUser",
    "DeadLetter",
    "FurtherBody",
    "Inbox",
    "LedgerEntry",
    "MessageStatus",
    "NamelessOptOut",
    "OptOut",
    "OptOutHistory",
    "ReportCalendar",
    "RollupCampaign",
    "RollupDaily",
    "RollupDelta",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from models import all_tables  # noqa: PLC0415 - the whole point

    return getattr(all_tables, name)

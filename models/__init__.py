"""The tables, one a module, and the connection to the database that holds them.

The schema itself is made by the migrations only. A table is loaded once somebody asks for it: SQLModel takes 14 MB,
and the web process needs none of it (`models.plain_tables`).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.asked_message import AskedMessage
    from models.body import Body
    from models.campaign_status import CampaignStatus
    from models.compatibility import Compatibility
    from models.dead_letter import DeadLetter
    from models.forget_key_in_use import ForgetKeyInUse
    from models.forgotten_person import PersonForgotten
    from models.further_body import FurtherBody
    from models.inbox import Inbox
    from models.last_reachable import LastReachable
    from models.ledger import LedgerEntry
    from models.message_status import MessageStatus
    from models.nameless_opt_out import NamelessOptOut
    from models.opt_out import OptOut
    from models.opt_out_history import OptOutHistory
    from models.outage import Outage
    from models.report_calendar import ReportCalendar
    from models.rollup_campaigns import RollupCampaign
    from models.rollup_daily import RollupDaily
    from models.rollup_delta import RollupDelta
    from models.webhook_registration import WebhookRegistration

__all__ = [
    "AskedMessage",
    "Body",
    "CampaignStatus",
    "Compatibility",
    "DeadLetter",
    "ForgetKeyInUse",
    "FurtherBody",
    "Inbox",
    "LastReachable",
    "LedgerEntry",
    "MessageStatus",
    "NamelessOptOut",
    "OptOut",
    "OptOutHistory",
    "Outage",
    "PersonForgotten",
    "ReportCalendar",
    "RollupCampaign",
    "RollupDaily",
    "RollupDelta",
    "WebhookRegistration",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from models import all_tables  # noqa: PLC0415 - the whole point

    return getattr(all_tables, name)

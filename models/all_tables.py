"""Every table. Importing this module fills `SQLModel.metadata`."""

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

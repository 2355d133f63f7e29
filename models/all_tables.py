"""Every table as a model. Importing this module fills `SQLModel.metadata`, which is METADATA here."""

from sqlmodel import SQLModel

from models.asked_message import AskedMessage
from models.audit_entry import AuditEntry
from models.body import Body
from models.campaign_status import CampaignStatus
from models.compatibility import Compatibility
from models.console_try import ConsoleTry
from models.console_user import ConsoleUser
from models.dead_letter import DeadLetter
from models.failure_code import CountedCode, FailureCount
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
from models.rollup_campaign_quarters import RollupCampaignQuarter
from models.rollup_campaigns import RollupCampaign
from models.rollup_daily import RollupDaily
from models.rollup_delta import RollupDelta
from models.task import Task
from models.task_file import TaskFile
from models.webhook_registration import WebhookRegistration

METADATA = SQLModel.metadata

__all__ = [
    "AskedMessage",
    "AuditEntry",
    "Body",
    "CampaignStatus",
    "Compatibility",
    "ConsoleTry",
    "ConsoleUser",
    "CountedCode",
    "DeadLetter",
    "FailureCount",
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
    "RollupCampaignQuarter",
    "RollupDaily",
    "RollupDelta",
    "Task",
    "TaskFile",
    "WebhookRegistration",
]

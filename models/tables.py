"""The tables as SQLAlchemy Core has them, for statements that are written by hand. Each stands here once."""

from typing import Any, cast

from sqlalchemy import Table

from models.asked_message import AskedMessage
from models.audit_entry import AuditEntry
from models.body import Body
from models.campaign_status import CampaignStatus
from models.console_try import ConsoleTry
from models.console_user import ConsoleUser
from models.dead_letter import DeadLetter
from models.failure_code import CountedCode, FailureCount
from models.forgotten_person import PersonForgotten
from models.further_body import FurtherBody
from models.inbox import Inbox
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


def _table(model: Any) -> Table:
    return cast(Table, model.__table__)


LEDGER = _table(LedgerEntry)
BODIES = _table(Body)
FURTHER_BODIES = _table(FurtherBody)
MESSAGES = _table(MessageStatus)
CAMPAIGNS = _table(CampaignStatus)
ASKED_MESSAGES = _table(AskedMessage)
OPT_OUTS = _table(OptOut)
HISTORY = _table(OptOutHistory)
FORGOTTEN_PEOPLE = _table(PersonForgotten)
NAMELESS_OPT_OUTS = _table(NamelessOptOut)
DEAD_LETTERS = _table(DeadLetter)
INBOX = _table(Inbox)
OUTAGES = _table(Outage)
FAILURE_CODES = _table(CountedCode)
FAILURE_COUNTS = _table(FailureCount)
REPORT_CALENDAR = _table(ReportCalendar)
ROLLUP_CAMPAIGN_QUARTERS = _table(RollupCampaignQuarter)
ROLLUP_CAMPAIGNS = _table(RollupCampaign)
ROLLUP_DAILY = _table(RollupDaily)
ROLLUP_DELTAS = _table(RollupDelta)
CONSOLE_USERS = _table(ConsoleUser)
CONSOLE_TRIES = _table(ConsoleTry)
AUDIT_LOG = _table(AuditEntry)
TASKS = _table(Task)
TASK_FILES = _table(TaskFile)
WEBHOOK_REGISTRATIONS = _table(WebhookRegistration)

"""What a person asks of a list: the fields of the form that uploads it, read as the commands read their options."""

from datetime import UTC, datetime

from flask import request
from markupsafe import Markup

from receiver.console.language import _
from receiver.console.pages import parameter
from sync.events.addresses import CHANNELS, is_placeholder, sender_text
from sync.events.addresses import channel_name as name_of_channel
from sync.events.times import EARLIEST
from sync.events.written_text import is_storable
from sync.opt_outs.uploaded_list import ListOptions, ListPurpose
from sync.terminal.times import read_time

PURPOSES = frozenset(ListPurpose)


class FormProblem(Exception):  # noqa: N818 - it says what the form has
    """A field holds what cannot be meant; `text` says so to the person."""

    def __init__(self, text: Markup) -> None:
        super().__init__(str(text))
        self.text = text


def options_of_form(size: int) -> ListOptions:
    """Return what is asked of a list of `size` bytes. Raises FormProblem."""
    if not size:
        raise FormProblem(_("Choose a file that is not empty: nothing was uploaded."))
    if parameter("purpose") not in PURPOSES:
        raise FormProblem(_("Say what the list is for: nothing was uploaded."))
    purpose, channel, sender, column = (
        ListPurpose(parameter("purpose")),
        parameter("channel"),
        parameter("sender"),
        parameter("column"),
    )
    if channel and not name_of_channel(channel):
        raise FormProblem(_("The channels are {names}: nothing was uploaded.", names=", ".join(sorted(CHANNELS))))
    if sender and (is_placeholder(sender) or not is_storable(sender) or not sender_text(sender, "")):
        raise FormProblem(_("That names no sender: nothing was uploaded."))
    if column and not is_storable(column):
        raise FormProblem(_("That names no column: nothing was uploaded."))
    is_import = purpose is ListPurpose.IMPORT
    return ListOptions(
        purpose=purpose,
        bytes=size,
        column=column,
        channel=name_of_channel(channel),
        sender=sender,
        at=_time() if is_import else None,
        reason=_reason() if is_import else None,
    )


def _reason() -> str:
    reason = parameter("reason")
    if not is_storable(reason):
        raise FormProblem(_("Say where the list is from, or how they opted out: nothing was uploaded."))
    return reason


def _time() -> datetime | None:
    if not request.form.get("at", "").strip():
        return None
    time = read_time(parameter("at"))
    if time is None or time < EARLIEST:
        raise FormProblem(_("Give a day such as 2026-06-24, or none: nothing was uploaded."))
    return min(time, datetime.now(UTC))  # no decision lies in the future

"""One outage: what it may have cost, what to do about it, and the word of a person that it was looked after."""

from datetime import UTC, datetime
from http import HTTPStatus

from flask import Response

from receiver.console.language import _
from receiver.console.overview import measured
from receiver.console.pages import Pages, number_parameter, parameter, problem, redirect_with, rendered, stores
from receiver.console.session import account
from sync.events.written_text import is_storable
from sync.provider.outages.find import find_cost
from sync.provider.outages.losses import Loss
from sync.provider.outages.resolve import NotToResolve, resolve
from sync.users.audit import Action, note

CAMPAIGNS_SHOWN = 50


def add_pages(pages: Pages) -> None:
    pages.page("/outage", outage)
    pages.action("/outage/resolve", resolve_outage)


def outage() -> Response:
    return outage_page(number_parameter("number"))


def outage_page(number: int | None, status: HTTPStatus = HTTPStatus.OK, problem_text: object = None) -> Response:
    loss = loss_of(number)
    if loss is None:
        return problem(HTTPStatus.NOT_FOUND)
    with stores().reader.connect() as connection:
        cost = find_cost(connection, loss, datetime.now(UTC))
    campaigns = cost.campaigns[:CAMPAIGNS_SHOWN]
    return rendered("outage.html", status, loss=loss, cost=cost, campaigns=campaigns, problem_text=problem_text)


def loss_of(number: int | None) -> Loss | None:
    """Return one of the latest outages, which are those that `status` tells of."""
    losses = measured().outages or ()
    return next((loss for loss in losses if number is not None and loss.outage.number == number), None)


def resolve_outage() -> Response:
    """Note that the person who is signed in has looked after what an outage cost."""
    number, reason, now = parameter("number"), parameter("reason"), datetime.now(UTC)
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        return problem(HTTPStatus.NOT_FOUND)
    if not is_storable(reason):
        text = _("Say what was done about it: nothing was recorded.")
        return outage_page(int(number), HTTPStatus.UNPROCESSABLE_ENTITY, text)
    try:
        with stores().writer.begin() as connection:
            if resolve(connection, [int(number)], by=account().name, reason=reason, now=now):
                note(connection, account().name, Action.OUTAGE_RESOLVED, now, number)
    except NotToResolve:
        return problem(HTTPStatus.NOT_FOUND)
    return redirect_with(_("Looked after. Your name and what was done stay with the outage."), "health")

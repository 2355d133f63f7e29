"""`zexa-sync send`: one signed event, by hand."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from secrets import token_hex

import click
from yarl import URL

from sync.devtools.simulate.counts import SendCounts
from sync.devtools.simulate.curl import as_curl
from sync.devtools.simulate.listening import listens
from sync.devtools.simulate.options import (
    read_event,
    read_start,
    read_url,
    require_own_machine,
    signing_secret,
)
from sync.devtools.simulate.sender import Plan, Sender, sign
from sync.devtools.simulate.single import Facts, write_body
from sync.devtools.simulate.traffic import KINDS
from sync.events.event import EventType
from sync.terminal.options import WrongUse
from sync.terminal.program import program

REMEDIES = {
    403: "the receiver has another secret: set ZEXA_WEBHOOK_SECRET to one of its",
    404: "the path is wrong: the receiver's is /webhooks/zexa",
    413: "the body is larger than 256 KiB",
    503: "neither Redis nor the database of the receiver could store it",
}


def read_at(context: click.Context, option: click.Parameter, text: str | None) -> datetime:
    """Read a time; without one, now."""
    return datetime.now(UTC) if text is None else read_start(context, option, text)


@click.command()
@click.argument("url", required=False, callback=read_url)
@click.option("--event", required=True, callback=read_event, metavar="NAME", help=f"One of {', '.join(KINDS)}.")
@click.option("--to", metavar="ADDRESS", help="Whom the message went to: a number, an e-mail address, an id.")
@click.option("--message", "message_id", metavar="ID", help="The message's id.  [default: a new one]")
@click.option("--campaign", "campaign_id", metavar="ID", help="The campaign's id.  [default: none, or a new one]")
@click.option(
    "--channel",
    type=click.Choice(["sms", "whatsapp", "telegram", "email", "slack"]),
    help="How the message went.  [default: email if the address has an @, else sms]",
)
@click.option("--from", "sender", metavar="SENDER", help="Who sent the message.")
@click.option("--at", callback=read_at, metavar="TIME", help="When it happened.  [default: now]")
@click.option(
    "--secret",
    envvar="ZEXA_WEBHOOK_SECRET",
    default="",
    metavar="TEXT",
    help="Signs the delivery; better set ZEXA_WEBHOOK_SECRET, of which the first is taken.",
)
@click.option("--allow-remote", is_flag=True, help="Send to a machine other than this one. Be sure that it is yours.")
@click.option("--curl", "is_shown", is_flag=True, help="Send nothing: print the signed request as a curl command.")
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object.")
def send(
    url: URL,
    event: EventType,
    to: str | None,
    message_id: str | None,
    campaign_id: str | None,
    channel: str | None,
    sender: str | None,
    at: datetime,
    secret: str,
    allow_remote: bool,
    is_shown: bool,
    is_json: bool,
) -> None:
    """Send one signed event to URL, as Zexa would, and say how it was answered.

    \b
    For example, beside a running `zexa-sync dev`:
      zexa-sync send --event delivered --to +244912345678
      zexa-sync send --event optout --to +244912345678 --from KIANDA
      zexa-sync send --event failed --message msg_abc123 --to ana@example.com
      zexa-sync send --event completed --campaign cmp_1
      zexa-sync send --event delivered --to 912345678 --curl

    An event is about a message, and --to says whose; `sent` and `completed` are about a campaign. Without a URL it
    goes to the receiver on this machine. There is one attempt, as retries are for a provider.

    The body is signed as every delivery is: X-Zexa-Signature is the HMAC-SHA256 of its exact bytes under the webhook
    secret, in lower-case hex. --curl shows the whole request.

    Exit status: 0 if it was accepted, 1 if not, 2 on wrong use. Reads ZEXA_WEBHOOK_SECRET and PORT.
    """
    require_own_machine(url, allow_remote=allow_remote)
    key = signing_secret(secret)
    facts = _facts(event, at, message_id, campaign_id, channel, to, sender)
    body = write_body(facts)
    if is_shown:
        click.echo(as_curl(body, sign(body, key), str(url)))
        return
    if not listens(url):
        raise click.ClickException(f"nothing listens at {url.origin()}: `{program()} dev` runs the whole system here")
    counts = _deliver(url, key, body)
    click.echo(json.dumps(_document(facts, counts)) if is_json else _text(facts, counts))
    sys.exit(0 if counts.accepted else 1)


def _facts(
    event: EventType,
    at: datetime,
    message_id: str | None,
    campaign_id: str | None,
    channel: str | None,
    to: str | None,
    sender: str | None,
) -> Facts:
    """Return what the event is about, with an id and a channel if none was given."""
    if event in (EventType.CAMPAIGN_SENT, EventType.CAMPAIGN_COMPLETED):
        campaign_id = campaign_id or f"cmp_{token_hex(6)}"
        return Facts(event=event, occurred_at=at, campaign_id=campaign_id, channel=channel, sender=sender)
    if not to:
        raise WrongUse("--to is missing: whom the message went to, for example --to +244912345678")
    return Facts(
        event=event,
        occurred_at=at,
        message_id=message_id or f"msg_{token_hex(6)}",
        campaign_id=campaign_id,
        channel=channel or ("email" if "@" in to else "sms"),
        to=to,
        sender=sender,
    )


def _deliver(url: URL, secret: bytes, body: bytes) -> SendCounts:
    counts = SendCounts()
    asyncio.run(Sender(Plan(url=url, secret=secret, retry_seconds=()), iter([body]), counts).send())
    return counts


def _document(facts: Facts, counts: SendCounts) -> dict[str, str | int | bool | None]:
    return {
        "event": facts.event,
        "message_id": facts.message_id,
        "campaign_id": facts.campaign_id,
        "accepted": bool(counts.accepted),
        "refused_with": next(iter(counts.refused), None),
    }


def _text(facts: Facts, counts: SendCounts) -> str:
    subject = facts.message_id or facts.campaign_id
    if counts.accepted:
        seen = f"\nSee what became of it: {program()} trace {facts.message_id}" if facts.message_id else ""
        return f"accepted: {facts.event} of {subject}{seen}"
    for status in counts.refused:
        remedy = f"; {REMEDIES[status]}" if status in REMEDIES else ""
        return f"refused with {status}{remedy}"
    return "no answer within 10 s" if counts.timed_out else "the connection broke before an answer came"

"""Which e-mail opt-outs may be those of a mail scanner, which follows the links of a message before its reader. Pure.

Hints are for people. The opt-out holds all the same, until the recipient's own word ends it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

# Nobody opens, reads and unsubscribes within so few seconds of the delivery. A scanner may follow the links before
# the server has accepted the message, so it may be as long before.
DELIVERY_SECONDS = 10
# So many people of one domain do not decide within one minute; a scanner does, at their mail server.
BURST_ADDRESSES = 10
BURST_SECONDS = 60
# At these providers strangers to each other have their mailboxes, so many of them within a minute say nothing.
PUBLIC_DOMAINS = frozenset(
    {
        *("126.com", "163.com", "aol.com", "aol.com.br", "bol.com.br", "free.fr", "gmail.com", "gmx.at", "gmx.ch"),
        *("gmx.com", "gmx.de", "gmx.net", "googlemail.com", "hotmail.co.uk", "hotmail.com", "hotmail.com.br"),
        *("hotmail.es", "hotmail.fr", "hotmail.it", "hotmail.pt", "icloud.com", "ig.com.br", "laposte.net"),
        *("libero.it", "live.co.uk", "live.com", "live.com.pt", "live.fr", "mac.com", "mail.com", "mail.ru"),
        *("me.com", "msn.com", "netcabo.pt", "oi.com.br", "orange.fr", "outlook.com", "outlook.com.br"),
        *("outlook.es", "outlook.fr", "outlook.pt", "pm.me", "proton.me", "protonmail.com", "qq.com"),
        *("rocketmail.com", "sapo.pt", "t-online.de", "terra.com.br", "uol.com.br", "wanadoo.fr", "web.de"),
        *("yahoo.co.uk", "yahoo.com", "yahoo.com.br", "yahoo.es", "yahoo.fr", "yahoo.it", "yandex.com"),
        *("yandex.ru", "ymail.com", "zoho.com"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailOptOut:
    """An e-mail opt-out that an event states, of one person; when it occurred, and when its message was delivered."""

    statement_id: int
    person: str
    occurred_at: datetime
    delivered_at: datetime | None

    @property
    def domain(self) -> str:
        return self.person.rpartition("@")[2]

    @property
    def seconds_after_delivery(self) -> float | None:
        """Seconds from the delivery to the opt-out, below 0 if it came before; None unless they are few."""
        if self.delivered_at is None:
            return None
        seconds = (self.occurred_at - self.delivered_at).total_seconds()
        return seconds if abs(seconds) <= DELIVERY_SECONDS else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannerHint:
    """Why an opt-out may be a scanner's: seconds after the delivery, or people of its domain within BURST_SECONDS."""

    seconds_after_delivery: float | None
    domain: str
    burst: int  # 0 if there was none


def scanner_hints(opt_outs: Iterable[MailOptOut]) -> dict[int, ScannerHint]:
    """Return the hint of each of `opt_outs` that may be a scanner's, by its statement. Bursts are of those given."""
    all_opt_outs = list(opt_outs)
    bursts = _bursts(all_opt_outs)
    return {
        opt_out.statement_id: ScannerHint(seconds_after_delivery=seconds, domain=opt_out.domain, burst=burst)
        for opt_out in all_opt_outs
        for seconds, burst in [(opt_out.seconds_after_delivery, bursts.get(opt_out.statement_id, 0))]
        if burst or seconds is not None
    }


def _bursts(opt_outs: Iterable[MailOptOut]) -> dict[int, int]:
    """Return of each statement in a burst how many people of the domain opted out in the fullest minute it is in."""
    by_domain: dict[str, list[MailOptOut]] = {}
    for opt_out in opt_outs:
        if opt_out.domain not in PUBLIC_DOMAINS:
            by_domain.setdefault(opt_out.domain, []).append(opt_out)
    bursts: dict[int, int] = {}
    for of_domain in by_domain.values():
        of_domain.sort(key=lambda opt_out: opt_out.occurred_at)
        for first, end, people in _minutes(of_domain):
            for opt_out in of_domain[first:end] if people >= BURST_ADDRESSES else ():
                bursts[opt_out.statement_id] = max(people, bursts.get(opt_out.statement_id, 0))
    return bursts


def _minutes(opt_outs: Sequence[MailOptOut]) -> Iterable[tuple[int, int, int]]:
    """Yield from where to where each minute reaches that no other one holds, and how many people it has."""
    people: Counter[str] = Counter()
    end = 0
    for first, opt_out in enumerate(opt_outs):
        begun = end
        while end < len(opt_outs) and opt_outs[end].occurred_at - opt_out.occurred_at <= timedelta(
            seconds=BURST_SECONDS
        ):
            people[opt_outs[end].person] += 1
            end += 1
        if end > begun:
            yield first, end, len(people)
        people[opt_out.person] -= 1
        if not people[opt_out.person]:
            del people[opt_out.person]

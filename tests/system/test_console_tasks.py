"""What people come to the console for, start to end in a real browser, by mouse, by keyboard and without JavaScript.

The console has no JavaScript so far. `without JavaScript` holds that: Chromium is told by its content settings
(`managed_default_content_settings.javascript`) to run none, and the outcome has to be the same.
"""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import urllib3
from sqlalchemy import select

from models.tables import AUDIT_LOG, DEAD_LETTERS
from receiver.console.session import COOKIE
from sync.devtools.simulate.traffic import generate
from sync.events.event import Reason
from sync.reports.queries import ReportSelection, report_campaigns, report_daily, report_failures
from sync.terminal.masking import masked_address
from sync.users.accounts import Role
from tests.support.browser import ENTER, SHIFT, TAB, browser
from tests.support.console_platform import ConsolePlatform
from tests.support.hands import ConsoleUser, Keyboard, Mouse
from tests.system.packages import find_command

pytestmark = pytest.mark.needs("chromium", "chromedriver")
RUI, ANA = "+244923000111", "+244923000444"
DOWNLOAD = ("id", "form_token")
PASSWORD = "a long enough password"
WORKS_BY = ("mouse", "keyboard", "mouse without JavaScript")


@pytest.fixture(scope="module", params=WORKS_BY)
def user(request: pytest.FixtureRequest, driver: str, console: ConsolePlatform) -> Iterator[ConsoleUser]:
    """Somebody who works in this way. The window and its session serve all tasks."""
    chromium = find_command("chromium")
    assert chromium
    with ExitStack() as stack:
        has_scripts = "without" not in request.param
        window = stack.enter_context(browser(driver, chromium, has_scripts=has_scripts))
        window.open("data:text/html,<title>off</title><script>document.title = 'on'</script>")
        assert window.title == ("on" if has_scripts else "off")
        yield ConsoleUser(window, console, Keyboard(window) if request.param == "keyboard" else Mouse(window))


def test_a_link_signs_in_once(user: ConsoleUser, console: ConsolePlatform) -> None:
    link = console.link("Ana")
    user.leave()
    user.window.open(link)
    user.sees("Welcome, Ana")
    user.follow("Open the console")
    user.sees("Ana", ".who")
    user.follow("Sign out")
    user.sees("You are signed out, on every device.")
    user.window.open(link)
    user.sees("This link works no more")
    user.leave()


def test_after_a_wrong_password_the_right_one_signs_in(user: ConsoleUser, console: ConsolePlatform) -> None:
    console.has_password("Rosa", PASSWORD)
    user.leave()
    user.window.open(f"{console.url}/")
    user.write("Name", "Rosa")
    user.write("Password", "another password")
    user.follow("Sign in")
    user.sees("That name and password do not go together.", "[role='alert']")
    user.write("Password", PASSWORD)  # the name is still there
    user.follow("Sign in")
    user.sees("Rosa", ".who")
    user.sees("messages arrived")
    user.follow("Sign out")
    user.leave()


def test_why_did_i_not_get_it_is_answered_by_the_id_of_the_message(user: ConsoleUser, console: ConsolePlatform) -> None:
    message_id, _, reason = console.undelivered()
    user.enter()
    user.follow("Messages")
    user.write("A message id", message_id)
    user.follow("Find")
    user.sees(message_id, "h1")
    user.sees("because message.failed")
    user.sees(reason)


@pytest.mark.parametrize("spelling", ["tel:00 244 ({0}) {1}-{2}", "{0} {1} {2}"])
def test_why_did_i_not_get_it_is_answered_by_a_number_however_it_is_written(
    user: ConsoleUser, console: ConsolePlatform, spelling: str
) -> None:
    message_id, recipient, reason = console.undelivered()
    digits = recipient.removeprefix("+244")
    user.enter()
    user.follow("Messages")
    user.write("A message id", spelling.format(digits[:3], digits[3:6], digits[6:]))
    user.follow("Find")
    user.sees(recipient)
    user.follow(message_id)
    user.sees(reason)


def test_who_said_stop_is_opted_out_found_explained_and_proved(user: ConsoleUser, console: ConsolePlatform) -> None:
    before = len(console.stated())
    user.enter()
    user.follow("Opt-outs")
    user.write("Address", "923 000")
    user.write("How did they say so?", "asked by phone")
    user.follow("Opt out on every channel")
    user.sees("nothing was recorded", "[role='alert']")
    assert len(console.stated()) == before
    user.write("Address", "923 000 111")
    user.write("How did they say so?", "asked by phone")
    user.follow("Opt out on every channel")
    user.sees("Must not be messaged")
    user.follow("Opt-outs")
    user.write("A telephone number", f"tel:{RUI}")
    user.follow("Look")
    user.sees("Must not be messaged: opted out since")
    user.sees("asked by phone")
    user.follow("Evidence to print")
    user.sees(f"Evidence of {RUI}", "h1")
    user.window.show_printed(is_printed=True)
    on_paper = user.window.text("body")
    user.window.show_printed(is_printed=False)
    assert "Maria" in on_paper
    assert "asked by phone" in on_paper
    assert "Sign out" not in on_paper
    assert console.stated()[before:] == [("opted_out", RUI, "Maria", "asked by phone")]


def test_who_signed_up_again_may_be_messaged_and_one_learns_who_may_still_block(
    user: ConsoleUser, console: ConsolePlatform
) -> None:
    user.enter()
    user.follow("Opt-outs")
    user.write("Address", RUI)
    user.write("How did they say so?", "asked by letter")
    user.follow("Opt out on every channel")
    user.sees("Zexa or a carrier may still block them.")
    user.write("Why may they be messaged again?", "signed up again")
    user.follow("End the opt-outs")
    user.sees("May be messaged: the opt-out was ended")
    user.sees("Zexa or a carrier may still block this person", "[role='status']")
    assert console.stated()[-1] == ("opted_in", RUI, "Maria", "signed up again")


def test_how_did_the_campaign_go_is_answered_with_the_numbers_of_the_report(
    user: ConsoleUser, console: ConsolePlatform
) -> None:
    user.enter()
    user.follow("Campaigns")
    with console.engine.connect() as connection:
        rows = report_campaigns(connection, ReportSelection()).rows
    names, shown = Counter(row["name"] for row in rows), user.window.text("tbody")
    rows_by_name = {row["name"]: row for row in rows if names[row["name"]] == 1 and row["undeliverable"]}
    row = next(
        rows_by_name[name] for name in re.findall(r"^(\D+ \d+)(?= |$)", shown, re.MULTILINE) if name in rows_by_name
    )
    user.follow(row["name"])
    user.sees(row["name"], "h1")
    user.sees(f"{row['delivery_rate'] * 100:.1f}%")
    user.sees(f"delivered {row['delivered']}")
    user.sees(f"undeliverable {row['undeliverable']}")


def test_a_dead_letter_is_read_and_put_aside(user: ConsoleUser, console: ConsolePlatform) -> None:
    is_no_object = DEAD_LETTERS.c.reason == Reason.NOT_OBJECT
    with console.engine.connect() as connection:
        waits = select(DEAD_LETTERS.c.digest).where(DEAD_LETTERS.c.resolved_at.is_(None), is_no_object)
        digest = connection.execute(waits.order_by(DEAD_LETTERS.c.digest).limit(1)).scalar_one()
    user.enter()
    user.follow("Dead letters")
    user.follow(digest[:12])
    user.sees('["message')
    user.follow("Put it aside")
    user.sees("Put aside. It stays in the table", "[role='status']")
    with console.engine.connect() as connection:
        decided = select(DEAD_LETTERS.c.resolved_at).where(DEAD_LETTERS.c.digest == digest)
        assert connection.execute(decided).scalar_one()
        noted = select(AUDIT_LOG.c.name).where(AUDIT_LOG.c.subject == digest)
        assert connection.execute(noted).scalar_one() == "Maria"


def test_a_dead_letter_is_replayed_by_a_worker_and_its_outcome_counted(
    user: ConsoleUser, console: ConsolePlatform
) -> None:
    digest, message_id = console.refused()
    user.enter()
    user.follow("Dead letters")
    user.follow("refused")
    user.follow(digest[:12])
    user.follow("Replay it")
    user.sees("Waits for a worker", "h2")
    with console.worker():
        user.sees("Done: 1 applied", "h2")  # the page loads itself again
    user.sees("Maria", "dl")
    user.follow("Messages")
    user.write("A message id", message_id)
    user.follow("Find")
    user.sees("It arrived", "h2")


def test_a_list_is_looked_at_and_comes_back_without_who_has_opted_out(
    user: ConsoleUser, console: ConsolePlatform, tmp_path: Path
) -> None:
    path, lines = tmp_path / "list.csv", ["name,phone", f"Ana,{ANA}", "Rui,+244923000555", "Nobody,12"]
    path.write_text("\n".join(lines) + "\n")
    user.enter()
    user.follow("Opt-outs")
    user.write("Address", ANA)
    user.write("How did they say so?", "asked by phone")
    user.follow("Opt out on every channel")
    user.sees("Must not be messaged")
    user.follow("Opt-outs")
    user.follow("Upload a list")
    user.attach("The list", path)
    user.follow("Upload and look")
    user.sees("A worker takes it in a moment")
    with console.worker():
        user.sees("What is in the list")  # the page loads itself again
        assert "People who have opted out\n1\n" in user.window.text()
        user.follow("Scrub the list")
        user.sees("1 row may be messaged")
    cookie = f"{COOKIE}={user.window.cookies()[COOKIE]}"
    form = {name: user.window.attribute(f"form[action$='/download'] [name='{name}']", "value") for name in DOWNLOAD}
    answer = urllib3.request("POST", f"{console.url}/list/download", fields=form, headers={"Cookie": cookie})
    assert answer.data.decode().splitlines() == [lines[0], lines[2]]


def test_the_most_frequent_reason_of_failure_is_said_first(user: ConsoleUser, console: ConsolePlatform) -> None:
    user.enter()
    user.follow("Failures")
    user.follow("30 days")
    with console.engine.connect() as connection:
        rows = report_failures(connection, console.thirty_days()).rows
    sums: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        sums[row["channel"], row["failure_code"], row["failure_reason"]] += row["messages"]
    most = max(sums.values())
    labels = {"sms": "SMS", "whatsapp": "WhatsApp", "telegram": "Telegram", "email": "E-mail", "slack": "Slack"}
    names = [f"{' · '.join(filter(None, key[1:]))}, {labels[key[0]]}" for key, count in sums.items() if count == most]
    # Several reasons may be as frequent: then none is said to be the most frequent.
    share = f"{most / sums.total() * 100:.1f}%"
    user.sees(f"Most often: {names[0]} ({share})" if len(names) == 1 else "Why messages did not arrive")


def test_numbers_and_dates_follow_the_language_that_the_switch_chooses(
    user: ConsoleUser, console: ConsolePlatform
) -> None:
    with console.engine.connect() as connection:
        rows = report_daily(connection, console.thirty_days()).rows
    ended, arrived = (sum(row[name] for row in rows) for name in ("finalised", "delivered"))
    share = f"{arrived / ended * 100:.1f}"
    user.enter()
    user.sees(f"{ended:,} in 30 days")
    user.follow("PT")
    user.sees("Visão geral", "h1")
    user.sees(f"{ended:,} em 30 dias".replace(",", "\u202f"))
    user.sees(f"{share.replace('.', ',')} %")
    user.sees(" de ", "h1 small")
    user.follow("EN")
    user.sees(f"{share}%")


def test_a_viewer_sees_no_address_and_can_do_nothing_by_page_or_by_request(
    user: ConsoleUser, console: ConsolePlatform
) -> None:
    message_id, recipient, _ = console.undelivered()
    user.enter("Rui", Role.VIEWER)
    user.follow("Messages")
    user.write("A message id", recipient)
    user.follow("Find")
    user.sees(masked_address(recipient), "tbody")
    user.follow(message_id)
    user.follow("all about this person")
    user.sees(masked_address(recipient), "h1")
    assert recipient not in user.window.source
    assert "Opt this person out" not in user.window.source
    user.follow("Opt-outs")
    assert "Somebody said STOP" not in user.window.source
    user.follow("Dead letters")
    token = user.window.attribute("input[name='form_token']", "value")
    before, asked = console.stated(), {"address": recipient, "reason": "asked by phone", "form_token": token}
    for action in ("opt-outs/add", "opt-outs/remove", "dead-letter/resolve", "dead-letter/replay", "task/cancel"):
        cookie = f"{COOKIE}={user.window.cookies()[COOKIE]}"
        answer = urllib3.request("POST", f"{console.url}/{action}", fields=asked, headers={"Cookie": cookie})
        assert answer.status == 403, action
        assert "Only operators may do this" in answer.data.decode()
    assert console.stated() == before


def test_what_is_unwell_is_seen_on_health_and_who_did_what_in_the_log(
    user: ConsoleUser, console: ConsolePlatform
) -> None:
    user.enter()
    (delivery,) = generate(events=1, start=datetime.now(UTC) - timedelta(minutes=1), seed=1)
    assert console.running.deliver(delivery.body) == 200
    user.follow("Health")
    user.sees("start the worker process of the Procfile")
    user.follow("What people did here")
    user.sees("Maria", "tbody")
    user.sees("signed", "tbody")


@pytest.mark.parametrize("user", ["keyboard"], indirect=True)
def test_the_first_stop_of_the_keyboard_leads_past_the_menu(user: ConsoleUser) -> None:
    assert isinstance(user.hands, Keyboard)
    user.enter()
    user.window.press(TAB)
    first = user.hands.focus()
    assert (first.name, first.is_seen, first.is_marked) == ("Skip to the content", True, True)
    user.window.press(ENTER + TAB)
    assert user.window.script("return document.querySelector('main').contains(document.activeElement)")
    inside = user.hands.focus()
    user.window.press(TAB)
    user.window.press(TAB, holding=SHIFT)
    assert user.hands.focus().name == inside.name
    user.unfold("The numbers, day by day")
    assert user.window.script("return document.querySelector('details').open")

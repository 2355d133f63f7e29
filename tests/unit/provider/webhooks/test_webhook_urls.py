"""What the API would refuse is refused before it is asked, and one webhook has one spelling."""

import pytest

from sync.events.event import EventType
from sync.provider.webhooks.urls import CannotRegister, shown_url, webhook_events, webhook_url
from sync.settings.provider import DEFAULT_API_URL

AT_HOME = "http://127.0.0.1:9000/v1"
URL = "https://example.com/webhooks/zexa"


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        (f" {URL} ", URL),
        ("HTTPS://Example.COM:443/webhooks/zexa", URL),
        ("https://example.com:8443/webhooks/zexa", "https://example.com:8443/webhooks/zexa"),
        ("https://example.com", "https://example.com/"),
        ("https://example.com/Path/?q=A", "https://example.com/Path/?q=A"),
        ("https://8.8.8.8/webhooks/zexa", "https://8.8.8.8/webhooks/zexa"),
        ("https://[2606:4700::1111]/w", "https://[2606:4700::1111]/w"),
    ],
)
def test_a_url_is_registered_in_one_spelling(text: str, spelled: str) -> None:
    assert webhook_url(text, api_url=DEFAULT_API_URL) == spelled
    assert webhook_url(spelled, api_url=DEFAULT_API_URL) == spelled


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("example.com/webhooks/zexa", "give the whole URL"),
        ("ftp://example.com", "give the whole URL"),
        ("https://", "give the whole URL"),
        ("https://example.com:0/", "give the whole URL"),
        ("https://exam ple.com/", "give the whole URL"),
        ("https://example.com/\x1b", "give the whole URL"),
        ("https://example.com/ação", "its path with %"),
        ("https://exämple.com/webhooks/zexa", "its host with xn--"),
        (f"{URL}?{'a' * 1024}", "longer than 1,024 characters"),
        ("https://ana:hunter2@example.com/", "leave them out"),
        ("https://example.com/#hunter2", "leave it out"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(text: str, reason: str) -> None:
    with pytest.raises(CannotRegister) as caught:
        webhook_url(text, api_url=AT_HOME)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "http://example.com/webhooks/zexa",
        "http://127.0.0.1:8000/webhooks/zexa",
        "https://localhost/webhooks/zexa",
        "https://127.0.0.1/webhooks/zexa",
        "https://[::1]/webhooks/zexa",
        "https://10.1.2.3/webhooks/zexa",
        "https://192.168.1.7/webhooks/zexa",
        "https://laptop.local/webhooks/zexa",
        "https://laptop/webhooks/zexa",
    ],
)
def test_who_has_no_public_address_is_told_how_to_get_one(text: str) -> None:
    with pytest.raises(CannotRegister, match="cloudflared tunnel"):
        webhook_url(text, api_url=DEFAULT_API_URL)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000"])
def test_a_provider_on_this_machine_reaches_this_machine_without_tls(host: str) -> None:
    url = f"http://{host}/webhooks/zexa"
    assert webhook_url(url, api_url=AT_HOME) == url
    with pytest.raises(CannotRegister):
        webhook_url("http://example.com/webhooks/zexa", api_url=AT_HOME)


def test_no_name_and_a_star_are_all_events() -> None:
    assert webhook_events([]) == webhook_events(["*"]) == webhook_events(["message.optout", " * "]) == ("*",)


def test_events_are_named_as_everywhere_and_sorted() -> None:
    assert webhook_events(["message.optout", "Message Delivered", "message_optout"]) == (
        "message.delivered",
        "message.optout",
    )
    with pytest.raises(CannotRegister, match="none that Zexa has"):
        webhook_events(["*", "message.unknown"])
    with pytest.raises(CannotRegister) as caught:
        webhook_events(["message.optout", "message.unknown"])
    assert all(event in str(caught.value) for event in EventType)


def test_the_query_and_the_user_of_a_url_are_not_shown() -> None:
    assert shown_url("https://ana:hunter2@example.com/a@b?token=hunter2") == "https://…@example.com/a@b?…"
    assert shown_url("https://example.com/a@b") == "https://example.com/a@b"
    assert shown_url(f"{URL}?token=hunter2") == f"{URL}?…"
    assert shown_url(URL) == URL

"""Paths of requests: what a log and an answer say of them is escaped and cut, and names no person."""

import pytest

from receiver.server.paths import DELIVERY_PATH, KNOWN_PATHS, logged_path, nearest_path, shown_path


@pytest.mark.parametrize("path", sorted(KNOWN_PATHS))
def test_a_path_of_ours_is_logged_as_it_is(path: str) -> None:
    assert logged_path(path) == path


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/webhook/zexa", "/webhook/zexa"),
        ("/webhooks/zexa2", "/webhooks/zexa2"),
        ("/wp-admin/setup-config.php", "/wp-admin/setup-config.php"),
        ("/a\r\nb", "/a%0D%0Ab"),
        ('/a"}\x1b[31m', "/a%22%7D%1B%5B31m"),
        ("", ""),
    ],
)
def test_another_path_is_logged_escaped(path: str, logged: str) -> None:
    assert logged_path(path) == logged


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/check/+244912345678", "/check/..."),
        ("/244/912/345/678", "/.../.../.../..."),
        ("/v1/+244 912 345 678/x", "/.../.../x"),
        ("/check/ana@example.com", "/check/..."),
        ("/whsec_abcdefghijklmnopqrstuvw", "/..."),
        ("/\xd9\xa9\xd9\xa1\xd9\xa2", "/..."),  # digits of another script, as WSGI hands them on
        ("/\xff\xfe", "/..."),
    ],
)
def test_what_may_be_an_address_or_a_secret_is_not_logged(path: str, logged: str) -> None:
    assert logged_path(path) == logged


def test_no_path_is_long() -> None:
    assert len(shown_path("/" + "\xff" * 4000)) < 100
    assert len(logged_path("/a" * 4000)) < 100


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/webhook/zexa", DELIVERY_PATH),
        ("/WEBHOOKS/ZEXA", DELIVERY_PATH),
        ("/healtz", "/healthz"),
        ("/metric", "/metrics"),
        ("/.env", DELIVERY_PATH),
    ],
)
def test_the_nearest_path_of_ours_is_the_one_that_is_meant(path: str, meant: str) -> None:
    assert nearest_path(path) == meant


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/console/", "/console/"),
        ("/console/opt-outs/add", "/console/opt-outs/add"),
        ("/console/link/b9CAPte1SlZmNZnFVCKIWWUfY7UaMhds", "/console/link/..."),
        ("/console/ana", "/console/..."),
        ("/console/messages/Ana Silva", "/console/messages/..."),
    ],
)
def test_of_the_console_only_the_names_of_pages_are_logged(path: str, logged: str) -> None:
    assert logged_path(path) == logged

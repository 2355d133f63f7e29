"""The key and the address of the provider's API: a wrong one stops a command with one line that quotes neither."""

import pytest

from sync.settings.environment import SettingError
from sync.settings.provider import DEFAULT_API_URL, ProviderSettings
from sync.settings.worker import WorkerSettings

KEY = "zxk_hunter2"


def read(url: str = "", key: str = KEY) -> ProviderSettings:
    return ProviderSettings.read({"ZEXA_API_KEY": key, "ZEXA_API_URL": url})


def test_the_address_is_the_providers_own_unless_another_is_set() -> None:
    assert read().api_url == DEFAULT_API_URL
    assert read(" https://api.example.com/v2/ ").api_url == "https://api.example.com/v2"


@pytest.mark.parametrize("host", ["127.0.0.1:9000", "localhost", "[::1]:9000", "LOCALHOST", "127.8.8.8"])
def test_only_a_server_on_this_machine_needs_no_tls(host: str) -> None:
    assert read(f"http://{host}/v1").api_url == f"http://{host}/v1"


@pytest.mark.parametrize("host", ["127.0.0.1.example.com", "localhost.example.com", "example.com", "10.0.0.1"])
def test_the_key_goes_nowhere_else_without_tls(host: str) -> None:
    with pytest.raises(SettingError, match="no TLS"):
        read(f"http://{host}/v1")


@pytest.mark.parametrize(
    "url",
    [
        "api.zexa.ao/v1",
        "ftp://api.zexa.ao",
        "https://",
        "https://api.zexa.ao:0/v1",
        "https://api.zexa.ao/v1?key=hunter2",
        "https://api.zexa.ao/v1#hunter2",
        "https://zexa:hunter2@api.zexa.ao/v1",
        "https://api.zexa.ao/v 1",
        "https://api.zexa.ao/v1\x1b",
        "https://[api/v1",
        "http://[::1].example.com/v1",
    ],
)
def test_what_is_no_address_of_an_api_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(SettingError) as caught:
        read(url)
    line = str(caught.value)
    assert line.startswith("ZEXA_API_URL ")
    assert "\n" not in line
    assert "hunter2" not in line


@pytest.mark.parametrize("key", ["", " ", "two words", "new\nline", "chave-é", "a\x7f"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_quoted(key: str) -> None:
    with pytest.raises(SettingError) as caught:
        read(key=key)
    line = str(caught.value)
    assert line.startswith("ZEXA_API_KEY ")
    assert not key.strip() or key not in line


def test_the_key_is_not_shown_by_what_holds_it() -> None:
    assert KEY not in repr(read())


def test_workers_ask_only_if_told_to_and_then_need_the_key() -> None:
    environ = {"DATABASE_URL": "sqlite:///zexa.db", "REDIS_URL": "redis://localhost:6379/0"}
    assert WorkerSettings.read(environ | {"ZEXA_API_KEY": "zxk_1"}).provider is None
    settings = WorkerSettings.read(environ | {"ZEXA_API_KEY": "zxk_1", "ZEXA_RECONCILE": "1"})
    assert settings.provider is not None
    assert settings.provider.api_key == "zxk_1"
    assert "zxk_1" not in repr(settings)
    with pytest.raises(SettingError, match="ZEXA_API_KEY is not set"):
        WorkerSettings.read(environ | {"ZEXA_RECONCILE": "1"})
    with pytest.raises(SettingError, match="ZEXA_RECONCILE is neither 1 nor 0"):
        WorkerSettings.read(environ | {"ZEXA_RECONCILE": "yes"})

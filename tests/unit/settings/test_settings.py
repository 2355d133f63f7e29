"""The environment's rules: a wrong setting stops the process with one line, and the line gives nothing away."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from sentry_sdk.utils import Dsn
from sqlalchemy import URL

from sync.events.interpretation import ParseOptions
from sync.queue.connection import connect
from sync.settings.database_url import read_database_url
from sync.settings.environment import SettingError, read_redis_settings
from sync.settings.listening import read_bind, read_concurrency
from sync.settings.names import KNOWN, require_known_names
from sync.settings.sentry import read_sentry_dsn
from sync.settings.web import ReceiverSettings, read_lookup
from sync.settings.webhook_secrets import read_secrets
from sync.settings.worker import WorkerSettings, read_default_region, read_report_timezone

PASSWORD = "hunter2"
ENVIRON = {
    "ZEXA_WEBHOOK_SECRET": f"whsec_{PASSWORD}",
    "DATABASE_URL": f"postgres://zexa:{PASSWORD}@db.example.com:5432/zexa",
    "REDIS_URL": f"rediss://:{PASSWORD}@redis.example.com:6380/0",
}


def refusal(read: Callable[[Mapping[str, str]], Any], **environ: str) -> str:
    with pytest.raises(SettingError) as caught:
        read(environ)
    line = str(caught.value)
    assert "\n" not in line
    assert PASSWORD not in line
    return line


def database(url: str, **environ: str) -> URL:
    return read_database_url({"DATABASE_URL": url} | environ)


# ZEXA_WEBHOOK_SECRET


def test_one_secret_or_several_between_commas() -> None:
    assert read_secrets({"ZEXA_WEBHOOK_SECRET": "one"}) == (b"one",)
    assert read_secrets({"ZEXA_WEBHOOK_SECRET": "one,two"}) == (b"one", b"two")
    assert read_secrets({"ZEXA_WEBHOOK_SECRET": " one , two\t,three\n"}) == (b"one", b"two", b"three")


def test_a_secret_is_the_bytes_that_were_given() -> None:
    assert read_secrets({"ZEXA_WEBHOOK_SECRET": "a b=c/d+e"}) == (b"a b=c/d+e",)
    assert read_secrets({"ZEXA_WEBHOOK_SECRET": "chave-é"}) == ("chave-é".encode(),)
    # What os.environ makes of a byte that is no UTF-8.
    assert read_secrets({"ZEXA_WEBHOOK_SECRET": "\udcff"}) == (b"\xff",)


@pytest.mark.parametrize("name", ["ZEXA_WEBHOOK_SECRET", "ZEXA_LOOKUP_TOKEN", "ZEXA_OPT_OUT_FAILURES"])
@pytest.mark.parametrize("value", [" ,b", "b,", "b,,c", ",", " , ,\t"])
def test_no_entry_among_several_is_empty(name: str, value: str) -> None:
    line = refusal(ReceiverSettings.read, **(ENVIRON | {name: value.replace("b", TOKEN).replace("c", TOKEN)}))
    assert line.startswith(f"{name} has an empty entry")
    assert TOKEN not in line


@pytest.mark.parametrize("value", ["", " ", "\n"])
def test_a_blank_secret_is_a_missing_one(value: str) -> None:
    assert "ZEXA_WEBHOOK_SECRET" in refusal(read_secrets, ZEXA_WEBHOOK_SECRET=value)


def test_a_missing_secret_is_refused_however_right_the_rest() -> None:
    environ = {name: value for name, value in ENVIRON.items() if name != "ZEXA_WEBHOOK_SECRET"}
    assert "ZEXA_WEBHOOK_SECRET" in refusal(ReceiverSettings.read, **environ)


# DATABASE_URL


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgres_is_spoken_to_by_psycopg_3(scheme: str) -> None:
    url = database(f"{scheme}://zexa:p%40ss@db.example.com:5433/zexa?sslmode=require")
    assert url.drivername == "postgresql+psycopg"
    assert (url.username, url.password, url.host, url.port) == ("zexa", "p@ss", "db.example.com", 5433)
    assert (url.database, dict(url.query)) == ("zexa", {"sslmode": "require"})


@pytest.mark.parametrize(
    ("value", "path"), [("sqlite:///zexa.db", "zexa.db"), ("sqlite:////data/zexa.db", "/data/zexa.db")]
)
def test_sqlite_is_a_file(value: str, path: str) -> None:
    url = database(value)
    assert (url.drivername, url.database) == ("sqlite", path)


def test_blanks_around_a_url_are_no_part_of_it() -> None:
    assert database(" sqlite:///zexa.db\n").database == "zexa.db"


def test_sqlite_is_refused_where_the_disk_is_lost_daily() -> None:
    assert "postgres://" in refusal(read_database_url, DATABASE_URL="sqlite:///zexa.db", DYNO="web.1")
    assert database(ENVIRON["DATABASE_URL"], DYNO="web.1").host == "db.example.com"
    assert database("sqlite:///zexa.db", DYNO="").database == "zexa.db"


@pytest.mark.parametrize("value", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_sqlite_in_memory_is_refused(value: str) -> None:
    assert "DATABASE_URL" in refusal(read_database_url, DATABASE_URL=value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "  ",
        "zexa.db",
        PASSWORD,
        f"zexa:{PASSWORD}@db.example.com/zexa",
        f"://zexa:{PASSWORD}@db.example.com/zexa",
        f"postgres://zexa:{PASSWORD}@db.example.com:port/zexa",
        f"postgres:/zexa:{PASSWORD}@db.example.com",
        f"mysql://zexa:{PASSWORD}@db.example.com/zexa",
        f"postgresql+psycopg2://zexa:{PASSWORD}@db.example.com/zexa",
        f"postgresql+asyncpg://zexa:{PASSWORD}@db.example.com/zexa",
        f"POSTGRES ://zexa:{PASSWORD}@db.example.com/zexa",
        "sqlite+aiosqlite:///zexa.db",
        f"\nDATABASE_URL=postgres://zexa:{PASSWORD}@db.example.com/zexa",
    ],
)
def test_any_other_database_is_refused(value: str) -> None:
    assert "DATABASE_URL" in refusal(read_database_url, DATABASE_URL=value)


def test_a_missing_database_is_refused() -> None:
    assert "DATABASE_URL" in refusal(read_database_url)


# REDIS_URL, REDIS_TLS_VERIFY


@pytest.mark.parametrize(
    "value", ["redis://localhost", "redis://localhost:6379/0", "rediss://:pw@host:6380/1", "redis://u:p@[::1]:6379"]
)
def test_redis_is_a_url_with_or_without_tls(value: str) -> None:
    assert read_redis_settings({"REDIS_URL": f" {value} "}).url == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "localhost:6379",
        f"{PASSWORD}@localhost:6379",
        f"http://:{PASSWORD}@localhost:6379",
        f"redis://:{PASSWORD}@",
        f"redis://:{PASSWORD}@:6379",
        f"redis://:{PASSWORD}@localhost:port",
        f"redis://:{PASSWORD}@localhost:99999",
        f"redis://:{PASSWORD}@[::1",
        f"unix:///tmp/{PASSWORD}.sock",
        f"redis://:{PASSWORD}@localhost/#5",
        f"redis://user:1?{PASSWORD}@localhost",
        f"redis://user:1?{PASSWORD}=x@localhost",
        f"redis://user:1#{PASSWORD}@localhost",
        f"redis://localhost/0?{PASSWORD}%20x=1",
        "redis://localhost/\u0663",
        "redis://localhost/5/6",
        "redis://localhost/-1",
        "redis://localhost/" + "9" * 5000,
        "redis://localhost?db=",
        "redis://localhost?db=five",
    ],
)
def test_any_other_redis_is_refused(value: str) -> None:
    assert "REDIS_URL" in refusal(read_redis_settings, REDIS_URL=value)


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("redis://localhost/?db=7", "redis://localhost/7"),
        ("redis://:p%40ss@localhost:6380?db=7", "redis://:p%40ss@localhost:6380/7"),
        ("rediss://localhost/7?db=07", "rediss://localhost/7"),
        ("redis://localhost?", "redis://localhost"),
    ],
)
def test_the_database_of_a_redis_url_is_the_one_it_names(value: str, url: str) -> None:
    settings = read_redis_settings({"REDIS_URL": value})
    assert settings.url == url
    with connect(settings, connections=1, seconds=1) as client:
        assert client.connection_pool.connection_kwargs.get("db", 0) == (7 if "7" in value else 0)


def test_a_redis_url_names_one_database() -> None:
    for value in ("redis://localhost/0?db=7", "redis://localhost?db=1&db=2"):
        assert "two databases" in refusal(read_redis_settings, REDIS_URL=value)


@pytest.mark.parametrize(
    ("parameter", "way_out"),
    [
        ("ssl_cert_reqs=none", "REDIS_TLS_VERIFY=false"),
        ("ssl_cert_reqs=CERT_NONE", "REDIS_TLS_VERIFY=false"),
        ("ssl_cert_reqs=required", "REDIS_TLS_VERIFY=true"),
        ("ssl_check_hostname=False", "REDIS_TLS_VERIFY=false"),
        ("ssl_ca_certs=/etc/ca.pem", "REDIS_TLS_VERIFY"),
        ("ssl=true", "rediss://"),
        (f"password={PASSWORD}", "redis://username:password@host"),
        ("socket_timeout=5", "leave it out"),
        ("max_connections=3", "leave it out"),
        ("family=6", "leave it out"),
    ],
)
def test_any_other_parameter_of_a_redis_url_is_refused_by_name(parameter: str, way_out: str) -> None:
    line = refusal(read_redis_settings, REDIS_URL=f"rediss://localhost/0?{parameter}")
    assert f" {parameter.partition('=')[0]}: " in line
    assert way_out in line


def test_tls_that_is_to_be_verified_is_there() -> None:
    line = refusal(read_redis_settings, REDIS_URL="redis://localhost", REDIS_TLS_VERIFY="true")
    assert "rediss://" in line
    assert read_redis_settings({"REDIS_URL": "redis://localhost", "REDIS_TLS_VERIFY": "false"}).url


def test_a_missing_redis_is_refused() -> None:
    assert "REDIS_URL" in refusal(read_redis_settings)


@pytest.mark.parametrize(
    "value",
    [
        "REDIS://localhost:6379/0",
        "Rediss://localhost:6379/0",
        "redis://localhost:6379/zero",
        "redis://localhost:6379/0?socket_timeout=soon",
        "redis://localhost:6379/0?max_connections=x",
        "redis://localhost:0",
    ],
)
def test_a_redis_that_is_accepted_can_be_connected_to(value: str) -> None:
    """What is wrong with a setting is said at the start, in one line, not by a traceback."""
    try:
        settings = read_redis_settings({"REDIS_URL": value})
    except SettingError as error:
        assert "REDIS_URL" in str(error)  # noqa: PT017
        return
    connect(settings, connections=1, seconds=1).close()


@pytest.mark.parametrize(
    ("environ", "is_verified"),
    [
        ({}, True),
        ({"DYNO": "web.1"}, False),
        ({"REDIS_TLS_VERIFY": "true"}, True),
        ({"REDIS_TLS_VERIFY": "false"}, False),
        ({"REDIS_TLS_VERIFY": " False "}, False),
        ({"REDIS_TLS_VERIFY": "true", "DYNO": "web.1"}, True),
        ({"REDIS_TLS_VERIFY": "false", "DYNO": "web.1"}, False),
        ({"REDIS_TLS_VERIFY": "", "DYNO": "web.1"}, False),
        ({"REDIS_TLS_VERIFY": " "}, True),
    ],
)
def test_certificates_are_verified_unless_the_host_signs_its_own_or_one_says_so(
    environ: dict[str, str], is_verified: bool
) -> None:
    settings = read_redis_settings({"REDIS_URL": ENVIRON["REDIS_URL"]} | environ)
    assert settings.verify_tls is is_verified
    with connect(settings, connections=1, seconds=1) as client:
        options = client.connection_pool.connection_kwargs
        assert (options.get("ssl_cert_reqs") == "none") is not is_verified


@pytest.mark.parametrize("value", ["yes", "1", "0", "off", "verify", PASSWORD])
def test_whether_to_verify_is_true_or_false(value: str) -> None:
    line = refusal(read_redis_settings, REDIS_URL=ENVIRON["REDIS_URL"], REDIS_TLS_VERIFY=value)
    assert "REDIS_TLS_VERIFY" in line


# PORT, WEB_CONCURRENCY


@pytest.mark.parametrize(
    ("environ", "bind"),
    [
        ({}, "127.0.0.1:8000"),
        ({"PORT": "", "ZEXA_BIND": " "}, "127.0.0.1:8000"),
        ({"PORT": " 65535 "}, "127.0.0.1:65535"),
        ({"PORT": "5000", "DYNO": ""}, "127.0.0.1:5000"),
        ({"PORT": "5000", "DYNO": "web.1"}, "0.0.0.0:5000"),
        ({"PORT": "5000", "DYNO": "web.1", "ZEXA_BIND": "127.0.0.1"}, "127.0.0.1:5000"),
        ({"ZEXA_BIND": "0.0.0.0"}, "0.0.0.0:8000"),
        ({"ZEXA_BIND": " localhost "}, "127.0.0.1:8000"),
        ({"ZEXA_BIND": "::", "PORT": "5000"}, "[::]:5000"),
        ({"ZEXA_BIND": "[::1]"}, "[::1]:8000"),
    ],
)
def test_only_zexa_bind_and_heroku_open_more_than_this_machine(environ: dict[str, str], bind: str) -> None:
    assert read_bind(environ) == bind


@pytest.mark.parametrize("value", ["0.0.0.0:8000", "*", "all", "example.com", "unix:/tmp/x", "127.0.0.1,::1", "1"])
def test_where_to_listen_is_an_address_without_a_port(value: str) -> None:
    line = refusal(read_bind, ZEXA_BIND=value)
    assert line.startswith("ZEXA_BIND")
    assert "PORT is the port" in line


@pytest.mark.parametrize("value", ["0", "65536", "-1", "80.0", "http", "8000 8001", "0x50", "\u0665", "9" * 5000])
def test_a_port_is_a_whole_number_of_its_range(value: str) -> None:
    assert "PORT" in refusal(read_bind, PORT=value)


def test_web_concurrency_has_a_default() -> None:
    assert read_concurrency({}) == read_concurrency({"WEB_CONCURRENCY": " "}) == 2
    assert read_concurrency({"WEB_CONCURRENCY": "7"}) == 7


@pytest.mark.parametrize("value", ["0", "-2", "two", "1.5", "1000"])
def test_web_concurrency_is_a_whole_number_of_its_range(value: str) -> None:
    assert "WEB_CONCURRENCY" in refusal(read_concurrency, WEB_CONCURRENCY=value)


# ZEXA_LOOKUP_TOKEN

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize("environ", [{}, {"ZEXA_LOOKUP_TOKEN": ""}, {"ZEXA_LOOKUP_TOKEN": " \t"}])
def test_look_ups_are_off_unless_there_is_a_token(environ: dict[str, str]) -> None:
    assert read_lookup(environ) is None
    assert ReceiverSettings.read(ENVIRON | environ).lookup is None


def test_one_token_or_several_between_commas() -> None:
    for value, tokens in ((TOKEN, [TOKEN]), (f" {TOKEN} , -._~+/89abcdefgh== ", [TOKEN, "-._~+/89abcdefgh=="])):
        settings = read_lookup({"ZEXA_LOOKUP_TOKEN": value})
        assert settings is not None
        assert settings.tokens == tuple(token.encode() for token in tokens)
        assert TOKEN not in repr(settings)


@pytest.mark.parametrize(
    "value", [TOKEN[1:], f"{TOKEN},x", ",", f"{TOKEN} {TOKEN}", f"{TOKEN}é", f'"{TOKEN}"', f"Bearer {TOKEN}", "=" * 20]
)
def test_a_token_that_could_be_guessed_or_not_be_sent_is_refused(value: str) -> None:
    line = refusal(read_lookup, ZEXA_LOOKUP_TOKEN=value)
    assert "ZEXA_LOOKUP_TOKEN" in line
    assert TOKEN[1:] not in line


def test_look_ups_need_a_default_region_that_there_is() -> None:
    settings = read_lookup({"ZEXA_LOOKUP_TOKEN": TOKEN, "ZEXA_DEFAULT_REGION": "pt"})
    assert settings is not None
    assert settings.default_region == "PT"
    assert "ZEXA_DEFAULT_REGION" in refusal(read_lookup, ZEXA_LOOKUP_TOKEN=TOKEN, ZEXA_DEFAULT_REGION="Angola")


# ZEXA_DEFAULT_REGION, ZEXA_BATCH_SIZE


def test_the_default_region_is_angola() -> None:
    assert read_default_region({}) == read_default_region({"ZEXA_DEFAULT_REGION": " "}) == "AO"


@pytest.mark.parametrize("value", ["PT", "pt", " Pt\n"])
def test_the_default_region_is_a_code_in_any_case(value: str) -> None:
    assert read_default_region({"ZEXA_DEFAULT_REGION": value}) == "PT"


@pytest.mark.parametrize("value", ["Angola", "AGO", "XX", "244", "+244", "AO,PT", "001"])
def test_any_other_region_is_refused(value: str) -> None:
    assert "ZEXA_DEFAULT_REGION" in refusal(read_default_region, ZEXA_DEFAULT_REGION=value)


def test_the_batch_size_has_a_default() -> None:
    assert WorkerSettings.read(ENVIRON).batch_size == WorkerSettings.read(ENVIRON | {"ZEXA_BATCH_SIZE": ""}).batch_size
    assert WorkerSettings.read(ENVIRON | {"ZEXA_BATCH_SIZE": "1"}).batch_size == 1
    assert WorkerSettings.read(ENVIRON | {"ZEXA_BATCH_SIZE": "10000"}).batch_size == 10_000


@pytest.mark.parametrize("value", ["0", "-1", "10001", "many", "1e3", "1_000"])
def test_the_batch_size_is_a_whole_number_of_its_range(value: str) -> None:
    assert "ZEXA_BATCH_SIZE" in refusal(WorkerSettings.read, **(ENVIRON | {"ZEXA_BATCH_SIZE": value}))


def test_no_failure_opts_out_unless_it_is_named() -> None:
    assert WorkerSettings.read(ENVIRON).parse_options.opt_out_failures == frozenset()
    assert not ReceiverSettings.read(ENVIRON | {"ZEXA_OPT_OUT_FAILURES": " "}).failures_may_opt_out


def test_failures_that_opt_out_are_codes_and_reasons_between_commas() -> None:
    environ = ENVIRON | {"ZEXA_OPT_OUT_FAILURES": " 21610, Recipient opted out ,103"}
    assert WorkerSettings.read(environ).parse_options.opt_out_failures == {"21610", "recipient opted out", "103"}
    assert ReceiverSettings.read(environ).failures_may_opt_out


# All of them


@pytest.mark.parametrize("read", [ReceiverSettings.read, WorkerSettings.read])
def test_settings_may_be_printed_without_their_secrets(read: Callable[[Mapping[str, str]], object]) -> None:
    settings = read(ENVIRON)
    assert PASSWORD not in repr(settings)
    assert PASSWORD not in str(settings)


def test_the_worker_needs_no_webhook_secret() -> None:
    environ = {name: value for name, value in ENVIRON.items() if name != "ZEXA_WEBHOOK_SECRET"}
    assert WorkerSettings.read(environ).parse_options == ParseOptions(default_region="AO")


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
@pytest.mark.parametrize("read", [ReceiverSettings.read, WorkerSettings.read])
def test_what_both_processes_need_both_refuse_to_do_without(
    read: Callable[[Mapping[str, str]], object], name: str
) -> None:
    assert name in refusal(read, **(ENVIRON | {name: ""}))


@pytest.mark.parametrize("read", [ReceiverSettings.read, WorkerSettings.read])
@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ZEXA_WEBHOOK_SECERT", "ZEXA_WEBHOOK_SECRET"),
        ("ZEXA_WEBHOOK_SECRETS", "ZEXA_WEBHOOK_SECRET"),
        ("ZEXA_SECRET", "ZEXA_WEBHOOK_SECRET"),
        ("ZEXA_Journal", "ZEXA_JOURNAL"),
        ("zexa_batch_size", "ZEXA_BATCH_SIZE"),
        ("ZEXA_LOOKUP_TOKEN_FIEL", "ZEXA_LOOKUP_TOKEN_FILE"),
        ("ZEXA_REGION", "ZEXA_DEFAULT_REGION"),
    ],
)
def test_a_misspelt_setting_is_refused_with_the_one_that_is_meant(
    read: Callable[[Mapping[str, str]], object], name: str, meant: str
) -> None:
    assert refusal(read, **(ENVIRON | {name: PASSWORD})) == f"{name} is no setting: did you mean {meant}?"
    read(ENVIRON | {name: " "})  # as good as unset


def test_a_setting_that_is_like_none_is_refused_and_escaped() -> None:
    assert ".env.example" in refusal(WorkerSettings.read, **(ENVIRON | {"ZEXA_42": "1"}))
    line = refusal(WorkerSettings.read, **(ENVIRON | {"ZEXA_\x1b[2J\n\udcff" + "x" * 999: "1"}))
    assert line.isprintable()
    assert len(line) < 200


@pytest.mark.parametrize("name", KNOWN)
def test_settings_of_this_and_later_versions_are_known(name: str) -> None:
    require_known_names({name: "x"})


def test_what_describes_a_service_called_zexa_is_no_setting() -> None:
    require_known_names(
        {
            "ZEXA_SYNC_SERVICE_HOST": "10.0.0.1",
            "ZEXA_SYNC_SERVICE_PORT_HTTP": "8000",
            "ZEXA_SYNC_PORT": "tcp://10.0.0.1:8000",
            "ZEXA_SYNC_PORT_8000_TCP_ADDR": "10.0.0.1",
            "ZEXA_SERVICE_HOST": "10.0.0.1",
            "ZEXA_PORT_80_TCP": "tcp://10.0.0.1:80",
            "PZEXA_X": "1",
        }
    )
    assert "ZEXA_PORT" in refusal(WorkerSettings.read, **(ENVIRON | {"ZEXA_PORT": "8000"}))


# ZEXA_REPORT_TIMEZONE


def test_reports_count_by_the_days_of_luanda_unless_told_otherwise() -> None:
    assert read_report_timezone({}) == read_report_timezone({"ZEXA_REPORT_TIMEZONE": " "}) == "Africa/Luanda"
    assert read_report_timezone({"ZEXA_REPORT_TIMEZONE": " Europe/Lisbon\n"}) == "Europe/Lisbon"


@pytest.mark.parametrize("value", ["Luanda", "+01:00", "../etc/passwd", "/etc/localtime", "Africa", "a\0b", "é"])
def test_what_is_no_time_zone_is_refused(value: str) -> None:
    assert "Africa/Luanda" in refusal(read_report_timezone, ZEXA_REPORT_TIMEZONE=value)


# SENTRY_DSN


@pytest.mark.parametrize(
    "value",
    ["https://abc123@o1.ingest.sentry.io/42", "http://key@localhost:9000/1", "https://key:old@sentry.example.com/in/7"],
)
def test_a_dsn_is_a_key_a_host_and_a_project(value: str) -> None:
    assert read_sentry_dsn({"SENTRY_DSN": f" {value}\n"}) == value
    assert Dsn(value).netloc


@pytest.mark.parametrize(
    "value",
    [
        PASSWORD,
        f"https://sentry.example.com/{PASSWORD}",
        f"https://{PASSWORD}@sentry.example.com",
        f"https://{PASSWORD}@sentry.example.com/name",
        f"https://{PASSWORD}@sentry.example.com:port/7",
        f"https://{PASSWORD}@[::1/7",
        f"ftp://{PASSWORD}@sentry.example.com/7",
        f"https://{PASSWORD}@/7",
        f"https://{PASSWORD}@sentry.example.com/7?a=b",
        f"SENTRY_DSN=https://{PASSWORD}@sentry.example.com/7",
    ],
)
def test_any_other_dsn_stops_web_and_worker_in_a_line_that_does_not_quote_it(value: str) -> None:
    for read in (ReceiverSettings.read, WorkerSettings.read):
        assert refusal(read, **(ENVIRON | {"SENTRY_DSN": value})).startswith("SENTRY_DSN is not a DSN")


def test_without_a_dsn_there_is_no_sentry() -> None:
    assert WorkerSettings.read(ENVIRON).sentry_dsn is None
    assert ReceiverSettings.read(ENVIRON | {"SENTRY_DSN": "  "}).sentry_dsn is None


# ZEXA_CONSOLE_KEY


def test_the_console_is_off_unless_its_key_is_set() -> None:
    assert ReceiverSettings.read(ENVIRON).console is None
    assert ReceiverSettings.read(ENVIRON | {"ZEXA_CONSOLE_KEY": " "}).console is None
    console = ReceiverSettings.read(ENVIRON | {"ZEXA_CONSOLE_KEY": PASSWORD * 5}).console
    assert console is not None
    assert console.key == PASSWORD.encode() * 5
    assert console.parse_options.default_region == "AO"
    assert PASSWORD not in repr(console)


def test_a_key_of_the_console_that_is_too_short_is_refused() -> None:
    assert "32 characters" in refusal(ReceiverSettings.read, **(ENVIRON | {"ZEXA_CONSOLE_KEY": PASSWORD * 4}))

"""DATABASE_URL and ZEXA_DATABASE_SCHEMA: what is honoured, and what is refused by its name."""

import psycopg
import pytest
from sqlalchemy import URL

from models.database import schema_of
from sync.settings.database_url import LIBPQ_PARAMETERS, read_database_url
from sync.settings.environment import SettingError

POSTGRES = "postgres://zexa:hunter2@db.example.com/zexa"


def read(query: str = "", **environ: str) -> URL:
    return read_database_url({"DATABASE_URL": f"{POSTGRES}{query}"} | environ)


def refusal(query: str = "", **environ: str) -> str:
    with pytest.raises(SettingError) as refused:
        read(query, **environ)
    text = str(refused.value)
    assert "\n" not in text
    assert "hunter2" not in text
    return text


def test_libpq_parameters_are_kept() -> None:
    url = read("?sslmode=require&channel_binding=require&connect_timeout=9&target_session_attrs=read-write")
    assert dict(url.query) == {
        "sslmode": "require",
        "channel_binding": "require",
        "connect_timeout": "9",
        "target_session_attrs": "read-write",
    }


def test_the_parameters_are_those_of_libpq_but_for_what_we_decide() -> None:
    parameters = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
    ours = {"options", "client_encoding", "replication"}
    assert parameters - ours <= LIBPQ_PARAMETERS
    assert not LIBPQ_PARAMETERS & ours


@pytest.mark.parametrize("name", ["pgbouncer", "schema", "client_encoding", "replication", "autocommit", "SSLMODE"])
def test_any_other_parameter_is_refused_by_its_name(name: str) -> None:
    assert name in refusal(f"?sslmode=require&{name}=true")


def test_a_parameter_that_stands_twice_is_refused_by_its_name() -> None:
    assert "sslmode" in refusal("?sslmode=require&sslmode=disable")


def test_several_hosts_are_kept() -> None:
    assert read("?host=a:5432&host=b:5433").query["host"] == ("a:5432", "b:5433")


@pytest.mark.parametrize(
    "options",
    [
        "-csearch_path%3Dzexa",
        "-c%20search_path%3Dzexa",
        "-c%20search_path%20%3D%20Zexa",
        "--search_path%3Dzexa",
        "--search-path%3D%22zexa%22",
    ],
)
def test_a_search_path_names_the_schema(options: str) -> None:
    url = read(f"?options={options}&sslmode=require")
    assert schema_of(url) == "zexa"
    assert url.query["sslmode"] == "require"


@pytest.mark.parametrize(
    "options",
    [
        "-csearch_path%3Dzexa%2Cpublic",
        "-csearch_path%3D%22Zexa%22",
        "-csearch_path%3D%24user",
        "-csearch_path%3Dpg_catalog",
        "-csearch_path%3D",
        "-cstatement_timeout%3D5s",
        "-csearch_path%3Dzexa%20-cstatement_timeout%3D5s",
        "endpoint%3Dep-1",
        "x&options=y",
    ],
)
def test_options_that_are_not_one_schema_are_refused(options: str) -> None:
    assert "search_path" in refusal(f"?options={options}")


def test_the_setting_names_the_schema() -> None:
    assert schema_of(read(ZEXA_DATABASE_SCHEMA=" zexa-sync\n")) == "zexa-sync"
    assert schema_of(read(ZEXA_DATABASE_SCHEMA=" ")) is None
    assert schema_of(read()) is None


def test_both_may_name_the_same_schema_and_a_contradiction_is_refused() -> None:
    assert schema_of(read("?options=-csearch_path%3Dzexa", ZEXA_DATABASE_SCHEMA="zexa")) == "zexa"
    line = refusal("?options=-csearch_path%3Dzexa", ZEXA_DATABASE_SCHEMA="other")
    assert "ZEXA_DATABASE_SCHEMA" in line
    assert "DATABASE_URL" in line


@pytest.mark.parametrize("schema", ["Zexa", "a b", 'a"b', "1st", "pg_zexa", "information_schema", "é", "x" * 64, "a,b"])
def test_what_is_no_plain_name_of_a_schema_is_refused(schema: str) -> None:
    assert "ZEXA_DATABASE_SCHEMA" in refusal(ZEXA_DATABASE_SCHEMA=schema)


def test_sqlite_has_no_schema() -> None:
    with pytest.raises(SettingError, match="ZEXA_DATABASE_SCHEMA"):
        read_database_url({"DATABASE_URL": "sqlite:///zexa.db", "ZEXA_DATABASE_SCHEMA": "zexa"})


def test_what_was_read_says_the_same_when_it_is_read_again() -> None:
    url = read("?options=-csearch_path%3Dzexa&sslmode=require")
    again = read_database_url({"DATABASE_URL": url.render_as_string(hide_password=False)})
    assert again == url

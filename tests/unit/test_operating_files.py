"""The files for other people's tools: alerts, their tests, the dashboard and the runbook agree."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ALERTS = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text()
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
# By name: what stands between one alert and the next.
ALERT_TEXTS = dict(re.findall(r"^ +- alert: (\w+)\n(.*?)(?=^ +- alert:|\Z)", ALERTS, re.MULTILINE | re.DOTALL))
ALERT_TESTS = re.findall(r"^  - name: (.+)$", (ROOT / "tests" / "system" / "alerts.yml").read_text(), re.MULTILINE)


@pytest.mark.parametrize("alert", ALERT_TEXTS)
def test_every_alert_has_its_place_in_the_runbook(alert: str) -> None:
    assert f"runbook: docs/runbook.md#{alert.lower()}\n" in ALERT_TEXTS[alert]
    assert f"\n### {alert}\n" in RUNBOOK


@pytest.mark.parametrize("alert", ALERT_TEXTS)
def test_every_alert_says_how_urgent_it_is_and_what_is_wrong(alert: str) -> None:
    assert re.search(r"labels: \{severity: (critical|warning)\}\n", ALERT_TEXTS[alert])
    assert re.search(r"summary: [A-Z].*\.\n", ALERT_TEXTS[alert])


def test_every_alert_has_one_test_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    assert sorted(ALERT_TESTS) == sorted(
        f"{alert} {behaviour}" for alert in ALERT_TEXTS for behaviour in ("fires", "is quiet")
    )


def test_the_runbook_names_no_alert_that_is_not_there() -> None:
    assert set(re.findall(r"^### (Zexa\w+)$", RUNBOOK, re.MULTILINE)) == ALERT_TEXTS.keys()


def test_every_panel_of_the_dashboard_has_a_title_a_unit_and_a_place_of_its_own() -> None:
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "dashboard.json").read_text())
    places = set()
    for panel in dashboard["panels"]:
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert all(target["expr"] for target in panel["targets"])
        places |= _cells(panel["gridPos"])
    assert len(places) == sum(len(_cells(panel["gridPos"])) for panel in dashboard["panels"])
    assert [variable["name"] for variable in dashboard["templating"]["list"]] == ["datasource", "job"]


def _cells(place: dict[str, Any]) -> set[tuple[int, int]]:
    columns, lines = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
    return {(column, line) for column in columns for line in lines}


def test_the_runbook_has_an_entry_for_every_log_line_that_warns() -> None:
    events = {
        str(node.args[0].value)
        for package in ("sync", "receiver")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"\blog\.(warning|error|exception)\(", source := path.read_text())
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("log.warning", "log.error", "log.exception")
        and isinstance(node.args[0], ast.Constant)
    }
    assert len(events) > 10
    assert {event for event in events if f"`{event}`" not in RUNBOOK} == set()


def test_the_runbook_begins_with_what_people_see_and_commands_to_paste() -> None:
    sections = re.split(r"^## ", RUNBOOK, flags=re.MULTILINE)[1:4]
    assert [section.partition("\n")[0] for section in sections] == [
        "Nothing arrives",
        "Rows come late",
        "A STOP was not honoured",
    ]
    assert all("```console\n   zexa-sync " in section for section in sections)

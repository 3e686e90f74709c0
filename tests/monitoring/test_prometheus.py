"""What is shipped for Prometheus and Grafana is read by them, asks for what there is, and never alarms of a patient."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from detector.conditions import Kind
from detector.config import Health as HealthConfig
from detector.health import Health, Snapshot
from detector.messages import State, Status
from detector.metrics import exposition
from tests.live import free_port, until

FOLDER = Path(__file__).parents[2] / "monitoring"
ALERTS = (FOLDER / "alerts.yml").read_text(encoding="utf-8")
OURS = re.compile(r"\b(?:seizure_detector|process)_\w+")


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not here (it is in Debian's package prometheus)")
    return path


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([tool("promtool"), *map(str, arguments)], capture_output=True, text=True, cwd=FOLDER)


def series_names() -> set[str]:
    text = exposition(Health(HealthConfig(host="127.0.0.1", port=0), "bed1")).decode()
    return {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}


def dashboard_queries() -> list[str]:
    panels = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def alert_queries() -> list[str]:
    return re.findall(r"^ +expr: (.+)$", ALERTS, re.MULTILINE)


def test_the_rules_and_the_configuration_are_read() -> None:
    for what, file in (("rules", "alerts.yml"), ("config", "prometheus.yml")):
        done = promtool("check", what, file)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "13 rules" in done.stdout


def test_each_alert_comes_when_it_is_due() -> None:
    done = promtool("test", "rules", "alerts_test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("== 0", "== 2"),
        ("> 10\n        labels: {severity: critical}", "> 60\n        labels: {severity: critical}"),
        ("for: 1m", "for: 10m"),
        ("for: 30s", "for: 0s"),
        ("> 2\n", "> 1\n"),
        ("operator|", ""),
        ("0.99, rate", "0.01, 0 * rate"),
        ("> 1.6e9", "> 2e9"),
        ('{kind!~"degraded|', '{kind!~"'),
    ],
)
def test_another_rule_would_fail_that_test(tmp_path: Path, line: str, instead: str) -> None:
    assert line in ALERTS
    (tmp_path / "alerts.yml").write_text(ALERTS.replace(line, instead), encoding="utf-8")
    shutil.copy(FOLDER / "alerts_test.yml", tmp_path)
    done = promtool("test", "rules", tmp_path / "alerts_test.yml")
    assert done.returncode == 1, done.stdout


def test_every_alert_is_tested() -> None:
    tested = (FOLDER / "alerts_test.yml").read_text(encoding="utf-8")
    names = re.findall(r"- alert: (\w+)", ALERTS)
    assert len(names) == len(alert_queries()) == 13
    assert [name for name in names if name not in tested] == []


@pytest.mark.parametrize("query", [*alert_queries(), *dashboard_queries()])
def test_what_is_asked_for_is_there(query: str) -> None:
    asked = set(OURS.findall(query))
    assert asked <= series_names() | {"seizure_detector_turn_seconds_bucket"}
    assert asked or "up{" in query
    for label, values in (("kind", set(Kind)), ("state", {state.label for state in State})):
        for text in re.findall(rf'{label}(?:=|!~|=~)"([^"]*)"', query):
            assert set(text.split("|")) <= values


def test_no_alarm_about_a_patient_goes_this_way() -> None:
    for query in [*alert_queries(), *dashboard_queries()]:
        assert '"seizure"' not in query
        assert '"non-seizure"' not in query
        assert "seizures_total" not in query


def test_the_dashboards_queries_are_understood(tmp_path: Path) -> None:
    rules = "groups:\n- name: dashboard\n  rules:\n"
    for number, query in enumerate(dashboard_queries()):
        for variable, value in (("$__rate_interval", "5m"), ("$__range_s", "3600"), ("$__range", "1h"), ("$bed", ".*")):
            query = query.replace(variable, value)
        assert "$" not in query
        rules += f"  - {{record: 'panel:{number}', expr: {json.dumps(query)}}}\n"
    (tmp_path / "dashboard.yml").write_text(rules, encoding="utf-8")
    done = promtool("check", "rules", tmp_path / "dashboard.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(dashboard_queries())} rules" in done.stdout


def test_a_panel_has_a_place_of_its_own() -> None:
    taken: set[tuple[int, int]] = set()
    panels = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_the_readme_has_every_metric() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in series_names():
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        assert f"`{base}" in readme or base.startswith("process_"), base


@contextmanager
def prometheus(folder: Path, target: int) -> Iterator[int]:
    """Run a Prometheus of our configuration, which asks every half second, and yield its port."""
    config = (FOLDER / "prometheus.yml").read_text(encoding="utf-8")
    for text, instead in (("9471", str(target)), ("15s", "500ms"), ("timeout: 5s", "timeout: 500ms")):
        assert text in config
        config = config.replace(text, instead)
    (folder / "prometheus.yml").write_text(config, encoding="utf-8")
    shutil.copy(FOLDER / "alerts.yml", folder)
    port = free_port()
    command = [
        tool("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield port
    finally:
        process.kill()
        process.wait()


def api(port: int, path: str, **query: str) -> Any:
    url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return json.load(response)["data"]
    except OSError:
        return None  # it is starting


def test_a_real_prometheus_scrapes_it_and_takes_its_rules(tmp_path: Path) -> None:
    port = free_port()
    health = Health(HealthConfig(host="127.0.0.1", port=port), "bed1")
    lost = Status(100.0, 0.25, State.NON_SEIZURE, None, 21, 3, 0.0)
    try:
        health.update(Snapshot(lost, 0.1, (), None, "model-1", "f" * 64, 22, is_ready=True, turned_s=time.monotonic()))
        with prometheus(tmp_path, port) as server:
            query = 'seizure_detector_good_derivations{bed="bed1",job="seizure-detector"}'

            def scraped() -> list[Any]:
                data = api(server, "query", query=query)
                return data["result"] if data else []

            until(scraped, 20, "it is scraped")
            assert [one["value"][1] for one in scraped()] == ["21"]
            until(lambda: all(rule["lastEvaluation"] > "1" for rule in rules(server)), 20, "rules are evaluated")
            assert len(rules(server)) == 13
            assert {rule["health"] for rule in rules(server)} == {"ok"}
            [target] = api(server, "targets")["activeTargets"]
            assert (target["health"], target["lastError"]) == ("up", "")
    finally:
        health.close()


def rules(port: int) -> list[Any]:
    return [rule for group in api(port, "rules")["groups"] for rule in group["rules"]]

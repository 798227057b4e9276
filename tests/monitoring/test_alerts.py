"""The alerts of deploy/alerts.yml, on Prometheus's own engine, and the dashboard (LOG-04)."""

import json
import re
import subprocess

import promql_parser
import pytest
import yaml

from devtools.promtool import LEFT_OUT, promtool
from monitoring.collectors import PortalCollector
from provisioning.models import Target
from tests.project import PROJECT
from tests.test_documentation import anchors

SCENES = PROJECT / "tests/monitoring/alerts"
RULES = [
    rule for group in yaml.safe_load((PROJECT / "deploy/alerts.yml").read_text())["groups"] for rule in group["rules"]
]


def figures() -> dict[tuple[str, ...], float]:
    """Every sample by name and labels, looked up now."""
    samples = (sample for metric in PortalCollector().collect() for sample in metric.samples)
    return {(sample.name, *sample.labels.values()): sample.value for sample in samples}


@pytest.mark.processes
def test_each_alert_fires_when_it_has_to_and_not_before():
    """LOG-04, AVL-06: all of them, on Prometheus's own engine."""
    assert {scene.stem for scene in SCENES.iterdir()} == {rule["alert"] for rule in RULES}
    for rule in RULES:
        asked = f'count(ALERTS{{alertname="{rule["alert"]}", alertstate="firing"}})'
        scenes = yaml.safe_load((SCENES / f"{rule['alert']}.yml").read_text())["tests"]
        moments = [moment for scene in scenes for moment in scene["promql_expr_test"]]
        assert {(moment["expr"], bool(moment["exp_samples"])) for moment in moments} == {(asked, True), (asked, False)}
    if not (program := promtool()):
        pytest.skip(LEFT_OUT)
    done = subprocess.run([program, "test", "rules", *sorted(SCENES.iterdir())], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.django_db
def test_alerts_and_dashboard_use_every_metric_and_no_other_and_each_alert_has_a_runbook():
    """LOG-04: with these values of their labels."""
    dashboard = json.loads((PROJECT / "deploy/grafana-dashboard.json").read_text(encoding="utf-8"))
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    expressions += [rule["expr"] for rule in RULES]
    Target.objects.create(name="ldap")
    found = figures()
    names, words = {labels[0] for labels in found}, {word for labels in found for word in labels[1:]}
    written_by_backups = re.findall(r"metric=(\w+)", (PROJECT / "deploy/backup.sh").read_text())
    for expression in expressions:
        promql_parser.parse(expression)
        assert set(re.findall(r"portal_\w+", expression)) <= {*names, *written_by_backups}, expression
        for value in re.findall(r'(?:event|status|priority|urgency|step|of)=~?"([^"]+)"', expression):
            assert set(value.split("|")) <= words, expression
    assert [name for name in names if name not in " ".join(expressions)] == []
    operations = (PROJECT / "docs/operations.md").read_text(encoding="utf-8")
    for rule in RULES:
        assert rule["labels"]["severity"] in ("page", "ticket")
        document, _hash, anchor = rule["annotations"]["runbook"].partition("#")
        assert anchor in anchors(PROJECT / document), rule["alert"]
        assert f"`{rule['alert']}`" in operations, rule["alert"]

"""What docs/provisioning.md says to administrators is what runs."""

import json
import re
import sys
from types import ModuleType

import pytest
from django.core import checks

from devtools.ldap import slapd
from provisioning.mapping import CONDITIONS, FACTS, load_mapping
from provisioning.models import Replica
from provisioning.targets import synchronise_targets
from tests.factories import active_account
from tests.project import PROJECT
from tests.provisioning.receiver import Receiver, write

PAGE = (PROJECT / "docs/provisioning.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    [found] = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return found


@pytest.mark.django_db
def test_the_connector_of_the_page_carries_accounts(settings, monkeypatch):
    university = ModuleType("university")
    exec(block("python"), university.__dict__)
    monkeypatch.setitem(sys.modules, "university", university)
    settings.PROVISIONING_CONNECTORS = ["university.LibraryConnector"]
    assert checks.run_checks() == []
    with Receiver().running() as library:
        university.READERS = library.url
        synchronise_targets()
        active_account(uid="zdurand", given_name="Zoé", family_name="Durand")
        library.told = {"PUT": [422]}
        for status in ("refused", "done"):
            Replica.objects.update(status="waiting")
            write()
            assert Replica.objects.get().status == status
    assert library.requests[-1].path.endswith("/zdurand")
    assert json.loads(library.requests[-1].body) == {"name": "Zoé Durand", "may_borrow": True}


def test_the_mapping_of_the_page_is_accepted_and_its_vocabulary_is_whole(tmp_path):
    file = tmp_path / "mapping.toml"
    file.write_text(block("toml"))
    assert load_mapping(file).object_classes == ("inetOrgPerson", "eduPerson", "supannPerson")
    listed = re.search(r"- Facts: (.*?)- Conditions: (.*?)\n\n", PAGE, re.DOTALL)
    assert listed
    facts, conditions = (set(re.findall(r"`([\w-]+)`", words)) for words in listed.groups())
    assert (facts, conditions) == (FACTS, CONDITIONS)


def test_the_rights_of_the_page_are_those_of_the_server_of_the_tests():
    assert block("text") in (slapd.HERE / "slapd.conf").read_text()

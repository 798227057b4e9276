"""The mapping file: a closed vocabulary, refused at start with its line."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.provisioning import ldap_mapping
from provisioning.facts import read_facts
from provisioning.mapping import FACTS, SUPANN, InvalidMapping, load_mapping
from tests.factories import active_account

LEAST = """
object_classes = ["inetOrgPerson"]
[attributes]
cn = ["{full_name}"]
sn = ["{family_name}"]
userPassword = [{ value = "{{ARGON2}}{password}", when = "active" }]
"""
REFUSED = {
    "x": "Expected '='",
    LEAST.replace("object_classes", "classes"): "unknown key 'classes'",
    LEAST.replace('["inetOrgPerson"]', '"inetOrgPerson"'): "object_classes is a list",
    LEAST.replace("sn =", "#"): "sn has no value",
    LEAST + 'uid = ["{uid}"]': "'uid' cannot be mapped",
    LEAST + 'supannRefId = ["{uid}"]': "'supannRefId' cannot be mapped",
    LEAST + '"a b" = ["{uid}"]': "'a b' cannot be mapped",
    LEAST + 'mail = "{login}"': "mail is a list",
    LEAST + "mail = [3]": "mail: a value is a text or",
    LEAST + 'mail = [{ value = "a", if = "staff" }]': "mail: a value is a text or",
    LEAST + 'mail = [{ value = "a", when = ["staff"] }]': "value, when and unless are texts",
    LEAST + 'mail = [{ value = "a", when = "staf" }]': "mail: unknown condition 'staf'",
    LEAST + 'mail = ["{nom}"]': "mail: unknown fact {nom}",
    LEAST + 'mail = ["{uid!r}"]': "mail: unknown fact {uid}",
    LEAST + 'mail = ["{uid:>10}"]': "mail: unknown fact {uid}",
    LEAST + 'mail = ["{uid.__class__}"]': "mail: unknown fact {uid.__class__}",
    LEAST + 'mail = ["{0}"]': "mail: unknown fact {0}",
    LEAST + 'mail = ["{"]': "write a brace twice",
    LEAST + 'description = ["{password}"]': "description: the hash of the password goes into userPassword only",
}


def read(tmp_path, text):
    file = tmp_path / "mapping.toml"
    file.write_text(text)
    return load_mapping(file)


@pytest.mark.parametrize(("text", "said"), REFUSED.items(), ids=REFUSED.values())
def test_what_the_vocabulary_does_not_know_is_refused(tmp_path, text, said):
    with pytest.raises(InvalidMapping) as refusal:
        read(tmp_path, text)
    assert said in str(refusal.value)


def test_the_setting_names_itself(tmp_path, monkeypatch):
    monkeypatch.setenv("PROVISIONING_LDAP_MAPPING", str(tmp_path / "absent.toml"))
    with pytest.raises(ImproperlyConfigured, match=r"PROVISIONING_LDAP_MAPPING must be .*absent.toml cannot be read"):
        ldap_mapping("PROVISIONING_LDAP_MAPPING")


def test_conditions_choose_and_a_value_without_its_fact_is_left_out(tmp_path):
    mapping = read(
        tmp_path,
        LEAST
        + """
        mail = ["{login}", "{uid}@{domain}", "{login}"]
        title = [{ value = "A", when = "staff listed" }, { value = "B", unless = "listed" }]
        roomNumber = ["{employer}-1"]
        """,
    )
    facts = dict.fromkeys(FACTS, "") | {"login": "a@b.fr", "uid": "a", "domain": "b.fr"}

    values = mapping.values(facts, {"staff", "listed"})

    assert (values["mail"], values["title"], values["roomNumber"]) == (["a@b.fr"], ["A"], [])
    assert mapping.values(facts, {"hosted"})["title"] == ["B"]


@pytest.mark.django_db
def test_every_fact_of_the_vocabulary_is_read():
    person = active_account()
    facts = read_facts([person.pk])[person.pk]
    assert facts.names().keys() == FACTS
    assert load_mapping(SUPANN).values(facts.names(), facts.conditions())["mail"] == [person.login]

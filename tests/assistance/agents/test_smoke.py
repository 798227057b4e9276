import pytest
from django.urls import reverse

from assistance.agents.roles import Role
from tests.assistance.agents.working import *

pytestmark = pytest.mark.django_db
from tests.people import active_person


def test_all():
    acc, b = inside(Role.RESPONSABLES)
    for n in ("index", "device", "device-replacement", "backup-codes", "device-removal", "accounts", "agents"):
        r = b.get(reverse("admin:" + n))
        assert r.status_code == 200, n
    o = active_person(given_name="Zoé", family_name="Lefèvre d’Ormesson")
    r = b.get(reverse("admin:accounts"), {"q": "lefevre zo"})
    assert "Zoé" in r.content.decode()
    r = b.get(reverse("admin:account", args=[o.pk]))
    assert r.status_code == 200
    r = b.post(reverse("admin:account-address", args=[o.pk]))
    assert o.recovery_address in r.content.decode()
    a2 = an_agent()
    r = b.get(reverse("admin:agent-code", args=[a2.pk]))
    assert r.status_code == 200
    r = b.post(reverse("admin:agent-code", args=[a2.pk]), {"reason": "téléphone perdu hier"})
    assert r.status_code == 200
    import re

    code = re.search(r"[a-z0-9]{4}(-[a-z0-9]{4}){3}", r.content.decode())[0]
    b2 = browser_of(a2)
    r = b2.get("/admin/")
    assert r.url == "/admin/inscription/?next=/admin/", r.url
    r = b2.get(r.url)
    assert r.status_code == 200
    r = b2.post(reverse("admin:enrolment"), {"code": code.upper().replace("-", " ")})
    assert r.status_code == 302, r.content.decode()
    r = b2.get(r.url)
    assert r.status_code == 200 and "<svg width" in r.content.decode()
    d = TOTPDevice.objects.get(user=a2)
    r = b2.post(reverse("admin:application"), {"code": code_of(d)})
    assert r.status_code == 200
    assert len(re.findall(r"<li><b>", r.content.decode())) == 10
    r = b2.get("/admin/")
    assert r.status_code == 200

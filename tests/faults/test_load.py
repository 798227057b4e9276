"""More people at once than the machine can serve (AVL-08, PWD-05)."""

import re
from functools import partial
from pathlib import Path

from accounts.models import Account
from accounts.passwords.hashers import PortalArgon2PasswordHasher
from tests.factories import A_GOOD_PASSWORD, active_account
from tests.faults.machine import (
    LONGEST_WAIT,
    NEEDS_MACHINE,
    assert_it_stays_alive,
    concurrently,
    describe,
    health_probe,
    share_of_a_core,
)

pytestmark = NEEDS_MACHINE

CLIENTS = 200
ALIVE = "/sante/vivant"
#: Of one web process, in MiB: what it weighs anyway, and one hash for each of its connections.
MOST_MEMORY = 400


class HasherAsShipped(PortalArgon2PasswordHasher):
    """Tests hash for less."""

    memory_cost = 46 * 1024


def most_memory(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) // 1024


def test_two_hundred_people_sign_in_at_once(machine, record_property):
    """AVL-08, PWD-05: logins beyond the capacity get 503; memory is bounded."""
    people = [active_account() for _ in range(40)]
    hasher = HasherAsShipped()
    encoded = hasher.encode(A_GOOD_PASSWORD, hasher.salt())
    Account.objects.filter(pk__in=[person.pk for person in people]).update(password=encoded)
    forms = [{"login": person.login, "password": A_GOOD_PASSWORD} for person in people]
    acts = [partial(machine.browser().ask, "/connexion/", forms[number % len(forms)]) for number in range(CLIENTS)]

    with health_probe(machine, ALIVE) as heard:
        answers = concurrently(acts)

    signed_in = [answer for answer in answers if answer.status == 302]
    refused = [answer for answer in answers if answer.status == 503]
    memory = max(most_memory(pid) for pid in machine.web_processes)
    slowest = max(answer.seconds for answer in heard[ALIVE])
    record_property("fault", describe("Sign-ins", answers, alive_within=f"{slowest:.2f} s", memory=f"{memory} MiB"))
    assert len(signed_in) + len(refused) == CLIENTS
    assert len(signed_in) > CLIENTS / 20
    assert all(answer.retry_after for answer in refused)
    assert max(answer.seconds for answer in answers) < LONGEST_WAIT / share_of_a_core()
    assert_it_stays_alive(heard[ALIVE])
    assert memory < MOST_MEMORY
    assert machine.browser().ask("/connexion/", forms[0]).status == 302

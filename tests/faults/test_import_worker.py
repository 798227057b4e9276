"""An import of the HR file while its worker is killed, with the real processes (AVL-09)."""

from datetime import timedelta

from django.utils import timezone

from accounts.models import Account
from agents.roles import Role
from hr_feed.models import HrFilePart, HrImport, ImportState
from hr_feed.tasks import run_hr_imports
from hr_feed.uploads import services as receiving
from outbox.enums import Kind
from outbox.models import Message
from outbox.services import queue_email
from outbox.tasks import send_message
from tests.agents.hr_imports import now, people, received
from tests.agents.signed_in import an_agent
from tests.factories import pending_account
from tests.stack import NEEDS_STACK, Stack, wait_until

pytestmark = NEEDS_STACK

ROWS = 30_000


def test_a_killed_import_goes_on_where_it_was_and_holds_up_no_urgent_mail(stack: Stack, record_property):
    """AVL-05, AVL-09: the same end as without the accident, one mail each; what was asked for at once leaves at once."""
    agent = an_agent(Role.RESPONSABLES)
    hr_import = received(*people(ROWS), agent=agent)
    HrImport.objects.filter(pk=hr_import.pk).update(state=ImportState.PREVIEWED)
    receiving.approve(pk=hr_import.pk, agent=agent)

    stack.send(run_hr_imports)
    wait_until(lambda: now(hr_import).lines_done > 0, stack.log("worker"), seconds=60)
    person = pending_account(given_name="Pressée")
    mail = queue_email(kind=Kind.NEW_LINK, person=person, address=person.recovery_address, language="fr")
    stack.send(send_message, mail.pk)
    [arrived] = stack.catcher.wait_for(1, timeout=20)
    still_running = now(hr_import)
    stack.kill("worker")

    assert arrived["To"] == person.recovery_address
    assert (still_running.state, still_running.is_running) == (ImportState.TO_IMPORT, True)
    assert 0 < people_of_the_file() < ROWS

    HrImport.objects.filter(pk=hr_import.pk).update(leased_until=timezone.now() - timedelta(seconds=1))
    stack.restart_worker()
    stack.send(run_hr_imports)
    wait_until(lambda: now(hr_import).state == ImportState.DONE, stack.log("worker"), seconds=120)

    assert (now(hr_import).attempts, now(hr_import).done["created"]) == (2, ROWS)
    invited = list(Message.objects.filter(kind=Kind.ACTIVATION).values_list("person", flat=True))
    lost, doubled = people_of_the_file() - len(set(invited)), len(invited) - len(set(invited))
    record_property(
        "fault", f"import killed in the worker: {len(invited)} mails to send, lost {lost}, doubled {doubled}"
    )
    assert (people_of_the_file(), lost, doubled) == (ROWS, 0, 0)
    assert not HrFilePart.objects.exists()


def people_of_the_file() -> int:
    return Account.objects.filter(family_name__startswith="Nom").count()

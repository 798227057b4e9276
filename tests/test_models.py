"""A row has words for an agent or an engineer who meets it in a message or a log."""

from datetime import UTC, datetime

import pytest
from django.utils import translation

from accounts.models import Account
from activation.models import Charter, CharterAcceptance, LinkRequest, Reminders
from hr_feed.models import HrImport
from mailrouting.models import Mailbox, Redirection

ZOE = Account(given_name="Zoé", family_name="Durand")
ROWS = {
    "zoe@univ-exemple.fr": Mailbox(address="zoe@univ-exemple.fr"),
    "Aucune": Redirection(),
    "zoe@exemple.org": Redirection(target="zoe@exemple.org"),
    "Zoé Durand · 2026-09": CharterAcceptance(account=ZOE, charter=Charter(version="2026-09")),
    "2026-11-30 09:15": LinkRequest(requested_at=datetime(2026, 11, 30, 9, 15, tzinfo=UTC)),
    "2": Reminders(sent=2),
    "rh.csv": HrImport(file_name="rh.csv"),
}


@pytest.mark.parametrize(("words", "row"), ROWS.items(), ids=ROWS)
def test_a_row_says_what_it_is(words, row):
    with translation.override("fr"):
        assert str(row) == words

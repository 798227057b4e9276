"""The mail server of the tests and of the demonstration, used by a real client."""

import json
import smtplib
import urllib.request
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from devtools.mailcatcher import Envelope, MailCatcher
from devtools.mailpages import serve
from devtools.processes import LOOPBACK, free_port


@pytest.fixture
def catcher() -> Iterator[MailCatcher]:
    with MailCatcher() as server:
        yield server


def a_mail() -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"] = "compte@univ-exemple.fr", "x@exemple.net"
    mail["Subject"] = "Activez votre compte à l’université"
    mail.set_content("Bonjour <Zoé> : http://127.0.0.1:8000/activation/abc/")
    mail.add_alternative("<html><head></head><body><script>x</script>Bonjour</body></html>", subtype="html")
    return mail


def send(catcher: MailCatcher, recipient: str = "camille.durand@exemple.net", timeout: float = 5) -> None:
    with smtplib.SMTP(catcher.host, catcher.port, timeout=timeout) as client:
        client.send_message(a_mail(), to_addrs=[recipient])


def fetch(address: str) -> tuple[str, str]:
    with urllib.request.urlopen(address, timeout=5) as response:
        return response.read().decode(), response.headers["Content-Security-Policy"]


def test_a_mail_is_kept_with_its_envelope_and_both_parts_also_over_a_restart(tmp_path: Path) -> None:
    with MailCatcher(directory=tmp_path) as first:
        send(first)
        [before] = first.wait_for(1)
    [after] = MailCatcher(directory=tmp_path).messages
    assert after.as_bytes() == before.as_bytes()
    assert (after.envelope, after.received_at) == (before.envelope, before.received_at)
    assert after.envelope == Envelope("compte@univ-exemple.fr", ["camille.durand@exemple.net"])
    assert after["Subject"] == "Activez votre compte à l’université"
    assert "<Zoé>" in after.text()
    assert "Bonjour" in after.html()


def test_each_stage_and_each_recipient_can_be_refused(catcher: MailCatcher) -> None:
    errors = {
        "connect": smtplib.SMTPConnectError,
        "mail": smtplib.SMTPSenderRefused,
        "rcpt": smtplib.SMTPRecipientsRefused,
        "data": smtplib.SMTPDataError,
    }
    for refused, error in errors.items():
        catcher.answer = lambda stage, envelope: "451 4.7.1 Come back later" if stage == refused else "250 OK"
        with pytest.raises(error):
            send(catcher)
    assert catcher.messages == []
    catcher.answer = lambda stage, envelope: "550 Unknown" if "inconnu@exemple.net" in envelope.recipients else "250 OK"
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(catcher, "inconnu@exemple.net")
    send(catcher)
    assert [message.envelope.recipients for message in catcher.wait_for(1)] == [["camille.durand@exemple.net"]]


def test_the_pages_show_mails_newest_first_and_run_nothing_of_them(catcher: MailCatcher) -> None:
    port = free_port()
    site = f"http://{LOOPBACK}:{port}"
    with serve(catcher, port):
        send(catcher, "first@exemple.net")
        send(catcher, "second@exemple.net")
        listing, _ = fetch(f"{site}/")
        page, _ = fetch(f"{site}/1")
        _, policy = fetch(f"{site}/1.html")
        facts = json.loads(fetch(f"{site}/messages.json")[0])
    assert listing.index("second@exemple.net") < listing.index("first@exemple.net")
    assert "&lt;Zoé&gt;" in page
    assert '<a href="http://127.0.0.1:8000/activation/abc/"' in page
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert [fact["recipients"] for fact in facts] == [["first@exemple.net"], ["second@exemple.net"]]

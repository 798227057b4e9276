"""Runs the worker's tasks on demand and reads the mails that arrived."""

import re
from email.message import EmailMessage

from activation.first_connection.services import answer_link_request
from activation.models import LinkRequest
from devtools.mailcatcher import MailCatcher
from outbox.dispatch import send_due


class MailDelivery:
    def __init__(self, server: MailCatcher) -> None:
        self.server = server

    def deliver(self) -> list[EmailMessage]:
        """Answer the link requests and send what is due; return all mails that arrived."""
        for request_id in LinkRequest.objects.waiting().values_list("pk", flat=True):
            answer_link_request(request_id=request_id)
        while send_due():
            pass
        return self.server.messages

    def last_mail(self) -> EmailMessage:
        return self.deliver()[-1]

    def last_link(self) -> str:
        return link_in(self.last_mail())


def text_of(mail: EmailMessage) -> str:
    return mail.get_body(("plain",)).get_content()


def html_of(mail: EmailMessage) -> str:
    return mail.get_body(("html",)).get_content()


def link_in(mail: EmailMessage) -> str:
    found = re.search(r"^http://127\.0\.0\.1:8000(\S+/[A-Za-z0-9_-]{60,}/)\s*$", text_of(mail), re.MULTILINE)
    assert found, text_of(mail)
    return found[1]

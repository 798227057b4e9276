"""The caught mails as web pages, in French: for whoever tries the portal out, never for production."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zoneinfo import ZoneInfo

from devtools.mailcatcher import CaughtMessage, MailCatcher
from devtools.processes import LOOPBACK

PARIS = ZoneInfo("Europe/Paris")
LINK = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)]")
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'none'"
# The mail is shown as a mail program does: no script, no form, links open a tab of their own.
SANDBOX = "allow-popups allow-popups-to-escape-sandbox"
MAIL_POLICY = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox {SANDBOX}"

STYLE = Path(__file__).with_name("mailpages.css").read_text()


@contextmanager
def serve(catcher: MailCatcher, port: int) -> Iterator[ThreadingHTTPServer]:
    """Show the catcher's mails on that loopback port while the block runs."""
    handler = type("Handler", (MailPages,), {"catcher": catcher})
    with ThreadingHTTPServer((LOOPBACK, port), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class MailPages(BaseHTTPRequestHandler):
    """`/` the list, `/3` the third mail, `/3.html` its HTML part alone, `/messages.json` all for a program."""

    catcher: MailCatcher

    def do_GET(self) -> None:
        """Answer with the list, a mail, a part of it, or 404."""
        messages = list(self.catcher.messages)
        found = re.fullmatch(r"/(\d{1,6})(\.html)?", self.path)
        if self.path == "/":
            self.answer(list_page(messages))
        elif self.path == "/messages.json":
            self.answer(as_json(messages), kind="application/json")
        elif found and 1 <= int(found[1]) <= len(messages):
            self.answer_message(messages[int(found[1]) - 1], number=int(found[1]), alone=bool(found[2]))
        else:
            self.answer(page("Page introuvable", NOT_FOUND), HTTPStatus.NOT_FOUND)

    def answer_message(self, message: CaughtMessage, *, number: int, alone: bool) -> None:
        """The page of a mail, or its HTML part alone."""
        if alone:
            self.answer(with_links_in_new_tabs(message.html()), policy=MAIL_POLICY)
        else:
            self.answer(message_page(message, number))

    def answer(
        self,
        body: str,
        status: HTTPStatus = HTTPStatus.OK,
        *,
        kind: str = "text/html",
        policy: str = PAGE_POLICY,
    ) -> None:
        """Send `body`, never to be stored, with a policy that runs no script."""
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", policy)
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing: the list asks again every few seconds."""


BACK = '<p><a href="/">Tous les e-mails</a></p>'
NOT_FOUND = f"<p>Cet e-mail n’existe pas.</p>{BACK}"
EMPTY = (
    "<p>Aucun e-mail pour l’instant. Ceux que le portail envoie s’affichent ici, quel que soit leur "
    "destinataire\u00a0; rien ne part vers l’extérieur.</p>"
)
REFRESH = '<meta http-equiv="refresh" content="5">'


def page(title: str, content: str, *, head: str = "") -> str:
    """A whole page around `content`."""
    return (
        f'<!doctype html><html lang="fr"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{head}<style>{STYLE}</style>'
        "</head><body><header><div><b>Courrier de la démonstration</b>"
        "<span>Les e-mails du portail sont retenus ici</span></div></header>"
        f"<main><h1>{escape(title)}</h1>{content}</main></body></html>"
    )


def list_page(messages: list[CaughtMessage]) -> str:
    """All mails, newest first; asks again by itself."""
    numbered = reversed(list(enumerate(messages, start=1)))
    items = "".join(list_item(message, number) for number, message in numbered)
    content = f'<ul class="list">{items}</ul>' if items else EMPTY
    return page(f"E-mails reçus ({len(messages)})", content, head=REFRESH)


def list_item(message: CaughtMessage, number: int) -> str:
    """One line of the list."""
    return (
        f'<li><a href="/{number}">{escape(subject(message))}</a>'
        f"<span>{escape(recipients(message))} · {received(message)}</span></li>"
    )


def message_page(message: CaughtMessage, number: int) -> str:
    """All of one mail."""
    facts = {"De": str(message["From"]), "À": recipients(message), "Reçu": received(message)}
    rows = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    headers = "\n".join(f"{escape(name)}: {escape(str(value))}" for name, value in message.items())
    return page(
        subject(message),
        f"{BACK}<dl>{rows}</dl>{html_part(message, number)}{text_part(message)}"
        f"<details><summary>En-têtes</summary><pre>{headers}</pre></details>",
    )


def html_part(message: CaughtMessage, number: int) -> str:
    """The HTML part in a frame that runs nothing."""
    frame = f'<iframe src="/{number}.html" title="Version HTML de l’e-mail" sandbox="{SANDBOX}"></iframe>'
    return f"<h2>Version HTML</h2>{frame}" if message.html() else ""


def text_part(message: CaughtMessage) -> str:
    """The text part as it was sent."""
    text = message.text()
    return f"<h2>Version texte</h2><pre>{with_links(text)}</pre>" if text else ""


def subject(message: CaughtMessage) -> str:
    """The subject, or words that say there is none."""
    return str(message["Subject"] or "(sans objet)").strip()


def recipients(message: CaughtMessage) -> str:
    """Whom the mail really went to: the envelope."""
    return ", ".join(message.envelope.recipients)


def received(message: CaughtMessage) -> str:
    """Day and hour in Paris."""
    return message.received_at.astimezone(PARIS).strftime("%d/%m/%Y à %H\u00a0h\u00a0%M")


def with_links(text: str) -> str:
    """The text as HTML, in which addresses of pages can be clicked."""
    parts, end = "", 0
    for found in LINK.finditer(text):
        parts += escape(text[end : found.start()]) + link(found[0])
        end = found.end()
    return parts + escape(text[end:])


def link(address: str) -> str:
    """A link that opens a tab of its own and does not say where it comes from."""
    return f'<a href="{escape(address)}" target="_blank" rel="noopener noreferrer">{escape(address)}</a>'


def with_links_in_new_tabs(html: str) -> str:
    """The HTML part of a mail; a click must not replace the frame."""
    return re.sub(r"(<head[^>]*>)", r'\1<base target="_blank">', html, count=1)


def as_json(messages: list[CaughtMessage]) -> str:
    """Oldest first; `number` is the page of the mail."""
    facts = [as_facts(message, number) for number, message in enumerate(messages, start=1)]
    return json.dumps(facts, ensure_ascii=False, indent=1)


def as_facts(message: CaughtMessage, number: int) -> dict[str, object]:
    """One mail for a program."""
    return {
        "number": number,
        "sender": message.envelope.sender,
        "recipients": message.envelope.recipients,
        "received_at": message.received_at.isoformat(),
        "subject": subject(message),
        "text": message.text(),
        "html": message.html(),
        "headers": [[name, str(value)] for name, value in message.items()],
    }

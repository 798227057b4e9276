"""The caught mails as web pages, for the demonstration:

python -m devtools.mailpages --smtp-port 2525 --http-port 8025
"""

import argparse
import json
import re
import signal
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
# As a mail client does: no script, no form, links open a new tab.
SANDBOX = "allow-popups allow-popups-to-escape-sandbox"
MAIL_POLICY = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox {SANDBOX}"

STYLE = Path(__file__).with_name("mailpages.css").read_text()


@contextmanager
def serve(catcher: MailCatcher, port: int) -> Iterator[ThreadingHTTPServer]:
    """Show the catcher's mails on that loopback port inside the `with` block."""
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
        # The list reloads every few seconds.
        return


BACK = '<p><a href="/">Tous les e-mails</a></p>'
NOT_FOUND = f"<p>Cet e-mail n’existe pas.</p>{BACK}"
EMPTY = (
    "<p>Aucun e-mail pour l’instant. Ceux que le portail envoie s’affichent ici, quel que soit leur "
    "destinataire\u00a0; rien ne part vers l’extérieur.</p>"
)
REFRESH = '<meta http-equiv="refresh" content="5">'


def page(title: str, content: str, *, head: str = "") -> str:
    return (
        f'<!doctype html><html lang="fr"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{head}<style>{STYLE}</style>'
        "</head><body><header><div><b>Courrier de la démonstration</b>"
        "<span>Les e-mails du portail sont retenus ici</span></div></header>"
        f"<main><h1>{escape(title)}</h1>{content}</main></body></html>"
    )


def list_page(messages: list[CaughtMessage]) -> str:
    numbered = reversed(list(enumerate(messages, start=1)))
    items = "".join(list_item(message, number) for number, message in numbered)
    content = f'<ul class="list">{items}</ul>' if items else EMPTY
    return page(f"E-mails reçus ({len(messages)})", content, head=REFRESH)


def list_item(message: CaughtMessage, number: int) -> str:
    return (
        f'<li><a href="/{number}">{escape(subject(message))}</a>'
        f"<span>{escape(recipients(message))} · {received(message)}</span></li>"
    )


def message_page(message: CaughtMessage, number: int) -> str:
    facts = {"De": str(message["From"]), "À": recipients(message), "Reçu": received(message)}
    rows = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    headers = "\n".join(f"{escape(name)}: {escape(str(value))}" for name, value in message.items())
    return page(
        subject(message),
        f"{BACK}<dl>{rows}</dl>{html_part(message, number)}{text_part(message)}"
        f"<details><summary>En-têtes</summary><pre>{headers}</pre></details>",
    )


def html_part(message: CaughtMessage, number: int) -> str:
    frame = f'<iframe src="/{number}.html" title="Version HTML de l’e-mail" sandbox="{SANDBOX}"></iframe>'
    return f"<h2>Version HTML</h2>{frame}" if message.html() else ""


def text_part(message: CaughtMessage) -> str:
    text = message.text()
    return f"<h2>Version texte</h2><pre>{with_links(text)}</pre>" if text else ""


def subject(message: CaughtMessage) -> str:
    return str(message["Subject"] or "(sans objet)").strip()


def recipients(message: CaughtMessage) -> str:
    return ", ".join(message.envelope.recipients)


def received(message: CaughtMessage) -> str:
    return message.received_at.astimezone(PARIS).strftime("%d/%m/%Y à %H\u00a0h\u00a0%M")


def with_links(text: str) -> str:
    """The text as HTML with clickable URLs."""
    parts, end = "", 0
    for found in LINK.finditer(text):
        parts += escape(text[end : found.start()]) + link(found[0])
        end = found.end()
    return parts + escape(text[end:])


def link(address: str) -> str:
    return f'<a href="{escape(address)}" target="_blank" rel="noopener noreferrer">{escape(address)}</a>'


def with_links_in_new_tabs(html: str) -> str:
    """The HTML part of a mail, whose links do not open inside the frame."""
    return re.sub(r"(<head[^>]*>)", r'\1<base target="_blank">', html, count=1)


def as_json(messages: list[CaughtMessage]) -> str:
    facts = [message_facts(message, number) for number, message in enumerate(messages, start=1)]
    return json.dumps(facts, ensure_ascii=False, indent=1)


def message_facts(message: CaughtMessage, number: int) -> dict[str, object]:
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


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m devtools.mailpages")
    parser.add_argument("--smtp-port", type=int, default=2525)
    parser.add_argument("--http-port", type=int, default=8025)
    options = parser.parse_args()
    with MailCatcher(port=options.smtp_port) as catcher, serve(catcher, options.http_port):
        print(f"SMTP: {catcher.url}   http://{LOOPBACK}:{options.http_port}/", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()

"""An SMTP server that delivers nothing and keeps every mail, for tests and for the demonstration.

    with MailCatcher() as catcher:
        ...  # send mail to catcher.url
        [message] = catcher.wait_for(1)

A test sets the responses: `catcher.answer = lambda stage, envelope: "451 4.7.1 Come back later"`. The function runs
in a thread of its own and may sleep, to simulate a server that hangs. At "data" the mail has been received and may
still be refused; at "kept" it is stored, whether or not the client learns it.

With `catcher.tls`, STARTTLS is offered and required from the next connection on. `devtools.mailpages` shows the mails.
"""

import asyncio
import email
import email.policy
import json
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Literal, Self, cast

from aiosmtpd.smtp import SMTP, Session, syntax
from aiosmtpd.smtp import Envelope as SMTPEnvelope

from devtools.processes import LOOPBACK, free_port

Stage = Literal["connect", "starttls", "mail", "rcpt", "data", "kept"]
Answer = Callable[[Stage, "Envelope"], str]


@dataclass
class Envelope:
    """The SMTP envelope so far; at "rcpt" the last recipient is the one being checked."""

    sender: str = ""
    recipients: list[str] = field(default_factory=list)
    encrypted: bool = False


class CaughtMessage(EmailMessage):
    envelope: Envelope
    received_at: datetime

    def text(self) -> str:
        return self._body("plain")

    def html(self) -> str:
        return self._body("html")

    def _body(self, kind: Literal["plain", "html"]) -> str:
        part = self.get_body((kind,))
        return str(part.get_content()) if part else ""


def accept(stage: Stage, envelope: Envelope) -> str:
    return "250 OK"


def parsed(content: bytes, envelope: Envelope, received_at: datetime) -> CaughtMessage:
    policy = email.policy.default.clone(message_factory=CaughtMessage)
    message = cast(CaughtMessage, email.message_from_bytes(content, policy=policy))
    message.envelope, message.received_at = envelope, received_at
    return message


def store(message: CaughtMessage, content: bytes, directory: Path) -> None:
    """Write the mail to a file named after its time of arrival."""
    facts = {
        "sender": message.envelope.sender,
        "recipients": message.envelope.recipients,
        "received_at": message.received_at.isoformat(),
        "content": content.decode("latin-1"),  # one character for each byte
    }
    (directory / f"{message.received_at:%Y%m%dT%H%M%S%f}.json").write_text(json.dumps(facts))


def stored(directory: Path) -> list[CaughtMessage]:
    messages = []
    for file in sorted(directory.glob("*.json")):
        facts = json.loads(file.read_text())
        envelope = Envelope(facts["sender"], facts["recipients"])
        received_at = datetime.fromisoformat(facts["received_at"])
        messages.append(parsed(facts["content"].encode("latin-1"), envelope, received_at))
    return messages


class MailCatcher:
    """The SMTP server, in a thread. It keeps its port when stopped and started again."""

    def __init__(self, host: str = LOOPBACK, port: int = 0, directory: Path | None = None) -> None:
        """With a directory, mails are stored there too, and those of earlier runs are loaded."""
        self.host = host
        self.port = port or free_port()
        self.answer: Answer = accept
        self.tls: ssl.SSLContext | None = None
        self.directory = directory
        self.messages = stored(directory) if directory else []
        self._arrival = threading.Condition()
        self._connections: set[ScriptedSMTP] = set()

    @property
    def url(self) -> str:
        return f"smtp://{self.host}:{self.port}"

    @property
    def is_talking(self) -> bool:
        return bool(self._connections)

    def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        try:
            # In its own thread: the caller's may have a loop running already, such as Playwright's.
            self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        except OSError:
            self._end_loop()
            raise

    def stop(self) -> None:
        """Stop listening and abort every connection."""
        asyncio.run_coroutine_threadsafe(self._abort_connections(), self._loop).result()
        self._end_loop()

    def wait_for(self, count: int, timeout: float = 10.0) -> list[CaughtMessage]:
        """The messages, once there are `count` of them. Raises TimeoutError after `timeout` seconds."""
        with self._arrival:
            if not self._arrival.wait_for(lambda: len(self.messages) >= count, timeout):
                raise TimeoutError(f"{len(self.messages)} of {count} mails after {timeout} s")
            return list(self.messages)

    def keep(self, content: bytes, envelope: Envelope) -> None:
        message = parsed(content, envelope, datetime.now(UTC))
        if self.directory:
            store(message, content, self.directory)
        with self._arrival:
            self.messages.append(message)
            self._arrival.notify_all()

    async def ask(self, stage: Stage, envelope: Envelope) -> str:
        if self.answer is accept:
            return accept(stage, envelope)
        loop, answer = asyncio.get_running_loop(), self.answer
        given: asyncio.Future[str] = loop.create_future()

        def give(said: str) -> None:
            if not given.done():
                given.set_result(said)

        def work() -> None:
            said = answer(stage, envelope)
            with suppress(RuntimeError):  # stopped meanwhile
                loop.call_soon_threadsafe(give, said)

        threading.Thread(target=work, daemon=True).start()
        return await given

    async def _listen(self) -> asyncio.Server:
        return await self._loop.create_server(lambda: ScriptedSMTP(self, self._loop), self.host, self.port)

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _abort_connections(self) -> None:
        self._server.close()
        for connection in list(self._connections):
            cast(asyncio.Transport, connection.transport).abort()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class ScriptedSMTP(SMTP):
    def __init__(self, catcher: MailCatcher, loop: asyncio.AbstractEventLoop) -> None:
        tls = catcher.tls
        super().__init__(
            Hooks(catcher),
            hostname="localhost",
            ident="catcher",
            loop=loop,
            tls_context=tls,
            require_starttls=bool(tls),
        )
        self.catcher = catcher

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.catcher._connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.catcher._connections.discard(self)
        super().connection_lost(error)

    async def _handle_client(self) -> None:
        """aiosmtpd has no public hook before its greeting."""
        said = await self.catcher.ask("connect", Envelope())
        if said.startswith("2"):
            await super()._handle_client()
        elif self.transport:
            await self.push(said)
            self.transport.close()

    @syntax("STARTTLS", when="tls_context")
    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802 (aiosmtpd calls it so)
        """aiosmtpd has no hook before its reply to STARTTLS either."""
        said = await self.catcher.ask("starttls", Envelope())
        if said.startswith("2"):
            await super().smtp_STARTTLS(arg)
        else:
            await self.push(said)


class Hooks:
    def __init__(self, catcher: MailCatcher) -> None:
        self.catcher = catcher

    async def handle_MAIL(  # noqa: N802 (aiosmtpd calls it so)
        self, _server: SMTP, session: Session, envelope: SMTPEnvelope, address: str, options: list[str]
    ) -> str:
        said = await self.catcher.ask("mail", Envelope(address, encrypted=bool(session.ssl)))
        if said.startswith("2"):
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return said

    async def handle_RCPT(  # noqa: N802 (aiosmtpd calls it so)
        self, _server: SMTP, session: Session, envelope: SMTPEnvelope, address: str, _options: list[str]
    ) -> str:
        pending = Envelope(
            envelope.mail_from or "", [*accepted_recipients(envelope), address], encrypted=bool(session.ssl)
        )
        said = await self.catcher.ask("rcpt", pending)
        if said.startswith("2"):
            envelope.rcpt_tos.append(address)
        return said

    async def handle_DATA(  # noqa: N802 (aiosmtpd calls it so)
        self, _server: SMTP, session: Session, envelope: SMTPEnvelope
    ) -> str:
        complete = Envelope(envelope.mail_from or "", accepted_recipients(envelope), encrypted=bool(session.ssl))
        said = await self.catcher.ask("data", complete)
        if said.startswith("2"):
            self.catcher.keep(cast(bytes, envelope.content), complete)
            said = await self.catcher.ask("kept", complete)
        return said


def accepted_recipients(envelope: SMTPEnvelope) -> list[str]:
    return [str(address) for address in envelope.rcpt_tos]

"""Keeps every mail as a file of /tmp/mails."""

from pathlib import Path
from threading import Event

from devtools.mailcatcher import MailCatcher

mails = Path("/tmp/mails")
mails.mkdir()
MailCatcher("0.0.0.0", 1025, mails).start()
Event().wait()

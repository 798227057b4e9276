"""A browser that keeps cookies and sends forms to the portal as it runs.

`python -m tests.faults.browser URL PATH…` is a load balancer: it asks each path four times a second until its input ends,
and prints one answer a line. It is a process of its own, so that the threads of a test do not slow it down.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass
from itertools import count
from threading import Event, Thread

import requests

CSRF_TOKEN = "c" * 32
#: Seconds on an idle machine that a client waits at the longest (AVL-08).
LONGEST_WAIT = 10.0
FIRST_CONNECTION = "/premiere-connexion/"
visitors = count(1)


@dataclass(frozen=True)
class Answer:
    """What a browser got: status 0 when the connection broke; `at` is when it had it."""

    path: str
    status: int
    seconds: float
    at: float
    text: str = ""
    retry_after: str = ""
    location: str = ""


class Browser:
    """Comes through the proxy, from an address of its own, to the portal whose public address is `origin`."""

    def __init__(self, url: str, origin: str, answers: list[Answer] | None = None) -> None:
        self.url, self.origin = url, origin
        self.answers = [] if answers is None else answers
        self.csrf = "__Host-csrftoken" if origin.startswith("https") else "csrftoken"
        self.cookies = {self.csrf: CSRF_TOKEN}
        self.address = "10.{}.{}.{}".format(*next(visitors).to_bytes(3, "big"))

    def ask(self, path: str, form: dict[str, str] | None = None) -> Answer:
        """A page, or the answer to a form. Does not follow a redirect."""
        headers = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "Origin": self.origin,
            "X-Forwarded-Proto": self.origin.partition(":")[0],
            "X-Forwarded-For": self.address,
            "Connection": "close",
        }
        method = "GET" if form is None else "POST"
        data = None if form is None else {"csrfmiddlewaretoken": self.cookies[self.csrf], **form}
        began = time.monotonic()
        try:
            response = requests.request(
                method, f"{self.url}{path}", data=data, headers=headers, allow_redirects=False, timeout=60
            )
        except requests.ConnectionError:
            response = requests.Response()
        now = time.monotonic()
        self.cookies |= response.cookies.get_dict()
        sent = (response.headers.get(name, "") for name in ("Retry-After", "Location"))
        answer = Answer(path, response.status_code or 0, now - began, now, response.text, *sent)
        self.answers.append(answer)
        return answer

    def insist(self, path: str, form: dict[str, str] | None = None) -> Answer:
        """Retry while the portal is unavailable."""
        patience = time.monotonic() + 3 * LONGEST_WAIT
        while (answer := self.ask(path, form)).status in (0, 503) and time.monotonic() < patience:
            time.sleep(0.3)
        return answer

    def request_link(self, login: str) -> Answer:
        """The page that follows the form, whose seconds count too; the answer to the form when it is no redirect."""
        sent = self.ask(FIRST_CONNECTION, {"login": login})
        page = self.ask(sent.location) if sent.location else sent
        return Answer(page.path, page.status, sent.seconds + page.seconds, page.at, page.text)

    def activate(self, link: str, *, charter: str, password: str, pause: float = 0.0) -> None:
        """Open the link and answer every step, once the portal is available; a pause follows each."""
        steps: list[tuple[str, dict[str, str] | None]] = [
            (link, None),
            ("/activation/", None),
            ("/activation/", {}),
            ("/activation/charte/", None),
            ("/activation/charte/", {"version": charter, "accepted": "on"}),
            ("/activation/annuaire/", {"listed": "yes", "understood": "on"}),
            ("/activation/messagerie/", {}),
            ("/activation/mot-de-passe/", None),
            ("/activation/mot-de-passe/", {"password": password, "password2": password}),
        ]
        for path, form in steps:
            self.insist(path, form)
            time.sleep(pause)


def keep_asking(url: str, path: str, over: Event) -> None:
    browser = Browser(url, url)
    while not over.wait(0.25):
        sys.stdout.write(f"{json.dumps(asdict(browser.ask(path)))}\n")


if __name__ == "__main__":
    its_end = Event()
    threads = [Thread(target=keep_asking, args=(sys.argv[1], path, its_end)) for path in sys.argv[2:]]
    for thread in threads:
        thread.start()
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    sys.stdin.read()
    its_end.set()

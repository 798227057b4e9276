"""A load balancer: asks each path four times a second until its input ends, `python -m tests.faults.health_probe URL PATH…`.

One JSON object a line for each answer; the first line says that it has begun.
"""

import json
import sys
import time
from http.client import HTTPConnection
from threading import Event, Lock, Thread
from urllib.parse import urlsplit

over, output = Event(), Lock()


def ask(host: str, path: str) -> dict[str, object]:
    began = time.monotonic()
    connection = HTTPConnection(host, timeout=30)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        text, status = response.read().decode(), response.status
    except OSError:
        text, status = "", 0
    finally:
        connection.close()
    now = time.monotonic()
    return {"path": path, "status": status, "seconds": now - began, "at": now, "text": text}


def keep_asking(host: str, path: str) -> None:
    while not over.is_set():
        answer = ask(host, path)
        with output:
            sys.stdout.write(json.dumps(answer) + "\n")
        over.wait(0.25)


if __name__ == "__main__":
    url, *paths = sys.argv[1:]
    threads = [Thread(target=keep_asking, args=[urlsplit(url).netloc, path]) for path in paths]
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    for thread in threads:
        thread.start()
    sys.stdin.read()
    over.set()

"""TLS in front of a real server that has none, as a load balancer would add it."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

import trustme

#: What a libpq client sends before TLS, and what the server answers.
SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


@contextmanager
def tls_relay(port: int, authority: trustme.CA, *, name: str = "127.0.0.1") -> Iterator[int]:
    """The port of a relay to that port, whose certificate is of the authority and for that name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=accept, args=(listener, context, port), daemon=True).start()
        yield listener.getsockname()[1]


def accept(listener: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            Thread(target=serve, args=(client, context, port), daemon=True).start()


def serve(client: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with client, suppress(OSError):
        if client.recv(8, socket.MSG_PEEK) == SSL_REQUEST:
            client.recv(8)
            client.sendall(b"S")
        with (
            context.wrap_socket(client, server_side=True) as secured,
            socket.create_connection(("127.0.0.1", port)) as server,
        ):
            answers = Thread(target=copy, args=(server, secured), daemon=True)
            answers.start()
            copy(secured, server)
            answers.join()


def copy(source: socket.socket, target: socket.socket) -> None:
    """Until one of the two ends; then end the other."""
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)

"""A mail server that keeps nothing, in a process of its own and faster than the sender that it measures.

`python -m benchmarks.smtp_sink ARRIVALS` prints its port; for each mail it writes to the file ARRIVALS one line with
the instant (of the machine's monotonic clock) and the recipient.
"""

import asyncio
import sys
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TextIO

END_OF_MAIL = b"\r\n.\r\n"


class Conversation(asyncio.Protocol):
    """One connection: as much of SMTP as a client needs that makes no mistakes."""

    def __init__(self, arrivals: TextIO) -> None:
        self.arrivals, self.received, self.in_data, self.recipient = arrivals, b"", False, ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(END_OF_MAIL if self.in_data else b"\r\n")) >= 0:
            piece, self.received = self.received[:end], self.received[end + (5 if self.in_data else 2) :]
            self.transport.write(self.taken() if self.in_data else self.answer(piece))

    def taken(self) -> bytes:
        self.in_data = False
        self.arrivals.write(f"{monotonic()} {self.recipient}\n")
        return b"250 taken\r\n"

    def answer(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"EHLO":
            return b"250-sink\r\n250-8BITMIME\r\n250 SIZE 10000000\r\n"
        if verb == b"RCPT":
            self.recipient = line.decode().partition("<")[2].partition(">")[0]
        self.in_data = verb == b"DATA"
        return {b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}.get(verb, b"250 ok\r\n")


async def serve(file: Path) -> None:
    with file.open("w", buffering=1) as arrivals:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(partial(Conversation, arrivals), "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))

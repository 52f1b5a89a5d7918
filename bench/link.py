"""The line between browser and application: a TCP proxy that counts every byte and lets through as many a second as it is told.

`python -m bench.link PORT` is the process before the application at that port. It counts what crosses, be it a page, an event stream or a
websocket, so nothing is missed and nothing counted twice.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_PIECE = 1460
_ROOM = 65536


class _Way:
    """One direction of the line, shared by all connections. `rate` is bytes a second; 0: as many as come."""

    rate = 0.0

    def __init__(self) -> None:
        self.crossed = 0
        self._free = 0.0

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry from one end to the other until there comes no more. A piece has arrived when its last byte has."""
        loop = asyncio.get_running_loop()
        with suppress(ConnectionError):
            while piece := await reader.read(_PIECE if self.rate else _ROOM):
                if self.rate:
                    self._free = max(self._free, loop.time()) + len(piece) / self.rate
                    await asyncio.sleep(self._free - loop.time())
                self.crossed += len(piece)
                writer.write(piece)
                await writer.drain()
        writer.close()


async def _serve(port: int) -> None:
    down, up = _Way(), _Way()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, away = await asyncio.open_connection("127.0.0.1", port, limit=_ROOM)
        async with asyncio.TaskGroup() as both:
            both.create_task(up.carry(reader, away))
            both.create_task(down.carry(there, writer))

    server = await asyncio.start_server(connect, "127.0.0.1", 0, limit=_ROOM)
    told = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(told), sys.stdin)
    print(server.sockets[0].getsockname()[1], flush=True)
    while line := await told.readline():
        _Way.rate = float(line)
        print(down.crossed, up.crossed, flush=True)


class Link:
    """The line before one application."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._rate = 0.0
        self.address = f"http://127.0.0.1:{self._heard()}"

    def limit(self, megabits: float) -> None:
        """From now on let through so many Mbit/s each way; 0: as many as come."""
        self._rate = megabits * 1e6 / 8
        self._crossed()

    @property
    def received(self) -> int:
        """Bytes that went to the browser so far."""
        return int(self._crossed().split()[0])

    def _crossed(self) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{self._rate}\n")
        self._process.stdin.flush()
        return self._heard()

    def _heard(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def link(port: int) -> Iterator[Link]:
    """Run the process before the application at that port."""
    with subprocess.Popen([sys.executable, "-m", __name__, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Link(process)
        finally:
            process.terminate()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(int(sys.argv[1])))

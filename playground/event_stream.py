"""Server-sent events out of bytes: each with its data and with the bytes it came as. No I/O, and nothing of what is in an event.

The wire reads what arrives through this, and a recording is played through it: what is wrong in one is wrong in the other.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sseclient import SSEClient

from playground.wire_errors import not_text, too_large, too_long, too_many_lines

MB = 1024 * 1024
EVENT_LIMIT = 4 * MB
ANSWER_LIMIT = 64 * MB
LINES_LIMIT = 100
LEAST = 64  # what a piece or a line counts for at least: a million empty ones are work too
_DATA = b"data: "
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event. `raw` is all that came since the event before it: lines, their ends, comments, and what holds no data."""

    data: str
    raw: bytes


class EventStream:
    """The events of a stream, bounded; sseclient reads each of them when it is whole, without comments.

    sseclient puts an event together line by line and copies all before each time; handed what a hostile server sends as it
    comes, it would copy for hours. An event of one line of data, as all these services send them, is its data already.

    A service may write an error as a bare `{...}` line in the middle of a stream. An event parser must ignore a line
    without a field name, and the error would be lost; so such a line is given one, as an event of its own.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self._buffer = bytearray()  # what arrived and was not given away as anything's `raw`
        self._line = self._read = self._event = 0  # where in it the last line began, where it ended, where the last event ended
        self._since_event = 0
        self.seen = False

    def events(self) -> Iterator[Event]:
        """Yield each event the moment its last byte is here.

        What comes last and is no event, cut off or without data, comes without data too; if reading failed, before the error
        is raised. Raises `ServiceError` if an event or the whole is too large or not UTF-8, and what `pieces` raises.
        """
        try:
            for lines in self._blocks():
                if len(lines) == 1 and lines[0].startswith(_DATA):
                    found = [lines[0][len(_DATA) :].decode()]
                else:
                    found = [event.data for event in SSEClient([_whole(lines)]).events()]  # type: ignore[arg-type]
                for data in found:
                    self._since_event = 0
                    yield Event(data, self._taken(self._event))
        except Exception as error:
            if rest := self._taken(len(self._buffer)):
                yield Event("", rest)
            if isinstance(error, UnicodeDecodeError):
                raise not_text() from error
            raise
        if rest := self._taken(len(self._buffer)):
            yield Event("", rest)

    def _blocks(self) -> Iterator[list[bytes]]:
        """The lines of each event, as soon as the blank line after them is here."""
        lines: list[bytes] = []
        for line in self._lines():
            bare = line.startswith(b"{")
            if line and not bare:
                if not line.startswith(b":"):
                    lines.append(line)
                if len(lines) > LINES_LIMIT:
                    raise too_many_lines(LINES_LIMIT)
                continue
            if lines:
                self._event = self._line if bare else self._read
                yield lines
                lines = []
            if bare:
                self._event = self._read
                yield [_DATA + line]
        if lines:
            self._event = self._read
            yield lines

    def _lines(self) -> Iterator[bytes]:
        """Each line without its end, as soon as that is here: LF, CR or CR LF, wherever the pieces are cut."""
        line, after_return, first, size = bytearray(), False, True, 0
        for piece in self._pieces:
            self.seen = True
            self._since_event += len(piece)
            if self._since_event > EVENT_LIMIT:
                raise too_large(EVENT_LIMIT)
            self._buffer += piece
            if after_return and piece.startswith(b"\n"):
                piece = piece[1:]
                self._read += 1
            after_return = piece.endswith(b"\r")
            for part in piece.splitlines(keepends=True):
                size += max(len(part), LEAST)
                if size > ANSWER_LIMIT:
                    raise too_long(ANSWER_LIMIT)
                if not line:
                    self._line = self._read
                self._read += len(part)
                text = part.rstrip(b"\r\n")
                if len(text) == len(part):
                    line += text
                    continue
                if line:
                    text, line = bytes(line + text), bytearray()
                yield text.removeprefix(_BYTE_ORDER_MARK) if first else text
                first = False
        if line:
            yield bytes(line)

    def _taken(self, end: int) -> bytes:
        """Take the bytes up to there out of the buffer."""
        raw = bytes(memoryview(self._buffer)[:end])
        del self._buffer[:end]
        self._line, self._read, self._event = self._line - end, self._read - end, 0
        return raw


def _whole(lines: list[bytes]) -> bytes:
    return b"\n".join([*lines, b"", b""])

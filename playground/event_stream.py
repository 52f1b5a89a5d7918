"""Server-sent events out of bytes. No I/O, and nothing of what is in an event.

The wire reads what arrives through this, and a recording is played through it: what is wrong in one is wrong in the other.
"""

from collections.abc import Callable, Iterable, Iterator

from sseclient import SSEClient

from playground.wire_errors import not_text, too_large, too_long, too_many_lines

MB = 1024 * 1024
EVENT_LIMIT = 4 * MB
ANSWER_LIMIT = 64 * MB
LINES_LIMIT = 100
LEAST = 64  # what a piece or a line counts for at least: a million empty ones are work too
_DATA = b"data: "
_ENDS = (b"\n", b"\r")
_BLANK = b"\n\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class EventStream:
    """The data of a stream's events, bounded. One line of data and a blank line, as all these services send them, is an event as it stands.

    What comes in another form is read line by line, and each event of it by sseclient when it is whole, without comments:
    sseclient puts an event together line by line and copies all before each time; handed what a hostile server sends as it
    comes, it would copy for hours.

    A service may write an error as a bare `{...}` line in the middle of a stream. An event parser must ignore a line
    without a field name, and the error would be lost; so such a line is given one, as an event of its own.
    """

    def __init__(self, pieces: Iterable[bytes], keep: Callable[[bytes], object]) -> None:
        self._pieces = pieces
        self._keep = keep
        self._buffer = bytearray()  # what arrived and was not given to be kept before the last piece came
        self._given = self._read = self._begun = 0  # how much of it was given away, how much was read, where the last line begins
        self._line = bytearray()  # a line whose end is not here
        self._lines: list[bytes] = []  # the lines of an event whose end is not here
        self._after_return = False
        self._first = True
        self._size = self._parts = 0  # bytes; pieces and lines
        self.seen = False

    def events(self) -> Iterator[str]:
        """Yield each event's data the moment its last byte is here, and before that give `keep` all that came since the event before it.

        That is lines, their ends, comments, and what holds no data. What comes last and is no event, cut off or without data, is kept
        too; if reading failed, before the error is raised. Raises `ServiceError` if an event or the whole is too large or not UTF-8,
        and what `pieces` raises.
        """
        keep = self._keep
        try:
            for piece in self._pieces:
                self._receive(piece)
                if self._read or self._first:  # something is on its way, or a byte order mark
                    begun, blank, piece = piece.partition(_BLANK)
                    yield from self._by_line(begun + blank)
                whole, blank, rest = piece.rpartition(_BLANK)
                lines = whole.split(b"\n")
                self._parts += len(lines)
                if blank and len(lines) % 2 and not any(lines[1::2]) and b"\r" not in whole:  # after each line comes a blank one
                    for line in lines[::2]:
                        raw = line + _BLANK
                        if line.startswith(_DATA) and self._read == self._given:
                            data = line[6:].decode()
                            self._read = self._given = self._given + len(raw)
                            keep(raw)
                            yield data
                        else:
                            yield from self._by_line(raw)
                else:
                    yield from self._by_line(whole + blank)
                if rest:
                    yield from self._by_line(rest)
            yield from self._end_of_line(bytes(self._line))
            yield from self._end_of_event(self._read)
        except Exception as error:
            self._give(len(self._buffer))
            if isinstance(error, UnicodeDecodeError):
                raise not_text() from error
            raise
        self._give(len(self._buffer))

    def _receive(self, piece: bytes) -> None:
        """Put it to what was not given away, if that is not too much."""
        self.seen = True
        del self._buffer[: self._given]
        self._read, self._begun, self._given = self._read - self._given, self._begun - self._given, 0
        self._buffer += piece
        self._size += len(piece)
        self._parts += 1
        if len(self._buffer) > EVENT_LIMIT:
            raise too_large(EVENT_LIMIT)
        if self._size > ANSWER_LIMIT or self._parts > ANSWER_LIMIT // LEAST:
            raise too_long(ANSWER_LIMIT)

    def _give(self, end: int) -> None:
        """Give what came up to there to be kept."""
        if end > self._given:
            raw = bytes(memoryview(self._buffer)[self._given : end])
            self._given = end
            self._keep(raw)

    def _by_line(self, part: bytes) -> Iterator[str]:
        """Read lines in any form: they end in LF, CR or CR LF, wherever the pieces are cut."""
        lines = part.splitlines(keepends=True)
        self._parts += len(lines)
        for line in lines:
            if not self._line:
                self._begun = self._read
            self._read += len(line)
            after_return, self._after_return = self._after_return, line.endswith(b"\r")
            if not line.endswith(_ENDS):
                self._line += line
            elif self._line:
                line = bytes(self._line + line)
                self._line.clear()
                yield from self._end_of_line(line)
            elif not (after_return and line == b"\n"):
                yield from self._end_of_line(line)

    def _end_of_line(self, line: bytes) -> Iterator[str]:
        line = line.rstrip(b"\r\n")
        if self._first:
            line, self._first = line.removeprefix(_BYTE_ORDER_MARK), False
        if line.startswith(b"{"):
            yield from self._end_of_event(self._begun)
            self._lines.append(_DATA + line)
        elif line:
            if not line.startswith(b":"):
                self._lines.append(line)
            if len(self._lines) > LINES_LIMIT:
                raise too_many_lines(LINES_LIMIT)
            return
        yield from self._end_of_event(self._read)

    def _end_of_event(self, end: int) -> Iterator[str]:
        """Yield the data of the lines before `end`, if there are any and there is data in them."""
        lines, self._lines = self._lines, []
        if len(lines) == 1 and lines[0].startswith(_DATA):
            data = lines[0][len(_DATA) :].decode()
            self._give(end)
            yield data
        elif lines:
            for event in SSEClient([b"\n".join([*lines, b"", b""])]).events():  # type: ignore[arg-type]
                self._give(end)
                yield event.data

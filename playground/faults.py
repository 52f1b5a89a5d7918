"""The faults that the emulator can play: what each does in words, and the figures that some of their names carry.

The emulator lists them over HTTP, and the fault lab reads that list; only the words and the shape of a figure are shared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from playground.message import N_

DESCRIPTIONS: Mapping[str, str] = {
    "echo": N_("a JSON text of the request as it was received, secrets masked"),
    "ordinary": N_("three sentences and no fault"),
    "slow": N_("an event each half second for twenty seconds"),
    "silent": N_("headers at once, then nothing for 30 seconds"),
    "silent_before_headers": N_("not one byte for 30 seconds"),
    "loop": N_("a text that repeats itself, thirty events a second"),
    "cut_mid_event": N_("the connection breaks inside the second event"),
    "cut_without_end": N_("a clean close after two events, without the end mark"),
    "error_mid_stream": N_("an error as an event after two sentences"),
    "error_mid_stream_bare": N_("an error as a bare line of JSON after two sentences"),
    "html_502": N_("a gateway's HTML page with status 502"),
    "split_characters": N_("Chinese text whose bytes come one at a time"),
    "crlf": N_("events framed by CR LF"),
    "no_space": N_("no space after “data:”"),
    "comments": N_("comment lines between events"),
    "line_separators": N_("U+2028 and U+0085 in the text, unescaped"),
    "big_event": N_("one event of a megabyte"),
    "unchunked": N_("no chunks and no length: the body ends with the connection"),
    "endless": N_("a hundred events a second, for ever"),
    "empty_body": N_("headers, and an empty body"),
    "json_success": N_("one JSON answer although a stream was asked for"),
    "redirect": N_("a redirect to another path"),
    "busy": N_("two calls are refused as too many, then it answers"),
    "error_json": N_("a JSON error instead of an answer"),
    "unauthorised": N_("no right to this service"),
    "expired_token": N_("the first access token that it sees is expired for ever, a newer one works"),
    "always_expired": N_("every access token is expired"),
    "unsafe": N_("the input is flagged, in the newer build's fields"),
    "unsafe_older": N_("the input is flagged, in the older build's field"),
    "no_safety": N_("nothing is said of safety"),
    "truncated": N_("the answer is cut at its length limit"),
    "usage_late": N_("token counts stay behind until the last event"),
    "no_usage": N_("no token counts"),
    "gap": N_("sentence numbers jump"),
    "silent_N": N_("headers at once, then nothing for N seconds"),
    "silent_before_headers_N": N_("not one byte for N seconds"),
    "long_C_R": N_("C characters in events of 30, R events a second (0: as fast as possible)"),
    "quota_CODE_N": N_("CODE for N calls, then it answers"),
    "error_code_N": N_("error code N"),
}

SECONDS, CHARACTERS, EVENTS_A_SECOND = N_("seconds"), N_("characters"), N_("events a second")
CODE, CALLS = N_("error code"), N_("calls that are refused")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A figure in a fault's name. `name` is its letter there, `words` what it counts; a `code` is one of the error table's."""

    name: str
    words: str
    kind: Literal["int", "float", "code"]
    minimum: float
    maximum: float
    default: float

    def written(self, value: float) -> str:
        """Return the figure as names carry it, with at most three places."""
        return f"{value:.3f}".rstrip("0").rstrip(".") if self.kind == "float" else str(int(value))

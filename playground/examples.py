"""The examples of the API pages: what they ask, and the answers they show, field by field.

The reference page shows them and opens them on the bench; the emulator plays them as recorded answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from playground.message import N_

Fields = Mapping[str, Any]
FIRST_EVENT = 0.4


def offsets(created: Sequence[int]) -> list[float]:
    """Return when each event of a documented stream is sent, in seconds: those of the same second are spread over it evenly."""
    times: list[float] = []
    for second, events in groupby(created):
        count = len(list(events))
        times.extend(FIRST_EVENT + second - created[0] + place / count for place in range(count))
    return times


@dataclass(frozen=True, kw_only=True)
class Example:
    """A request without and with `stream`, and its answers: `single` in one piece, `stream` event by event.

    `older` is the stream of an older build, where a page shows the answers of two. `model` is what the request names where
    the wire has such a field. `source` says where all this stands.
    """

    prompt: str
    source: str
    single: Fields
    stream: tuple[Fields, ...]
    older: tuple[Fields, ...] = ()
    model: str = ""
    parameters: Fields = field(default_factory=dict)


_CITY = (
    "China.\nBeijing is the capital city of China and is located in the northern part of the country. It is the largest city in China and is "
    "known for its modern architecture, cultural heritage, and historical significance. The city is home to many famous landmarks, such as the "
    "Forbidden City, Tiananmen Square"
)
_REST = ", and the Great Wall of China. It is also known for its vibrant nightlife, delicious food, and stunning scenery."


def _usage(prompt: int, completion: int, total: int) -> Fields:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}


def _single(text: str) -> Fields:
    return {"id": "as-rq3wwusja8", "object": "completion", "created": 1693811110, "result": text, "is_safe": 1, "usage": _usage(5, 92, 97)}


def _older(first: str, second: str) -> tuple[Fields, ...]:
    """The older build's stream of two events: each its own completion tokens, and what the input was found to be."""
    rows = ((1693811126, False, first, _usage(5, 67, 72)), (1693811128, True, second, _usage(5, 24, 96)))
    return tuple(
        {"id": "as-9092ws9jgh", "object": "completion", "created": created, "sentence_id": number, "is_end": is_end, "result": text,
         "is_safe": 1, "usage": usage}
        for number, (created, is_end, text, usage) in enumerate(rows)
    )


def _newer(rows: tuple[tuple[int, int, str], ...]) -> tuple[Fields, ...]:
    """The newer build's stream: rows of second, completion tokens so far, and text."""
    return tuple(
        {"id": "as-9hyt4r1mp9", "object": "completion", "created": 1718781893 + second, "sentence_id": number, "is_end": number == len(rows) - 1,
         "is_truncated": False, "result": text, "need_clear_history": False, "usage": _usage(6, tokens, 6 + tokens)}
        for number, (second, tokens, text) in enumerate(rows)
    )


EXAMPLES: Mapping[str, Example] = {
    "cerebras_gpt_6_7b": Example(
        prompt="introduce the city beijing", source=N_("API page of Cerebras-GPT-6.7B, 2023-11-14, in the letter case it was found in"),
        single=_single((_CITY + _REST).lower()), stream=_older((", " + _CITY).lower(), _REST.lower()),
    ),
    "stablelm_alpha_7b": Example(
        prompt="Introduce the city Beijing", source=N_("API page of StableLM-Alpha-7B"),
        single=_single(", " + _CITY + _REST), stream=_older(", " + _CITY, _REST),
    ),
    "yi_34b": Example(
        prompt="Introduce the city Beijing",
        source=N_("API page of Yi-34B: the newer build's stream from its Python SDK example, all else from its HTTP examples"),
        single=_single(_CITY + _REST), older=_older(" " + _CITY, _REST),
        stream=_newer((
            (0, 0, "Beijing"),
            (0, 0, " is the capital city of China and the center of the administrative, cultural, scientific, and technological district of the "
                   "country. It is also the main gateway"),
            (1, 0, " of China's economic, cultural, and political exchanges with the outside world. Beijing is located in the northern part of the "
                   "Chinese mainland and is"),
            (1, 0, " bordered by Hebei Province to the east and the Bohai Sea to the west. It has a total area of 16,41"),
            (2, 0, "0 square kilometers, including 10,807 square kilometers of urban area. Beijing is a city with a long history and splendid culture"),
            (2, 0, ". It has a history of more than 3,000 years and is one of the most ancient and important cities in China. Beijing is"),
            (2, 0, " also a city with a unique modern history. It was founded by the Manchu people in 1421 and became the capital of China in"),
            (3, 0, " 1421. After the founding of the People's Republic of China, Beijing has become the center of China's scientific, technological"),
            (3, 0, ", cultural, educational and other fields. Beijing is also a city with a unique geographical environment. It is surrounded by "
                   "mountains and rivers and has rich natural"),
            (4, 272, " resources and beautiful scenery. Beijing is a city with a unique urban layout and architectural style. It has many historical "
                     "buildings and cultural relics"),
            (4, 272, ", including the Forbidden City, the Temple of Heaven, the Summer Palace, etc., which are all very precious cultural heritage of "
                     "China. In short"),
            (4, 272, ", Beijing is a city with a long history, splendid culture, unique modern history, rich natural resources, beautiful scenery, "
                     "unique urban layout"),
            (5, 272, " and architectural style, as well as many historical and cultural relics. It is a city that combines ancient and modern, "
                     "traditional and modern, and"),
            (5, 372, " has become an international metropolis with great influence."),
        )),
    ),
}

OPENAI_EXAMPLE = Example(
    prompt="Say this is a test", model="gpt-3.5-turbo-instruct", parameters={"max_tokens": 7, "temperature": 0},
    source=N_("OpenAI's API reference, completions"),
    single={
        "id": "cmpl-uqkvlQyYK7bGYrRHQ0eXlWi7", "object": "text_completion", "created": 1589478378, "model": "gpt-3.5-turbo-instruct",
        "choices": [{"text": "\n\nThis is indeed a test", "index": 0, "logprobs": None, "finish_reason": "length"}],
        "usage": _usage(5, 7, 12),
    },
    stream=(
        {
            "id": "cmpl-7iA7iJjj8V2zOkCGvWF2hAkWZBBMD", "object": "text_completion", "created": 1690759702,
            "choices": [{"text": "This", "index": 0, "logprobs": None, "finish_reason": None}], "model": "gpt-3.5-turbo-instruct",
        },
    ),
)

"""The two languages: which catalogue a visitor reads, and the function that translates for him.

English is the source; `locale/zh_CN` holds the Chinese catalogue. Nothing is installed process-wide: two visitors may
read two languages at once.
"""

import functools
import gettext
from collections.abc import Callable

from playground.settings import ROOT

DOMAIN = "playground"
LANGUAGES = {"en": "English", "zh_CN": "中文"}

Translate = Callable[[str], str]


def choose_language(locale: str | None) -> str:
    """Return the language for a browser locale such as `zh-CN`; English if it is none of ours."""
    return "zh_CN" if (locale or "").lower().startswith("zh") else "en"


@functools.cache
def translator(language: str) -> Translate:
    """Return the gettext function of a language; an unknown one reads the English source."""
    if language not in LANGUAGES or language == "en":
        return lambda text: text
    catalogue = gettext.translation(DOMAIN, ROOT / "locale", languages=[language], fallback=True)
    return lambda text: catalogue.gettext(text) if text else ""

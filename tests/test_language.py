"""The two languages: which one a visitor gets, and that the Chinese catalogue says everything the code says."""

import ast
import builtins
import gettext
import importlib.util
import re
import string
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from playground.language import choose_language, translator
from playground.message import Message, message

ROOT = Path(__file__).resolve().parent.parent
_spec = importlib.util.spec_from_file_location("update_catalogues", ROOT / "locale" / "update.py")
assert _spec and _spec.loader
update = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(update)

PERCENT = re.compile(r"%(?:\(\w+\))?[-#0+]*\d*(?:\.\d+)?[diouxXeEfFgGcrs]")


def places(text: str) -> set[str]:
    """The places of a text that are filled in: `{name}` and `%` forms."""
    return {f"{{{name}}}" for _, name, _, _ in string.Formatter().parse(text) if name is not None} | set(PERCENT.findall(text))


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("zh-CN", "zh_CN"), ("zh", "zh_CN"), ("zh-Hans-CN", "zh_CN"), ("ZH_cn", "zh_CN"), ("zh-TW", "zh_CN"),
        ("en-US", "en"), ("en", "en"), ("fr-FR", "en"), ("", "en"), (None, "en"),
    ],
)  # fmt: skip
def test_the_browser_chooses_the_language(locale, language):
    assert choose_language(locale) == language


@pytest.mark.parametrize("language", ["en", "xx", ""])
def test_a_language_without_a_catalogue_reads_the_source(language):
    assert translator(language)("A text nobody wrote") == "A text nobody wrote"


def test_a_text_the_catalogue_lacks_reads_as_the_source():
    assert translator("zh_CN")("A text nobody wrote") == "A text nobody wrote"


def test_an_empty_text_stays_empty():
    """gettext answers the empty text with the catalogue's header."""
    assert translator("zh_CN")("") == ""


def test_both_languages_at_once():
    texts = [text for text, translation in update.read().items() if translation and translation != text]
    for text in texts[:1]:
        assert translator("zh_CN")(text) != translator("en")(text) == text
    assert not hasattr(builtins, "_") and not hasattr(builtins, "gettext")


def test_a_message_inside_a_message_is_translated_too():
    chinese = {"Off: {reason}": "关闭：{reason}", "no key": "没有密钥"}
    outer = message("Off: {reason}", reason=message("no key"))
    assert outer.render(lambda text: chinese[text]) == "关闭：没有密钥"
    assert str(outer) == "Off: no key"
    assert Message("plain").render(str) == "plain"


def test_every_text_of_the_code_is_translated():
    translations = update.read()
    missing = sorted({text for text, _ in update.texts() if not translations.get(text, "").strip()})
    assert not missing, f"{len(missing)} texts without Chinese; run make messages and translate in {update.PO.relative_to(ROOT)}: {missing[:5]}"


def test_no_translation_is_left_over():
    with update.PO.open("rb") as file:
        catalogue = read_po(file, locale=update.LANGUAGE)
    assert list(catalogue.obsolete) == []
    assert sorted(set(update.read()) - {text for text, _ in update.texts()}) == [], "run make messages"
    assert [entry.id for entry in catalogue if entry.id and entry.fuzzy] == []


def test_translations_fill_the_same_places():
    wrong = {text: translation for text, translation in update.read().items() if translation and places(text) != places(translation)}
    assert wrong == {}


def test_translations_keep_the_edges():
    """A space or a line end at the edge of a text is there to join it to another one."""
    edges = re.compile(r"^\s*|\s*$")
    wrong = {text: to for text, to in update.read().items() if to and edges.findall(text) != edges.findall(to)}
    assert wrong == {}


def test_the_compiled_catalogue_is_the_written_one():
    with update.MO.open("rb") as file:
        compiled = {entry.id: entry.string for entry in read_mo(file) if entry.id}
    assert compiled == {text: translation for text, translation in update.read().items() if translation}


@pytest.mark.slow
def test_catalogues_are_the_same_each_time_they_are_made():
    first, second = (update.build(update.read()) for _ in range(2))
    assert update.written(first) == update.written(second)
    assert update.compiled(first) == update.compiled(second)
    assert gettext.GNUTranslations(BytesIO(update.compiled(first))).charset() == "utf-8"


def test_texts_can_be_extracted():
    """The extractor reads source: the text must stand in the call, an f-string is another text each time and hides what is in it."""
    wrong = []
    for folder in update.FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            within = {inner for outer in ast.walk(tree) if isinstance(outer, ast.JoinedStr) for inner in ast.walk(outer)}
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in update.KEYWORDS and node.args:
                    plain = isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)
                    if (plain and node in within) or isinstance(node.args[0], ast.JoinedStr) or (node.func.id != "_" and not plain):
                        wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert wrong == []

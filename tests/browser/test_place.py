"""Where one arrives and what one sees: links, languages, small windows, long texts, and a server that was set up wrongly."""

import pytest
from playwright.sync_api import expect

from tests.browser.bench import Bench
from tests.browser.serving import copy_of_app

pytestmark = pytest.mark.browser

LONG = {
    "English": "The quick brown fox jumps over the lazy dog, and nobody minds. " * 60,
    "Chinese": "北京是中华人民共和国的首都，也是一座有三千多年历史的古城。" * 60,
    "unbreakable": "x" * 3000,
    "mixed": ("Beijing 北京, https://example.org/" + "a/" * 40 + " \t tab\n\n  indented   blanks   \n") * 12,
}


def test_a_link_to_the_reference_opens_it_on_a_fresh_server(visit, serve):
    fresh = serve()
    page = visit(fresh, expects=("/reference/_stcore/",)).page  # Streamlit looks for its own routes there first
    page.goto(fresh.url + "/reference")
    expect(page.get_by_role("heading", name="Error codes")).to_be_visible(timeout=60_000)
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_text("Page not found")).to_have_count(0)
    page.get_by_role("link", name="Bench").click()
    Bench(page, fresh.url).ready()


def test_settings_that_make_no_sense_are_said_in_words(visit, serve, tmp_path):
    root = copy_of_app(tmp_path / "copy")
    (root / ".env").write_text("QIANFAN_AK=an-api-key\nthis is no line\nQIANFAN_ENDPOINT_YI_34B=mine\nPLAYGROUND_RUN_TIME=soon\n", encoding="utf-8")
    site = serve(root, PLAYGROUND_TEXT_LIMIT="-5", QIANFAN_LLM_API_RETRY_COUNT="many", PLAYGROUND_KEEP="nan")
    bench = visit(site).open()
    for words in (
        "Line 2 of .env cannot be read.",
        "PLAYGROUND_RUN_TIME must be a number from 1; it is “soon”.",
        "PLAYGROUND_TEXT_LIMIT must be a number from 1000; it is “-5”.",
        "QIANFAN_LLM_API_RETRY_COUNT must be a number from 0; it is “many”.",
        "PLAYGROUND_KEEP must be a number from 1; it is “nan”.",
    ):
        expect(bench.page.get_by_test_id("stAlert").filter(has_text=words)).to_be_visible()
    expect(bench.page.get_by_text("this is no line")).to_have_count(0)
    bench.choose("Yi-34B", "Your Qianfan services", "○")
    expect(bench.page.get_by_text("QIANFAN_AK is set, QIANFAN_SK is not.")).to_be_visible()
    bench.type_prompt("nowhere to go")
    bench.run().wait_refused("QIANFAN_AK is set, QIANFAN_SK is not.")
    bench.choose("Cerebras-GPT-6.7B").run().wait_ended()
    assert bench.ending() == "Finished"
    assert "an-api-key" not in site.log and "Traceback" not in site.log


def test_a_base_url_that_is_none_is_said_in_words(visit, serve):
    site = serve(QIANFAN_BASE_URL="ftp://example.org", QIANFAN_ENDPOINT_YI_34B="mine")
    bench = visit(site).open().choose("Yi-34B", "Your Qianfan services", "○")
    expect(bench.page.get_by_text("QIANFAN_BASE_URL is not a web address.")).to_be_visible()
    bench.run().wait_refused("QIANFAN_BASE_URL is not a web address.")
    assert "Traceback" not in site.log


def test_the_language_follows_the_browser_and_a_choice_stays(visit):
    bench = visit(locale="zh-CN").open()
    chinese, english = (bench.page.get_by_role("radio", name=name, exact=True) for name in ("中文", "English"))
    expect(chinese).to_be_checked()
    bench.type_prompt("介绍一下北京")
    bench.toggle("temperature").typed("temperature", "0.42")
    english.click()
    expect(english).to_be_checked()
    expect(bench.go).to_contain_text("Run")
    bench.settled()
    assert bench.prompt.input_value() == "介绍一下北京"
    expect(bench.box("temperature")).to_have_value("0.42")
    bench.page.get_by_role("link", name="Reference").click()
    expect(bench.page.get_by_role("heading", name="Error codes")).to_be_visible()
    expect(english).to_be_checked()
    bench.page.get_by_role("link", name="Bench").click()
    bench.ready()
    expect(bench.go).to_contain_text("Run")
    assert bench.prompt.input_value() == "介绍一下北京"
    expect(bench.box("temperature")).to_have_value("0.42")


@pytest.mark.parametrize("width", [1360, 390])
def test_the_answer_stands_where_the_prompt_ends(visit, width: int):
    bench = visit(viewport={"width": width, "height": 900}).open()
    for name, text in LONG.items():
        bench.type_prompt(text)
        typed, mirrored = bench.prompt.evaluate(
            """textarea => {
                const mirror = textarea.parentElement.querySelector(".mirror");
                mirror.style.alignSelf = textarea.style.alignSelf = "start";
                textarea.style.height = "0";
                const heights = [textarea.scrollHeight, mirror.getBoundingClientRect().height];
                mirror.style.alignSelf = textarea.style.alignSelf = textarea.style.height = "";
                return heights;
            }"""
        )
        assert typed > 300 and abs(typed - mirrored) <= 2, (name, typed, mirrored)


def test_a_phone_shows_one_column_and_run_is_in_reach(visit):
    bench = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True).open()
    main = bench.page.get_by_test_id("stMain")
    assert bench.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert main.evaluate("element => element.scrollWidth - element.clientWidth") <= 0
    box = bench.go.bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["y"] + box["height"] <= 844
    bench.choose("Cerebras-GPT-6.7B").run().wait_ended()
    assert main.evaluate("element => element.scrollWidth - element.clientWidth") <= 0
    bench.details("Sentences and usage")
    assert main.evaluate("element => element.scrollWidth - element.clientWidth") <= 0

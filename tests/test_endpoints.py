"""Which rows the selector has, with which credentials, and why a row is off."""

import pytest

from playground.credentials import AccessToken, ApplicationKeys, IamKeys
from playground.endpoints import FAULTS, build_endpoints, check_base_url, read_credentials
from playground.errors import ConfigurationError
from playground.redaction import Secret
from playground.settings import Settings

EMULATOR = "http://127.0.0.1:8866"
KEYS = {"QIANFAN_AK": "application-ak", "QIANFAN_SK": "application-sk"}
IAM = {"QIANFAN_ACCESS_KEY": "iam-access", "QIANFAN_SECRET_KEY": "iam-secret"}


def rows(emulator_url=EMULATOR, faults=False, **values):
    return build_endpoints(Settings(values=values, fault_endpoints=faults), emulator_url)


def own(**values):
    return rows(**values)["own/yi_34b"]


def test_the_selector_shows_recorded_answers_then_own_services_then_other_servers():
    assert list(rows()) == [
        "recorded/cerebras_gpt_6_7b", "recorded/stablelm_alpha_7b", "recorded/yi_34b",
        "own/cerebras_gpt_6_7b", "own/stablelm_alpha_7b", "own/yi_34b", "openai",
    ]


def test_recorded_answers_need_no_key():
    for name, row in rows().items():
        if name.startswith("recorded/"):
            assert row.off is None
            assert row.url == f"{EMULATOR}/rpc/2.0/ai_custom/v1/wenxinworkshop/completions/{name.partition('/')[2]}"
            assert isinstance(row.credentials, ApplicationKeys)


def test_without_an_emulator_its_rows_are_off_with_a_reason():
    for row in rows(None, faults=True).values():
        assert row.off is not None
    assert "not running" in str(rows(None)["recorded/yi_34b"].off)


def test_fault_endpoints_are_there_only_when_switched_on():
    assert not [name for name in rows() if name.startswith("fault/")]
    assert [name for name in rows(faults=True) if name.startswith("fault/")] == [f"fault/{name}" for name in FAULTS]


@pytest.mark.parametrize(("name", "advised"), [("cerebras_gpt_6_7b", True), ("stablelm_alpha_7b", True), ("yi_34b", False)])
def test_two_pages_advise_one_of_temperature_and_top_p(name, advised):
    assert rows()[f"recorded/{name}"].advises_one_of_temperature_and_top_p is advised


@pytest.mark.parametrize(
    ("values", "credentials"),
    [
        (KEYS, ApplicationKeys(api_key=Secret("application-ak"), secret_key=Secret("application-sk"))),
        (IAM, IamKeys(access_key=Secret("iam-access"), secret_key=Secret("iam-secret"))),
        ({**KEYS, **IAM}, ApplicationKeys(api_key=Secret("application-ak"), secret_key=Secret("application-sk"))),
        ({**KEYS, "QIANFAN_ACCESS_TOKEN": " 24.token "}, AccessToken(token=Secret("24.token"))),
        ({"QIANFAN_AK": " ", "QIANFAN_SK": "", **IAM}, IamKeys(access_key=Secret("iam-access"), secret_key=Secret("iam-secret"))),
    ],
    ids=["application", "IAM", "both", "token", "blank application keys"],
)
def test_credentials_are_read_in_the_sdk_s_order(values, credentials):
    assert read_credentials(values) == credentials
    assert own(QIANFAN_ENDPOINT_YI_34B="abc_yi", **values).credentials == credentials


@pytest.mark.parametrize(
    ("values", "given", "missing"),
    [
        ({"QIANFAN_AK": "x"}, "QIANFAN_AK", "QIANFAN_SK"),
        ({"QIANFAN_SK": "x"}, "QIANFAN_SK", "QIANFAN_AK"),
        ({"QIANFAN_ACCESS_KEY": "x"}, "QIANFAN_ACCESS_KEY", "QIANFAN_SECRET_KEY"),
        ({"QIANFAN_SECRET_KEY": "x"}, "QIANFAN_SECRET_KEY", "QIANFAN_ACCESS_KEY"),
        ({"QIANFAN_AK": "x", **IAM}, "QIANFAN_AK", "QIANFAN_SK"),
    ],
    ids=["no SK", "no AK", "no secret key", "no access key", "half a pair beside a whole one"],
)
def test_half_a_pair_names_the_missing_half(values, given, missing):
    with pytest.raises(ConfigurationError, match=f"{given} is set, {missing} is not") as caught:
        read_credentials(values)
    assert missing in str(caught.value.remedy)


def test_no_key_at_all_says_which_to_set():
    with pytest.raises(ConfigurationError, match="No key") as caught:
        read_credentials({})
    assert "QIANFAN_AK" in str(caught.value.remedy)


def test_an_own_service_is_on_when_all_is_set():
    row = own(QIANFAN_ENDPOINT_YI_34B="lbwxxxd4_测试", **KEYS)
    assert row.off is None
    assert row.url == "https://aip.baidubce.com/rpc/2.0/ai_custom/v1/wenxinworkshop/completions/lbwxxxd4_%E6%B5%8B%E8%AF%95"


def test_an_own_base_url_is_used():
    row = own(QIANFAN_ENDPOINT_YI_34B="x", QIANFAN_BASE_URL=" http://10.0.0.5:8000/gateway/ ", **KEYS)
    assert row.url.startswith("http://10.0.0.5:8000/gateway/rpc/2.0/")
    assert str(row.note) == "Your own service at 10.0.0.5:8000."


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, "address of your service is not set"),
        (KEYS, "address of your service is not set"),
        ({"QIANFAN_ENDPOINT_YI_34B": "x"}, "No key"),
        ({"QIANFAN_ENDPOINT_YI_34B": "x", "QIANFAN_AK": "y"}, "QIANFAN_SK is not"),
        ({"QIANFAN_ENDPOINT_YI_34B": "x" * 201, **KEYS}, "not a service address"),
        ({"QIANFAN_ENDPOINT_YI_34B": "a\tb", **KEYS}, "not a service address"),
        ({"QIANFAN_ENDPOINT_YI_34B": "a b", **KEYS}, "not a service address"),
        ({"QIANFAN_ENDPOINT_YI_34B": "x", "QIANFAN_BASE_URL": "nonsense", **KEYS}, "QIANFAN_BASE_URL is not a web address"),
    ],
    ids=["nothing", "no address", "no key", "half a pair", "long address", "tab", "space", "base URL"],
)
def test_an_own_service_that_cannot_be_used_says_why(values, reason):
    assert reason in str(own(**values).off)


def test_a_row_does_not_show_its_keys():
    assert "application-sk" not in repr(rows(QIANFAN_ENDPOINT_YI_34B="x", **KEYS))


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://aip.baidubce.com", "https://aip.baidubce.com"), (" https://aip.baidubce.com/ ", "https://aip.baidubce.com"),
        ("http://127.0.0.1:8866", "http://127.0.0.1:8866"), ("http://[::1]:8866/a/b/", "http://[::1]:8866/a/b"), ("HTTPS://Host", "HTTPS://Host"),
    ],
)
def test_a_web_address_is_taken(text, url):
    assert check_base_url("X", text) == url


@pytest.mark.parametrize(
    "text",
    ["", "aip.baidubce.com", "ftp://host", "https://", "http:///path", "file:///etc/passwd", "javascript:alert(1)", "http://[::1", "http://host:99999",
     "http://host:port", "http://host:-1", "http://host:0", "http://a b", "http://a\nb", "http://user@host", "http://user:hush@host", "http://:hush@host",
     "http://@host", "http://host?x=1", "http://host#x", "http://host?", "http://host/#", "http://host\\@other", "//host"],
)
def test_what_is_no_base_url_is_refused_by_its_name(text):
    with pytest.raises(ConfigurationError, match="THE_NAME") as caught:
        check_base_url("THE_NAME", text)
    assert "hush" not in str(caught.value)

"""Baidu's published vector and the seven that its official signer was run for."""

import hashlib

import pytest

from playground.providers.qianfan import completion_url
from playground.signature import authorization, canonical_request, timestamp

ACCESS, SECRET = "a" * 32, "b" * 32
AT = "2023-09-04T07:05:10Z"
URL = completion_url("https://aip.baidubce.com", "sqlcoder_7b")
SPECIAL = completion_url("https://aip.baidubce.com", "测试 v1~x(a+b)")
BASE = {"Host": "aip.baidubce.com", "x-bce-date": AT}
TYPED = {**BASE, "Content-Type": "application/json"}
TYPED_NAMES = ("content-type", "host", "x-bce-date")

VECTORS = {
    "V1": (URL, BASE, 1800, ("host", "x-bce-date"), 124, "45f2ece54a1857a7", "32a03ce6b1dd21f137307dac50098e53e27577e0f2a02cf415007562e0e7e16e"),
    "V1b": (URL, TYPED, 1800, TYPED_NAMES, 156, "5a634528eec588f5", "38b96bc10309b7b2b5b5c0ae39a1c1969fcb66d5ec31e0566667693043194477"),
    "V1b, names empty": (URL, TYPED, 1800, None, 156, "5a634528eec588f5", "38b96bc10309b7b2b5b5c0ae39a1c1969fcb66d5ec31e0566667693043194477"),
    "V2": (f"{SPECIAL}?b=&a=x%2Fy%20z&A=%2A~&a-b=1%2B2%3D3%264&empty", TYPED, 300, TYPED_NAMES, 227, "92d13e24cf864751",
           "66db918aa40b9f717198cdd2b21d9ff4a082ec3a6d13dff5d32d6e532c795cb6"),
    "V2u": (f"{SPECIAL}?%E5%90%8D=%E5%80%BC", TYPED, 300, TYPED_NAMES, 200, "d706fc283649693e",
            "5ac43542b54a6e8e123616e051259bf146363cd74301b3ffdd4f705e3831c2a3"),
    "V3": (URL, {**TYPED, "Request_id": "sdk-py-0.4.12.3-abcdefghij012345"}, 300, ("x-bce-date", "host", "request_id", "content-type"),
           200, "98b9393a049c9ba8", "e3bdfcc358e5cb4c3e6d861ff9675e2632f6be9bff182568365dc3edec3d3bd8"),
    "V4": (URL, {"Host": "aip.baidubce.com"}, 1800, ("host",), 88, "df7fdf28071e254f",
           "f06f4cf8512d8da612978931de66806d4ac71281122ecb45546f44fb5da5a2b5"),
    "V5": (URL, {**TYPED, "Content-Length": "39"}, 1800, ("content-length", *TYPED_NAMES), 174, "3a12371023c5e39b",
           "285c08fd182a5ab8903e0710f7f32a14af363aea87b0b775027d6354453bc1a7"),
    "V6": (URL, {**BASE, "Host": "127.0.0.1:8866"}, 1800, ("host", "x-bce-date"), 124, "c721af5fcb8a0e45",
           "dc4d30851ab9a13081c7a5b65cb6aa3a5bfbc896198d9744b369ce4e9fb667d9"),
}


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_the_verified_vectors_come_out(vector):
    url, headers, lifetime, names, length, digest, signature = vector
    text = canonical_request("POST", url, headers, names)
    assert len(text.encode()) == length
    assert hashlib.sha256(text.encode()).hexdigest().startswith(digest)
    printed = ";".join(sorted(names or ()))
    assert authorization(ACCESS, SECRET, method="post", url=url, headers=headers, at=AT, lifetime=lifetime, names=names) == (
        f"bce-auth-v1/{ACCESS}/{AT}/{lifetime}/{printed}/{signature}"
    )


def test_the_special_path_and_query_have_their_canonical_form():
    url, headers, _, names, *_ = VECTORS["V2"]
    assert canonical_request("POST", url, headers, names).split("\n") == [
        "POST",
        "/rpc/2.0/ai_custom/v1/wenxinworkshop/completions/%E6%B5%8B%E8%AF%95%20v1~x%28a%2Bb%29",
        "A=%2A~&a-b=1%2B2%3D3%264&a=x%2Fy%20z&b=&empty=",
        "content-type:application%2Fjson",
        "host:aip.baidubce.com",
        "x-bce-date:2023-09-04T07%3A05%3A10Z",
    ]


def test_an_empty_query_leaves_its_line():
    assert canonical_request("POST", URL, BASE, ("host", "x-bce-date")) == (
        "POST\n/rpc/2.0/ai_custom/v1/wenxinworkshop/completions/sqlcoder_7b\n\nhost:aip.baidubce.com\nx-bce-date:2023-09-04T07%3A05%3A10Z"
    )


PUBLISHED = {
    "Host": "bj.bcebos.com", "Content-Type": "text/plain", "Content-Length": "8", "Content-Md5": "NFzcPqhviddjRNnSOGo4rw==",
    "x-bce-date": "2015-04-27T08:23:49Z",
}
PUBLISHED_URL = "/v1/test/myfolder/readme.txt?partNumber=9&uploadId=a44cc9bab11cbd156984767aad637851"


@pytest.mark.parametrize(
    ("names", "tail"),
    [
        (None, "//d74a04362e6a848f5b39b15421cb449427f419c95a480fd6b8cf9fc783e2999e"),
        (("host", "x-bce-date"), "/host;x-bce-date/1b8de5a23a56eef657c69f94c621e7acd227d049a4ba577f537d5e5cebf0cf32"),
    ],
    ids=["default set", "named"],
)
def test_baidu_s_published_vector_comes_out(names, tail):
    header = authorization(ACCESS, SECRET, method="PUT", url=PUBLISHED_URL, headers=PUBLISHED, at="2015-04-27T08:23:49Z", names=names)
    assert header == f"bce-auth-v1/{ACCESS}/2015-04-27T08:23:49Z/1800{tail}"


def test_the_published_canonical_request_has_its_length():
    text = canonical_request("PUT", PUBLISHED_URL, PUBLISHED, None)
    assert (len(text), hashlib.sha256(text.encode()).hexdigest()[:16]) == (226, "47bc58b1d8daf9ac")


@pytest.mark.parametrize(("epoch", "text"), [(1693811110, AT), (1693811110.999, AT), (1430123029, "2015-04-27T08:23:49Z")])
def test_a_timestamp_is_whole_seconds_of_utc(epoch, text):
    assert timestamp(epoch) == text


def test_empty_and_unlisted_headers_are_left_out():
    plain = canonical_request("POST", URL, BASE, ("host", "x-bce-date"))
    assert canonical_request("POST", URL, {**BASE, "X-Other": "1", "Content-Type": " "}, ("content-type", "host", "x-bce-date")) == plain


def test_an_authorization_parameter_is_not_signed():
    assert canonical_request("GET", "/p?Authorization=x&a=1", BASE, ("host",)).split("\n")[2] == "a=1"


@pytest.mark.parametrize("url", ["https://aip.baidubce.com", "https://aip.baidubce.com/", "/"])
def test_an_empty_path_is_a_slash(url):
    assert canonical_request("GET", url, BASE, ("host",)).split("\n")[1] == "/"

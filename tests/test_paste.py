"""A paste becomes a request: the pages' own examples, other people's spellings, our exports, and hostile ones."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.completion import CompletionRequest
from playground.errors import ParameterError
from playground.export import LANGUAGES, Target, export
from playground.paste import MOST_CHARACTERS, read_paste
from playground.providers import qianfan

CURL = "curl -X POST 'https://aip.baidubce.com/rpc/2.0/ai_custom/v1/wenxinworkshop/completions/lb_test1?access_token=24.abc.2592000.1.2-3'"
BODY = '{"prompt":"Introduce the city Beijing","stream":true}'
BEIJING = "Introduce the city Beijing"

# The examples of the three API pages, as their captures show them: indentation, case or last brackets may be lost.
PAGES = {
    "curl, whole": ("""\
# 步骤一,获取access_token,替换下列示例中的应用API Key与应用Secret Key
curl 'https://aip.baidubce.com/oauth/2.0/token?grant_type=client_credentials&client_id=[应用API Key]&client_secret=[应用Secret Key]'
# 步骤二,调用本文API,使用步骤一获取的access_token,替换下列示例中的“调用接口获取的access_token”;替换示例中的创建服务时填写的API名称
curl -X POST 'https://aip.baidubce.com/rpc/2.0/ai_custom/v1/wenxinworkshop/completions/[创建服务时填写的API名称]?access_token=[步骤一调用接口获取的access_token]' -d '{
"prompt":"Introduce the city Beijing"
}' | iconv -f utf-8 -t utf-8
""", {"prompt": BEIJING}),
    "curl, lower-cased": ("""\
curl -x post 'https://aip.baidubce.com/rpc/2.0/ai_custom/v1/wenxinworkshop/completions/[申请发布时填写的api名称]?access_token=[步骤一调用接口获取的access_token]' -d '{
"prompt":"introduce the city beijing",
"stream": true
}'
""", {"prompt": "introduce the city beijing", "stream": True}),
    "curl, its end lost": ("""\
curl -XPOST 'https://aip.baidubce.com/rpc/2.0/ai_custom/v1/wenxinworkshop/completions/[申请发布时填写的API名称]?access_token=[步骤一调用接口获取的access_token]' -d '{
  "prompt":"Introduce the city Beijing",
  "stream": true
            
import requests
import json
def get_access_token():
    headers = {
        'Content-Type': 'application/json',
""", {"prompt": BEIJING, "stream": True}),
    "curl, nothing after its end": ("""\
curl -XPOST 'https://aip.baidubce.com/rpc/2.0/ai_custom/v1/wenxinworkshop/completions/x' -d '{
  "prompt":"Introduce the city Beijing",
  "stream": true
""", {"prompt": BEIJING, "stream": True}),
    "Python, indentation lost": ('''\
import requests
import json
def get_access_token():
"""
使用 API Key,Secret Key 获取access_token,替换下列示例中的应用API Key、应用Secret Key
"""
url = "https://aip.baidubce.com/oauth/2.0/token?grant_type=client_credentials&client_id=[应用API Key]&client_secret=[应用Secret Key]"
payload = json.dumps("")
headers = {
'Content-Type': 'application/json',
'Accept': 'application/json'
}
response = requests.request("POST", url, headers=headers, data=payload)
return response.json().get("access_token")
def main():
"""
替换下列示例中的创建服务时填写的API名称
"""
url = "https://aip.baidubce.com/rpc/2.0/ai_custom/v1/wenxinworkshop/completions/[创建服务时填写的API名称]?access_token=" + get_access_token()
payload = json.dumps({
"prompt":"Introduce the city Beijing",
"stream": True
})
headers = {
'Content-Type': 'application/json'
}
response = requests.request("POST", url, headers=headers, data=payload, stream=True)
for line in response.iter_lines():
print(line.decode('UTF-8'))
if __name__ == '__main__':
main()
''', {"prompt": BEIJING, "stream": True}),
    "Python, lower-cased": ('''\
import requests
import json
def main():
"""
替换下列示例中的申请发布时填写的api名称
"""
url = "https://aip.baidubce.com/rpc/2.0/ai_custom/v1/wenxinworkshop/completions/[申请发布时填写的api名称]?access_token=" get_access_token()
payload = json.dumps({
"prompt":"introduce the city beijing",
"stream": true
})
headers = {
'content-type': 'application/json'
}
''', {"prompt": "introduce the city beijing", "stream": True}),
    "Python, brackets and quotes lost": ("""\
import requests
import json
def get_access_token():
    使用 API Key,Secret Key 获取access_token,替换下列示例中的应用API Key、应用Secret Key
    url = "https://aip.baidubce.com/oauth/2.0/token?grant_type=client_credentials&client_id=[应用API Key]&client_secret=[应用Secret Key]"
    payload = json.dumps("")
    headers = {
        'Content-Type': 'application/json',
        'Accept': 'application/json'
    response = requests.request("POST", url, headers=headers, data=payload)
def main():
    替换下列示例中的申请发布时填写的API名称
     payload = json.dumps({
        "prompt":"Introduce the city Beijing",
        "stream": True
    headers = {
        'Content-Type': 'application/json'
    }
""", {"prompt": BEIJING, "stream": True}),
    "Python SDK": ("""\
import os
import qianfan
# 使用安全认证AK/SK鉴权,通过环境变量方式初始化
os.environ["QIANFAN_ACCESS_KEY"] = "your_iam_ak"
os.environ["QIANFAN_SECRET_KEY"] = "your_iam_sk"
comp = qianfan.Completion()
# 续写功能同样支持流式调用
resp = comp.do(endpoint="your_custom_endpoint", prompt="Introduce the city Beijing", stream=True)
for r in resp:
print(r["body"])
""", {"prompt": BEIJING, "stream": True}),
    "Go SDK": ("""\
package main
import (
"context"
"fmt"
"os"
"github.com/baidubce/bce-qianfan-sdk/go/qianfan"
)
func main() {
// 使用安全认证AK/SK鉴权,通过环境变量初始化
os.Setenv("QIANFAN_ACCESS_KEY", "your_iam_ak")
os.Setenv("QIANFAN_SECRET_KEY", "your_iam_sk")
chat := qianfan.NewCompletion(
qianfan.WithEndpoint("your_endpoint"),
)
resp, _ := chat.Stream( // Stream 启用流式返回,参数与 Do 相同
context.TODO(),
&qianfan.CompletionRequest{
Prompt: "hello",
},
)
""", {"prompt": "hello", "stream": True}),
    "Java SDK": ("""\
import com.baidubce.qianfan.Qianfan;
import com.google.gson.Gson;
public class Demo {
public static void main(String[] args) {
Gson gson = new Gson();
Qianfan qianfan = new Qianfan("your_iam_ak", "your_iam_sk");
qianfan.completion()
.endpoint("your_custom_endpoint")
.prompt("hello")
.executeStream()
.forEachRemaining(chunk -> System.out.print(gson.toJson(chunk)));
}
}
""", {"prompt": "hello", "stream": True}),
    "Node SDK": ("""\
import {Completions, setEnvVariable} from "@baiducloud/qianfan";
const client = new Completions({ QIANFAN_ACCESS_KEY: 'your_iam_ak', QIANFAN_SECRET_KEY: 'your_iam_sk', Endpoint: 'your_endpoint' });
async function main() {
const stream = await client.completions({
prompt: 'Introduce the city Beijing',
stream: true, //启用流式返回
});
""", {"prompt": BEIJING, "stream": True}),
}


def body(filled):
    return qianfan.body(filled.request)


@pytest.mark.parametrize("name", PAGES)
def test_reads_the_examples_of_the_api_pages(name):
    text, expected = PAGES[name]
    filled = read_paste(text)
    assert body(filled) == expected
    assert filled.endpoint_path in (None, "x"), "a placeholder is no address"
    assert filled.dropped == (), "a placeholder is no key"
    assert bool(filled.notes) == ("lost" in name and "indentation" not in name or "nothing" in name)


SPELLINGS = {
    "data-raw": f"{CURL} --data-raw '{BODY}'",
    "equals sign": f"{CURL} --data='{BODY}'",
    "glued": f"{CURL} -d'{BODY}'",
    "cluster": f"{CURL} -sSNd '{BODY}'",
    "json": f"{CURL} --json '{BODY}'",
    "double quotes": f'{CURL} -d "{BODY.replace(chr(34), chr(92) + chr(34))}"',
    "dollar quotes": f"{CURL} -d $'{BODY}'",
    "continued lines": f"{CURL} \\\n  -H 'Content-Type: application/json' \\\n  -d '{BODY}'",
    "continued lines of Windows": f"{CURL} ^\r\n  -d '{BODY}'",
    "prompt sign": f"$ {CURL} -d '{BODY}'",
    "here-document": f"{CURL} -d @- <<'EOF'\n{BODY}\nEOF\n",
    "here-document, expanded": f"{CURL} -d @- <<EOF | jq .\n{BODY}\nEOF\n",
    "here-document, tabs": f"{CURL} -d @- <<-'EOF'\n\t{BODY}\n\tEOF\n",
    "printf pipe": f"printf '%s' '{BODY}' | {CURL} --data-binary @-",
    "echo pipe": f"echo '{BODY}' | {CURL} -d @-",
    "cat pipe": f"cat <<'X' | {CURL} -d @-\n{BODY}\nX\n",
    "variable": f"url='{CURL.split(chr(39))[1]}'\nexport BODY='{BODY}'\ncurl -d \"$BODY\" \"${{url}}\"\n",
    "unknown options": f"{CURL} --max-time 30 -o out.txt --compressed -A agent -d '{BODY}' -k",
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_reads_every_spelling_of_curl(name):
    filled = read_paste(SPELLINGS[name] if name != "variable" else "curl --version\n" + SPELLINGS[name])
    assert body(filled) == {"prompt": BEIJING, "stream": True}
    assert (filled.endpoint_path, filled.base_url) == ("lb_test1", "https://aip.baidubce.com")
    assert [str(each) for each in filled.dropped] == ["A key or access token in the address was left out."]


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        (r"""curl -d '{"prompt":"it'\''s"}' x""", "it's"),
        (r"""curl -d $'{"prompt":"it\'s \\n \u4f60"}' x""", "it's \n 你"),
        (r'''curl -d "{\"prompt\":\"a \$HOME \\\\ b\"}" x''', "a $HOME \\ b"),
        ("import json\npayload = json.dumps({'prompt': 'a' 'b\\x41\\N{BULLET}'\n  r'\\n'})", "abA•\\n"),
        ('import json\nprompt = """Q:\n"A" """\nbody = {"prompt": prompt}', 'Q:\n"A" '),
        ("import qianfan\nqianfan.Completion().do('first', top_k=3)", "first"),
        ("const r = await c.completions({prompt: `a\\`\nb`, top_k: 1})", "a`\nb"),
        ("const prompt = 'x' + \"\\u{1f600}\\ud83d\\ude00\";\nc.completions({'prompt': prompt})", "x😀😀"),
        ("package main\nvar r = qianfan.CompletionRequest{Prompt: `a\\n` + \"\\u00e9\"}", "a\\né"),
        ('new Qianfan(a, b).completion().prompt("\\101\\uuu4f60\\0")', "A你\0"),
        ('{"prompt": "\\ud83d\\ude00 curl -d x"}', "😀 curl -d x"),
        ("请求体:\n{prompt: 'unquoted', // why\n}", None),
    ],
)
def test_means_what_the_language_means(text, prompt):
    if prompt is None:
        assert read_paste(text).prompt == "unquoted"
    else:
        assert read_paste(text).prompt == prompt


@pytest.mark.parametrize(
    ("text", "secret", "said"),
    [
        (f"{CURL} -d '{BODY}'", "24.abc", "A key or access token in the address was left out."),
        (f"curl x -H 'Authorization: Bearer bce-v3/ALTAK-x/1' -d '{BODY}'", "ALTAK", "The header Authorization was left out."),
        (f"curl x -u me:hunter2secret -d '{BODY}'", "hunter2", "A user name or password was left out."),
        (f"export QIANFAN_AK=sesame123\ncurl x -d '{BODY}'", "sesame", "A key was left out."),
        ('import qianfan\nqianfan.Completion(ak="sesame123", sk="s").do(prompt="p")', "sesame", "A key was left out."),
        ('import os\nos.environ["QIANFAN_SECRET_KEY"] = "sesame123"\nc.do(prompt="p")', "sesame", "A key was left out."),
        ('package main\nfunc main() { os.Setenv("QIANFAN_AK", "sesame123")\nqianfan.CompletionRequest{Prompt: "p"} }', "sesame", "A key was left out."),
        ('Qianfan q = new Qianfan("sesame123", "s");\nq.completion().prompt("p")', "sesame", "A key was left out."),
        ("const c = new Completions({QIANFAN_AK: 'sesame123'})\nc.completions({prompt: 'p'})", "sesame", "A key was left out."),
        ("import requests\nrequests.post(u, headers={'Authorization': 'sesame123'}, json={'prompt': 'p'})", "sesame", "A key was left out."),
    ],
)
def test_drops_keys_and_says_so_without_showing_them(text, secret, said):
    filled = read_paste(text)
    assert said in [str(each) for each in filled.dropped]
    assert secret not in repr(filled)


def test_a_password_in_the_base_url_goes_no_further():
    filled = read_paste(CURL.replace("https://", "https://me:hunter2secret@") + f" -d '{BODY}'")
    assert filled.base_url == "https://aip.baidubce.com" and "hunter2" not in repr(filled)


def test_names_unknown_fields_and_drops_them():
    filled = read_paste('{"prompt": "p", "messages": [], "max_output_tokens": 5, "top_k": null}')
    assert (body(filled), [str(each) for each in filled.notes]) == (
        {"prompt": "p"}, ["Not a parameter of this service, left out: max_output_tokens, messages."]
    )


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"prompt": "p", "temperature": 0}', "temperature"),
        ('{"prompt": "p", "temperature": NaN}', "temperature"),
        ('{"prompt": "p", "top_k": 1.5}', "top_k"),
        ('{"prompt": "p", "stop": ["a", "a"]}', "stop"),
        ('{"prompt": "p", "stop": "a"}', "stop"),
        ('{"prompt": "\\ud83d"}', "prompt"),
        ('{"prompt": 5}', "prompt"),
        (json.dumps({"prompt": "x" * 131_073}), "prompt"),
        ('{"prompt": "p", "top_k": %s}' % ("9" * 5000), "paste"),
        ("import qianfan\nc.do(prompt=load())", "paste"),
        ("import qianfan\nc.do(prompt=f'{x}')", "paste"),
        ("import qianfan\nc.do(prompt='a %s' % b)", "paste"),
        ("curl x -d @body.json", "paste"),
        ("curl https://example.com/", "paste"),
        ("", "paste"),
        ("Dear diary, today I wrote a prompt.", "paste"),
        ("[1, 2]", "paste"),
        ('{"id": "as-1", "result": "text"}', "paste"),
        ("{}", "paste"),
    ],
)
def test_refuses_what_cannot_be_sent_or_read(text, name):
    with pytest.raises(ParameterError) as refusal:
        read_paste(text)
    assert refusal.value.name == name and str(refusal.value)


MEGABYTE = 1_000_000
HOSTILE = {
    "braces": "{" * MEGABYTE,
    "brackets in JSON": '{"prompt": ' + "[" * MEGABYTE,
    "objects in JSON": '{"prompt":' * 100_000,
    "nested lists in Python": "import x\nc.do(prompt=" + "[" * MEGABYTE,
    "nested calls in Python": "import x\n" + "c.do(" * 200_000,
    "nested calls of values": "import x\nc.do(prompt=" + "of(" * 300_000,
    "open single quote": "curl x -d '" + "a" * MEGABYTE,
    "open double quote": 'curl x -d "' + "\\a" * (MEGABYTE // 2),
    "open dollar quote": "curl x -d $'" + "\\'" * (MEGABYTE // 2),
    "open quote in code": 'import x\ny = "' + "a" * MEGABYTE,
    "many open quotes in code": "import x\n" + "\\'" * (MEGABYTE // 2),
    "open triple quotes": "import x\n" + '"""\\' * (MEGABYTE // 4),
    "substitutions": "curl $(" + "$(" * (MEGABYTE // 2),
    "quoted substitutions": "curl " + '"$(' * (MEGABYTE // 3),
    "backticks": "curl x " + "`" * (MEGABYTE - 1),
    "here-documents": "curl x " + "<<a " * (MEGABYTE // 4) + "\nb\n",
    "pipes": "curl x " + "|cat" * (MEGABYTE // 4) + "| curl -d @-",
    "here-document pipes": "curl x\n" + "cat <<a | cat\na\n" * (MEGABYTE // 16),
    "lines": "\n" * MEGABYTE + "x",
    "letters": "a" * MEGABYTE,
    "words": "a " * (MEGABYTE // 2),
    "comments": "import x\n" + "/*" * (MEGABYTE // 2),
    "comments in Go": "package main\n" + "/* " * (MEGABYTE // 3),
    "digits": '{"top_k": ' + "9" * MEGABYTE,
    "dots": "import x\nc" + ".c" * (MEGABYTE // 2),
    "backslashes": "curl " + "\\" * MEGABYTE,
    "assignments": "import x\n" + "a = b\n" * (MEGABYTE // 6),
    "pluses": "const a = " + "'' + " * (MEGABYTE // 5),
    "urls": "import x\n" + "'http' " * (MEGABYTE // 7),
    "equals": "a" * 500_000 + "=" * 500_000,
    "spaces": "curl" + " " * MEGABYTE,
    "marks before a tell": "0=0 " * (MEGABYTE // 4),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_paste_is_refused_quickly(name):
    start = time.perf_counter()
    with pytest.raises(ParameterError) as refusal:
        read_paste(HOSTILE[name])
    assert refusal.value.name == "paste"
    assert time.perf_counter() - start < 8, "some readers are linear, some paste found one that is not"


def test_a_paste_that_is_too_long_is_not_read():
    with pytest.raises(ParameterError, match="too long"):
        read_paste("x" * (MOST_CHARACTERS + 1))


TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\"'`\\$!%{}<>\n\r\t\0\x1b\u2028\u202e\ufeff*/#;|&名😀"), max_size=60)
REQUESTS = st.builds(
    lambda prompt, **parameters: CompletionRequest(prompt=prompt, parameters={name: value for name, value in parameters.items() if value is not None}),
    TEXTS.filter(bool),
    temperature=st.none() | st.floats(0, 1, exclude_min=True),
    top_p=st.none() | st.floats(0, 1) | st.sampled_from([0, 1]),
    top_k=st.none() | st.integers(1, 2**31 - 1),
    penalty_score=st.none() | st.floats(1, 2),
    stop=st.none() | st.lists(TEXTS.map(lambda text: text[:20]).filter(bool), max_size=4, unique=True),
    user_id=st.none() | TEXTS,
    stream=st.none() | st.booleans(),
)
TARGETS = st.builds(
    Target, base_url=st.sampled_from([qianfan.BASE_URL, "http://127.0.0.1:8080"]), path=st.sampled_from(["yi_34b", "lb x/测试'$"]),
    auth=st.sampled_from(["access_token", "iam"]),
)


@pytest.mark.parametrize("language", LANGUAGES)
@settings(max_examples=150, deadline=None)
@given(target=TARGETS, request_=REQUESTS)
def test_every_export_is_read_back_as_the_same_request(language, target, request_):
    filled = read_paste(export(language, target, request_).text)
    assert body(filled) == qianfan.body(request_)
    assert filled.endpoint_path == target.path
    expected = target.base_url if language in ("curl", "python") else target.other_base_url
    assert filled.base_url == (None if language == "java" else expected)
    assert (filled.dropped, filled.notes) == ((), ())


@settings(deadline=None)
@given(request_=REQUESTS, indent=st.sampled_from([None, 2]), ascii_=st.booleans())
def test_every_json_body_is_read_back(request_, indent, ascii_):
    filled = read_paste(json.dumps(qianfan.body(request_), indent=indent, ensure_ascii=ascii_))
    assert body(filled) == qianfan.body(request_)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(language=st.sampled_from(list(LANGUAGES)), request_=REQUESTS, cut=st.floats(0, 1), noise=TEXTS)
def test_a_damaged_export_is_read_or_refused_and_nothing_else(language, request_, cut, noise):
    text = export(language, Target(base_url=qianfan.BASE_URL, path="x", auth="iam"), request_).text
    place = int(len(text) * cut)
    for damaged in (text[:place], text[:place] + noise, text[:place] + noise + text[place:]):
        try:
            read_paste(damaged)
        except ParameterError:
            pass

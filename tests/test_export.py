"""Exported code is run. What it sends is what the playground would send, whatever the prompt holds; what it prints is the answer."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from emulator.options import ACCESS_KEY, API_KEY, IAM_SECRET, SECRET_KEY, Options
from emulator.server import Running, running
from playground.completion import CompletionRequest
from playground.credentials import AccessToken, ApplicationKeys, IamKeys
from playground.endpoints import Endpoint
from playground.errors import ParameterError
from playground.examples import EXAMPLES
from playground.export import LANGUAGES, Target, export, target_of
from playground.export.target import KEYS
from playground.message import Message
from playground.providers import qianfan
from playground.redaction import Secret
from tests import toolchains

HOSTILE = {
    "double quote": 'say "hi"',
    "single quote": "it's 'quoted'",
    "triple quotes": "'''a'''\"\"\"b\"\"\"",
    "newline": "Q: one\nA: two\n\nQ:",
    "trailing newline": "line\n",
    "leading newline": "\nline",
    "only newlines": "\n\n\n",
    "carriage return": "a\r\nb\rc",
    "tab": "a\tb",
    "backslash": "C:\\new\\table\\",
    "trailing backslash": "end\\",
    "written escapes": "\\n \\u0041 \\x41 \\101 \\0 \\N{BULLET} \\",
    "dollar": "$HOME ${HOME} $(id) $0 $$ $'x'",
    "template": "${x} `${x}` #{x} {{x}} {x} %{x}",
    "backtick": "`id` and\n`code`",
    "exclamation": "hi!! !x !$ !!",
    "percent": "100% %s %d %n %%",
    "here-document": "JSON\nEOF\n<<JSON\nJSON",
    "comment ends": "*/ // # -- <!-- -->\n*/",
    "script": "</script><script>alert(1)</script>",
    "chinese": "介绍北京，“首都”。\u3000全角",
    "emoji": "😀 👩‍👩‍👧‍👦 🇨🇳 𝒳",
    "separators": "a\u2028b\u2029c\u0085d",
    "nul": "a\0b\x001",
    "controls": "".join(map(chr, range(1, 32))) + "\x7f\x80\x9f",
    "invisible": "\u200b\u202eabc\u202c\u2066\ufeff\u00ad\ue000\uffff",
    "unassigned": "\U000e0001\U0010fffd\u0378",
    "at file": "@/etc/passwd",
    "option": "--help -d x",
    "json": '{"prompt": "x", "stop": ["\\n"]}',
    "braces": "}]);\n}\nfunc main() {}",
    "combining": "e\u0301 ñ n\u0303",
    "code": "import os\npackage main\ncurl -d '{}'\n",
}
# Every parameter, twice: the ordinary values, and those that are easily lost or rounded on the way.
ORDINARY = {"temperature": 0.7, "top_p": 0.8, "top_k": 40, "penalty_score": 1.1, "stop": ["\n\n", "Q:"], "user_id": "visitor 7"}
EDGES = {"temperature": 5e-324, "top_p": 0, "top_k": 2**31 - 1, "penalty_score": 2, "stop": [], "user_id": ""}
ENVIRONMENT = {"access_token": dict(zip(KEYS["access_token"], (API_KEY, SECRET_KEY), strict=True)),
               "iam": dict(zip(KEYS["iam"], (ACCESS_KEY, IAM_SECRET), strict=True))}
BOTH = ["access_token", "iam"]
RUN_AGAINST_THE_EMULATOR = ["curl", "python", "python-sdk", "node"]
BOOKKEEPING = {"extra_parameters", "model"}


def hostile_request(text: str, stream: bool | None) -> CompletionRequest:
    """The text as prompt, as user and, as far as it may be long, as stop entries."""
    stop = list(dict.fromkeys([text[:20], text[-20:]]))
    return CompletionRequest(prompt=text, parameters={"stop": stop, "user_id": text, "stream": stream})


def cases() -> list[CompletionRequest]:
    """Every hostile text, streamed and whole in turn, then the parameters' values."""
    streams = [True, None, False]
    requests = [hostile_request(text, streams[number % 3]) for number, text in enumerate(HOSTILE.values())]
    requests += [CompletionRequest(prompt="Hi", parameters={**values, "stream": stream}) for values in (ORDINARY, EDGES) for stream in streams]
    return [*requests, CompletionRequest(prompt="long 长 " * 10_000 + "\n" * 500), CompletionRequest(prompt="\n".join(["x" * 9_000, "y"] * 3))]


def environment(auth: str, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QIANFAN_") and not name.lower().endswith("_proxy")}
    quick = {"PYTHONUTF8": "1", "LC_ALL": "C.UTF-8", "QIANFAN_DISABLE_EB_SDK": "true", "QIANFAN_LLM_API_RETRY_BACKOFF_FACTOR": "0"}
    return {**kept, **quick, **ENVIRONMENT[auth], **more}


def run(*command: str | Path, auth: str = "iam", cwd: Path | None = None, ok: bool = True, **more: str) -> str:
    done = subprocess.run([str(part) for part in command], env=environment(auth, **more), cwd=cwd, capture_output=True, timeout=120)
    assert (done.returncode == 0) is ok, done.stderr.decode("utf-8", "replace")[-3000:]
    return (done.stdout if ok else done.stderr).decode("utf-8")


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(options=Options(pace=0)) as emulator:
        yield emulator


def execute(language: str, text: str, filename: str, auth: str, folder: Path, ok: bool = True) -> str:
    """Run one export as a person would, and return what it prints; of one that is to fail, what it complains of."""
    if language == "node":
        folder = toolchains.node_folder() / "run" / folder.name
        folder.mkdir(parents=True, exist_ok=True)
    path = folder / filename
    path.write_text(text, encoding="utf-8", newline="")
    if language == "curl":
        toolchains.tool("curl"), toolchains.tool("openssl")
        return run(toolchains.tool("bash"), path, auth=auth, ok=ok)
    return run(toolchains.tool("node") if language == "node" else sys.executable, path, auth=auth, cwd=folder, ok=ok)


def answer(language: str, printed: str, stream: bool) -> str:
    """The answer's text: curl shows the wire, all others print the text and end the line."""
    if language != "curl":
        assert printed.endswith("\n")
        return printed[:-1]
    if not stream:
        return json.loads(printed)["result"]
    return "".join(json.loads(line.removeprefix("data: "))["result"] for line in printed.split("\n") if line)


def sent(body: dict[str, object], expected: dict[str, object]) -> dict[str, object]:
    """A received body without what SDKs add for themselves; they always say `stream`."""
    return {name: value for name, value in body.items() if name not in BOOKKEEPING and (name in expected or (name, value) != ("stream", False))}


@pytest.mark.slow
@pytest.mark.parametrize(("auth", "stream"), list(product(BOTH, [False, True])))
@pytest.mark.parametrize("language", RUN_AGAINST_THE_EMULATOR)
def test_a_snippet_prints_the_answer(server: Running, tmp_path: Path, language: str, auth: str, stream: bool) -> None:
    example = EXAMPLES["yi_34b"]
    recorded = "".join(event["result"] for event in example.stream) if stream else example.single["result"]
    request = CompletionRequest(prompt="Introduce the city Beijing", parameters={**ORDINARY, "stream": stream or None})
    snippet = export(language, Target(base_url=server.base_url, path="yi_34b", auth=auth), request)
    assert answer(language, execute(language, snippet.text, snippet.filename, auth, tmp_path), stream) == recorded


@pytest.mark.slow
@pytest.mark.parametrize("language", RUN_AGAINST_THE_EMULATOR)
@pytest.mark.parametrize("auth", BOTH)
def test_a_snippet_sends_what_the_playground_sends(server: Running, tmp_path: Path, language: str, auth: str) -> None:
    target, separator = Target(base_url=server.base_url, path="echo", auth=auth), "\x1e"
    texts = [export(language, target, request).text for request in cases()]
    if language == "curl":
        whole = "printf '\\x1e'\n".join(f"(\n{text}\n)\n" for text in texts)
    elif language == "node":
        folder = toolchains.node_folder() / "run" / tmp_path.name
        toolchains.write_files(folder, {f"case{number}.mjs": text for number, text in enumerate(texts)})
        whole = "".join(f'await import("./case{number}.mjs");\nprocess.stdout.write("\\x1e");\n' for number in range(len(texts)))
    else:
        toolchains.write_files(tmp_path, {f"case{number}.py": text for number, text in enumerate(texts)})
        whole = f"import runpy\nfor number in range({len(texts)}):\n    runpy.run_path(f'case{{number}}.py')\n    print('\\x1e', end='', flush=True)\n"
    filename = {"curl": "all.sh", "node": "all.mjs"}.get(language, "all.py")
    printed = execute(language, whole, filename, auth, tmp_path).removesuffix(separator).split(separator)
    for request, shown in zip(cases(), printed, strict=True):
        received = json.loads(answer(language, shown, request.stream))
        expected = qianfan.body(request)
        assert sent(received["body"], expected) == expected
        assert ("authorization" in received["headers"]) == (auth == "iam") and bool(received["query"]) == (auth == "access_token")


@pytest.mark.slow
@pytest.mark.parametrize("auth", BOTH)
@pytest.mark.parametrize("language", RUN_AGAINST_THE_EMULATOR)
def test_a_snippet_finds_an_address_with_special_characters(server: Running, tmp_path: Path, language: str, auth: str) -> None:
    """The emulator has no such service, and says so: the signature over the address was right, or it would say that."""
    path = "lb x测试'$(id)+" + ("/y" if language in ("curl", "python") else "")
    snippet = export(language, Target(base_url=server.base_url, path=path, auth=auth), CompletionRequest(prompt="p"))
    assert "336005" in execute(language, snippet.text, snippet.filename, auth, tmp_path, ok=language == "curl")


@pytest.mark.slow
@pytest.mark.parametrize("language", ["python", "python-sdk", "node"])
@pytest.mark.parametrize("name", ["cut_without_end", "error_mid_stream", "error_json"])
def test_a_streaming_snippet_does_not_take_a_cut_or_an_error_for_an_answer(server: Running, tmp_path: Path, language: str, name: str) -> None:
    snippet = export(language, Target(base_url=server.base_url, path=name, auth="iam"), CompletionRequest(prompt="p", parameters={"stream": True}))
    execute(language, snippet.text, snippet.filename, "iam", tmp_path, ok=False)


@pytest.mark.slow
def test_go_says_what_the_playground_sends(tmp_path: Path) -> None:
    """All exports in one program: each `main` gets a name of its own; gofmt and vet see them as they are."""
    go, all_cases = toolchains.tool("go"), cases() + [CompletionRequest(prompt="p", parameters={"top_k": 10**20})]
    toolchains.write_files(tmp_path, toolchains.GO)
    target = Target(base_url="http://127.0.0.1:8080", path="lb_测试", auth="access_token")
    for number, request in enumerate(all_cases):
        text = export("go", target, request).text
        toolchains.write_files(tmp_path, {f"case{number}.go": text.replace("func main() {", f"func case{number}() {{", 1)})
    calls = "".join(f'\tcase{number}()\n' for number in range(len(all_cases)))
    toolchains.write_files(tmp_path, {"main.go": f"package main\n\nfunc main() {{\n{calls}}}\n"})
    assert run(toolchains.tool("gofmt"), "-l", tmp_path) == "", "gofmt would write it otherwise"
    more = {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local"}
    run(go, "vet", "./...", cwd=tmp_path, **more)
    lines = run(go, "run", ".", cwd=tmp_path, auth="access_token", **more).removesuffix("\n").split("\n")
    for request, line in zip(all_cases, lines, strict=True):
        said = json.loads(line)
        assert said["body"] == qianfan.body(request)
        assert (said["endpoint"], said["base_url"], said["auth"]) == ("lb_%E6%B5%8B%E8%AF%95", "http://127.0.0.1:8080", "access_token")


@pytest.mark.slow
@pytest.mark.parametrize("auth", BOTH)
def test_java_says_what_the_playground_sends(tmp_path: Path, auth: str) -> None:
    """All exports in one compilation, each class under a name of its own, twice: once for each authentication."""
    target = Target(base_url="http://127.0.0.1:8080", path="lb_测试", auth=auth)
    toolchains.write_files(tmp_path, toolchains.JAVA)
    for number, request in enumerate(cases()):
        text = export("java", target, request).text
        toolchains.write_files(tmp_path, {f"Demo{number}.java": text.replace("public class Demo {", f"public class Demo{number} {{", 1)})
    calls = "".join(f"        Demo{number}.main(args);\n" for number in range(len(cases())))
    main = f"public class All {{\n    public static void main(String[] args) {{\n{calls}    }}\n}}\n"
    toolchains.write_files(tmp_path, {"All.java": main})
    run(toolchains.tool("javac"), "-encoding", "UTF-8", "-Xlint:all", "-Werror", "-d", "out", "All.java", cwd=tmp_path)
    lines = run(toolchains.tool("java"), "-cp", "out", "All", cwd=tmp_path, auth=auth, QIANFAN_BASE_URL=target.base_url).removesuffix("\n").split("\n")
    for request, line in zip(cases(), lines, strict=True):
        said = json.loads(line)
        assert said["body"] == qianfan.body(request)
        assert (said["endpoint"], said["base_url"], said["auth"]) == ("lb_%E6%B5%8B%E8%AF%95", "http://127.0.0.1:8080", auth)


@pytest.mark.parametrize("language", LANGUAGES)
def test_python_compiles_and_every_file_is_readable_text(language: str) -> None:
    for request, auth in product(cases(), BOTH):
        text = export(language, Target(base_url=qianfan.BASE_URL, path="x", auth=auth), request).text
        assert text.endswith("\n") and all(c.isprintable() or c in "\n\t" for c in text), "nothing that hides, nothing that reorders"
        if language.startswith("python"):
            compile(text, "completion.py", "exec")


@pytest.mark.parametrize(("language", "auth"), list(product(LANGUAGES, BOTH)))
def test_keys_come_from_the_environment(language: str, auth: str) -> None:
    text = export(language, Target(base_url=qianfan.BASE_URL, path="x", auth=auth), CompletionRequest(prompt="p")).text
    assert all(name in text for name in KEYS[auth])


@pytest.mark.parametrize("language", LANGUAGES)
def test_only_another_base_url_is_written_for_an_sdk(language: str) -> None:
    request = CompletionRequest(prompt="p")
    own, other = (export(language, Target(base_url=url, path="x", auth="iam"), request).text for url in (qianfan.BASE_URL, "http://127.0.0.1:8080"))
    assert ("baidubce.com/" in own.replace("github.com/baidubce", "")) == (language in ("curl", "python"))
    assert "127.0.0.1" in other


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_cannot_be_sent_is_not_exported(language: str) -> None:
    target = Target(base_url=qianfan.BASE_URL, path="x", auth="iam")
    for request in (CompletionRequest(prompt="\ud83d"), CompletionRequest(prompt="p", parameters={"temperature": 0})):
        with pytest.raises(ParameterError):
            export(language, target, request)
    assert export(language, target, CompletionRequest(prompt="")).text


@pytest.mark.parametrize(
    ("language", "comment"),
    [("java", "// top_k 2147483648: this SDK takes at most 2147483647"), ("node", "so top_k is not sent exactly"), ("go", 'json.Number("')],
)
def test_a_number_an_sdk_cannot_hold_is_kept_or_said(language: str, comment: str) -> None:
    top_k = {"java": 2**31, "node": 2**53, "go": 2**63}[language]
    text = export(language, Target(base_url=qianfan.BASE_URL, path="x", auth="iam"), CompletionRequest(prompt="p", parameters={"top_k": top_k})).text
    assert comment in text and str(top_k) in text


@pytest.mark.parametrize("language", ["go", "java"])
def test_an_address_an_sdk_signs_wrongly_is_said(language: str) -> None:
    request = CompletionRequest(prompt="p")
    texts = [export(language, Target(base_url=qianfan.BASE_URL, path="测", auth=auth), request).text for auth in BOTH]
    assert ["signs an address with special characters wrongly" in text for text in texts] == [False, True]


def test_a_base_url_cannot_leave_a_java_comment() -> None:
    text = export("java", Target(base_url="http://h/\\u000aSystem.exit(1);//\n", path="x", auth="iam"), CompletionRequest(prompt="p")).text
    assert "\\u000a" not in text and not re.search(r"^\s*System\.exit", text, re.M)


@pytest.mark.parametrize(
    ("credentials", "auth"),
    [
        (ApplicationKeys(api_key=Secret("one-secret"), secret_key=Secret("two-secret")), "access_token"),
        (AccessToken(token=Secret("one-secret")), "access_token"),
        (IamKeys(access_key=Secret("one-secret"), secret_key=Secret("two-secret")), "iam"),
    ],
)
def test_a_target_has_the_endpoints_facts_and_no_secret(credentials: object, auth: str) -> None:
    row = Endpoint(name="own/x", title="X", group="g", note=Message("n"), base_url="http://h:1", path="x", credentials=credentials)
    assert target_of(row) == Target(base_url="http://h:1", path="x", auth=auth)
    texts = [export(language, target_of(row), CompletionRequest(prompt="p")).text for language in LANGUAGES]
    assert "-secret" not in "".join(texts)


@pytest.mark.parametrize(
    ("base_url", "host"),
    [("https://aip.baidubce.com", "aip.baidubce.com"), ("http://h:8080/p", "h:8080"), ("https://h:443", "h"), ("http://[::1]:8080", "[::1]:8080")],
)
def test_host_is_what_clients_send(base_url: str, host: str) -> None:
    assert Target(base_url=base_url, path="x", auth="iam").host == host

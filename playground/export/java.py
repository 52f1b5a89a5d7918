"""The request in Java with Baidu's SDK.

A text of several lines is joined at run time, because Java folds `+` into one constant and limits its size. The SDK reads its
base URL from the environment only, and its fields are narrower than JSON: what does not fit is said in a comment.
"""

from collections.abc import Mapping
from typing import Any

from playground.export.literals import JAVA_PIECE, java, lines
from playground.export.target import ENDED_EARLY, Snippet, Target

METHODS = {
    "prompt": "prompt",
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "penalty_score": "penaltyScore",
    "stop": "stop",
    "user_id": "userId",
}
_MOST = 2**31 - 1
_DECIMAL = ("temperature", "top_p", "penalty_score")

_WHOLE = """\
        CompletionResponse response = qianfan.completion()
{calls}                .execute();
        System.out.println(response.getResult());
"""

_WHOLE_SAID = """\
        CompletionRequest request = qianfan.completion()
{calls}                .build()
                .setStream(false);
        System.out.println(qianfan.completion(request).getResult());
"""

_STREAM = """\
        StreamIterator<CompletionResponse> parts = qianfan.completion()
{calls}                .executeStream();
        boolean ended = false;
        while (parts.hasNext()) {{
            CompletionResponse part = parts.next();
            if (part.getResult() != null) {{
                System.out.print(part.getResult());
            }}
            ended = Boolean.TRUE.equals(part.getEnd());
        }}
        System.out.println();
        if (!ended) {{
            throw new IllegalStateException({ended_early});
        }}
"""

_INSTALL = """\
<dependency>
    <groupId>com.baidubce</groupId>
    <artifactId>qianfan</artifactId>
    <version>0.1.6</version>
</dependency>"""


def write(target: Target, body: Mapping[str, Any]) -> Snippet:
    """Return the class."""
    said_whole = body.get("stream") is False
    template = _STREAM if body.get("stream") else _WHOLE_SAID if said_whole else _WHOLE
    classes = ["com.baidubce.qianfan.Qianfan"]
    classes += ["com.baidubce.qianfan.core.StreamIterator"] if body.get("stream") else []
    classes += ["com.baidubce.qianfan.core.auth.Auth"] if target.auth == "access_token" else []
    classes += [f"com.baidubce.qianfan.model.completion.Completion{'Request' if said_whole else 'Response'}"]
    classes += ["", "java.util.Arrays"] if "stop" in body else []
    calls = [f".endpoint({java(target.endpoint)})"]
    calls += [_call(name, given) for name, given in body.items() if name != "stream"]
    keys = ", ".join(f'System.getenv("{name}")' for name in target.keys)
    text = "".join(f"import {name};\n" if name else "\n" for name in classes)
    text += "\npublic class Demo {\n    public static void main(String[] args) {\n"
    if target.other_base_url is not None:
        text += f"        // This SDK reads its base URL from the environment: QIANFAN_BASE_URL={_comment(target.other_base_url)}\n"
    if target.auth == "iam" and target.endpoint != target.path:
        text += "        // This SDK signs an address with special characters wrongly: use the access token for it.\n"
    text += f"        Qianfan qianfan = new Qianfan({'Auth.TYPE_OAUTH, ' if target.auth == 'access_token' else ''}{keys});\n"
    text += template.format(calls="".join(f"                {call}\n" for call in calls), ended_early=java(ENDED_EARLY))
    return Snippet(text=text + "    }\n}\n", filename="Demo.java", install=_INSTALL)


def _call(name: str, given: Any) -> str:
    if name not in METHODS:
        return f"// {_comment(name)}: this SDK's request has no such field, so it is not sent."
    if name == "top_k" and given > _MOST:
        return f"// top_k {given}: this SDK takes at most {_MOST}, so it is not sent."
    return f".{METHODS[name]}({_value(name, given)})"


def _value(name: str, given: Any) -> str:
    if isinstance(given, str):
        return _text(given)
    if isinstance(given, list | tuple):
        return "Arrays.asList(" + ", ".join(java(item) for item in given) + ")"
    return repr(float(given)) if name in _DECIMAL else repr(given)


def _text(given: str) -> str:
    shown = [line.removesuffix("\n") for line in lines(given)]
    if len(shown) > 1 and max(map(len, shown)) <= JAVA_PIECE:
        shown += [""] if given.endswith("\n") else []
        return _joined("\n", shown)
    if len(given) <= JAVA_PIECE:
        return java(given)
    return _joined("", [given[start:start + JAVA_PIECE] for start in range(0, len(given), JAVA_PIECE)])


def _joined(between: str, pieces: list[str]) -> str:
    return f"String.join({java(between)},\n" + ",\n".join(f"                        {java(piece)}" for piece in pieces) + ")"


def _comment(text: str) -> str:
    """Return a text that cannot leave a comment: Java reads escapes there too."""
    return "".join(c if c.isprintable() and c != "\\" else "?" for c in text)

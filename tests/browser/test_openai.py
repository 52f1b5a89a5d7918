"""A visitor with an OpenAI-compatible server: its answer, its stop, its refusal; and the key is nowhere he could read it."""

import json

import pytest
from playwright.sync_api import expect

from tests.scripted_server import HANG, ScriptedServer, json_reply, reply

pytestmark = pytest.mark.browser
KEY = "sk-a-key-that-stays-on-the-server"


def chunk(text, finish_reason=None, **fields):
    return f"data: {json.dumps({'choices': [{'text': text, 'index': 0, 'finish_reason': finish_reason}], **fields})}\n\n".encode()


ANSWER = (chunk(" by", usage=None), chunk(" the sea"), chunk("", "length"))
USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7}}\n\n'


def test_an_openai_compatible_server_from_run_to_refusal(serve, visit):
    refusal = json_reply({"error": {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"}}, "401 Unauthorized")
    with ScriptedServer(reply(*ANSWER, USAGE, b"data: [DONE]\n\n"), reply(ANSWER[0], HANG), refusal) as server:
        site = serve(OPENAI_BASE_URL=f"{server.url}/v1", OPENAI_MODEL="the-model", OPENAI_API_KEY=KEY, OPENAI_DIALECT="vllm")
        bench = visit(site).open().choose("the-model", "OpenAI-compatible")
        bench.toggle("repetition_penalty")
        bench.type_prompt("A house")
        bench.run().wait_ended()
        assert bench.answer_text() == " by the sea"
        assert bench.ending() == "Finished" and "4 + 3 = 7 tokens" in bench.status_text()
        asked = server.requests[0]
        assert asked.headers["authorization"] == f"Bearer {KEY}"
        assert asked.fields == {
            "model": "the-model", "prompt": "A house", "repetition_penalty": 1.1, "stream": True, "stream_options": {"include_usage": True},
        }
        bench.run()
        expect(bench.answer).to_have_text("by")
        bench.stop()
        expect(bench.state).to_have_text("Stopped")
        assert server.client_left.wait(1)
        bench.run()
        expect(bench.note).to_contain_text("The key was refused, or one is needed.")
        for view in ("Exact request", "Code"):
            bench.page.get_by_text(view, exact=True).click()
            bench.settled()
            assert KEY not in bench.page.content()
        assert KEY not in site.log and "Traceback" not in site.log

"""The recorded answers that come with the app, as recordings: nothing has to be asked or saved to see one play."""

import json

from playground.completion import Ending
from playground.endpoints import GROUP_RECORDED, MODELS
from playground.examples import EXAMPLES, offsets
from playground.providers import qianfan
from playground.recording import Recording, Sent, WireEvent

_AFTER = 0.1  # between the last event and the end


def shipped_recording(name: str) -> Recording:
    """Return the documented stream of a model, at the pace that its `created` times tell."""
    example = EXAMPLES[name]
    times = offsets([event["created"] for event in example.stream])
    events = tuple(
        WireEvent(at, f"data: {json.dumps(fields, ensure_ascii=False)}\n\n".encode()) for at, fields in zip(times, example.stream, strict=True)
    )
    url = qianfan.PROVIDER.completion_url(qianfan.BASE_URL, name)
    body = json.dumps({"prompt": example.prompt, **example.parameters, "stream": True})
    return Recording(
        endpoint={"name": f"recorded/{name}", "title": MODELS[name], "group": GROUP_RECORDED, "provider": qianfan.PROVIDER.name, "url": url},
        sent=Sent(method="POST", url=url, headers={"Content-Type": "application/json"}, body=body), status=200,
        headers={"Content-Type": "text/event-stream"}, answered=times[0], events=events, ending=Ending.FINISHED, ended=times[-1] + _AFTER,
    )

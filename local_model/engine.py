"""llama.cpp in this process: one model, one worker, one line of people waiting for it.

One completion at a time, because a second one would halve the speed of both; the line is short, because waiting behind
many small models is worse than being told to come back. Sampling is set completely for every request: the engine's own
defaults would cut the tail of the distribution (min_p) and narrow it (top_k 40) behind the sliders' back.
"""

import atexit
import http.client
import json
import secrets
import threading
from collections import deque
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local_model.generation import (
    EngineError,
    EngineUnavailable,
    Finish,
    Generation,
    GenerationRequest,
    Outcome,
    PromptTooLong,
    QueueFull,
    RequestRefused,
)
from local_model.probe import probe
from local_model.settings import open_server
from playground.message import Message, message

SAMPLERS = ("penalties", "temperature", "top_k", "top_p")
"""The order in which the parameters act. The engine's own applies temperature last, where it would not change what top_p keeps."""
REPEAT_LAST_N = 64
"""How far back `penalty_score` looks, in tokens of prompt and answer."""


class Engine:
    """A model that completes text. It loads at its first request, or at `start`; `close` frees it.

    `context` is how many tokens prompt and answer may have together, `waiting` how many requests may stand in line
    behind the running one, `banned_tokens` what the model must never write.
    """

    def __init__(self, path: Path, *, context: int = 2048, threads: int = 1, waiting: int = 4, banned_tokens: tuple[int, ...] = ()) -> None:
        self.path = path
        self.context = context
        """The context in force; less than asked for if the model was made for less. Final once loaded."""
        self.banned_tokens = banned_tokens
        self._threads = threads
        self._waiting = waiting
        self._state = threading.Condition()
        self._line: deque[Generation] = deque()
        self._running: Generation | None = None
        self._worker: threading.Thread | None = None
        self._loaded = False
        self._closing = False
        self._unavailable: Message | None = None
        self._key = secrets.token_urlsafe(32)
        self._port = 0

    @property
    def unavailable(self) -> Message | None:
        """Why the engine can't be used, or `None` as long as nothing is known against it."""
        return self._unavailable

    @property
    def ready(self) -> bool:
        """Whether the model is loaded."""
        return self._loaded and self._unavailable is None

    def start(self) -> None:
        """Begin to load the model, in the worker; return at once."""
        with self._state:
            if self._worker is None and self._unavailable is None:
                self._worker = threading.Thread(target=self._work, name="local-model", daemon=True)
                self._worker.start()
                atexit.register(self.close)

    def load(self, timeout: float | None = None) -> Message | None:
        """Load the model and wait for it; return `None` if it can be used, else why not."""
        self.start()
        with self._state:
            self._state.wait_for(lambda: self._loaded or self._unavailable is not None, timeout)
            return self._unavailable

    def submit(self, request: GenerationRequest) -> Generation:
        """Put a request in the line; return its `Generation` at once.

        Raises `QueueFull` if too many wait and `EngineUnavailable` if the engine can't be used. That the prompt is too
        long is found by the worker: reading the `Generation` then raises `PromptTooLong`.
        """
        self.start()
        with self._state:
            if self._unavailable is not None:
                raise EngineUnavailable(self._unavailable)
            if len(self._line) >= self._waiting + (self._running is None):
                raise QueueFull
            generation = Generation(request, self._place, self._drop)
            self._line.append(generation)
            self._state.notify_all()
            return generation

    @property
    def queued(self) -> int:
        """How many requests wait, the running one not counted."""
        return len(self._line)

    def count_tokens(self, text: str) -> int:
        """Return how many tokens the model makes of `text` as a prompt (a few milliseconds; the line is not waited for).

        Loads the model if it is not loaded, and blocks meanwhile. Raises `EngineUnavailable`.
        """
        if (reason := self.load()) is not None:
            raise EngineUnavailable(reason)
        try:
            answer = self._ask("POST", "/tokenize", {"content": text, "add_special": True, "parse_special": True})
        except OSError:
            raise EngineUnavailable(self._unavailable or message("The local model's engine does not answer.")) from None
        return len(answer["tokens"])

    def close(self) -> None:
        """Cancel everything, free the model and end the worker. A closed engine stays closed."""
        atexit.unregister(self.close)
        with self._state:
            self._closing = True
            if self._unavailable is None:
                self._unavailable = message("The local model has been shut down.")
            left = [*self._line, *([self._running] if self._running else [])]
            self._state.notify_all()
        for generation in left:
            generation.cancel()
        if self._worker is not None and self._worker is not threading.current_thread():
            self._worker.join()

    def _place(self, generation: Generation) -> int:
        with self._state:
            return self._line.index(generation) + 1 if generation in self._line else 0

    def _drop(self, generation: Generation) -> None:
        with self._state:
            if generation in self._line:
                self._line.remove(generation)

    def _work(self) -> None:
        """The worker: load, then complete one after the other until closed. The model lives and dies in here."""
        try:
            server = self._open()
            while server is not None and (generation := self._next()) is not None:
                self._complete(server, generation)
        finally:
            with self._state:
                if self._unavailable is None:
                    self._unavailable = message("The local model is off: its engine broke.")
                reason = self._unavailable
                left = [*self._line, *([self._running] if self._running else [])]
                self._line, self._running = deque(), None
                self._state.notify_all()
            for generation in left:
                generation.end(EngineUnavailable(reason))

    def _open(self) -> Any:
        reason = probe(self.path)
        server = None
        if reason is None and not self._closing:
            try:
                server = open_server(str(self.path), context=self.context, threads=self._threads, key=self._key)
                self._port = urlsplit(server.listening_address).port or 0
                self.context = self._ask("GET", "/v1/models")["data"][0]["meta"]["n_ctx"]
            except RuntimeError:
                reason = message("The local model is off: {path} cannot be loaded; there may not be enough memory.", path=self.path)
        with self._state:
            self._loaded = server is not None
            self._unavailable = self._unavailable or reason
            self._state.notify_all()
        return server

    def _next(self) -> Generation | None:
        with self._state:
            self._running = None
            self._state.notify_all()
            self._state.wait_for(lambda: self._line or self._closing)
            if self._closing:
                return None
            self._running = self._line.popleft()
            return self._running

    def _complete(self, server: Any, generation: Generation) -> None:
        last: dict[str, Any] = {}

        def on_chunk(chunk: dict[str, Any]) -> bool:
            """Take one chunk of the engine's; return whether to cancel."""
            nonlocal last
            last = chunk
            if progress := chunk.get("prompt_progress"):
                generation.prompt_tokens = progress["total"]
                generation.evaluated_tokens = progress["processed"]
            elif "error" not in chunk:
                generation.completion_tokens += chunk["choices"][0]["finish_reason"] is None
                if text := chunk["choices"][0]["text"]:
                    generation.add(text)
            return generation.cancelled

        if not generation.cancelled:
            try:
                server.handle_completions(self._body(generation.request), on_chunk)
            except RuntimeError as error:  # what it cannot even read, half a character for one
                last = {"error": {"message": str(error)}}
        if not generation.cancelled:
            generation.end(self._end_of(generation.request, last))

    def _body(self, request: GenerationRequest) -> dict[str, Any]:
        """Return the engine's request: every sampler set on purpose, also where the person set nothing."""
        return {
            "prompt": request.prompt,
            "max_tokens": -1 if request.max_tokens is None else request.max_tokens,
            "stream": True,
            "return_progress": True,
            "samplers": list(SAMPLERS),
            "temperature": 1.0 if request.temperature is None else request.temperature,
            "top_k": 0 if request.top_k is None else request.top_k,
            "top_p": 1.0 if request.top_p is None else request.top_p,
            "min_p": 0.0,
            "repeat_penalty": 1.0 if request.penalty_score is None else request.penalty_score,
            "repeat_last_n": REPEAT_LAST_N,
            "stop": list(request.stop),
            "seed": secrets.randbelow(2**31) if request.seed is None else request.seed,
            "cache_prompt": False,
            "logit_bias": [[token, False] for token in self.banned_tokens],
        }

    def _end_of(self, request: GenerationRequest, last: dict[str, Any]) -> Outcome | PromptTooLong | EngineError:
        if error := last.get("error"):
            if error.get("type") == "exceed_context_size_error":
                return PromptTooLong(error["n_prompt_tokens"], error["n_ctx"] - 1)
            return RequestRefused(message("The local model's engine refused the request: {reason}", reason=error.get("message", "?")))
        if "usage" not in last:
            return RequestRefused(message("The local model's engine broke off."))
        prompt_tokens, completion_tokens = last["usage"]["prompt_tokens"], last["usage"]["completion_tokens"]
        finish = Finish.STOP
        if last["choices"][0]["finish_reason"] == "length" and prompt_tokens:
            finish = Finish.LENGTH if completion_tokens == request.max_tokens else Finish.CONTEXT
        speed = last.get("timings", {}).get("predicted_per_second")
        return Outcome(finish=finish, prompt_tokens=prompt_tokens, completion_tokens=completion_tokens, tokens_per_second=speed or None)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask the engine's own HTTP side what its in-process side does not offer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

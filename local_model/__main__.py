"""The terminal's way in: `python -m local_model fetch|probe|complete`."""

import argparse
import os
import sys
import time
from pathlib import Path

from local_model.fetch import Progress, fetch, present
from local_model.generation import EngineError, GenerationRequest, PromptTooLong
from local_model.models import KNOWN, SETTING, choose
from local_model.opening import open_engine
from local_model.probe import probe
from playground.errors import ConfigurationError, PlaygroundError
from playground.message import message


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code. What went wrong is said in words on standard error."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except PlaygroundError as error:
        _complain(str(error.message), str(error.remedy or ""))
        return 0 if getattr(options, "optional", False) else 1
    except PromptTooLong as error:
        _complain(f"The prompt has {error.tokens:,} tokens; at most {error.limit:,} fit.")
    except EngineError as error:
        _complain(str(error.message))
    except KeyboardInterrupt:
        _complain("Stopped.")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local_model", description="A small language model on this computer's own processor.")
    commands = parser.add_subparsers(required=True, metavar="command")
    command = commands.add_parser("fetch", help="fetch a model's weights, once")
    command.add_argument("name", nargs="?", help=f"{' or '.join(KNOWN)}; default: what {SETTING} says")
    command.add_argument("--accept-licence", action="store_true", help="accept the conditions of a model that has some")
    command.add_argument("--optional", action="store_true", help="end well even if the weights can't be had")
    command.set_defaults(run=_fetch)
    command = commands.add_parser("probe", help="say whether the engine and the model run on this computer")
    command.set_defaults(run=_probe)
    command = commands.add_parser("complete", help="complete a prompt, for a quick look")
    command.add_argument("prompt")
    command.add_argument("--temperature", type=float)
    command.add_argument("--top-p", type=float)
    command.add_argument("--top-k", type=int)
    command.add_argument("--penalty-score", type=float)
    command.add_argument("--stop", action="append", default=[], help="may be given more than once")
    command.add_argument("--max-tokens", type=int, default=120)
    command.add_argument("--seed", type=int)
    command.set_defaults(run=_complete)
    return parser


def _fetch(options: argparse.Namespace) -> int:
    model = choose(options.name or os.environ.get(SETTING))
    if model is None or isinstance(model, Path):
        return 0
    if present(model):
        return 0
    accepted = options.accept_licence
    if model.conditions and not accepted and sys.stdin.isatty():
        sys.stderr.write(f"{model.conditions}\n")
        accepted = input("Type “accept” to accept these conditions: ").strip().lower() == "accept"
    path = fetch(model, progress=_Bar(), accept_licence=accepted)
    sys.stderr.write(f"\r\033[K{model.title} ({model.licence}): {path}\n" if sys.stderr.isatty() else f"{model.title} ({model.licence}): {path}\n")
    return 0


def _probe(options: argparse.Namespace) -> int:
    model = choose(os.environ.get(SETTING))
    path = model if model is None or isinstance(model, Path) else present(model)
    if reason := probe(path):
        _complain(str(reason))
        return 1
    print(f"The engine runs here{f', with {path}' if path else '; no model was tried'}.")
    return 0


def _complete(options: argparse.Namespace) -> int:
    engine = open_engine(os.environ.get(SETTING), progress=_Bar())
    if engine is None:
        raise ConfigurationError(message("{setting} is “off”.", setting=SETTING))
    request = GenerationRequest(
        prompt=options.prompt, max_tokens=options.max_tokens, temperature=options.temperature, top_p=options.top_p, top_k=options.top_k,
        penalty_score=options.penalty_score, stop=tuple(options.stop), seed=options.seed,
    )
    try:
        generation = engine.submit(request)
        for piece in generation:
            sys.stdout.write(piece)
            sys.stdout.flush()
        end = generation.outcome()
        speed = f", {end.tokens_per_second:.0f} tokens/s" if end.tokens_per_second else ""
        sys.stderr.write(f"\n[{end.finish}: {end.prompt_tokens} + {end.completion_tokens} tokens{speed}]\n")
    finally:
        engine.close()
    return 0


class _Bar:
    """Shows a fetch in the terminal: in place on a screen, a line every ten percent elsewhere."""

    def __init__(self) -> None:
        self._last = (-1, "")
        self._began = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        percent = 100 * progress.done // progress.total if progress.total else 0
        screen = sys.stderr.isatty()
        state = (percent if screen else percent // 10, progress.stage)
        if state == self._last:
            return
        self._last = state
        if progress.stage == "waiting":
            line = "waiting for another process that is fetching it"
        else:
            seconds = time.monotonic() - self._began
            line = f"{progress.stage} {progress.done / 1e6:,.0f} of {progress.total / 1e6:,.0f} MB, {percent} %, {seconds:.0f} s"
        sys.stderr.write(f"\r\033[K{line}" if screen else f"{line}\n")
        sys.stderr.flush()


def _complain(*lines: str) -> None:
    sys.stderr.write("\n".join(line for line in lines if line) + "\n")


if __name__ == "__main__":
    sys.exit(main())

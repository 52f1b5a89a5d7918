"""`python -m emulator`: print the address, the demo credentials and the endpoint names, then serve until interrupted."""

import argparse
import asyncio

from emulator.options import ACCESS_KEY, API_KEY, IAM_SECRET, SECRET_KEY, SHORT_API_KEY, TOKEN_LIFETIME, Options
from emulator.server import Server, address, bind, create_app, describe


def main() -> None:
    """Serve as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m emulator", description="A server that speaks Qianfan's completion protocol.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8866, help="0 takes a free one")
    parser.add_argument("--pace", type=float, default=1.0, help="multiplies the waits of recorded answers; 0: none")
    parser.add_argument("--token-lifetime", type=int, default=TOKEN_LIFETIME, help="seconds")
    parser.add_argument("--build", choices=("older", "newer"), default="newer", help="which safety fields an answer has")
    parser.add_argument("--object-name", default="completion", help="the “object” of answers that are not recorded")
    chosen = parser.parse_args()
    options = Options(pace=chosen.pace, token_lifetime=chosen.token_lifetime, build=chosen.build, object_name=chosen.object_name)
    app = create_app(options)
    with bind(chosen.host, chosen.port) as listener:
        print(f"Qianfan emulator: {address(chosen.host, listener.getsockname()[1])}")
        print(f"  API key {API_KEY} (tokens of two seconds: {SHORT_API_KEY}), secret key {SECRET_KEY}")
        print(f"  IAM access key {ACCESS_KEY}, secret key {IAM_SECRET}")
        for name, kind, description in describe(app.state.emulator.services.values()):
            print(f"  {name:26} {kind:9} {description}", flush=True)
        try:
            asyncio.run(Server(app).serve(sockets=[listener]))
        except KeyboardInterrupt:
            print("Stopped.")


if __name__ == "__main__":
    main()

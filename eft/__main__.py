"""python -m eft: serve emulated fine-tuning on 127.0.0.1, for `OPENAI_BASE_URL`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from aiohttp import web


def main() -> None:
    """Load the models and serve until Ctrl-C; exit code 2 where they cannot be used."""
    arguments = read_arguments()
    try:
        from eft.chat_server import ChatServer
        from eft.load import load
    except ImportError as error:
        sys.exit(fail(f"{error}. Install what it needs: pip install 'torch>=2.8,<3' 'transformers>=4.56,<6'"))
    from eft.errors import ModelError

    try:
        folders = (arguments.large_base, arguments.small_tuned, arguments.small_base)
        emulator = load(folders, device=arguments.device, dtype=arguments.dtype)
    except ModelError as error:
        sys.exit(fail(str(error)))
    try:
        asyncio.run(serve(ChatServer(emulator, arguments.name).application(), arguments.port, arguments.name))
    except OSError as error:
        sys.exit(fail(f"port {arguments.port} of 127.0.0.1 cannot be used ({error.strerror}). Name another --port"))
    except KeyboardInterrupt:
        pass


async def serve(application: web.Application, port: int, name: str) -> None:
    """Serve on 127.0.0.1 (port 0: a free one) and say where."""
    runner = web.AppRunner(application, handler_cancellation=True, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    sys.stdout.write(f"model {name} at http://127.0.0.1:{runner.addresses[0][1]}/v1\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m eft", description=__doc__)
    for role in ("large-base", "small-tuned", "small-base"):
        parser.add_argument(f"--{role}", type=Path, required=True, metavar="DIR")
    parser.add_argument("--port", type=int, default=8000, help="on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--name", default="eft", help="what requests call the model")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps")
    parser.add_argument("--dtype", default="auto", choices=["auto", "float32", "bfloat16", "float16"])
    return parser.parse_args()


def fail(message: str) -> int:
    """Say what is wrong; return the exit code."""
    sys.stderr.write(f"eft: {message}\n")
    return 2


if __name__ == "__main__":
    main()

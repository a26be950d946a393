"""What Trajmill uses of Prefect that Prefect promises nobody: private names, and names that only its own code calls.

All of it stands here; `tests/tasks/test_prefect_private.py` asks the installed Prefect for each, so that a new version
which moved one fails there, by its name. Nothing of Prefect is imported before a function is called.
"""

from __future__ import annotations

import signal
from typing import Any

RUN_OF_A_WORKER = "PREFECT__FLOW_RUN_ID"
"""Set by Prefect in the processes that its workers and `serve` start."""

SIGTERM_HANDLER = "_prefect_sigterm_handler"


def keep_sigterm() -> None:
    """Leave SIGTERM to the command line while a flow runs.

    Prefect's handler raises in whatever line it meets: amid a driver's, the run would end as that driver's failure.
    """
    from prefect.utilities import engine

    vars(engine)[SIGTERM_HANDLER] = signal.getsignal(signal.SIGTERM)


def send_events() -> None:
    """Wait until the events of this process are with the server."""
    from prefect.events.worker import EventsWorker

    EventsWorker.instance().wait_until_empty()


def read_environment_again() -> None:
    """Let Prefect read its settings anew: it does so once, when it is first imported."""
    from prefect.context import refresh_global_settings_context

    refresh_global_settings_context()


def make_server(*, temporary: bool) -> Any:
    """Return Prefect's server as an ASGI application; a `temporary` one has no pages and schedules nothing."""
    from prefect.server.api.server import create_app

    return create_app(ephemeral=temporary, final=True)

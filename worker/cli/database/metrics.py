"""`kontrib metrics`: serves figures from the database to Prometheus."""

from __future__ import annotations

from typing import Annotated

import typer

from worker.cli.arguments import session_of, whole_number
from worker.cli.command import command
from worker.cli.console import say
from worker.core.errors import NotReady

LOOPBACK = "127.0.0.1"
PORT = 9108
commands = typer.Typer()


@command(commands, "kontrib metrics --port 9108")
def metrics(
    context: typer.Context,
    port: Annotated[
        int, typer.Option("--port", parser=whole_number(1, 65535), metavar="PORT")
    ] = PORT,
    address: Annotated[
        str, typer.Option("--address", help="The address to listen on; 0.0.0.0 inside a container.")
    ] = LOOPBACK,
) -> None:
    """Serve figures for Prometheus at /metrics until interrupted. Needs no key."""
    import signal
    from datetime import timedelta

    from worker.bootstrap.exporter import serve
    from worker.services.watch.metrics import collect_figures

    session = session_of(context)
    store, clock = session.store, session.clock
    grace = timedelta(seconds=session.settings.plan_grace_seconds)
    try:
        server, thread = serve(
            lambda: collect_figures(store, clock.now(), grace),
            session.broker.figures,
            address,
            port,
        )
    except OSError as error:
        why = error.strerror or "not available"
        raise NotReady(f"Cannot serve on {address}:{port}: {why}. Choose another --port.") from None
    # The first process of a container ignores SIGTERM unless it handles the signal.
    signal.signal(signal.SIGTERM, lambda *_: server.shutdown())
    say(f"Metrics at http://{address}:{port}/metrics; end with Ctrl-C.")
    thread.join()

"""`kontrib status`: all weeks or one of them, once or until Ctrl-C."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from config.visible_text import visible_line
from worker.cli.arguments import AsJson, OptionalWeek, session_of
from worker.cli.board_view import board_document, look_at_week, show_boards
from worker.cli.command import command
from worker.cli.console import console, emit, json_text
from worker.cli.safe_console import SafeConsole
from worker.cli.session import Session
from worker.core.week import Week
from worker.services.watch.endpoints import endpoint_figures
from worker.services.week.status import Board, overview

WATCH_SECONDS = 2.0
commands = typer.Typer()


@command(commands, "kontrib status 2024-W50 --watch")
def status(
    context: typer.Context,
    week: OptionalWeek = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Keep looking until Ctrl-C; with --json, print a line for each change."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show all weeks, or one in detail."""
    session = session_of(context)
    if not watch:
        data, render = _look(session, week)
        emit(data, as_json=as_json, render=render)
    elif as_json:
        _print_changes(session, week)
    else:
        _watch(session, week)


def _look(session: Session, week: Week | None) -> tuple[dict[str, Any], Callable[[Console], None]]:
    """The state as JSON data, and a function that prints it for people."""
    store = session.store
    if week is not None:
        return look_at_week(store, week)
    boards, paused = overview(store, session.clock.now()), store.paused()
    troubles = [f"{it.host}: {it.problem}" for it in endpoint_figures(store) if it.problem]
    data = {
        "paused": paused,
        "endpoint_troubles": troubles,
        "weeks": [board_document(each) for each in boards],
    }
    return data, lambda c: _show_all(c, boards, paused, troubles)


def _show_all(
    screen: Console, boards: list[Board], paused: str | None, troubles: Sequence[str]
) -> None:
    if paused:
        screen.print(f"Signing is paused: {paused}. Continue with `kontrib resume`.", markup=False)
    for trouble in troubles:
        screen.print(f"RPC endpoint {visible_line(trouble)}", markup=False, soft_wrap=True)
    if boards:
        show_boards(screen, boards)
    else:
        screen.print("No week yet. Begin with `kontrib genesis --first-week WEEK`.", markup=False)


def _print_changes(session: Session, week: Week | None) -> None:
    """Print the present state and then each change, one JSON document a line."""
    last = ""
    while True:
        data, _ = _look(session, week)
        line = json_text(data)
        if line != last:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
        last = line
        session.clock.sleep(WATCH_SECONDS)


def _watch(session: Session, week: Week | None) -> None:
    """Redraw the terminal, or print each change where there is no terminal."""
    screen, last = console(), ""
    with Live(console=screen, auto_refresh=False, transient=False) as live:
        while True:
            text = _drawn(session, week, screen)
            if screen.is_terminal:
                live.update(Text.from_ansi(text), refresh=True)
            elif text != last:
                screen.print(text, markup=False, end="")
            last = text
            session.clock.sleep(WATCH_SECONDS)


def _drawn(session: Session, week: Week | None, screen: Console) -> str:
    _, render = _look(session, week)
    page = io.StringIO()
    colours = screen.is_terminal
    render(SafeConsole(file=page, width=screen.width, force_terminal=colours, highlight=False))
    return page.getvalue()

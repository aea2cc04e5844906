"""The work of `kontrib status`: once, or until somebody stops looking."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

from worker.cli.console import console, emit
from worker.cli.json_views import board_document
from worker.cli.session import Session
from worker.cli.text_views import show_board, show_boards
from worker.core.week import Week
from worker.services.week.status import Board, board, obstacles, overview

if TYPE_CHECKING:
    from rich.console import Console

WATCH_SECONDS = 2.0
OBSTACLES_SHOWN = 5


def show_status(session: Session, week: Week | None, *, as_json: bool) -> None:
    """One week in detail, or all of them."""
    store = session.store
    if week is not None:
        current, listed = board(store, week), obstacles(store, week, OBSTACLES_SHOWN)
        data = board_document(current, listed)
        emit(data, as_json=as_json, render=lambda c: show_board(c, current, listed))
        return
    boards = overview(store, session.clock.now())
    paused = store.paused()
    emit(
        {"paused": paused, "weeks": [board_document(b) for b in boards]},
        as_json=as_json,
        render=lambda c: _show_all(c, boards, paused),
    )


def watch_status(session: Session, week: Week | None, *, as_json: bool) -> None:
    """Look again and again; where nobody looks at a terminal, print what changed."""
    del as_json
    from rich.live import Live
    from rich.text import Text

    screen, last = console(), ""
    with Live(console=screen, auto_refresh=False, transient=False) as live:
        while True:
            text = _rendered(session, week, screen)
            if screen.is_terminal:
                live.update(Text.from_ansi(text), refresh=True)
            elif text != last:
                screen.print(text, markup=False, end="")
            last = text
            time.sleep(WATCH_SECONDS)


def _rendered(session: Session, week: Week | None, screen: Console) -> str:
    from rich.console import Console

    page = io.StringIO()
    colours = screen.is_terminal
    drawn = Console(file=page, width=screen.width, force_terminal=colours, highlight=False)
    if week is None:
        _show_all(drawn, overview(session.store, session.clock.now()), session.store.paused())
    else:
        listed = obstacles(session.store, week, OBSTACLES_SHOWN)
        show_board(drawn, board(session.store, week), listed)
    return page.getvalue()


def _show_all(screen: Console, boards: list[Board], paused: str | None) -> None:
    if paused:
        screen.print(f"Signing is paused: {paused}. Go on with `kontrib resume`.", markup=False)
    if boards:
        show_boards(screen, boards)
    else:
        screen.print("No week yet. Begin with `kontrib genesis --first-week WEEK`.", markup=False)

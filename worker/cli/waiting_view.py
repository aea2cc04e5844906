"""The layout of the rewards of a week that wait, for people and as JSON."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from config.visible_text import visible_line
from worker.cli.console import moment_text
from worker.core.money import tokens_text
from worker.core.wording import counted
from worker.services.week.unpaid import Waiting, WaitingRewards


def waiting_document(waiting: WaitingRewards) -> dict[str, Any]:
    return {
        "count": waiting.count,
        "first": [
            {
                "user_id": each.user_id,
                "amount_base_units": each.amount,
                "state": each.state,
                "reason": each.reason,
                "next_attempt_at": each.next_attempt_at,
                "what_to_do": each.what_to_do,
            }
            for each in waiting.listed
        ],
    }


def show_waiting(console: Console, waiting: WaitingRewards) -> None:
    """Print each reward with its reason, and below it the next step."""
    for each in waiting.listed:
        console.print(_line(each), markup=False)
        console.print(f"    {visible_line(each.what_to_do)}", markup=False)
    if hidden := waiting.count - len(waiting.listed):
        console.print(f"  and {counted(hidden, 'more reward')}; `kontrib report` lists all of them")


def _line(waiting: Waiting) -> str:
    who = f"{visible_line(waiting.user_id)}, {tokens_text(waiting.amount)} KONTRIB"
    text = f"  {who}, {waiting.state.value}: {visible_line(waiting.reason)}"
    again = moment_text(waiting.next_attempt_at)
    return f"{text}; next try {again}" if again else text

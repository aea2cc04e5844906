"""What a narrow terminal shows: no line is too long, and no value is lost."""

from __future__ import annotations

import io
import re

import pytest

from tests.cli.conftest import Command
from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.transactions import token_address
from tests.fakes.world import WEEK, World, user_id_of
from worker.cli import console as output
from worker.cli.console import table
from worker.cli.safe_console import SafeConsole
from worker.core.money import tokens_text
from worker.services.plan.plan_week import plan_week

WIDTHS = (80, 110)
FROZEN = "user 0"
_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """A terminal of a fixed width."""

    def __init__(self, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self._page, self._width = io.StringIO(), width
        monkeypatch.setattr(output, "console", lambda **_: self.console())

    def console(self) -> SafeConsole:
        return SafeConsole(
            file=self._page, width=self._width, force_terminal=True, highlight=False, emoji=False
        )

    def take(self) -> str:
        """What was shown since the last call, without colours and cursor movements."""
        text = _CONTROLS.sub("", self._page.getvalue())
        self._page.seek(0)
        self._page.truncate()
        return text

    def check(self, text: str) -> None:
        assert [line for line in text.splitlines() if len(line) > self._width] == []
        assert "…" not in text


@pytest.fixture(params=WIDTHS)
def terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(request.param, monkeypatch)


@pytest.fixture
def closed(world: World, kontrib: Command) -> Command:
    """A closed week with amounts of many digits, a failed reward and a held one."""
    world.populate(6)
    for name, points in (("odd", 1234), ("odder", 777)):
        world.add_user(name)
        world.contribute(name, points)
    world.add_user("nobody", wallet=None)
    world.contribute("nobody", 50)
    world.genesis()
    plan_week(world.first, WEEK)
    world.ledger.change_token_account(token_address(wallet_named(FROZEN)), frozen=True)
    world.clock.sleep(20)
    world.run()
    return kontrib


@pytest.mark.parametrize(
    "command",
    [
        ["status"],
        ["status", "2024-W50"],
        ["plan", "2024-W50", "--dry-run"],
        ["reconcile", "2024-W50"],
        ["doctor"],
        ["check"],
        ["user", user_id_of("odd")],
        ["user", user_id_of("odd"), "--history"],
        ["user", user_id_of("odd"), "--contributions"],
        ["report", "2024-W50"],
        ["hold", user_id_of("nobody"), "2024-W50", "--reason", "a reason of many words " * 8],
    ],
    ids=" ".join,
)
def test_no_line_is_longer_than_the_terminal(
    closed: Command, terminal: Terminal, command: list[str]
) -> None:
    closed(*command)
    shown = terminal.take()
    assert shown.strip()
    terminal.check(shown)


def test_amounts_and_ids_are_never_broken(
    closed: Command, terminal: Terminal, world: World
) -> None:
    closed("report", "2024-W50")
    words = set(re.split(r"[\s│]+", terminal.take()))
    rewards = [world.first.store.reward(WEEK, user_id_of(n)) for n in ("odd", "odder", "user 1")]
    for reward in filter(None, rewards):
        assert {reward.user_id, tokens_text(reward.row.amount)} <= words


def test_a_table_that_does_not_fit_is_shown_as_blocks(terminal: Terminal) -> None:
    made = table("week", ">KONTRIB", "signature", title="Paid")
    signature = "5" * 60
    made.add_row("2024-W50", "10,000.5", signature)
    made.add_row("2024-W51", "7", "")
    terminal.console().print(made)
    shown = terminal.take()
    terminal.check(shown)
    assert signature in shown
    assert "10,000.5" in shown
    assert "Paid" in shown


def test_a_file_gets_every_line_uncut(kontrib: Command, closed: Command) -> None:
    reason = "a reason of many words " * 20
    closed("pause", "--reason", reason.strip())
    assert reason.strip() in closed.err

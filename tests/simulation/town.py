"""The simulated town: two operators with three workers, their wikis, and a cluster of many moods.

Whatever can happen in it has a name and takes one number, which chooses among the possibilities.
So a history is a list of (name, number): easy to draw, to print, to shrink and to repeat.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from bson import ObjectId

from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.faults import FakeEndpoint
from tests.fakes.chain.transactions import TokenAccount, signature_of, token_address
from tests.fakes.store.state import State
from tests.fakes.world import WEEK, World, chain_of, store_of, user_id_of
from tests.simulation.auditor import Inputs
from tests.simulation.facts import collect, inputs_of
from tests.simulation.faults.moods import BATCH_SIZE, SKEWS_SECONDS, MoodyChain, operator_of
from worker.core.errors import KontribError
from worker.core.money import ONE_TOKEN
from worker.core.week import Week
from worker.services.context import Context
from worker.services.payout.override import hold_reward, redirect_reward, release_reward
from worker.services.plan.genesis import make_genesis
from worker.services.week.unblock import retry_week

USERS = [f"user {i}" for i in range(7)]


class Town:
    """Everything outside the services, and whatever can happen to it."""

    def __init__(self) -> None:
        self.world = World(batch_size=BATCH_SIZE)
        self.operators = [operator_of(self.world, skew) for skew in SKEWS_SECONDS]
        self.world.operators[:] = self.operators
        self.world.first = self.operators[0]
        self.world.fund()
        self.weeks = [WEEK]
        self.dropped: list[bytes] = []
        self.backups: list[tuple[int, State]] = []
        for i, name in enumerate(USERS):
            self.world.add_user(name, account=i != 0, wallet=None if i == 1 else "own")
        for name in USERS:
            self.world.contribute(name, 100)
        self.inputs: Inputs = inputs_of(self.world)
        for operator in self.operators:
            make_genesis(operator, WEEK)

    # --- what can happen -------------------------------------------------------------------

    def happen(self, name: str, number: int) -> None:
        """One event. What makes no sense just now does nothing."""
        try:
            EVENTS[name](self, number)
        except KontribError:
            return  # an operator's command was refused, as it should be
        finally:
            for operator in self.operators:
                collect(self.inputs, store_of(operator))

    def wait(self, number: int) -> None:
        self.world.clock.sleep((1, 20, 80, 150, 400, 7 * 3600)[number % 6])

    def begin_next_week(self, number: int) -> None:
        """Contributions of another week, and its end."""
        if len(self.weeks) <= 3 and number % 2 == 0:
            self.add_week()

    def add_week(self) -> None:
        week = self.weeks[-1].next()
        self.weeks.append(week)
        for i, name in enumerate(USERS):
            self.world.contribute(name, 50 + i, week=week)
        due = week.end + timedelta(hours=1) - self.world.clock.now()
        self.world.clock.sleep(max(0.0, due.total_seconds()))

    # the cluster

    def fork(self, number: int) -> None:
        depth = min((1, 3, 8, 31)[number % 4], self.world.ledger.blocks_not_final)
        self.dropped += self.world.ledger.fork(depth)

    def land_dropped(self, number: int) -> None:
        """Nodes still had what a fork dropped, and send it again."""
        for wire in self.dropped[number % 3 :]:
            self.world.ledger.submit(signature_of(wire), wire)
        self.dropped.clear()

    def hold_sends(self, number: int) -> None:
        self.world.ledger.holds_sends = number % 3 > 0

    def deliver(self, number: int) -> None:
        """Something in flight lands, whatever was sent first."""
        flying = sorted(self.world.ledger.in_flight)
        if flying:
            self.world.ledger.deliver([flying[number % len(flying)]])

    def lose_in_flight(self, number: int) -> None:
        flying = sorted(self.world.ledger.in_flight)
        if flying:
            self.world.ledger.lose(flying[number % len(flying)])

    def change_endpoint(self, number: int) -> None:
        """An endpoint lags, goes down or comes back."""
        chain = chain_of(self.operators[number % 2])
        endpoint = chain.endpoints[number // 2 % 2]
        endpoint.lag_slots = (0, 5, 40, 200)[number // 4 % 4]
        endpoint.down = number // 16 % 3 == 1

    def forget_statuses(self, number: int) -> None:
        chain = self.operators[number % 2].chain
        assert isinstance(chain, MoodyChain)
        chain.forgets_statuses = number // 2 % 2 == 0

    def lose_history(self, number: int) -> None:
        chain_of(self.operators[number % 2]).has_history = number // 2 % 2 == 1

    def refuse_sends(self, number: int) -> None:
        chain_of(self.operators[number % 2]).refuses_sends = "behind" if number // 2 % 2 else None

    def stranger(self, number: int) -> None:
        """Somebody funds and mentions a receipt."""
        week = self.weeks[number % len(self.weeks)]
        names = (f"{week.id}/anchor", f"{week.id}/00000", f"{week.id}/00001", f"{week.id}/00002")
        address = chain_of(self.operators[0]).receipt_address(names[number % 4])
        self.world.ledger.give_lamports(address, 1 + number)
        self.world.ledger.stranger_mentions(address)

    # recipients

    def change_token_account(self, number: int) -> None:
        """A token account is frozen, thawed, closed, opened, or asks for memos."""
        wallet = wallet_named(USERS[number % len(USERS)])
        address, kind = token_address(wallet), number // len(USERS) % 5
        account = self.world.ledger.token_account(address)
        if account is None:
            self.world.ledger.put_token_account(address, TokenAccount(wallet))
        elif kind == 0 and account.amount == 0:
            self.world.ledger.put_token_account(address, None)
        else:
            changed = replace(account, frozen=kind == 1, memo_required=kind == 2)
            self.world.ledger.put_token_account(address, changed)

    def change_wallet(self, number: int) -> None:
        """A user names another wallet, none at all, nonsense, or the first one again."""
        name = USERS[number % len(USERS)]
        kinds = (wallet_named(name), wallet_named(f"{name} again"), None, "no wallet")
        self._set_wallet(name, kinds[number // len(USERS) % 4])

    def _set_wallet(self, name: str, wallet: str | None) -> None:
        for operator in self.operators:
            user = ObjectId(user_id_of(name))
            store_of(operator).set_user_fields(user, wallet_address=wallet)

    # the wiki

    def contribute_late(self, number: int) -> None:
        week, now = self.weeks[number % len(self.weeks)], self.world.clock.now()
        created = week.start + timedelta(days=1, minutes=number)
        self.world.record(
            USERS[number % len(USERS)], 10 + number, created_at=created, recorded_at=now
        )

    def edit_contribution(self, number: int) -> None:
        for operator in self.operators[: 1 + number % 2]:
            documents = store_of(operator).state.contributions
            chosen = list(documents)[number % len(documents)]
            documents[chosen] = documents[chosen] | {"total_points": number}

    def delete_contribution(self, number: int) -> None:
        for operator in self.operators[: 1 + number % 2]:
            documents = store_of(operator).state.contributions
            if len(documents) > len(USERS):
                del documents[list(documents)[number % len(documents)]]

    # the operators

    def run_short(self, number: int) -> None:
        chain = chain_of(self.operators[0])
        if number % 2:
            self.world.ledger.change_token_account(chain.source, amount=number * ONE_TOKEN)
        else:
            payer = self.world.ledger.account(chain.fee_payer)
            assert payer is not None
            poor = replace(payer, lamports=number * 100_000)
            self.world.ledger.put_account(chain.fee_payer, poor)

    def top_up(self, number: int) -> None:
        self.world.fund()

    def pause(self, number: int) -> None:
        store = self.operators[number % 2].store
        store.pause("the auditor calls" if number // 2 % 2 else None)

    def hold(self, number: int) -> None:
        operator, week, user = self._reward(number)
        hold_reward(operator, week, user, "asked by mail")

    def release(self, number: int) -> None:
        release_reward(*self._reward(number))

    def redirect(self, number: int) -> None:
        operator, week, user = self._reward(number)
        wallet = wallet_named(f"{user} redirected")
        self.world.ledger.put_token_account(token_address(wallet), TokenAccount(wallet))
        self.world.clock.sleep(10)
        self.inputs.wallets[user].add(wallet)
        redirect_reward(operator, week, user, wallet)

    def retry(self, number: int) -> None:
        operator = self.operators[number % 2]
        for week in self.weeks:
            retry_week(operator.store, week, operator.clock.now())

    def _reward(self, number: int) -> tuple[Context, Week, str]:
        week = self.weeks[number // 2 % len(self.weeks)]
        return self.operators[number % 2], week, user_id_of(USERS[number % len(USERS)])

    def lose_database(self, number: int) -> None:
        state = store_of(self.operators[number % 2]).state
        for table in (state.weeks, state.rewards, state.payouts, state.first_week):
            table.clear()

    def back_up(self, number: int) -> None:
        self.backups.append((number % 2, store_of(self.operators[number % 2]).snapshot()))

    def put_back(self, number: int) -> None:
        """An old backup is put back, the wiki's own collections included."""
        if self.backups:
            operator, state = self.backups[number % len(self.backups)]
            store_of(self.operators[operator]).restore(state)

    def calm_down(self) -> None:
        """Every fault ends: what is left to do can be done."""
        ledger = self.world.ledger
        ledger.holds_sends = False
        ledger.in_flight.clear()
        for operator in self.operators:
            chain = operator.chain
            assert isinstance(chain, MoodyChain)
            chain.endpoints = [FakeEndpoint(), FakeEndpoint()]
            chain.forgets_statuses, chain.has_history, chain.refuses_sends = False, True, None
            operator.store.pause(None)
        self._release_everybody()
        self.world.fund()
        self.world.clock.sleep(120)

    def _release_everybody(self) -> None:
        """A hold is one operator's own, and what another one paid is learned once it ends."""
        for operator in self.operators:
            for week in self.weeks:
                for user in USERS:
                    reward = operator.store.reward(week, user_id_of(user))
                    if reward is not None and reward.operator_hold is not None:
                        operator.store.hold(reward, None)


EVENTS: dict[str, Callable[[Town, int], None]] = {
    method.__name__.replace("_", " "): method
    for method in (
        Town.wait,
        Town.begin_next_week,
        Town.fork,
        Town.land_dropped,
        Town.hold_sends,
        Town.deliver,
        Town.lose_in_flight,
        Town.change_endpoint,
        Town.forget_statuses,
        Town.lose_history,
        Town.refuse_sends,
        Town.stranger,
        Town.change_token_account,
        Town.change_wallet,
        Town.contribute_late,
        Town.edit_contribution,
        Town.delete_contribution,
        Town.run_short,
        Town.top_up,
        Town.pause,
        Town.hold,
        Town.release,
        Town.redirect,
        Town.retry,
        Town.lose_database,
        Town.back_up,
        Town.put_back,
    )
}

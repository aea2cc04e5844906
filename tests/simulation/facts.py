"""Plain facts about a simulated database and wiki, for the auditor."""

from __future__ import annotations

from datetime import timedelta

from tests.fakes.store.state import State, StoredReward
from tests.fakes.store.store import FakeStore
from tests.fakes.world import World, chain_of, store_of
from tests.simulation.auditor import BookedReward, BookedWeek, Books, Inputs, Report, audit
from worker.core.lifecycle import status_of
from worker.core.money import ONE_TOKEN

POOL = 10_000 * ONE_TOKEN


def books_of(store: FakeStore) -> Books:
    """Each week's plan in the database, as a reader sees it."""
    state = store.state
    stored = [*state.weeks.values(), *state.archive.values()]
    weeks = [each.distribution for each in stored]
    return Books(
        weeks=[
            BookedWeek(
                week=d.week.id,
                status=status_of(d.stage, stopped=d.stopped).value,
                root=d.root.hex() if d.root else None,
                signature=d.signature,
            )
            for d in weeks
        ],
        rewards=[
            _booked(state, reward)
            for d in weeks
            if d.plan_id
            for reward in state.rewards_of(d.plan_id).values()
        ],
    )


def _booked(state: State, stored: StoredReward) -> BookedReward:
    reward = stored.reward
    single = state.payouts_of(reward.plan_id).get(f"{stored.week.id}/u/{reward.row.user.hex()}")
    waits = single.payout.reason if single else None
    return BookedReward(
        week=stored.week.id,
        commitment=reward.row.user.hex(),
        amount=reward.row.amount,
        status=reward.status.value,
        reason=reward.reason or reward.operator_hold or waits,
        signature=reward.signature,
    )


def inputs_of(world: World, wallets: dict[str, set[str]] | None = None) -> Inputs:
    """The inputs in all operators' wikis. `wallets` adds the users' former wallets."""
    chain = chain_of(world.first)
    inputs = Inputs(
        receipt_key=chain.receipt_key,
        receipt_secret=chain.receipt_secret,
        pool=POOL,
        finality_slots=world.ledger.finalized_lag_slots,
        former_secrets=dict(world.former_secrets),
    )
    for context in world.operators:
        collect(inputs, store_of(context))
    for user, addresses in (wallets or {}).items():
        inputs.wallets.setdefault(user, set()).update(addresses)
    return inputs


def collect(inputs: Inputs, store: FakeStore) -> None:
    """Add one wiki's inputs: users' wallets, and the weeks of their contributions."""
    for user_id, document in store.state.users.items():
        wallets = inputs.wallets.setdefault(str(user_id), set())
        if wallet := document.get("wallet_address"):
            wallets.add(wallet)
    for document in store.state.contributions.values():
        day = document["created_at"].date()
        monday = day - timedelta(days=day.weekday())
        inputs.contributed.setdefault(monday.isoformat(), set()).add(document["user_id"])


def audit_world(world: World, inputs: Inputs | None = None) -> Report:
    """Audit all landed transactions and every operator's database."""
    books = [books_of(store_of(context)) for context in world.operators]
    return audit(world.ledger, world.archive.files, inputs or inputs_of(world), books)

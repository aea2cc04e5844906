"""Events of the wiki and its users: token accounts, wallets and contributions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bson import ObjectId

from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.transactions import TokenAccount, token_address
from tests.fakes.world import store_of, user_id_of
from tests.simulation.town import USERS, Town


def change_token_account(town: Town, number: int) -> None:
    """A token account is frozen, thawed, closed or opened, requires memos, or refuses tokens."""
    wallet = wallet_named(USERS[number % len(USERS)])
    address, kind = token_address(wallet), number // len(USERS) % 5
    account = town.world.ledger.token_account(address)
    if account is None:
        town.world.ledger.put_token_account(address, TokenAccount(wallet))
    elif kind == 0 and account.amount == 0:
        town.world.ledger.put_token_account(address, None)
    else:
        changed = replace(
            account, frozen=kind == 1, memo_required=kind == 2, refuses_credits=kind == 3
        )
        town.world.ledger.put_token_account(address, changed)


def change_wallet(town: Town, number: int) -> None:
    """A user's wallet changes to another, to none, to nonsense, or back to the first."""
    name = USERS[number % len(USERS)]
    kinds = (wallet_named(name), wallet_named(f"{name} again"), None, "no wallet")
    _set_wallet(town, name, kinds[number // len(USERS) % 4])


def contribute_late(town: Town, number: int) -> None:
    week, now = town.weeks[number % len(town.weeks)], town.world.clock.now()
    created = week.start + timedelta(days=1, minutes=number)
    town.world.record(USERS[number % len(USERS)], 10 + number, created_at=created, recorded_at=now)


def edit_contribution(town: Town, number: int) -> None:
    for operator in town.operators[: 1 + number % 2]:
        documents = store_of(operator).state.contributions
        chosen = list(documents)[number % len(documents)]
        documents[chosen] = documents[chosen] | {"total_points": number}


def delete_contribution(town: Town, number: int) -> None:
    for operator in town.operators[: 1 + number % 2]:
        documents = store_of(operator).state.contributions
        if len(documents) > len(USERS):
            del documents[list(documents)[number % len(documents)]]


def _set_wallet(town: Town, name: str, wallet: str | None) -> None:
    for operator in town.operators:
        user = ObjectId(user_id_of(name))
        store_of(operator).set_user_fields(user, wallet_address=wallet)

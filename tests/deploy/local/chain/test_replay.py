"""An account read at a commitment is the state replayed up to that slot."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st
from solders.account import Account
from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM_PROGRAM

from deploy.local.chain.blocks import Commitment, Lag
from tests.deploy.local.chain.payments import (
    NOW,
    SOL,
    advance,
    funded,
    lamports_at,
    memo,
    new_ledger,
    pay_sol,
    sign,
    submit,
    tip_hash,
)

FINALIZED, CONFIRMED, PROCESSED = Commitment.FINALIZED, Commitment.CONFIRMED, Commitment.PROCESSED


Balances = Mapping[Pubkey, int]


class Replay:
    """A ledger beside a model that holds the balances at the end of every slot."""

    def __init__(self) -> None:
        self.ledger = new_ledger(lag=Lag(confirmed_slots=2, finalized_slots=5))
        self.people = [funded(self.ledger, 10 * SOL) for _ in range(4)]
        before_funding = dict.fromkeys(self.balances(), 0)
        self.ends: dict[int, Balances] = {self.ledger.rules.first_slot: before_funding}

    def balances(self) -> Balances:
        addresses = [person.pubkey() for person in self.people]
        return {address: lamports_at(self.ledger, address, PROCESSED) for address in addresses}

    def pay(self, source: int, to: int, lamports: int) -> None:
        payer, receiver = self.people[source], self.people[to]
        instructions = [pay_sol(payer, receiver.pubkey(), lamports), memo(str(len(self.ends)))]
        submit(self.ledger, sign(instructions, [payer], tip_hash(self.ledger)))

    def decree(self, who: int, lamports: int) -> None:
        account = Account(lamports, b"", SYSTEM_PROGRAM) if lamports else None
        self.ledger.put_account(self.people[who].pubkey(), account)

    def next_slot(self) -> None:
        self.ends[self.ledger.blocks.tip.slot] = self.balances()
        advance(self.ledger, 1)

    def fork(self, commitment: Commitment) -> None:
        kept = self.ledger.blocks.at(commitment).slot
        self.ledger.drop_after(commitment, NOW)
        self.ends = {slot: end for slot, end in self.ends.items() if slot <= kept}
        assert self.balances() == self.ends[kept]

    def check(self) -> None:
        for commitment in (CONFIRMED, FINALIZED):
            expected = self.ends[self.ledger.blocks.at(commitment).slot]
            for address, lamports in expected.items():
                assert lamports_at(self.ledger, address, commitment) == lamports


PERSON = st.integers(0, 3)
STEPS = st.one_of(
    st.tuples(st.just("pay"), PERSON, PERSON, st.integers(1, 12 * SOL)),
    st.tuples(st.just("decree"), PERSON, st.sampled_from([0, SOL, 20 * SOL])),
    st.tuples(st.just("next_slot")),
    st.tuples(st.just("fork"), st.sampled_from([CONFIRMED, FINALIZED])),
)


@settings(deadline=None, max_examples=150)
@given(st.lists(STEPS, max_size=40))
def test_an_account_at_a_commitment_is_the_state_replayed_up_to_that_slot(
    steps: list[tuple[object, ...]],
) -> None:
    replay = Replay()
    for name, *arguments in steps:
        getattr(replay, str(name))(*arguments)
        replay.check()

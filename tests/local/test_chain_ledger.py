"""The ledger of the local chain behaves like a validator's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solders.account import Account
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import TransactionConfig
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import ID as SYSTEM_PROGRAM
from solders.transaction import VersionedTransaction

from tests.local.chain_payments import (
    GENEROUS,
    NOW,
    PAYMENT,
    SOL,
    TOKEN,
    VOID,
    advance,
    funded,
    land,
    memo,
    new_ledger,
    pay_sol,
    receipt,
    receipt_address,
    recipients,
    sign,
    submit,
    token_account,
    transfer_tokens,
    treasury,
)
from worker.local.chain_blocks import MAX_BLOCKHASH_AGE_BLOCKS, Commitment, Lag
from worker.local.chain_execution import V1_FEATURE
from worker.local.chain_history import Landed
from worker.local.chain_ledger import Dropped, Ledger
from worker.local.chain_snapshot import SnapshotUnreadableError, load, save
from worker.local.chain_tokens import token_account_data, token_amount

FINALIZED, CONFIRMED, PROCESSED = Commitment.FINALIZED, Commitment.CONFIRMED, Commitment.PROCESSED
ALL_VERSIONS = ["legacy", 0, 1]


def lamports_at(ledger: Ledger, address: Pubkey, commitment: Commitment) -> int:
    """Read a balance as a client would."""
    account = ledger.accounts.at(address, ledger.blocks.at(commitment).slot)
    return 0 if account is None else account.lamports


def tokens_now(ledger: Ledger, address: Pubkey) -> int:
    """Read the base units of a token account in the open slot."""
    data = token_account_data(ledger.accounts.now(address))
    assert data is not None
    return token_amount(data)


def rent_of(ledger: Ledger, space: int) -> int:
    """Ask the chain for the rent minimum."""
    return ledger.executor.svm.minimum_balance_for_rent_exemption(space)


def tip_hash(ledger: Ledger) -> Hash:
    """Return the newest blockhash."""
    return ledger.blocks.tip.blockhash


# --- executing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_a_transfer_of_every_version_lands_and_pays_its_fee(version: int | str) -> None:
    ledger = new_ledger()
    payer, to = funded(ledger), Pubkey.new_unique()

    landed = land(
        ledger, sign([pay_sol(payer, to, SOL)], [payer], tip_hash(ledger), version=version)
    )

    assert landed.error is None
    assert landed.fee_lamports == 5_000
    assert lamports_at(ledger, to, PROCESSED) == SOL
    assert lamports_at(ledger, payer.pubkey(), PROCESSED) == 99 * SOL - 5_000


def test_a_payment_of_57_transfers_with_receipt_and_memo_fits_a_v1_transaction() -> None:
    ledger = new_ledger()
    payer = treasury(ledger)
    accounts = recipients(ledger, payer.mint, 57)

    transaction = sign(
        payer.payment(accounts, "2024-12-09/00007", rent_of(ledger, 1)),
        [payer.authority],
        tip_hash(ledger),
    )
    landed = land(ledger, transaction)

    assert 1_232 < len(landed.raw) <= 4_096
    assert landed.error is None
    assert [tokens_now(ledger, account) for account in accounts] == [TOKEN] * 57
    assert tokens_now(ledger, payer.source) == 10**6 * TOKEN - 57 * TOKEN


def test_a_receipt_lets_an_id_be_paid_once_whatever_the_blockhash() -> None:
    ledger = new_ledger()
    payer = treasury(ledger)
    accounts = recipients(ledger, payer.mint, 2)
    payment = payer.payment(accounts, "week/1", rent_of(ledger, 1))
    land(ledger, sign(payment, [payer.authority], tip_hash(ledger)))
    advance(ledger, 1)

    again = land(ledger, sign(payment, [payer.authority], tip_hash(ledger)))

    assert again.error == '{"InstructionError":[1,{"Custom":0}]}'
    assert [tokens_now(ledger, account) for account in accounts] == [TOKEN, TOKEN]


def test_a_void_receipt_has_two_bytes_and_keeps_a_payment_out() -> None:
    ledger = new_ledger()
    payer = treasury(ledger)
    owner = payer.authority.pubkey()
    void = receipt(owner, "week/1", VOID, rent_of(ledger, 2))
    land(ledger, sign(void, [payer.authority], tip_hash(ledger)))

    payment = receipt(owner, "week/1", PAYMENT, rent_of(ledger, 1))
    paid = land(ledger, sign(payment, [payer.authority], tip_hash(ledger)))

    taken = ledger.accounts.now(receipt_address(owner, "week/1"))
    assert paid.error is not None
    assert taken is not None
    assert len(taken.data) == VOID


def test_lamports_from_a_stranger_do_not_block_a_receipt() -> None:
    ledger = new_ledger()
    payer, stranger = funded(ledger), funded(ledger)
    address = receipt_address(payer.pubkey(), "week/1")
    land(ledger, sign([pay_sol(stranger, address, SOL)], [stranger], tip_hash(ledger)))

    instructions = receipt(payer.pubkey(), "week/1", PAYMENT, rent_of(ledger, 1))
    landed = land(ledger, sign(instructions, [payer], tip_hash(ledger)))

    assert landed.error is None


def test_a_failing_transaction_lands_with_its_error_pays_its_fee_and_changes_nothing_else() -> None:
    ledger = new_ledger()
    payer, to = funded(ledger), Pubkey.new_unique()
    instructions = [pay_sol(payer, to, SOL), pay_sol(payer, to, 1_000 * SOL)]

    landed = land(ledger, sign(instructions, [payer], tip_hash(ledger)))

    assert landed.error == '{"InstructionError":[1,{"Custom":1}]}'
    assert lamports_at(ledger, to, PROCESSED) == 0
    assert lamports_at(ledger, payer.pubkey(), PROCESSED) == 100 * SOL - 5_000


def test_a_payer_without_lamports_is_dropped() -> None:
    ledger = new_ledger()
    poor = Keypair()

    result = submit(ledger, sign([memo("x")], [poor], tip_hash(ledger)))

    assert result == Dropped('"AccountNotFound"')


def test_a_wrong_signature_is_dropped() -> None:
    ledger = new_ledger()
    payer = funded(ledger)
    good = sign([memo("x")], [payer], tip_hash(ledger))

    result = submit(ledger, VersionedTransaction.populate(good.message, [Signature.new_unique()]))

    assert result == Dropped('"SignatureFailure"')


def test_identical_bytes_are_executed_once() -> None:
    ledger = new_ledger()
    payer, to = funded(ledger), Pubkey.new_unique()
    transaction = sign([pay_sol(payer, to, SOL)], [payer], tip_hash(ledger))
    land(ledger, transaction)

    assert submit(ledger, transaction) == Dropped('"AlreadyProcessed"')
    assert lamports_at(ledger, to, PROCESSED) == SOL


# --- the budget in a v1 header -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "error"),
    [
        (TransactionConfig(compute_unit_limit=9_000), "InvalidLoadedAccountsDataSizeLimit"),
        (None, "InvalidLoadedAccountsDataSizeLimit"),
        (
            TransactionConfig(
                compute_unit_limit=1_400_001, loaded_accounts_data_size_limit=1_000_000
            ),
            "SanitizeFailure",
        ),
        (
            TransactionConfig(heap_size=1_000, loaded_accounts_data_size_limit=1_000_000),
            "SanitizeFailure",
        ),
    ],
)
def test_a_v1_header_out_of_bounds_never_lands(
    config: TransactionConfig | None, error: str
) -> None:
    ledger = new_ledger()
    payer = funded(ledger)

    result = submit(ledger, sign([memo("x")], [payer], tip_hash(ledger), config=config))

    assert result == Dropped(f'"{error}"')
    assert lamports_at(ledger, payer.pubkey(), PROCESSED) == 100 * SOL


def test_a_v1_header_without_a_compute_limit_has_no_compute_units() -> None:
    ledger = new_ledger()
    payer = funded(ledger)
    config = TransactionConfig(loaded_accounts_data_size_limit=1_000_000)
    instructions = [pay_sol(payer, Pubkey.new_unique(), SOL)]

    landed = land(ledger, sign(instructions, [payer], tip_hash(ledger), config=config))

    assert landed.error == '{"InstructionError":[0,"ComputationalBudgetExceeded"]}'


def test_a_limit_below_the_loaded_data_lands_without_being_executed_and_pays() -> None:
    ledger = new_ledger()
    payer, to = funded(ledger), Pubkey.new_unique()
    config = TransactionConfig(compute_unit_limit=9_000, loaded_accounts_data_size_limit=100)

    landed = land(ledger, sign([pay_sol(payer, to, SOL)], [payer], tip_hash(ledger), config=config))

    assert landed.error == '"MaxLoadedAccountsDataSizeExceeded"'
    assert lamports_at(ledger, payer.pubkey(), PROCESSED) == 100 * SOL - 5_000
    assert lamports_at(ledger, to, PROCESSED) == 0


@pytest.mark.parametrize("fails", [False, True])
def test_the_priority_fee_of_a_v1_header_is_a_total_in_lamports(fails: bool) -> None:
    ledger = new_ledger()
    payer, to = funded(ledger), Pubkey.new_unique()
    config = TransactionConfig(
        priority_fee=777, compute_unit_limit=9_000, loaded_accounts_data_size_limit=1_000_000
    )
    lamports = 1_000 * SOL if fails else SOL

    landed = land(
        ledger, sign([pay_sol(payer, to, lamports)], [payer], tip_hash(ledger), config=config)
    )

    assert (landed.error is not None) is fails
    assert landed.fee_lamports == 5_777
    spent = 100 * SOL - lamports_at(ledger, payer.pubkey(), PROCESSED)
    assert spent == 5_777 + (0 if fails else SOL)


def test_a_priority_fee_beyond_the_balance_is_dropped_and_costs_nothing() -> None:
    ledger = new_ledger()
    payer = funded(ledger, SOL)
    config = TransactionConfig(
        priority_fee=2 * SOL, compute_unit_limit=9_000, loaded_accounts_data_size_limit=1_000_000
    )

    result = submit(ledger, sign([memo("x")], [payer], tip_hash(ledger), config=config))

    assert result == Dropped('"InsufficientFundsForFee"')
    assert lamports_at(ledger, payer.pubkey(), PROCESSED) == SOL


def test_a_refused_transaction_gets_its_priority_fee_back() -> None:
    ledger = new_ledger()
    payer = funded(ledger, SOL)
    almost_all = SOL - 5_000 - 777 - 1_000
    config = TransactionConfig(
        priority_fee=777, compute_unit_limit=9_000, loaded_accounts_data_size_limit=1_000_000
    )
    poor = funded(ledger, rent_of(ledger, 0) + 5_000)

    refused = submit(ledger, sign([memo("x")], [poor], tip_hash(ledger), config=config))
    rest = sign(
        [pay_sol(payer, Pubkey.new_unique(), almost_all)], [payer], tip_hash(ledger), config=config
    )

    assert refused == Dropped('{"InsufficientFundsForRent":{"account_index":0}}')
    assert lamports_at(ledger, poor.pubkey(), PROCESSED) == rent_of(ledger, 0) + 5_000
    assert land(ledger, rest).error == '{"InsufficientFundsForRent":{"account_index":0}}'
    assert lamports_at(ledger, payer.pubkey(), PROCESSED) == SOL - 5_777


def test_a_chain_without_v1_has_no_feature_account_and_drops_v1_transactions() -> None:
    ledger = new_ledger(v1=False)
    payer = funded(ledger)

    result = submit(ledger, sign([memo("x")], [payer], tip_hash(ledger)))

    assert ledger.accounts.now(V1_FEATURE) is None
    assert result == Dropped('"UnsupportedVersion"')


def test_a_chain_with_v1_has_an_activated_feature_account() -> None:
    ledger = new_ledger()

    feature = ledger.accounts.now(V1_FEATURE)

    assert feature is not None
    assert str(feature.owner) == "Feature111111111111111111111111111111111111"
    assert feature.data == b"\x01" + ledger.rules.first_slot.to_bytes(8, "little")


# --- blocks and blockhashes --------------------------------------------------------------------


def test_the_confirmed_and_the_finalized_block_lag_behind_the_open_one() -> None:
    ledger = new_ledger(lag=Lag(confirmed_slots=2, finalized_slots=8))
    advance(ledger, 20)

    tip = ledger.blocks.at(PROCESSED).slot

    assert ledger.blocks.at(CONFIRMED).slot == tip - 2
    assert ledger.blocks.at(FINALIZED).slot == tip - 8


def test_a_new_chain_has_one_finalized_block_that_takes_no_transaction() -> None:
    ledger = new_ledger()
    payer, to = funded(ledger), Pubkey.new_unique()
    land(ledger, sign([pay_sol(payer, to, SOL)], [payer], tip_hash(ledger)))

    assert lamports_at(ledger, to, FINALIZED) == 0


@pytest.mark.parametrize("skip_every_slots", [0, 4])
def test_a_blockhash_lives_for_150_blocks_by_height_and_not_by_slot(skip_every_slots: int) -> None:
    ledger = new_ledger(skip_every_slots=skip_every_slots)
    payer = funded(ledger)
    old, height = tip_hash(ledger), ledger.blocks.tip.height

    advance(ledger, MAX_BLOCKHASH_AGE_BLOCKS)
    last_chance = submit(ledger, sign([memo("in time")], [payer], old))
    advance(ledger, 1)
    too_late = submit(ledger, sign([memo("late")], [payer], old))

    assert isinstance(last_chance, Landed)
    assert too_late == Dropped('"BlockhashNotFound"')
    assert ledger.blocks.tip.height == height + MAX_BLOCKHASH_AGE_BLOCKS + 1


def test_a_skipped_slot_has_no_block() -> None:
    ledger = new_ledger(skip_every_slots=4)
    first = ledger.blocks.tip
    advance(ledger, 20)

    slots = [block.slot for block in ledger.blocks.all()]

    assert all(slot % 4 for slot in slots[1:])
    assert ledger.blocks.tip.height - first.height == 20
    assert ledger.blocks.tip.slot - first.slot > 20


def test_a_finalized_bank_does_not_know_a_newer_blockhash() -> None:
    ledger = new_ledger()
    payer = funded(ledger)
    advance(ledger, 9)
    transaction = sign([memo("x")], [payer], tip_hash(ledger))

    at_tip = ledger.simulate(transaction, ledger.blocks.at(PROCESSED))
    at_finalized = ledger.simulate(transaction, ledger.blocks.at(FINALIZED))

    assert at_tip.error is None
    assert at_finalized.error == '"BlockhashNotFound"'


def test_an_idle_chain_forgets_old_blocks_but_not_those_with_transactions() -> None:
    ledger = new_ledger()
    payer = funded(ledger)
    landed = land(ledger, sign([memo("x")], [payer], tip_hash(ledger)))
    advance(ledger, 6_000)

    assert ledger.blocks.by_slot(landed.slot) is not None
    assert ledger.blocks.by_slot(landed.slot + 1) is None
    assert len(list(ledger.blocks.all())) < 5_010


def test_the_clock_of_programs_and_blocks_follows_the_offset() -> None:
    ledger = new_ledger()
    ledger.clock_offset_seconds = -7 * 86_400
    block = ledger.open_slot(NOW)

    assert block.unix_seconds == NOW - 7 * 86_400
    assert ledger.executor.svm.get_clock().unix_timestamp == block.unix_seconds


def test_the_same_seed_gives_the_same_chain() -> None:
    one, two = new_ledger(), new_ledger()
    advance(one, 5)
    advance(two, 5)

    assert one.genesis_hash == two.genesis_hash
    assert tip_hash(one) == tip_hash(two)


# --- reading the past --------------------------------------------------------------------------


def test_a_simulation_at_finalized_sees_the_accounts_as_they_were() -> None:
    ledger = new_ledger()
    payer = treasury(ledger)
    [to] = recipients(ledger, payer.mint, 1)
    advance(ledger, 9)
    blockhash = ledger.blocks.at(FINALIZED).blockhash
    new = Pubkey.new_unique()
    ledger.put_account(new, token_account(payer.mint, Pubkey.new_unique(), 0))
    owner = payer.authority.pubkey()
    instructions = [
        transfer_tokens(owner, payer.mint, payer.source, to, TOKEN),
        transfer_tokens(owner, payer.mint, payer.source, new, TOKEN),
    ]
    transaction = sign(instructions, [payer.authority], blockhash)

    at_finalized = ledger.simulate(transaction, ledger.blocks.at(FINALIZED))
    at_tip = ledger.simulate(transaction, ledger.blocks.tip)

    assert at_finalized.error == '{"InstructionError":[1,"InvalidAccountData"]}'
    assert at_tip.error is None
    assert ledger.accounts.now(new) is not None


Balances = Mapping[Pubkey, int]


class Replay:
    """A ledger beside a model: the balances at the end of every slot, replayed by hand."""

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


def test_the_past_is_forgotten_once_it_is_finalized() -> None:
    ledger = new_ledger()
    payer = funded(ledger)
    land(ledger, sign([memo("x")], [payer], tip_hash(ledger)))
    assert list(ledger.accounts.history())

    advance(ledger, 8)

    assert list(ledger.accounts.history()) == []


# --- forks -------------------------------------------------------------------------------------


def test_a_fork_undoes_transactions_and_their_signatures_can_land_again() -> None:
    ledger = new_ledger()
    payer, to = funded(ledger), Pubkey.new_unique()
    advance(ledger, 9)
    blockhash = ledger.blocks.at(FINALIZED).blockhash
    transaction = sign([pay_sol(payer, to, SOL)], [payer], blockhash)
    landed = land(ledger, transaction)
    advance(ledger, 3)

    dropped = ledger.drop_after(FINALIZED, NOW)

    assert dropped == 1
    assert ledger.history.find(landed.signature) is None
    assert lamports_at(ledger, to, PROCESSED) == 0
    assert list(ledger.history.mentioning(to, from_slot=0, to_slot=10**9)) == []
    assert land(ledger, transaction).error is None


def test_blockhashes_of_an_abandoned_fork_are_refused() -> None:
    ledger = new_ledger()
    payer = funded(ledger)
    advance(ledger, 9)
    abandoned, before = tip_hash(ledger), ledger.blocks.tip

    ledger.drop_after(FINALIZED, NOW)
    advance(ledger, 20)

    result = submit(ledger, sign([memo("x")], [payer], abandoned))
    assert result == Dropped('"BlockhashNotFound"')
    assert ledger.blocks.tip.slot == before.slot + 21
    assert ledger.blocks.tip.height < before.height + 21


# --- saving ------------------------------------------------------------------------------------


def test_a_saved_chain_goes_on_where_it_stopped(tmp_path: Path) -> None:
    ledger = new_ledger()
    payer = treasury(ledger)
    accounts = recipients(ledger, payer.mint, 3)
    advance(ledger, 20)
    transaction = sign(
        payer.payment(accounts, "week/1", rent_of(ledger, 1)), [payer.authority], tip_hash(ledger)
    )
    landed = land(ledger, transaction)
    advance(ledger, 1)

    save(ledger, tmp_path / "chain.snapshot")
    again = load(tmp_path / "chain.snapshot", ledger.rules)

    assert again.genesis_hash == ledger.genesis_hash
    assert again.blocks.tip == ledger.blocks.tip
    assert again.history.find(landed.signature) == landed
    assert list(again.tokens.unpack(landed.tokens)) == list(ledger.tokens.unpack(landed.tokens))
    assert tokens_now(again, accounts[0]) == TOKEN
    assert lamports_at(again, receipt_address(payer.authority.pubkey(), "week/1"), FINALIZED) == 0
    assert submit(again, transaction) == Dropped('"AlreadyProcessed"')


def test_a_fork_is_possible_after_a_restart(tmp_path: Path) -> None:
    ledger = new_ledger()
    payer, to = funded(ledger), Pubkey.new_unique()
    advance(ledger, 9)
    land(ledger, sign([pay_sol(payer, to, SOL)], [payer], tip_hash(ledger)))
    save(ledger, tmp_path / "chain.snapshot")

    again = load(tmp_path / "chain.snapshot", ledger.rules)
    again.drop_after(FINALIZED, NOW)

    assert lamports_at(again, to, PROCESSED) == 0
    assert lamports_at(again, payer.pubkey(), PROCESSED) == 100 * SOL


@pytest.mark.parametrize("content", [b"", b"no gzip", b"\x1f\x8b\x08\x00damaged"])
def test_a_damaged_snapshot_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "chain.snapshot"
    path.write_bytes(content)

    with pytest.raises(SnapshotUnreadableError, match=r"chain\.snapshot"):
        load(path, new_ledger().rules)


def test_generous_limits_cover_a_payment() -> None:
    """The limits of the other tests are no guess: a full payment stays below them."""
    ledger = new_ledger()
    payer = treasury(ledger)
    accounts = recipients(ledger, payer.mint, 57)
    transaction = sign(
        payer.payment(accounts, "week/1", rent_of(ledger, 1)), [payer.authority], tip_hash(ledger)
    )

    execution = ledger.simulate(transaction, ledger.blocks.tip)

    assert execution.error is None
    assert execution.metadata.compute_units_consumed() < (GENEROUS.compute_unit_limit or 0)
    assert execution.loaded_bytes < (GENEROUS.loaded_accounts_data_size_limit or 0)

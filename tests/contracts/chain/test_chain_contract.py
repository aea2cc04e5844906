"""The contract of every `Chain`, on the fake cluster and on the real virtual machine."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from tests.contracts.chain.chain_worlds import AdminWorld, ChainWorld, FakeWorld
from tests.contracts.chain.cluster_world import LAMPORTS, ClusterWorld
from tests.contracts.chain.opening import A_FEE, ANOTHER, IN_A_MODULE, open_world, worlds
from worker.adapters.solana.addresses import (
    ASSOCIATED_TOKEN_PROGRAM,
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
)
from worker.adapters.solana.errors import AuthorityUnusable, IntentTooLarge
from worker.core.cost import Charge
from worker.core.money import BaseUnits
from worker.core.payout.chain import (
    AccountProblem,
    Intent,
    Landing,
    Recipient,
    Searched,
    SendResult,
    Transfer,
)
from worker.core.payout.decision import Step, next_step
from worker.core.payout.looks.pace import FINALITY_SLOTS
from worker.core.payout.records import Attempt
from worker.core.plan.receipts import ReceiptState, Resolution
from worker.core.week import Week
from worker.ports.payout import Chain, Signed

TOKEN_PROGRAMS = (TOKEN_PROGRAM, TOKEN_2022_PROGRAM)
EXPENSIVE_BUMP = 250

_numbers = itertools.count()


FAKE, TOKEN = "fake", "token"
FAKE_WITH_FEE = f"fake {A_FEE}"
# The only program with required memos, and whose associated accounts keep their owner.
TOKEN_2022, ANOTHER_TOKEN_2022 = f"token-2022 {A_FEE}", f"{ANOTHER}, token-2022 {A_FEE}"
LOCAL = (FAKE, FAKE_WITH_FEE, TOKEN, "token without v1", TOKEN_2022)
"""The worlds in which a test decides about blocks and accounts."""


@pytest.fixture(
    scope="module",
    params=worlds(
        FAKE,
        FAKE_WITH_FEE,
        TOKEN,
        "token without v1",
        TOKEN_2022,
        IN_A_MODULE,
        ANOTHER,
        ANOTHER_TOKEN_2022,
    ),
)
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ChainWorld]:
    with open_world(request.param, tmp_path_factory.mktemp("chain")) as opened:
        yield opened


A_WEEK = Week.parse("2024-W50")


def new_id() -> str:
    return f"2024-12-09/{next(_numbers):05}"


def payment(receipt: str, *transfers: tuple[str, int], memo: str | None = None) -> Intent:
    listed = tuple(Transfer(wallet, BaseUnits(amount)) for wallet, amount in transfers)
    return Intent((receipt,), Resolution.PAID, listed, receipt if memo is None else memo)


def void(receipt: str) -> Intent:
    return Intent((receipt,), Resolution.VOID, (), receipt)


def signed(chain: Chain, intent: Intent) -> Signed:
    [one] = chain.sign([intent], chain.latest_blockhash())
    return one


def send(chain: Chain, *items: Signed) -> None:
    assert chain.send([(it.signature, it.wire) for it in items]) == [
        SendResult(it.signature) for it in items
    ]


def next_step_for(world: ChainWorld, receipt: str, item: Signed) -> Step:
    """The protocol's next step, from facts read in its order."""
    attempt = Attempt(
        signature=item.signature,
        resolution=Resolution.PAID,
        blockhash=item.blockhash.value,
        last_valid_block_height=item.blockhash.last_valid_block_height,
        wire=item.wire,
        created_at=datetime(2024, 12, 16, tzinfo=UTC),
    )
    height = world.chain.finalized_height()
    found = world.chain.receipts([receipt], not_before_slot=height.slot)[receipt]
    [status] = world.chain.statuses([item.signature])
    return next_step(found, attempt, status, height.block_height)


def execute(world: ChainWorld, intent: Intent, chain: Chain | None = None) -> Signed:
    """Sign, send and finalize. The test checks the success."""
    chain = chain or world.chain
    item = signed(chain, intent)
    send(chain, item)
    world.finalize()
    return item


def state(chain: Chain, receipt: str) -> ReceiptState:
    return chain.receipts([receipt])[receipt]


def landing(chain: Chain, item: Signed) -> Landing:
    return chain.statuses([item.signature])[0].landing


# --- receipts ------------------------------------------------------------------------------


def test_a_receipt_is_free_until_its_payment_is_finalized(world: ChainWorld) -> None:
    receipt, wallet = new_id(), world.new_wallet()
    assert state(world.chain, receipt) is ReceiptState.FREE

    item = signed(world.chain, payment(receipt, (wallet, 500)))
    send(world.chain, item)

    assert state(world.chain, receipt) is ReceiptState.FREE
    world.finalize()
    assert state(world.chain, receipt) is ReceiptState.PAID
    assert world.balance(wallet) == world.received(500)


def test_a_second_payment_under_one_id_fails_and_moves_nothing(world: ChainWorld) -> None:
    receipt, wallet = new_id(), world.new_wallet()
    execute(world, payment(receipt, (wallet, 500)))
    before = world.chain.treasury()

    again = execute(world, payment(receipt, (wallet, 500)), world.operator())

    assert landing(world.chain, again) is Landing.FAILED
    assert world.balance(wallet) == world.received(500)
    assert world.chain.treasury().tokens == before.tokens


def test_of_two_operators_at_once_one_pays(world: ChainWorld) -> None:
    receipt, wallet = new_id(), world.new_wallet()
    first = signed(world.chain, payment(receipt, (wallet, 500)))
    world.finalize()
    second = signed(world.operator(), payment(receipt, (wallet, 500)))

    send(world.chain, first)
    send(world.operator(), second)
    world.finalize()

    assert landing(world.chain, first) is Landing.FINALIZED
    assert landing(world.chain, second) is Landing.FAILED
    assert world.balance(wallet) == world.received(500)


def test_a_void_receipt_can_not_be_paid(world: ChainWorld) -> None:
    receipt, wallet = new_id(), world.new_wallet()
    execute(world, void(receipt))
    assert state(world.chain, receipt) is ReceiptState.VOID

    late = execute(world, payment(receipt, (wallet, 500)))

    assert landing(world.chain, late) is Landing.FAILED
    assert state(world.chain, receipt) is ReceiptState.VOID
    assert world.balance(wallet) == 0


def test_a_paid_receipt_can_not_be_voided(world: ChainWorld) -> None:
    receipt, wallet = new_id(), world.new_wallet()
    execute(world, payment(receipt, (wallet, 500)))

    late = execute(world, void(receipt))

    assert landing(world.chain, late) is Landing.FAILED
    assert state(world.chain, receipt) is ReceiptState.PAID


@pytest.mark.parametrize("lamports", [890_880, 897_840, 10_000_000])
def test_lamports_of_a_stranger_neither_block_nor_fake_a_receipt(
    world: ChainWorld, lamports: int
) -> None:
    receipt, wallet = new_id(), world.new_wallet()
    world.give_lamports(_address(world, receipt), lamports)
    assert state(world.chain, receipt) is ReceiptState.FREE

    item = execute(world, payment(receipt, (wallet, 500)))

    assert landing(world.chain, item) is Landing.FINALIZED
    assert state(world.chain, receipt) is ReceiptState.PAID


def test_a_failed_payment_leaves_its_receipt_free(world: ChainWorld) -> None:
    receipt, (good, frozen) = new_id(), world.new_wallets(2)
    world.freeze(frozen)

    item = execute(world, payment(receipt, (good, 1), (frozen, 1)))

    assert landing(world.chain, item) is Landing.FAILED
    assert world.chain.statuses([item.signature])[0].error
    assert state(world.chain, receipt) is ReceiptState.FREE
    assert world.balance(good) == 0


def test_a_view_that_is_behind_knows_nothing(world: ChainWorld) -> None:
    receipt = new_id()
    height = world.chain.finalized_height()

    assert state(world.chain, receipt) is ReceiptState.FREE
    read = world.chain.receipts([receipt], not_before_slot=height.slot + 1_000)

    assert read == {receipt: ReceiptState.UNKNOWN}


def test_receipts_answers_for_many_ids_and_for_none(world: ChainWorld) -> None:
    ids = [new_id() for _ in range(250)]
    wallet = world.new_wallet()
    execute(world, payment(ids[200], (wallet, 1)))

    states = world.chain.receipts(ids)

    assert list(states) == ids
    assert [it for it in ids if states[it] is not ReceiptState.FREE] == [ids[200]]
    assert world.chain.receipts([]) == {}


def test_an_anchor_makes_two_receipts_or_none(world: ChainWorld) -> None:
    week, root, other_root = (new_id() for _ in range(3))
    memo = '{"kontrib":"1","root":"' + "ab" * 200 + '"}'
    item = execute(world, Intent((week, root), Resolution.PAID, (), memo))

    again = execute(world, Intent((week, other_root), Resolution.PAID, (), memo))

    assert landing(world.chain, again) is Landing.FAILED
    assert world.chain.receipts([week, root, other_root]) == {
        week: ReceiptState.PAID,
        root: ReceiptState.PAID,
        other_root: ReceiptState.FREE,
    }
    found = world.chain.executions([week, root, other_root])
    assert set(found) == {week, root}
    assert {it.signature for it in found.values()} == {item.signature}
    assert {it.memo for it in found.values()} == {memo}


# --- reading back --------------------------------------------------------------------------


def test_an_execution_reads_back_what_was_paid(world: ChainWorld) -> None:
    receipt, wallets = new_id(), world.new_wallets(3)
    transfers = [(wallet, 1_000 + number) for number, wallet in enumerate(wallets)]
    item = execute(world, payment(receipt, *transfers))

    execution = world.chain.executions([receipt])[receipt]

    assert execution.receipt == receipt
    assert execution.resolution is Resolution.PAID
    assert execution.signature == item.signature
    assert execution.memo == receipt
    assert [(it.wallet, it.amount) for it in execution.transfers] == transfers
    assert execution.source_decrease == 3_003
    assert execution.fee == 5_000
    assert 0 < execution.slot <= world.chain.finalized_height().slot
    assert execution.landed_at is not None
    assert (execution.landed_at.tzinfo, execution.landed_at.microsecond) == (UTC, 0)
    assert world.chain.executions_of({receipt: item.signature}) == {receipt: execution}


def test_a_void_reads_back_as_one(world: ChainWorld) -> None:
    receipt = new_id()
    execute(world, void(receipt))

    execution = world.chain.executions([receipt])[receipt]

    assert execution.resolution is Resolution.VOID
    assert execution.transfers == ()
    assert execution.source_decrease == 0


def test_mentions_of_a_receipt_by_strangers_prove_nothing(world: ChainWorld) -> None:
    receipt, wallet = new_id(), world.new_wallet()
    world.mention(receipt)
    assert world.chain.executions([receipt]) == {}

    item = execute(world, payment(receipt, (wallet, 7)))
    world.mention(receipt)

    assert world.chain.executions([receipt])[receipt].signature == item.signature


def test_a_search_finds_the_execution_among_mentions(world: ChainWorld) -> None:
    receipt, wallet = new_id(), world.new_wallet()
    assert world.chain.search_execution(receipt, None) == Searched(None, None)
    world.mention(receipt)
    item = execute(world, payment(receipt, (wallet, 7)))
    world.mention(receipt)

    found = world.chain.search_execution(receipt, None)

    assert found == Searched(world.chain.executions([receipt])[receipt], None)
    assert found.execution is not None
    assert found.execution.signature == item.signature


def test_a_failed_attempt_is_no_execution(world: ChainWorld) -> None:
    receipt, wallet = new_id(), world.new_wallet()
    item = execute(world, payment(receipt, (wallet, 7)))
    failed = execute(world, payment(receipt, (wallet, 7)))

    assert world.chain.executions([receipt])[receipt].signature == item.signature
    assert world.chain.executions_of({receipt: failed.signature}) == {}


def test_a_signature_of_another_receipt_is_no_execution(world: ChainWorld) -> None:
    receipt, other, wallet = new_id(), new_id(), world.new_wallet()
    item = execute(world, payment(receipt, (wallet, 7)))

    assert world.chain.executions_of({other: item.signature}) == {}


def test_nothing_is_read_back_before_it_is_finalized(world: ChainWorld) -> None:
    receipt, wallet = new_id(), world.new_wallet()
    item = signed(world.chain, payment(receipt, (wallet, 7)))
    send(world.chain, item)

    assert world.chain.executions([receipt]) == {}
    assert world.chain.executions_of({receipt: item.signature}) == {}


# --- sending -------------------------------------------------------------------------------


def test_a_status_goes_from_unseen_to_pending_to_finalized(world: ChainWorld) -> None:
    item = signed(world.chain, payment(new_id(), (world.new_wallet(), 1)))
    assert landing(world.chain, item) is Landing.UNSEEN

    send(world.chain, item)
    world.arrive(item.signature)
    [status] = world.chain.statuses([item.signature])
    assert status.landing in (Landing.PENDING, Landing.CONFIRMED)
    assert 0 < status.landed_at_slot <= status.read_at_slot

    world.finalize()
    [final] = world.chain.statuses([item.signature])
    assert final.landing is Landing.FINALIZED
    assert final.landed_at_slot + FINALITY_SLOTS <= final.read_at_slot


def test_a_failure_is_one_only_when_it_is_finalized(world: ChainWorld) -> None:
    receipt, wallet = new_id(), world.new_wallet()
    execute(world, payment(receipt, (wallet, 1)))
    again = signed(world.chain, payment(receipt, (wallet, 1)))
    send(world.chain, again)

    world.arrive(again.signature)
    assert landing(world.chain, again) is Landing.PENDING
    world.finalize()
    assert landing(world.chain, again) is Landing.FAILED


def test_sending_the_same_bytes_again_pays_once(world: ChainWorld) -> None:
    receipt, wallet = new_id(), world.new_wallet()
    item = signed(world.chain, payment(receipt, (wallet, 500)))
    for _ in range(3):
        send(world.chain, item)
    world.finalize()
    send(world.operator(), item)
    world.finalize()

    assert landing(world.chain, item) is Landing.FINALIZED
    assert world.balance(wallet) == world.received(500)


def test_an_expired_blockhash_never_lands(world: ChainWorld) -> None:
    receipt, wallet = new_id(), world.new_wallet()
    item = signed(world.chain, payment(receipt, (wallet, 500)))
    world.expire()
    assert world.chain.finalized_height().block_height > item.blockhash.last_valid_block_height

    send(world.chain, item)
    world.finalize()

    assert landing(world.chain, item) is Landing.UNSEEN
    assert state(world.chain, receipt) is ReceiptState.FREE
    assert world.balance(wallet) == 0


@pytest.mark.parametrize("world", worlds(*LOCAL), indirect=True)
def test_a_transaction_lands_one_block_after_its_last_valid_height(world: AdminWorld) -> None:
    """And until that block is final, the protocol does not take the attempt for dead."""
    receipt, wallet = new_id(), world.new_wallet()
    item = signed(world.chain, payment(receipt, (wallet, 500)))
    last_valid = item.blockhash.last_valid_block_height
    world.open_block(last_valid + 1)

    send(world.chain, item)
    world.finalize_block(last_valid)

    assert next_step_for(world, receipt, item) is Step.WAIT
    world.finalize_block(last_valid + 1)
    assert next_step_for(world, receipt, item) is Step.SETTLE_PAID
    assert world.balance(wallet) == world.received(500)


@pytest.mark.parametrize("world", worlds(*LOCAL), indirect=True)
def test_a_transaction_never_lands_two_blocks_after_its_last_valid_height(
    world: AdminWorld,
) -> None:
    receipt, wallet = new_id(), world.new_wallet()
    item = signed(world.chain, payment(receipt, (wallet, 500)))
    last_valid = item.blockhash.last_valid_block_height
    world.open_block(last_valid + 2)

    send(world.chain, item)
    world.finalize_block(last_valid)
    assert next_step_for(world, receipt, item) is Step.RESEND
    world.finalize_block(last_valid + 1)
    assert next_step_for(world, receipt, item) is Step.SIGN

    world.finalize()
    assert landing(world.chain, item) is Landing.UNSEEN
    assert world.balance(wallet) == 0


def test_a_blockhash_is_good_for_150_blocks(world: ChainWorld) -> None:
    before = world.chain.finalized_height().block_height
    last_valid = world.chain.latest_blockhash().last_valid_block_height
    after = world.chain.finalized_height().block_height

    assert last_valid - before >= 150
    assert last_valid - after <= 150 + 33


def test_signing_the_same_twice_gives_the_same_signature(world: ChainWorld) -> None:
    intent, blockhash = payment(new_id(), (world.new_wallet(), 1)), world.chain.latest_blockhash()

    first, second = world.chain.sign([intent, intent], blockhash)

    assert first == second
    assert world.chain.sign([intent], blockhash) == [first]


@pytest.mark.parametrize("world", worlds(*LOCAL), indirect=True)
def test_what_a_fork_dropped_lands_again_when_it_is_sent_again(world: AdminWorld) -> None:
    receipt, wallet = new_id(), world.new_wallet()
    world.finalize()
    old_enough = world.chain.latest_blockhash()
    world.finalize()
    [item] = world.chain.sign([payment(receipt, (wallet, 500))], old_enough)
    send(world.chain, item)

    world.fork()
    assert landing(world.chain, item) is Landing.UNSEEN

    send(world.chain, item)
    world.finalize()
    assert state(world.chain, receipt) is ReceiptState.PAID
    assert world.balance(wallet) == world.received(500)


def test_more_tokens_than_there_are_move_nothing(world: ChainWorld) -> None:
    receipt, wallet = new_id(), world.new_wallet()
    tokens = world.chain.treasury().tokens

    item = execute(world, payment(receipt, (wallet, 5), (wallet, tokens)))

    assert landing(world.chain, item) is Landing.FAILED
    assert state(world.chain, receipt) is ReceiptState.FREE
    assert world.chain.treasury().tokens == tokens
    assert world.balance(wallet) == 0


# --- recipients and accounts ---------------------------------------------------------------


def test_each_problem_of_a_recipient_is_named(world: ChainWorld) -> None:
    good, new = world.new_wallet(), world.new_wallet(account=False)
    frozen, program = world.new_wallets(2)
    world.freeze(frozen)
    world.own_by_program(program)

    found = world.chain.recipients(["not base58!", OFF_CURVE, program, frozen, new, good])

    assert [it.problem for it in found] == [
        AccountProblem.NOT_AN_ADDRESS,
        AccountProblem.OFF_CURVE,
        AccountProblem.NOT_A_WALLET,
        AccountProblem.FROZEN,
        None,
        None,
    ]
    assert found[4] == Recipient(new, None, account_exists=False)
    assert found[5] == Recipient(good, None, account_exists=True)


@pytest.mark.parametrize(
    "world",
    worlds(FAKE, FAKE_WITH_FEE, TOKEN, "token without v1", ANOTHER),
    indirect=True,
)
def test_an_account_of_another_owner_is_a_problem(world: ChainWorld) -> None:
    wallet = world.new_wallet()
    world.give_away(wallet)

    assert world.chain.recipients([wallet])[0].problem is AccountProblem.FOREIGN_OWNER


@pytest.mark.parametrize("world", worlds(FAKE, TOKEN_2022, ANOTHER_TOKEN_2022), indirect=True)
def test_a_required_memo_is_a_problem(world: ChainWorld) -> None:
    wallet = world.new_wallet()
    world.require_memo(wallet)

    assert world.chain.recipients([wallet])[0].problem is AccountProblem.MEMO_REQUIRED


@pytest.mark.parametrize("world", worlds(FAKE, TOKEN_2022), indirect=True)
def test_an_account_for_confidential_transfers_only_is_a_problem(world: AdminWorld) -> None:
    wallet = world.new_wallet()
    world.refuse_plain_credits(wallet)

    assert world.chain.recipients([wallet])[0].problem is AccountProblem.CONFIDENTIAL_ONLY


def test_the_treasury_names_its_addresses(world: ChainWorld) -> None:
    treasury = world.chain.treasury()

    assert treasury.source_account == world.chain.public_addresses.source_account
    assert treasury.fee_payer not in ("", treasury.source_account)


def test_our_own_addresses_are_no_recipients(world: ChainWorld) -> None:
    assert world.chain.recipients([world.chain.mint])[0].problem is AccountProblem.OURS


def test_a_wallet_that_owns_lamports_is_fine(world: ChainWorld) -> None:
    wallet = world.new_wallet(account=False)
    world.give_lamports(wallet, 10**7)

    assert world.chain.recipients([wallet]) == [Recipient(wallet, None, account_exists=False)]


def test_many_recipients_come_back_in_order(world: ChainWorld) -> None:
    wallets = [world.new_wallet(account=False) for _ in range(230)]
    asked = [*wallets, "nonsense", wallets[0]]

    assert [it.wallet for it in world.chain.recipients(asked)] == asked
    assert world.chain.recipients([]) == []


def test_creating_accounts_again_is_harmless(world: ChainWorld) -> None:
    count = 2 * world.chain.costs().accounts_per_transaction + 1
    wallets = [world.new_wallet(account=False) for _ in range(count)]

    for _ in range(2):
        items = world.chain.sign_account_creations(wallets, world.chain.latest_blockhash())
        assert len(items) == 3
        send(world.chain, *items)
        world.finalize()
        statuses = world.chain.statuses([it.signature for it in items])
        assert {it.landing for it in statuses} == {Landing.FINALIZED}

    assert all(it.account_exists for it in world.chain.recipients(wallets))


def test_lamports_sent_ahead_do_not_stop_the_creation_of_accounts(world: ChainWorld) -> None:
    count = world.chain.costs().accounts_per_transaction
    wallets = [world.new_wallet(account=False) for _ in range(count)]
    for wallet in wallets:
        world.send_ahead(wallet, 890_880)
    world.finalize()
    assert not any(it.problem or it.account_exists for it in world.chain.recipients(wallets))

    [item] = world.chain.sign_account_creations(wallets, world.chain.latest_blockhash())
    send(world.chain, item)
    world.finalize()

    assert landing(world.chain, item) is Landing.FINALIZED


def test_wallets_chosen_to_be_expensive_do_not_stop_the_creation_of_accounts(
    world: ChainWorld,
) -> None:
    wallets = expensive_wallets(world.chain.mint, world.chain.costs().accounts_per_transaction)

    [item] = world.chain.sign_account_creations(wallets, world.chain.latest_blockhash())
    send(world.chain, item)
    world.finalize()

    assert landing(world.chain, item) is Landing.FINALIZED
    assert all(it.account_exists for it in world.chain.recipients(wallets))


def expensive_wallets(mint: str, count: int) -> list[str]:
    """Wallets whose associated token address takes many tries to find under each program."""
    found: list[str] = []
    while len(found) < count:
        wallet = Keypair().pubkey()
        if all(bump_of(wallet, mint, it) <= EXPENSIVE_BUMP for it in TOKEN_PROGRAMS):
            found.append(str(wallet))
    return found


def bump_of(wallet: Pubkey, mint: str, program: Pubkey) -> int:
    if len(mint) < 32:  # the fake derives addresses from names, without any tries
        return EXPENSIVE_BUMP
    seeds = [bytes(wallet), bytes(program), bytes(Pubkey.from_string(mint))]
    return Pubkey.find_program_address(seeds, ASSOCIATED_TOKEN_PROGRAM)[1]


def test_a_payment_to_a_wallet_without_an_account_moves_nothing(world: ChainWorld) -> None:
    receipt, wallet = new_id(), world.new_wallet(account=False)

    item = execute(world, payment(receipt, (wallet, 500)))

    assert landing(world.chain, item) is Landing.FAILED
    assert state(world.chain, receipt) is ReceiptState.FREE


# --- the cluster and our funds -------------------------------------------------------------


def test_the_largest_payment_that_costs_tells_of_lands(world: ChainWorld) -> None:
    receipt = new_id()
    count = world.chain.costs().transfers_per_transaction
    *wallets, wallet = world.new_wallets(count + 1)

    item = execute(world, payment(receipt, *((it, 10) for it in wallets)))

    assert landing(world.chain, item) is Landing.FINALIZED
    assert len(world.chain.executions([receipt])[receipt].transfers) == count
    with pytest.raises(IntentTooLarge):
        signed(world.chain, payment(new_id(), *((it, 1) for it in [*wallets, wallet])))


def test_a_payment_costs_what_costs_tells(world: ChainWorld) -> None:
    wallet = world.new_wallet()
    costs, before = world.chain.costs(), world.chain.treasury()

    execute(world, payment(new_id(), (wallet, 500)))

    after = world.chain.treasury()
    fee = costs.fee_per_signature * costs.signatures
    assert before.lamports - after.lamports == fee + costs.receipt_rent
    assert before.tokens - after.tokens == 500
    assert costs.signatures == 1
    assert costs.priority_fee_max == 0


def test_an_account_costs_what_costs_tells(world: ChainWorld) -> None:
    wallet = world.new_wallet(account=False)
    costs, before = world.chain.costs(), world.chain.treasury()

    items = world.chain.sign_account_creations([wallet], world.chain.latest_blockhash())
    send(world.chain, *items)
    world.finalize()

    spent = before.lamports - world.chain.treasury().lamports
    assert spent == costs.fee_per_signature + costs.token_account_rent


def test_a_charge_is_what_the_fee_payer_lost(world: ChainWorld) -> None:
    wallets = world.new_wallets(3, account=False)
    costs, before = world.chain.costs(), world.chain.treasury()

    [item] = world.chain.sign_account_creations(wallets, world.chain.latest_blockhash())
    assert world.chain.charges([item.signature]) == {}
    send(world.chain, item)
    world.finalize()

    [charge] = world.chain.charges([item.signature, "5" * 88]).values()
    spent = before.lamports - world.chain.treasury().lamports
    assert charge.fee + charge.rent == spent
    assert (charge.rent, charge.accounts) == (3 * costs.token_account_rent, 3)
    assert item.charge == charge
    assert world.chain.charges([]) == {}


def test_a_refused_transaction_costs_its_fee_alone(world: ChainWorld) -> None:
    receipt, wallet = new_id(), world.new_wallet()
    world.freeze(wallet)
    before = world.chain.treasury()

    item = execute(world, payment(receipt, (wallet, 7)))

    charge = world.chain.charges([item.signature])[item.signature]
    assert charge == Charge(world.chain.costs().fee_per_signature, succeeded=False)
    assert before.lamports - world.chain.treasury().lamports == charge.fee


def test_a_repeated_creation_costs_its_fee_and_creates_nothing(world: ChainWorld) -> None:
    wallet = world.new_wallet()
    [item] = world.chain.sign_account_creations([wallet], world.chain.latest_blockhash())
    send(world.chain, item)
    world.finalize()
    charge = world.chain.charges([item.signature])[item.signature]
    assert (charge.rent, charge.accounts, charge.succeeded) == (0, 0, True)


def test_a_delegate_pays_under_the_same_receipts_within_the_allowance(world: ChainWorld) -> None:
    receipt, other, wallet = new_id(), new_id(), world.new_wallet()
    delegate = world.delegate(allowance=1_000)
    delegate.check_mint()
    assert delegate.treasury().allowance == 1_000
    assert world.chain.treasury().allowance is None
    assert delegate.costs().signatures == 2
    assert (
        delegate.costs().transfers_per_transaction < world.chain.costs().transfers_per_transaction
    )

    execute(world, payment(receipt, (wallet, 600)), delegate)
    too_much = execute(world, payment(other, (wallet, 600)), delegate)
    again = execute(world, payment(receipt, (wallet, 1)))

    assert landing(delegate, too_much) is Landing.FAILED
    assert landing(delegate, again) is Landing.FAILED
    assert delegate.treasury().allowance == 400
    assert world.balance(wallet) == world.received(600)
    execution = delegate.executions([receipt])[receipt]
    assert (execution.source_decrease, execution.fee) == (600, 10_000)
    assert world.chain.executions([receipt]) == {receipt: execution}


def test_an_authority_without_rights_is_refused(world: ChainWorld) -> None:
    delegate = world.delegate(allowance=1)
    world.delegate(allowance=1)
    if isinstance(world, FakeWorld):
        world.ledger.change_token_account(world.chain.source, delegate="another")

    with pytest.raises(AuthorityUnusable):
        delegate.check_mint()


def test_the_cluster_and_the_mint_are_told(world: ChainWorld) -> None:
    world.chain.check_mint()

    assert world.chain.cluster_genesis() == world.operator().cluster_genesis()
    assert len(world.chain.plan_salt(A_WEEK)) == 32
    assert world.chain.plan_salt(A_WEEK) == world.operator().plan_salt(A_WEEK)
    assert world.chain.plan_salt(A_WEEK) != world.chain.plan_salt(A_WEEK.next())
    assert world.chain.treasury().lamports > LAMPORTS // 2


def test_every_key_signs_a_test_message(world: ChainWorld) -> None:
    world.chain.check_keys()


def test_the_finalized_height_follows_the_chain(world: ChainWorld) -> None:
    before = world.chain.finalized_height()
    world.finalize()
    after = world.chain.finalized_height()

    assert after.block_height > before.block_height
    assert after.slot > before.slot


def test_the_clusters_time_is_that_of_its_newest_final_block(
    world: ChainWorld,
) -> None:
    before = world.chain.finalized_time()
    receipt, wallet = new_id(), world.new_wallet()
    execute(world, payment(receipt, (wallet, 7)))
    landed_at = world.chain.executions([receipt])[receipt].landed_at

    assert landed_at is not None
    assert before.tzinfo is UTC
    assert before <= landed_at <= world.chain.finalized_time()


OFF_CURVE = "Co24yjRpSdUBaycV24uZe9j7PnAqVmdiTrHqesV5U4XT"


def _address(world: ChainWorld, receipt: str) -> str:
    assert isinstance(world, FakeWorld | ClusterWorld)
    return world.chain.receipt_address(receipt)

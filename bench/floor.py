"""The floor of paying a week: the least time that database and chain need for it.

Inserts the same documents in bulk in their final state, and executes the same signed transactions
on the virtual machine in this process. Nothing is planned, proven, sent, awaited or read back. No
program that writes these documents and executes these transactions here can be faster.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pymongo.collection import Collection
from solders.account import Account
from solders.compute_budget import ComputeBudget
from solders.litesvm import LiteSVM
from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM_PROGRAM
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import FailedTransactionMetadata

from bench.synthetic import chunks
from deploy.local.chain.budget import MAX_COMPUTE_UNITS
from deploy.local.chain.client import ChainClient
from deploy.local.chain.execution import FEATURE_PROGRAM, V1_FEATURE, error_json
from deploy.local.chain.tokens import mint_data, token_account_data, token_amount
from worker.adapters.mongo import names
from worker.adapters.mongo.connection import Document, Mongo
from worker.adapters.mongo.schema.spec import COLLECTIONS, CollectionSpec
from worker.core.lifecycle import PayoutStatus
from worker.core.payout.records import PayoutKind

INSERTED_AT_ONCE = 5_000
ACCOUNTS_PER_CALL = 100
SIGNER_LAMPORTS = 1_000_000 * 10**9
"""More than any week's fees and receipts cost."""

WRITTEN = (names.TOKEN_REWARDS, names.PAYOUT_BATCHES)

_OWNER = slice(32, 64)
_AMOUNT = slice(64, 72)


class NotPaidInBatches(RuntimeError):
    """The week is not finished, or a reward was paid alone, so this floor does not apply."""

    def __init__(self, paid: int, rewards: int) -> None:
        super().__init__(f"{paid} of {rewards} rewards were paid in batches; all are needed")


class NotExecuted(RuntimeError):
    """A transaction failed, or the transactions did not move the week's total."""


@dataclass(frozen=True, slots=True)
class Floor:
    """The least time of a week's payment, in seconds of one process."""

    rewards: int
    transactions: int
    database_seconds: float
    chain_seconds: float

    @property
    def seconds(self) -> float:
        return self.database_seconds + self.chain_seconds


@dataclass(frozen=True, slots=True)
class Paid:
    """The transactions that paid a week, in the plan's order, and the base units moved."""

    transactions: list[VersionedTransaction]
    amount: int


def measure_floor(database: Mongo, chain_url: str) -> Floor:
    """The floor of the only week in this database, on the chain that paid it.

    Raises:
        NotPaidInBatches: not every reward was paid by a batch.
        NotExecuted: the transactions do not have the same effect again.
    """
    paid = paid_batches(database)
    chain_seconds = execution_seconds(paid, chain_url)
    database_seconds = sum(
        insertion_seconds(database, spec) for spec in COLLECTIONS if spec.name in WRITTEN
    )
    rewards = database[names.TOKEN_REWARDS].count_documents({})
    return Floor(rewards, len(paid.transactions), database_seconds, chain_seconds)


# --- the database ------------------------------------------------------------------------------


def insertion_seconds(database: Mongo, spec: CollectionSpec) -> float:
    """Seconds to insert a collection's documents, without the time to read them.

    Raises:
        BulkWriteError: the server refused a document.
    """
    seconds = 0.0
    found = database[spec.name].find({}, {"_id": 0}, batch_size=INSERTED_AT_ONCE)
    with empty_twin(database, spec) as twin:
        for documents in chunks(found, INSERTED_AT_ONCE):
            began = time.perf_counter()
            twin.insert_many(documents, ordered=False)
            seconds += time.perf_counter() - began
    return seconds


@contextmanager
def empty_twin(database: Mongo, spec: CollectionSpec) -> Iterator[Collection[Document]]:
    """A temporary collection with the indexes and the validator of this one."""
    name = f"floor_of_{spec.name}"
    database.drop_collection(name)
    options = spec.validator.options if spec.validator else {}
    twin = database.create_collection(name, **options)
    try:
        for index in spec.indexes:
            twin.create_index(list(index.keys), **index.options)
        yield twin
    finally:
        database.drop_collection(name)


# --- the chain ---------------------------------------------------------------------------------


def paid_batches(database: Mongo) -> Paid:
    """
    Raises:
        NotPaidInBatches: not every reward was paid by a batch.
    """
    selected = {"kind": PayoutKind.BATCH.value, "status": PayoutStatus.PAID.value}
    fields = {"attempt.wire": 1, "rewards": 1, "amount_base_units": 1}
    transactions, rewards, amount = [], 0, 0
    for payout in database[names.PAYOUT_BATCHES].find(selected, fields).sort("index", 1):
        transactions.append(VersionedTransaction.from_bytes(bytes(payout["attempt"]["wire"])))
        rewards += payout["rewards"]
        amount += int(payout["amount_base_units"])
    expected = database[names.TOKEN_REWARDS].count_documents({})
    if rewards != expected or not transactions:
        raise NotPaidInBatches(rewards, expected)
    return Paid(transactions, amount)


def execution_seconds(paid: Paid, chain_url: str) -> float:
    """Seconds of a new virtual machine for the transactions, including signature checks."""
    machine = fresh_machine()
    treasury = put_accounts(machine, paid, chain_url)
    began = time.perf_counter()
    for transaction in paid.transactions:
        result = machine.send_transaction(transaction)
        if isinstance(result, FailedTransactionMetadata):
            raise NotExecuted(f"{transaction.signatures[0]} failed: {error_json(result)}")
    seconds = time.perf_counter() - began
    left = machine.get_account(treasury)
    if left is None or token_amount(left.data) != 0:
        raise NotExecuted(f"the transactions did not move exactly {paid.amount} base units")
    return seconds


def fresh_machine() -> LiteSVM:
    """A virtual machine that accepts these transactions again, without a blockhash check."""
    machine = (
        LiteSVM()
        .with_transaction_history(0)
        .with_blockhash_check(check=False)
        .with_sigverify(sigverify=True)
    )
    active = b"\x01" + bytes(8)
    rent = machine.minimum_balance_for_rent_exemption(len(active))
    machine.set_account(V1_FEATURE, Account(rent, active, FEATURE_PROGRAM))
    budget = ComputeBudget(simd_0268_active=True)
    # The machine does not read the limit in the header of a v1 transaction, so this sets it.
    budget.compute_unit_limit = MAX_COMPUTE_UNITS
    return machine.with_compute_budget(budget)


def put_accounts(machine: LiteSVM, paid: Paid, chain_url: str) -> Pubkey:
    """Set up the accounts as before the week's payment; return the treasury's address.

    Only the mint and token accounts are copied: the machine has the programs already, and receipts
    must not exist yet. The treasury holds the week's total, every other account 0.
    """
    signers = {key for each in paid.transactions for key in _signers(each)}
    for key in signers:
        machine.set_account(key, Account(SIGNER_LAMPORTS, b"", SYSTEM_PROGRAM))
    named = {key for each in paid.transactions for key in each.message.account_keys}
    treasuries: list[Pubkey] = []
    with ChainClient(chain_url) as client:
        for addresses in chunks(named - signers, ACCOUNTS_PER_CALL):
            for address, account in _accounts(client, addresses):
                data = token_account_data(account)
                if data is not None:
                    is_treasury = Pubkey(data[_OWNER]) in signers
                    treasuries += [address] if is_treasury else []
                    account = _holding(account, paid.amount if is_treasury else 0)
                if data is not None or mint_data(account) is not None:
                    machine.set_account(address, account)
    if len(treasuries) != 1:
        raise NotExecuted(f"{len(treasuries)} token accounts belong to the signers, not 1")
    return treasuries[0]


def _signers(transaction: VersionedTransaction) -> list[Pubkey]:
    message = transaction.message
    return message.account_keys[: message.header.num_required_signatures]


def _accounts(client: ChainClient, addresses: Sequence[Pubkey]) -> Iterator[tuple[Pubkey, Account]]:
    """The existing accounts in their present state."""
    texts = [str(address) for address in addresses]
    found = client.value("getMultipleAccounts", texts, {"encoding": "base64"})
    for address, fields in zip(addresses, found, strict=True):
        if fields is not None:
            data = base64.b64decode(fields["data"][0])
            yield address, Account(fields["lamports"], data, Pubkey.from_string(fields["owner"]))


def _holding(account: Account, amount: int) -> Account:
    """The same token account with this amount in base units."""
    head, tail = account.data[: _AMOUNT.start], account.data[_AMOUNT.stop :]
    return Account(account.lamports, head + amount.to_bytes(8, "little") + tail, account.owner)

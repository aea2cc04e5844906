"""The usual way to pay: one token transfer per transaction, and one update per document.

`one_by_one` is the usual first version. `in_flight` makes many payments at once. Both finish a
recipient when the payment is confirmed and recorded in the reward's document. A week's settlement
does more: it waits for finality, and reads the payment back.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pymongo.collection import Collection
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from spl.token.constants import TOKEN_PROGRAM_ID
from spl.token.instructions import get_associated_token_address, transfer_checked
from spl.token.models import TransferCheckedParams

from bench.synthetic import chunks
from deploy.local.chain.tokens import token_amount
from worker.adapters.mongo.connection import Document
from worker.core.money import DECIMALS

IN_FLIGHT = 32
CONFIRM_POLL_SECONDS = 0.1
"""The library's default is 0.5 s, so this favours the baselines."""

TIMEOUT_SECONDS = 60.0
ACCOUNTS_PER_CALL = 100
DOCUMENTS_PER_QUERY = 1_000


class PaymentFailed(RuntimeError):
    """A transfer failed on chain."""

    def __init__(self, signature: str, error: object) -> None:
        super().__init__(f"the transfer {signature} failed: {error}")


class NoTokenAccount(RuntimeError):
    """A recipient has no token account. The benchmark does not measure its creation."""

    def __init__(self, wallet: str) -> None:
        super().__init__(f"{wallet} has no token account; make it before the measurement")


class NotPaid(RuntimeError):
    """The payments were not made, so there is no figure."""

    def __init__(self, wallet: str, why: str) -> None:
        super().__init__(f"the reward of {wallet} is not paid: {why}")


@dataclass(frozen=True, slots=True)
class Baseline:
    """Time and cost of paying the recipients. `fees` are lamports of all transactions."""

    recipients: int
    seconds: float
    fees: int

    @property
    def per_second(self) -> float:
        """Recipients paid and settled per second."""
        return self.recipients / self.seconds

    @property
    def lamports_per_recipient(self) -> float:
        return self.fees / self.recipients


@dataclass(frozen=True, slots=True)
class Treasury:
    """The source of the tokens, and the collection that records payments.

    `rewards` has documents with `wallet_address`, `amount_base_units` and `status`. The
    authority owns the mint's associated token account, pays the fees, and does nothing else
    during the measurement.
    """

    rpc_url: str
    mint: str
    authority: Keypair = field(repr=False)  # the text of a keypair is its secret key
    rewards: Collection[Document] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Holdings:
    """Confirmed lamports of the payout authority, and base units of each wallet."""

    lamports: int
    base_units: dict[str, int]


def one_by_one(treasury: Treasury, recipients: Sequence[Document]) -> Baseline:
    """Pay these reward documents one after the other.

    Raises:
        NotPaid: the chain or the database does not show a payment.
    """
    return in_flight(treasury, recipients, at_once=1)


def in_flight(
    treasury: Treasury, recipients: Sequence[Document], at_once: int = IN_FLIGHT
) -> Baseline:
    """Pay these reward documents, several at a time.

    Raises:
        NotPaid: the chain or the database does not show a payment.
    """
    return asyncio.run(_measure(treasury, recipients, at_once))


async def _measure(treasury: Treasury, recipients: Sequence[Document], at_once: int) -> Baseline:
    # Each payment needs a thread and a connection. By default there are fewer than 32 of each.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(at_once))
    async with AsyncClient(
        treasury.rpc_url,
        commitment=Confirmed,
        timeout=TIMEOUT_SECONDS,
        max_connections=at_once,
        max_keepalive_connections=at_once,
    ) as client:
        before = await holdings(client, treasury, recipients)
        began = time.perf_counter()
        signatures = await _pay_all(client, treasury, recipients, at_once)
        seconds = time.perf_counter() - began
        after = await holdings(client, treasury, recipients)
    prove(treasury, recipients, signatures, before, after)
    return Baseline(len(recipients), seconds, before.lamports - after.lamports)


# --- the payments: all of it is timed -----------------------------------------------------------


async def _pay_all(
    client: AsyncClient, treasury: Treasury, recipients: Sequence[Document], at_once: int
) -> list[str]:
    places = asyncio.Semaphore(at_once)

    async def pay_in_turn(reward: Document) -> str:
        async with places:
            return await _pay(client, treasury, reward)

    return await asyncio.gather(*map(pay_in_turn, recipients))


async def _pay(client: AsyncClient, treasury: Treasury, reward: Document) -> str:
    """Send a transfer, wait until it is confirmed, record it, and return its signature."""
    latest = await client.get_latest_blockhash()
    message = MessageV0.try_compile(
        payer=treasury.authority.pubkey(),
        instructions=[transfer_checked(_transfer(treasury, reward))],
        address_lookup_table_accounts=[],
        recent_blockhash=latest.value.blockhash,
    )
    transaction = VersionedTransaction(message, [treasury.authority])
    signature = (await client.send_transaction(transaction)).value
    confirmed = await client.confirm_transaction(signature, sleep_seconds=CONFIRM_POLL_SECONDS)
    status = confirmed.value[0]
    if status is None or status.err is not None:
        raise PaymentFailed(str(signature), status and status.err)
    facts = {
        "status": "completed",
        "transaction_signature": str(signature),
        "claimed_at": datetime.now(UTC),
    }
    only = {"_id": reward["_id"]}
    await asyncio.to_thread(treasury.rewards.update_one, only, {"$set": facts})
    return str(signature)


def _transfer(treasury: Treasury, reward: Document) -> TransferCheckedParams:
    owner, mint = treasury.authority.pubkey(), Pubkey.from_string(treasury.mint)
    return TransferCheckedParams(
        program_id=TOKEN_PROGRAM_ID,
        source=get_associated_token_address(owner, mint),
        mint=mint,
        dest=get_associated_token_address(Pubkey.from_string(reward["wallet_address"]), mint),
        owner=owner,
        amount=int(reward["amount_base_units"]),
        decimals=DECIMALS,
    )


# --- the proof ---------------------------------------------------------------------------------


async def holdings(
    client: AsyncClient, treasury: Treasury, recipients: Sequence[Document]
) -> Holdings:
    """
    Raises:
        NoTokenAccount: a recipient has no token account.
    """
    mint = Pubkey.from_string(treasury.mint)
    base_units: dict[str, int] = {}
    for wallets in chunks((each["wallet_address"] for each in recipients), ACCOUNTS_PER_CALL):
        addresses = [get_associated_token_address(Pubkey.from_string(w), mint) for w in wallets]
        found = await client.get_multiple_accounts(addresses)
        for wallet, account in zip(wallets, found.value, strict=True):
            if account is None:
                raise NoTokenAccount(wallet)
            base_units[wallet] = token_amount(account.data)
    lamports = await client.get_balance(treasury.authority.pubkey())
    return Holdings(lamports.value, base_units)


def prove(
    treasury: Treasury,
    recipients: Sequence[Document],
    signatures: Sequence[str],
    before: Holdings,
    after: Holdings,
) -> None:
    """
    Raises:
        NotPaid: a wallet did not gain exactly its rewards, or a document records no payment.
    """
    owed: Counter[str] = Counter()
    for reward in recipients:
        owed[reward["wallet_address"]] += int(reward["amount_base_units"])
    for wallet, amount in owed.items():
        gained = after.base_units[wallet] - before.base_units[wallet]
        if gained != amount:
            raise NotPaid(wallet, f"it gained {gained} base units instead of {amount}")
    for pairs in chunks(zip(recipients, signatures, strict=True), DOCUMENTS_PER_QUERY):
        _prove_documents(treasury.rewards, pairs)


def _prove_documents(rewards: Collection[Document], pairs: list[tuple[Document, str]]) -> None:
    ids = [reward["_id"] for reward, _ in pairs]
    stored = {each["_id"]: each for each in rewards.find({"_id": {"$in": ids}})}
    for reward, signature in pairs:
        document = stored.get(reward["_id"], {})
        known = document.get("status"), document.get("transaction_signature")
        if known != ("completed", signature) or document.get("claimed_at") is None:
            raise NotPaid(reward["wallet_address"], "its document does not show it")

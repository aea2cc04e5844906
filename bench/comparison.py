"""Compares the week just paid with the usual ways to pay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from solders.keypair import Keypair
from solders.pubkey import Pubkey
from spl.token.constants import TOKEN_PROGRAM_ID
from spl.token.instructions import get_associated_token_address

from bench.baselines import Baseline, Treasury, in_flight, one_by_one
from bench.synthetic import NEW_EVERY, chunks
from tests.end_to_end.support import wiki
from tests.end_to_end.support.cluster import Cluster
from worker.adapters.mongo.connection import Document
from worker.adapters.solana.signing.keys import Keyring, read_keypair
from worker.adapters.solana.signing.transactions import TransactionMaker

ONE_BY_ONE, IN_FLIGHT = 40, 1_600
"""Recipients of each baseline: enough for a steady rate within a minute."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both baselines, measured on the same stack right after the week."""

    one_by_one: Baseline
    in_flight: Baseline


def compare(cluster: Cluster) -> Comparison:
    """Run both baselines on a cluster whose week is settled."""
    settings = cluster.settings
    url, key_file = settings.solana_rpc_url[0], settings.solana_private_key_file
    treasury = Treasury(
        rpc_url=url,
        mint=cluster.context.chain.mint,
        authority=read_keypair("SOLANA_PRIVATE_KEY_FILE", Path(str(key_file)).read_text()),
        rewards=cluster.database["baseline_rewards"],
    )
    for documents in chunks(_pending_rewards(ONE_BY_ONE + IN_FLIGHT)):
        treasury.rewards.insert_many(documents)
    pending = list(treasury.rewards.find())
    slow = one_by_one(treasury, pending[:ONE_BY_ONE])
    return Comparison(slow, in_flight(treasury, pending[ONE_BY_ONE:]))


def _pending_rewards(count: int) -> Iterator[Document]:
    """Rewards of users who have a token account."""
    for number in range(count):
        user = number * NEW_EVERY + 1
        yield {
            "user_id": str(wiki.user_id(user)),
            "wallet_address": wiki.wallet(user),
            "amount_base_units": 1_000_000 + number,
            "status": "pending",
        }


def v0_transactions_per_10k() -> int:
    """Transactions per 10,000 recipients without v1 transactions, with one signer and a memo."""
    key, mint = Keypair(), Pubkey.new_unique()
    maker = TransactionMaker(
        Keyring(key, key, key),
        mint=mint,
        token_program=TOKEN_PROGRAM_ID,
        source=get_associated_token_address(key.pubkey(), mint),
        v1=False,
    )
    return -(-10_000 // maker.transfers_max)

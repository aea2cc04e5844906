"""A Solana cluster that tests may use: one that a variable names, or Surfpool on this machine.

| variable | meaning |
|---|---|
| `KONTRIB_TEST_RPC_URL` | the cluster; without it the tests start Surfpool |
| `KONTRIB_TEST_KEY_FILE` | a key with SOL that pays for the tests; without it the faucet does |
| `KONTRIB_TEST_MONGO_URI` | the MongoDB; without it the tests start the local stack's engine |
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer

from deploy.local.chain import setup as chain_setup
from deploy.local.chain.client import ChainClient
from tests.cluster.surfpool import SLOT_MILLISECONDS, surfpool

RPC_URL, KEY_FILE = "KONTRIB_TEST_RPC_URL", "KONTRIB_TEST_KEY_FILE"
MONGO_URI = "KONTRIB_TEST_MONGO_URI"
FEE_LAMPORTS = 5_000


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster and its source of SOL."""

    url: str
    payer: Keypair | None = None
    poll_seconds: float = 0.4
    """A public cluster limits the rate of calls."""

    def fund(self, client: ChainClient, address: Pubkey, lamports: int) -> None:
        """Give SOL to an address, from the payer or else from the faucet."""
        if self.payer is None:
            chain_setup.fund(client, address, lamports)
            return
        owner = self.payer.pubkey()
        params = TransferParams(from_pubkey=owner, to_pubkey=address, lamports=lamports)
        chain_setup.send(client, [transfer(params)], [self.payer])

    def give_back(self, client: ChainClient, key: Keypair) -> None:
        """Return what a key still holds to the payer."""
        if self.payer is None:
            return
        held = client.value("getBalance", str(key.pubkey()))
        params = TransferParams(
            from_pubkey=key.pubkey(),
            to_pubkey=self.payer.pubkey(),
            lamports=held - FEE_LAMPORTS,
        )
        chain_setup.send(client, [transfer(params)], [key])


def named_cluster() -> Cluster | None:
    """The cluster of the environment variables, or None if they name no cluster."""
    url = os.environ.get(RPC_URL)
    if not url:
        return None
    path = os.environ.get(KEY_FILE)
    if not path:
        return Cluster(url)
    return Cluster(url, Keypair.from_bytes(bytes(json.loads(Path(path).read_text()))))


@contextmanager
def any_cluster(log: Path) -> Iterator[Cluster]:
    """The named cluster, or a new Surfpool during the block."""
    if named := named_cluster():
        yield named
        return
    with surfpool(log) as url:
        yield Cluster(url, poll_seconds=SLOT_MILLISECONDS / 1000)


def prepare(
    cluster: Cluster, state: Path, kind: chain_setup.MintKind, *, lamports: int
) -> Mapping[str, str]:
    """A new payout authority with SOL, its own mint and a full treasury; return the settings."""
    authority = chain_setup.load_or_create_key(state / "keys" / chain_setup.AUTHORITY_KEY_NAME)
    with ChainClient(cluster.url) as client:
        cluster.fund(client, authority.pubkey(), lamports)
    return chain_setup.prepare(state, cluster.url, kind=kind, authority_lamports=lamports)

"""Transfers on the real chain, read to verify the backing of a stake."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountParams, create_account
from spl.token.instructions import (
    create_associated_token_account,
    initialize_account,
    set_authority,
)
from spl.token.models import AuthorityType, InitializeAccountParams, SetAuthorityParams

from deploy.local.chain import setup as chain_setup
from tests.contracts.chain.cluster_world import ClusterWorld
from tests.contracts.chain.opening import ANOTHER, open_world, worlds
from worker.adapters.solana.addresses import TOKEN_PROGRAM, associated_account
from worker.adapters.solana.instructions import TransferMaker
from worker.adapters.solana.reading.transfers import TransferHistory
from worker.core.money import BaseUnits
from worker.core.payout.chain import Intent, Transfer
from worker.core.plan.receipts import Resolution

pytestmark = pytest.mark.real

ACCOUNT_BYTES = 165


@pytest.fixture(scope="module", params=worlds("token", ANOTHER))
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClusterWorld]:
    with open_world(request.param, tmp_path_factory.mktemp("chain")) as opened:
        assert isinstance(opened, ClusterWorld)
        yield opened


def test_a_transfer_is_told_once_it_is_finalized(world: ClusterWorld) -> None:
    wallets = world.new_wallets(2)
    transfers = tuple(Transfer(wallet, BaseUnits(500)) for wallet in wallets)
    intent = Intent(("2024-12-09/00001",), Resolution.PAID, transfers, "memo")
    [signed] = world.chain.sign([intent], world.chain.latest_blockhash())
    history = TransferHistory([world.url], world.chain.mint, 10)
    assert history.finalized_transfers(signed.signature) is None

    world.chain.send([(signed.signature, signed.wire)])
    assert history.finalized_transfers(signed.signature) is None
    world.finalize()

    found = history.finalized_transfers(signed.signature)
    history.close()
    assert found is not None
    payer = str(world.key.pubkey())
    assert [(t.from_wallet, t.to_wallet, t.amount) for t in found] == [
        (payer, wallet, 500) for wallet in wallets
    ]


def test_what_comes_back_within_the_transaction_is_no_transfer_to_the_vault(
    world: ClusterWorld,
) -> None:
    """A user's account is paid, emptied, and only then given to the vault."""
    vault, made, key = Keypair().pubkey(), Keypair(), world.key.pubkey()
    mint = Pubkey.from_string(world.chain.mint)
    own = associated_account(str(key), mint, TOKEN_PROGRAM)
    rent = world.client.call("getMinimumBalanceForRentExemption", ACCOUNT_BYTES)
    steps = [
        create_account(
            CreateAccountParams(
                from_pubkey=key,
                to_pubkey=made.pubkey(),
                lamports=rent,
                space=ACCOUNT_BYTES,
                owner=TOKEN_PROGRAM,
            )
        ),
        initialize_account(
            InitializeAccountParams(
                program_id=TOKEN_PROGRAM, account=made.pubkey(), mint=mint, owner=key
            )
        ),
        TransferMaker(TOKEN_PROGRAM, mint, own, key).make(made.pubkey(), 500),
        TransferMaker(TOKEN_PROGRAM, mint, made.pubkey(), key).make(own, 500),
        set_authority(
            SetAuthorityParams(
                program_id=TOKEN_PROGRAM,
                account=made.pubkey(),
                authority=AuthorityType.ACCOUNT_OWNER,
                current_authority=key,
                new_authority=vault,
            )
        ),
    ]
    signature = chain_setup.send(world.client, steps, [world.key, made])
    world.finalize()

    history = TransferHistory([world.url], world.chain.mint, 10)
    found = history.finalized_transfers(signature)
    history.close()
    assert found is not None
    assert [(t.to_account, t.to_wallet) for t in found] == [
        (str(made.pubkey()), str(made.pubkey())),
        (str(own), str(key)),
    ]


def test_a_vault_whose_account_is_made_by_the_transaction_is_named(world: ClusterWorld) -> None:
    vault, key = Keypair().pubkey(), world.key.pubkey()
    mint = Pubkey.from_string(world.chain.mint)
    own, theirs = (associated_account(str(w), mint, TOKEN_PROGRAM) for w in (key, vault))
    steps = [
        create_associated_token_account(key, vault, mint),
        TransferMaker(TOKEN_PROGRAM, mint, own, key).make(theirs, 500),
    ]
    signature = chain_setup.send(world.client, steps, [world.key])
    world.finalize()

    history = TransferHistory([world.url], world.chain.mint, 10)
    [found] = history.finalized_transfers(signature) or []
    history.close()
    assert (found.from_wallet, found.to_wallet, found.amount) == (str(key), str(vault), 500)

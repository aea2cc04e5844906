"""The faucet of the local chain, and its controls for tests."""

from __future__ import annotations

import base64

import pytest
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from deploy.local.chain.blocks import Commitment
from tests.deploy.local.chain.caller import PROCESSED, Caller, paid
from tests.deploy.local.chain.payments import (
    NOW,
    SOL,
    advance,
    sign,
)


@pytest.fixture
def chain() -> Caller:
    return Caller()


def test_an_airdrop_is_a_real_transfer_and_two_of_them_are_two(chain: Caller) -> None:
    to = str(Pubkey.new_unique())

    signatures = {chain.call("requestAirdrop", to, SOL) for _ in range(2)}

    assert len(signatures) == 2
    assert chain.value("getBalance", to, PROCESSED) == 2 * SOL
    assert chain.error("requestAirdrop", to, 2**63)["code"] == -32600


def test_local_methods_do_not_exist_without_admin() -> None:
    chain = Caller(admin=False)

    for name in ("local_advanceSlots", "local_setAccount", "local_dropUnfinalized"):
        assert chain.error(name, 1)["code"] == -32601


def test_slots_and_the_clock_are_moved_by_hand(chain: Caller) -> None:
    slot = chain.ledger.blocks.tip.slot

    assert chain.call("local_pauseSlots") == slot
    assert chain.node.switches.paused
    chain.call("local_setClockOffset", -86_400)
    assert chain.call("local_advanceSlots", 3) == slot + 3
    assert chain.call("getBlockTime", slot + 3) == NOW - 86_400
    chain.call("local_resumeSlots")
    assert not chain.node.switches.paused


def test_an_account_is_set_and_removed_by_decree(chain: Caller) -> None:
    address = str(Pubkey.new_unique())
    fields = {"lamports": 5 * SOL, "data": base64.b64encode(b"abc").decode()}

    chain.call("local_setAccount", address, fields)
    assert chain.value("getBalance", address, PROCESSED) == 5 * SOL
    chain.call("local_setAccount", address, None)
    assert chain.value("getAccountInfo", address, PROCESSED) is None


def test_a_frozen_token_account_refuses_a_payment(chain: Caller) -> None:
    payer, accounts, _ = paid(chain)
    rent = chain.call("getMinimumBalanceForRentExemption", 1)

    def pay(name: str) -> VersionedTransaction:
        return sign(payer.payment(accounts, name, rent), [payer.authority], chain.tip_hash)

    chain.call("local_freezeTokenAccount", str(accounts[1]))
    refused = chain.refused(pay("week/2"))
    chain.call("local_freezeTokenAccount", str(accounts[1]), False)

    assert refused["data"]["err"] == {"InstructionError": [3, {"Custom": 17}]}
    assert chain.send(pay("week/2"))


@pytest.mark.parametrize(("commitment", "left"), [("finalized", 0), ("confirmed", 1)])
def test_a_fork_drops_what_is_newer_than_a_commitment(
    chain: Caller, commitment: str, left: int
) -> None:
    first = chain.send(chain.memo("first"))
    advance(chain.ledger, 3)
    second = chain.send(chain.memo("second"))

    dropped = chain.call("local_dropUnfinalized", commitment)

    statuses = chain.value("getSignatureStatuses", [first, second])
    assert dropped == 2 - left
    assert [status is not None for status in statuses] == [bool(left), False]
    assert chain.ledger.blocks.at(Commitment.PROCESSED) == chain.ledger.blocks.tip
    assert chain.error("local_dropUnfinalized", "processed")["code"] == -32602

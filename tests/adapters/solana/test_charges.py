"""What a transaction took from the fee payer, in answers that no cluster gives."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import Message
from solders.transaction import VersionedTransaction

from worker.adapters.solana.reading.charges import charge_of
from worker.core.cost import Charge
from worker.core.money import Lamports

PAYER = Keypair()
SENT = VersionedTransaction(Message.new_with_blockhash([], PAYER.pubkey(), Hash.default()), [PAYER])
SIGNATURE = str(SENT.signatures[0])


def answer(**meta: Any) -> dict[str, Any]:
    usual = {"fee": 5_000, "err": None, "preBalances": [9_000], "postBalances": [1_000]}
    wire = base64.b64encode(bytes(SENT)).decode()
    return {"meta": usual | meta, "transaction": [wire, "base64"]}


def test_the_rest_of_what_the_payer_lost_is_rent() -> None:
    assert charge_of(answer(), SIGNATURE) == Charge(Lamports(5_000), Lamports(3_000))


@pytest.mark.parametrize(
    "meta",
    [
        {"fee": -1},
        {"fee": 2**63},
        {"fee": 2**63, "err": {"InstructionError": [0, {"Custom": 1}]}},
        {"preBalances": [2**64]},
        {"postBalances": [2**64]},
        {"fee": "many"},
        {"preBalances": []},
    ],
)
def test_an_absurd_answer_is_none(meta: dict[str, Any]) -> None:
    """The database would refuse such a number, and a paid week could not be closed."""
    assert charge_of(answer(**meta), SIGNATURE) is None

"""JSON-RPC methods beyond those of a main cluster: an endless faucet, and controls for tests.

Public test clusters also have `requestAirdrop`. The `local_` methods work only on a server
started with `--admin`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from solders.account import Account
from solders.hash import Hash
from solders.instruction import Instruction
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM_PROGRAM
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from deploy.local.chain.blocks import Commitment
from deploy.local.chain.ledger import Dropped
from deploy.local.chain.preinstalled import MEMO_PROGRAM, set_rent
from deploy.local.chain.rpc.conditions import MAX_LAG_BLOCKS, Conditions
from deploy.local.chain.rpc.node import Node
from deploy.local.chain.rpc.params import (
    INVALID_REQUEST,
    Json,
    Params,
    RpcError,
    commitment_of,
    invalid_params,
    pubkey,
)
from deploy.local.chain.tokens import FROZEN_STATE, STATE_OFFSET, token_account_data

MAX_ADVANCE_SLOTS = 100_000


def request_airdrop(node: Node, params: Params) -> Json:
    """`requestAirdrop`: a real transfer from the faucet; returns its signature."""
    address, lamports = params.pubkey(0), params.number(1)
    node.switches.airdrops += 1
    faucet = node.ledger.faucet
    pay = TransferParams(from_pubkey=faucet.pubkey(), to_pubkey=address, lamports=lamports)
    # The number tells two airdrops of the same amount apart.
    number = Instruction(MEMO_PROGRAM, f"airdrop {node.switches.airdrops}".encode(), [])
    tip: Hash = node.ledger.blocks.tip.blockhash
    message = Message.new_with_blockhash([transfer(pay), number], faucet.pubkey(), tip)
    transaction = VersionedTransaction(message, [faucet])
    result = node.ledger.submit(bytes(transaction), transaction)
    if isinstance(result, Dropped) or result.error is not None:
        raise RpcError(INVALID_REQUEST, f"airdrop request failed: {result.error}")
    return str(result.signature)


def set_account(node: Node, params: Params) -> Json:
    """`local_setAccount(address, {lamports, owner, data, executable} or null)`, data in base64."""
    address, wanted = params.pubkey(0), params.optional(1)
    account = None
    if wanted is not None:
        fields = params.config(1)
        try:
            data = base64.b64decode(fields.get("data") or "", validate=True)
        except (binascii.Error, ValueError) as error:
            raise invalid_params(f"invalid base64 encoding: {error}") from error
        owner = fields.get("owner")
        account = Account(
            lamports=int(fields.get("lamports") or 0),
            data=data,
            owner=SYSTEM_PROGRAM if owner is None else pubkey(owner),
            executable=bool(fields.get("executable")),
        )
    node.ledger.put_account(address, account)
    return True


def freeze_token_account(node: Node, params: Params) -> Json:
    """`local_freezeTokenAccount(address, frozen=true)`: without the freeze authority's key."""
    address: Pubkey = params.pubkey(0)
    frozen = params.optional(1) is not False
    account = node.ledger.accounts.now(address)
    data = token_account_data(account)
    if account is None or data is None:
        raise invalid_params("Invalid param: not a Token account")
    state = FROZEN_STATE if frozen else FROZEN_STATE - 1
    changed = data[:STATE_OFFSET] + bytes([state]) + data[STATE_OFFSET + 1 :]
    node.ledger.put_account(address, Account(account.lamports, changed, account.owner))
    return True


def drop_unfinalized(node: Node, params: Params) -> Json:
    """`local_dropUnfinalized(commitment="finalized")`: a fork; returns the number dropped."""
    commitment = commitment_of(params.optional(0))
    if commitment is Commitment.PROCESSED:
        raise invalid_params("Invalid param: a fork keeps confirmed or finalized blocks")
    return node.ledger.drop_after(commitment, node.unix_seconds())


def set_clock_offset(node: Node, params: Params) -> Json:
    """`local_setClockOffset(seconds)`: moves the cluster's clock, from the next slot on."""
    seconds = params.required(0, int, "i64")
    node.ledger.clock_offset_seconds = int(seconds)
    return node.unix_seconds() + int(seconds)


def pause_slots(node: Node, _params: Params) -> Json:
    """`local_pauseSlots`: from now on only `local_advanceSlots` opens slots."""
    node.switches.paused = True
    return node.ledger.blocks.tip.slot


def resume_slots(node: Node, _params: Params) -> Json:
    """`local_resumeSlots`: time opens slots again."""
    node.switches.paused = False
    return node.ledger.blocks.tip.slot


def advance_slots(node: Node, params: Params) -> Json:
    """`local_advanceSlots(count)`: open `count` blocks at once; returns the new slot."""
    count = params.number(0)
    if count > MAX_ADVANCE_SLOTS:
        raise invalid_params(f"Too many slots; max {MAX_ADVANCE_SLOTS}")
    for _ in range(count):
        node.ledger.open_slot(node.unix_seconds())
    return node.ledger.blocks.tip.slot


def change_rent(node: Node, params: Params) -> Json:
    """`local_setRent(lamportsPerByte)`: a step of the rent minimum, from now on."""
    set_rent(node.ledger.executor.svm, params.number(0))
    return True


def set_conditions(node: Node, params: Params) -> Json:
    """`local_setConditions(path, {...})`: the conditions of the endpoint at a path of the URL.

    The object has the names of the fields of `Conditions`; null makes the endpoint healthy.
    """
    path, wanted = params.text(0), params.config(1)
    try:
        node.set_conditions(path, Conditions.from_json(wanted))
    except (TypeError, ValueError) as error:
        raise invalid_params(f"Invalid params: {error}") from error
    return True


def remember_slots(node: Node, params: Params) -> Json:
    """`local_rememberSlots(count)`: keep the accounts of `count` slots before `finalized`.

    A client that names the lag of each request in a header needs it. Conditions do it themselves.
    """
    count = params.number(0)
    if count > MAX_LAG_BLOCKS:
        raise invalid_params(f"Too many slots; max {MAX_LAG_BLOCKS}")
    node.remember(count)
    return node.ledger.blocks.tip.slot


def count_requests(node: Node, params: Params) -> Json:
    """`local_countRequests(path)`: the requests since the conditions of an endpoint were set."""
    return node.endpoint(params.text(0)).requests


METHODS: dict[str, Callable[[Node, Params], Json]] = {"requestAirdrop": request_airdrop}

ADMIN_METHODS: dict[str, Callable[[Node, Params], Json]] = {
    "local_advanceSlots": advance_slots,
    "local_countRequests": count_requests,
    "local_dropUnfinalized": drop_unfinalized,
    "local_freezeTokenAccount": freeze_token_account,
    "local_pauseSlots": pause_slots,
    "local_rememberSlots": remember_slots,
    "local_resumeSlots": resume_slots,
    "local_setAccount": set_account,
    "local_setClockOffset": set_clock_offset,
    "local_setConditions": set_conditions,
    "local_setRent": change_rent,
}

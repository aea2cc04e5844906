"""JSON-RPC methods that send transactions and read their results."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from solders.message import MessageV1
from solders.pubkey import Pubkey
from solders.transaction import SanitizeError, VersionedTransaction

from deploy.local.chain.blocks import Block, Commitment
from deploy.local.chain.budget import (
    MAX_LEGACY_BYTES,
    MAX_V1_ADDRESSES,
    MAX_V1_INSTRUCTIONS,
    MAX_V1_SIGNATURES,
)
from deploy.local.chain.execution import Execution
from deploy.local.chain.history import Landed
from deploy.local.chain.rpc.accounts import reader
from deploy.local.chain.rpc.cluster import blockhash_json
from deploy.local.chain.rpc.json_accounts import encode_account
from deploy.local.chain.rpc.json_errors import describe
from deploy.local.chain.rpc.json_transactions import (
    inner_instructions,
    memo_of,
    return_data,
    transaction_json,
)
from deploy.local.chain.rpc.node import Node
from deploy.local.chain.rpc.params import (
    PREFLIGHT_FAILURE,
    SIGNATURE_VERIFICATION_FAILURE,
    Config,
    Json,
    Params,
    RpcError,
    invalid_params,
    pubkey,
    signature,
    wire_bytes,
    with_context,
)

MAX_SIGNATURE_STATUSES = 256
MAX_SIGNATURES_FOR_ADDRESS = 1_000
STATUS_CACHE_SLOTS = 300
"""Finalized slots in the status cache. Older slots need the transaction history."""

_TYPE = "solana_transaction::versioned::VersionedTransaction"


def send_transaction(node: Node, params: Params) -> Json:
    """`sendTransaction`: preflight, then execution in the open block.

    As on a cluster, the answer is only the signature. Without preflight, a transaction that cannot
    land is dropped silently.
    """
    config = params.config(1)
    raw, transaction = _decode(node, params.text(0), config.get("encoding"))
    skip = config.get("skipPreflight") is True
    level = "processed" if skip else config.get("preflightCommitment")
    bank = node.bank({"commitment": level, "minContextSlot": config.get("minContextSlot")})
    if not skip:
        _preflight(node, transaction, bank)
    if not node.loses_sends:
        node.ledger.submit(raw, transaction)
    return str(transaction.signatures[0])


def _preflight(node: Node, transaction: VersionedTransaction, bank: Block) -> None:
    _verify(transaction)
    execution = node.ledger.simulate(transaction, bank)
    if execution.error is not None:
        raise RpcError(
            PREFLIGHT_FAILURE,
            f"Transaction simulation failed: {describe(execution.error)}",
            _simulation_json(execution),
        )


def simulate_transaction(node: Node, params: Params) -> Json:
    """`simulateTransaction`, on the accounts at the requested commitment."""
    config = params.config(1)
    _, transaction = _decode(node, params.text(0), config.get("encoding"))
    replace, verify = config.get("replaceRecentBlockhash"), config.get("sigVerify")
    if replace and verify:
        raise invalid_params("sigVerify may not be used with replaceRecentBlockhash")
    bank = node.bank(config)
    if verify:
        _verify(transaction)
    execution = node.ledger.simulate(transaction, bank, any_blockhash=bool(replace))
    shown = _simulation_json(execution)
    shown["accounts"] = _simulated_accounts(node, bank, execution, config)
    if config.get("innerInstructions"):
        shown["innerInstructions"] = inner_instructions(execution.metadata)
    if replace:
        shown["replacementBlockhash"] = blockhash_json(bank)
    return with_context(bank, shown)


def _simulation_json(execution: Execution) -> dict[str, Json]:
    metadata = execution.metadata
    return {
        "accounts": None,
        "err": execution.error_json,
        "fee": execution.fee_lamports,
        "innerInstructions": None,
        "loadedAccountsDataSize": execution.loaded_bytes,
        "logs": metadata.logs(),
        "replacementBlockhash": None,
        "returnData": return_data(metadata),
        "unitsConsumed": metadata.compute_units_consumed(),
    }


def _simulated_accounts(node: Node, bank: Block, execution: Execution, config: Config) -> Json:
    wanted = config.get("accounts")
    if not isinstance(wanted, dict):
        return None
    if wanted.get("encoding") in ("binary", "base58"):
        raise invalid_params("base58 encoding not supported")
    addresses = [pubkey(text) for text in wanted.get("addresses", [])]
    if execution.error is not None:
        return [None] * len(addresses)
    changed = dict(execution.accounts_after)
    read = reader(node, bank)
    shown = {"encoding": wanted.get("encoding") or "base64"}
    return [
        encode_account(changed.get(address) or read(address), shown, read) for address in addresses
    ]


def get_signature_statuses(node: Node, params: Params) -> Json:
    """`getSignatureStatuses`, at most 256; of recent slots, and of the history on request."""
    texts = params.texts(0)
    if len(texts) > MAX_SIGNATURE_STATUSES:
        raise invalid_params(f"Too many inputs provided; max {MAX_SIGNATURE_STATUSES}")
    signatures = [signature(text) for text in texts]
    tip, history = node.block(Commitment.PROCESSED), node.ledger.history
    oldest = node.block(Commitment.FINALIZED).slot - STATUS_CACHE_SLOTS
    if params.config(1).get("searchTransactionHistory"):
        oldest = 0
    found = [history.find(one) for one in signatures]
    shown = [
        None if landed is None or not oldest <= landed.slot <= tip.slot else _status(node, landed)
        for landed in found
    ]
    return with_context(tip, shown)


def _status(node: Node, landed: Landed) -> Json:
    level = _level(node, landed)
    error = landed.error_json
    confirmations = node.block(Commitment.PROCESSED).slot - landed.slot
    return {
        "confirmationStatus": level.label,
        "confirmations": None if level is Commitment.FINALIZED else confirmations,
        "err": error,
        "slot": landed.slot,
        "status": {"Ok": None} if error is None else {"Err": error},
    }


def _level(node: Node, landed: Landed) -> Commitment:
    return max(level for level in Commitment if landed.slot <= node.block(level).slot)


def get_transaction(node: Node, params: Params) -> Json:
    """`getTransaction`; null until the transaction reaches the requested commitment."""
    wanted, config = signature(params.text(0)), params.config(1)
    if isinstance(params.optional(1), str):
        config = {"encoding": params.text(1)}
    bank = node.block_at(config, at_least=Commitment.CONFIRMED)
    landed = node.ledger.history.find(wanted)
    if landed is None or landed.slot > bank.slot:
        return None
    highest = config.get("maxSupportedTransactionVersion")
    shown = transaction_json(landed, node.ledger.tokens, config.get("encoding"), highest)
    return {"blockTime": landed.unix_seconds, "slot": landed.slot, **shown}


def get_signatures_for_address(node: Node, params: Params) -> Json:
    """`getSignaturesForAddress`: newest first, with failed ones, at most 1,000."""
    address, config = params.pubkey(0), params.config(1)
    limit = config.get("limit")
    limit = MAX_SIGNATURES_FOR_ADDRESS if limit is None else limit
    if not 0 < limit <= MAX_SIGNATURES_FOR_ADDRESS:
        raise invalid_params(f"Invalid limit; max {MAX_SIGNATURES_FOR_ADDRESS}")
    bank = node.bank(config, at_least=Commitment.CONFIRMED)
    shown: list[Json] = []
    for landed in _between(node, address, bank, config):
        if len(shown) == limit:
            break
        shown.append(
            {
                "blockTime": landed.unix_seconds,
                "confirmationStatus": _level(node, landed).label,
                "err": landed.error_json,
                "memo": memo_of(landed.transaction),
                "signature": str(landed.signature),
                "slot": landed.slot,
            }
        )
    return shown


def _between(node: Node, address: Pubkey, bank: Block, config: Config) -> Iterator[Landed]:
    """Yield the mentions of an address that are older than `before` and newer than `until`."""
    history = node.ledger.history
    before, until = config.get("before"), config.get("until")
    end = None if before is None else history.position(signature(before))
    if before is not None and end is None:
        return
    stop = None if until is None else history.position(signature(until))
    for landed in history.mentioning(address, from_slot=0, to_slot=bank.slot):
        position = history.position(landed.signature) or 0
        if stop is not None and position <= stop:
            return
        if end is None or position < end:
            yield landed


def _decode(node: Node, text: str, encoding: Json) -> tuple[bytes, VersionedTransaction]:
    """Parse the bytes of a transaction; refuse bytes that a real server would refuse."""
    raw = wire_bytes(text, encoding)
    if len(raw) > node.max_transaction_bytes:
        largest = f"(max: {node.max_transaction_bytes} bytes)"
        raise invalid_params(f"decoded {_TYPE} too large: {len(raw)} bytes {largest}")
    try:
        transaction = VersionedTransaction.from_bytes(raw)
    except ValueError as error:
        raise invalid_params(f"failed to deserialize {_TYPE}: {error}") from error
    if not node.ledger.supports(transaction):
        raise invalid_params(
            f"failed to deserialize {_TYPE}: invalid value: integer `1`, "
            "expected a valid transaction message version"
        )
    is_v1 = isinstance(transaction.message, MessageV1)
    if is_v1 and bytes(transaction) != raw:
        raise invalid_params(f"failed to deserialize {_TYPE}: trailing bytes")
    if not is_v1 and len(raw) > MAX_LEGACY_BYTES:
        raise invalid_params(f"decoded {_TYPE} too large: {len(raw)} bytes (max: 1232 bytes)")
    _sanitize(transaction)
    return raw, transaction


def _sanitize(transaction: VersionedTransaction) -> None:
    message = transaction.message
    fits = not isinstance(message, MessageV1) or (
        message.header.num_required_signatures <= MAX_V1_SIGNATURES
        and len(message.account_keys) <= MAX_V1_ADDRESSES
        and len(message.instructions) <= MAX_V1_INSTRUCTIONS
    )
    try:
        transaction.sanitize()
    except SanitizeError:
        fits = False
    if not fits:
        raise invalid_params(
            "invalid transaction: Transaction failed to sanitize accounts offsets correctly"
        )


def _verify(transaction: VersionedTransaction) -> None:
    if not all(transaction.verify_with_results()):
        raise RpcError(SIGNATURE_VERIFICATION_FAILURE, "Transaction signature verification failure")


METHODS: dict[str, Callable[[Node, Params], Json]] = {
    "getSignatureStatuses": get_signature_statuses,
    "getSignaturesForAddress": get_signatures_for_address,
    "getTransaction": get_transaction,
    "sendTransaction": send_transaction,
    "simulateTransaction": simulate_transaction,
}

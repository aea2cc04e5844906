"""JSON-RPC methods about the cluster: slots, blocks, blockhashes, epochs, fees."""

from __future__ import annotations

from collections.abc import Callable

from solders.message import MessageV1, from_bytes_versioned

from deploy.local.chain.blocks import MAX_BLOCKHASH_AGE_BLOCKS, Block, Commitment
from deploy.local.chain.budget import BudgetRefusedError, budget_of
from deploy.local.chain.history import Landed
from deploy.local.chain.ledger import SLOTS_PER_EPOCH
from deploy.local.chain.rpc.json_transactions import transaction_json
from deploy.local.chain.rpc.node import Node
from deploy.local.chain.rpc.params import (
    API_VERSION,
    BLOCK_CLEANED_UP,
    BLOCK_NOT_AVAILABLE,
    NODE_UNHEALTHY,
    SLOT_SKIPPED,
    Config,
    Json,
    Params,
    RpcError,
    blockhash,
    invalid_params,
    pubkey,
    wire_bytes,
    with_context,
)

FEATURE_SET = 4_101_000
MAX_FEE_ADDRESSES = 128
MAX_HEALTHY_LAG_SLOTS = 128
MAX_BLOCK_RANGE = 500_000


def get_health(node: Node, _params: Params) -> Json:
    """`getHealth`: an error if the node is more than 128 slots behind the cluster."""
    known = node.block(Commitment.CONFIRMED).slot
    behind_slots = node.ledger.blocks.at(Commitment.CONFIRMED).slot - known
    if behind_slots > MAX_HEALTHY_LAG_SLOTS:
        text = f"Node is behind by {behind_slots} slots"
        raise RpcError(NODE_UNHEALTHY, text, {"numSlotsBehind": behind_slots})
    return "ok"


def get_version(_node: Node, _params: Params) -> Json:
    """`getVersion`: the version whose API this server follows."""
    return {"feature-set": FEATURE_SET, "solana-core": API_VERSION}


def get_genesis_hash(node: Node, _params: Params) -> Json:
    """`getGenesisHash`: the unique name of this chain."""
    return str(node.ledger.genesis_hash)


def get_identity(node: Node, _params: Params) -> Json:
    """`getIdentity`."""
    return {"identity": str(node.ledger.identity.pubkey())}


def get_slot(node: Node, params: Params) -> Json:
    """`getSlot`."""
    return node.bank(params.config(0)).slot


def get_block_height(node: Node, params: Params) -> Json:
    """`getBlockHeight`."""
    return node.bank(params.config(0)).height


def get_epoch_info(node: Node, params: Params) -> Json:
    """`getEpochInfo`."""
    bank = node.bank(params.config(0))
    return {
        "absoluteSlot": bank.slot,
        "blockHeight": bank.height,
        "epoch": bank.slot // SLOTS_PER_EPOCH,
        "slotIndex": bank.slot % SLOTS_PER_EPOCH,
        "slotsInEpoch": SLOTS_PER_EPOCH,
        "transactionCount": node.ledger.history.count_until(bank.slot),
    }


def get_transaction_count(node: Node, params: Params) -> Json:
    """`getTransactionCount`."""
    return node.ledger.history.count_until(node.bank(params.config(0)).slot)


def get_latest_blockhash(node: Node, params: Params) -> Json:
    """`getLatestBlockhash`: the newest block's hash and its last valid block height."""
    bank = node.bank(params.config(0))
    return with_context(bank, blockhash_json(bank))


def blockhash_json(bank: Block) -> Json:
    """Show a block's hash with its last valid block height."""
    return {
        "blockhash": str(bank.blockhash),
        "lastValidBlockHeight": bank.height + MAX_BLOCKHASH_AGE_BLOCKS,
    }


def is_blockhash_valid(node: Node, params: Params) -> Json:
    """`isBlockhashValid`."""
    bank = node.bank(params.config(1))
    return with_context(bank, node.ledger.blocks.knows(blockhash(params.text(0)), bank))


def get_minimum_balance(node: Node, params: Params) -> Json:
    """`getMinimumBalanceForRentExemption`, in lamports."""
    return node.ledger.executor.svm.minimum_balance_for_rent_exemption(params.number(0))


def get_fee_for_message(node: Node, params: Params) -> Json:
    """`getFeeForMessage`, in lamports; null when the message's blockhash is not accepted."""
    raw = wire_bytes(params.text(0), "base64")
    bank = node.bank(params.config(1))
    try:
        message = from_bytes_versioned(raw)
        if isinstance(message, MessageV1) and not node.ledger.rules.v1:
            raise invalid_params("invalid transaction message: version 1 is not supported")
        fee_lamports = budget_of(message).fee_lamports
    except BudgetRefusedError as refused:
        raise invalid_params(f"invalid transaction message: {refused.error}") from refused
    except ValueError as error:
        raise invalid_params(f"failed to deserialize the message: {error}") from error
    known = node.ledger.blocks.knows(message.recent_blockhash, bank)
    return with_context(bank, fee_lamports if known else None)


def get_recent_prioritization_fees(node: Node, params: Params) -> Json:
    """`getRecentPrioritizationFees`: the lowest paid price by slot, in micro-lamports per unit.

    Simpler than the real server: a transaction counts for every account that it mentions, also
    for those that it only reads.
    """
    texts = params.texts(0) if params.optional(0) is not None else []
    if len(texts) > MAX_FEE_ADDRESSES:
        raise invalid_params(f"Too many inputs provided; max {MAX_FEE_ADDRESSES}")
    history, blocks = node.ledger.history, node.ledger.blocks
    newest = node.block(Commitment.CONFIRMED).slot
    recent = [block.slot for block in blocks.recent() if block.slot <= newest]
    recent = recent[-MAX_BLOCKHASH_AGE_BLOCKS:]
    highest: dict[int, int] = dict.fromkeys(recent, 0)
    for text in texts:
        mentions = history.mentioning(pubkey(text), from_slot=recent[0], to_slot=newest)
        _raise_to(highest, _lowest_price_by_slot(mentions))
    if not texts:
        _raise_to(highest, _lowest_price_by_slot(history.in_slots(recent[0], newest)))
    return [{"slot": slot, "prioritizationFee": fee} for slot, fee in highest.items()]


def _lowest_price_by_slot(transactions: Json) -> dict[int, int]:
    lowest: dict[int, int] = {}
    landed: Landed
    for landed in transactions:
        price = landed.micro_lamports_per_compute_unit
        lowest[landed.slot] = min(price, lowest.get(landed.slot, price))
    return lowest


def _raise_to(highest: dict[int, int], prices: dict[int, int]) -> None:
    for slot, price in prices.items():
        highest[slot] = max(highest[slot], price)


def get_first_available_block(node: Node, _params: Params) -> Json:
    """`getFirstAvailableBlock`."""
    return node.ledger.rules.first_slot


def get_block_time(node: Node, params: Params) -> Json:
    """`getBlockTime`, in Unix seconds of the cluster's clock."""
    return _finished_block(node, params.number(0), Commitment.PROCESSED).unix_seconds


def get_blocks(node: Node, params: Params) -> Json:
    """`getBlocks`: the slots with a block in a range."""
    end = params.optional(1)
    config = params.config(1) if isinstance(end, dict) else params.config(2)
    bank = node.bank(config, at_least=Commitment.CONFIRMED)
    first = params.number(0)
    last = min(params.number(1), bank.slot) if isinstance(end, int) else bank.slot
    if last - first > MAX_BLOCK_RANGE:
        raise invalid_params(f"Slot range too large; max {MAX_BLOCK_RANGE}")
    return [block.slot for block in node.ledger.blocks.all() if first <= block.slot <= last]


def get_block(node: Node, params: Params) -> Json:
    """`getBlock`, with full transactions, signatures only, or none."""
    config = params.config(1)
    bank = node.block_at(config, at_least=Commitment.CONFIRMED)
    slot = params.number(0)
    if slot > bank.slot:
        raise RpcError(BLOCK_NOT_AVAILABLE, f"Block not available for slot {slot}")
    block = _finished_block(node, slot, Commitment.CONFIRMED)
    parent = node.ledger.blocks.by_slot(block.parent_slot)
    return {
        "blockHeight": block.height,
        "blockTime": block.unix_seconds,
        "blockhash": str(block.blockhash),
        "parentSlot": block.parent_slot,
        "previousBlockhash": str(parent.blockhash if parent else node.ledger.genesis_hash),
        **_block_contents(node, slot, config),
    }


def _block_contents(node: Node, slot: int, config: Config) -> dict[str, Json]:
    landed_here = node.ledger.history.in_slots(slot, slot)
    details = config.get("transactionDetails") or "full"
    contents: dict[str, Json] = {"rewards": []} if config.get("rewards", True) else {}
    if details == "signatures":
        contents["signatures"] = [str(landed.signature) for landed in landed_here]
    elif details == "full":
        encoding, highest = config.get("encoding"), config.get("maxSupportedTransactionVersion")
        contents["transactions"] = [
            transaction_json(landed, node.ledger.tokens, encoding, highest)
            for landed in landed_here
        ]
    elif details != "none":
        raise invalid_params(f"Invalid params: unsupported transactionDetails `{details}`")
    return contents


def _finished_block(node: Node, slot: int, commitment: Commitment) -> Block:
    blocks = node.ledger.blocks
    if slot > node.block(commitment).slot:
        raise RpcError(BLOCK_NOT_AVAILABLE, f"Block not available for slot {slot}")
    first = node.ledger.rules.first_slot
    if slot < first:
        raise RpcError(
            BLOCK_CLEANED_UP,
            f"Block {slot} cleaned up, does not exist on node. First available block: {first}",
        )
    block = blocks.by_slot(slot)
    if block is None:
        raise RpcError(
            SLOT_SKIPPED,
            f"Slot {slot} was skipped, or missing due to ledger jump to recent snapshot",
        )
    return block


METHODS: dict[str, Callable[[Node, Params], Json]] = {
    "getBlock": get_block,
    "getBlockHeight": get_block_height,
    "getBlockTime": get_block_time,
    "getBlocks": get_blocks,
    "getEpochInfo": get_epoch_info,
    "getFeeForMessage": get_fee_for_message,
    "getFirstAvailableBlock": get_first_available_block,
    "getGenesisHash": get_genesis_hash,
    "getHealth": get_health,
    "getIdentity": get_identity,
    "getLatestBlockhash": get_latest_blockhash,
    "getMinimumBalanceForRentExemption": get_minimum_balance,
    "getRecentPrioritizationFees": get_recent_prioritization_fees,
    "getSlot": get_slot,
    "getTransactionCount": get_transaction_count,
    "getVersion": get_version,
    "isBlockhashValid": is_blockhash_valid,
}

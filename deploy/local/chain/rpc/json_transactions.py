"""Landed transactions as the JSON that `getTransaction` and its relatives answer."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import Legacy, VersionedTransaction
from solders.transaction_metadata import TransactionMetadata

from deploy.local.chain.base58 import base58_encode
from deploy.local.chain.history import Landed
from deploy.local.chain.preinstalled import MEMO_PROGRAM
from deploy.local.chain.rpc.json_accounts import ui_amount
from deploy.local.chain.rpc.json_messages import parsed_message, raw_message
from deploy.local.chain.rpc.params import (
    UNSUPPORTED_TRANSACTION_VERSION,
    Json,
    RpcError,
    invalid_params,
)
from deploy.local.chain.tokens import TokenBalance, TokenBook

_NO_RETURN_PROGRAM = Pubkey.default()


def version_of(transaction: VersionedTransaction) -> int | str:
    """Return `"legacy"`, 0 or 1."""
    version = transaction.version()
    return "legacy" if isinstance(version, Legacy) else version


def require_version(transaction: VersionedTransaction, highest: Json) -> int | str:
    """Return the version; refuse a version above the caller's stated maximum."""
    version = version_of(transaction)
    if isinstance(version, int) and (highest is None or version > highest):
        raise RpcError(
            UNSUPPORTED_TRANSACTION_VERSION,
            f"Transaction version ({version}) is not supported by the requesting client. "
            "Please try the request again with the following configuration parameter: "
            f'"maxSupportedTransactionVersion": {version}',
        )
    return version


def transaction_json(landed: Landed, tokens: TokenBook, encoding: Json, highest: Json) -> Json:
    """Show a landed transaction with its results, and with its version on request."""
    transaction = landed.transaction
    version = require_version(transaction, highest)
    shown = {
        "meta": meta_json(landed, transaction, tokens),
        "transaction": encode_transaction(landed, transaction, encoding or "json"),
    }
    return shown if highest is None else {**shown, "version": version}


def encode_transaction(landed: Landed, transaction: VersionedTransaction, encoding: Json) -> Json:
    """Show the signed transaction without its results."""
    if encoding == "base64":
        return [base64.b64encode(landed.raw).decode(), "base64"]
    if encoding == "base58":
        return [base58_encode(landed.raw), "base58"]
    if encoding == "binary":
        return base58_encode(landed.raw)
    if encoding not in ("json", "jsonParsed"):
        raise invalid_params(f"Invalid params: unknown variant `{encoding}`")
    parsed = encoding == "jsonParsed"
    return {
        "message": parsed_message(landed) if parsed else raw_message(transaction),
        "signatures": [str(signature) for signature in transaction.signatures],
    }


def meta_json(landed: Landed, transaction: VersionedTransaction, tokens: TokenBook) -> Json:
    """Show the results of a transaction."""
    metadata = landed.metadata
    before, after = landed.balances()
    tokens_before, tokens_after = _token_balances(tokens.unpack(landed.tokens))
    error = landed.error_json
    meta = {
        "err": error,
        "status": {"Ok": None} if error is None else {"Err": error},
        "fee": landed.fee_lamports,
        "preBalances": before,
        "postBalances": after,
        "preTokenBalances": tokens_before,
        "postTokenBalances": tokens_after,
        "innerInstructions": inner_instructions(metadata),
        "logMessages": metadata.logs(),
        "rewards": [],
        "loadedAddresses": _loaded_addresses(landed, transaction),
        "computeUnitsConsumed": metadata.compute_units_consumed(),
    }
    returned = return_data(metadata)
    return meta if returned is None else {**meta, "returnData": returned}


def inner_instructions(metadata: TransactionMetadata) -> Json:
    """Show the inner instructions, grouped by the outer instruction that called them."""
    shown = []
    for index, calls in enumerate(metadata.inner_instructions()):
        instructions = [
            {
                "accounts": list(call.instruction().accounts),
                "data": base58_encode(call.instruction().data),
                "programIdIndex": call.instruction().program_id_index,
                "stackHeight": call.stack_height(),
            }
            for call in calls
        ]
        if instructions:
            shown.append({"index": index, "instructions": instructions})
    return shown


def return_data(metadata: TransactionMetadata) -> Json:
    """Show the return data of the last program; None without return data."""
    returned = metadata.return_data()
    if returned.program_id == _NO_RETURN_PROGRAM or not returned.data:
        return None
    data = base64.b64encode(returned.data).decode()
    return {"programId": str(returned.program_id), "data": [data, "base64"]}


def memo_of(transaction: VersionedTransaction) -> str | None:
    """Return the memos of a transaction in the format of `getSignaturesForAddress`."""
    keys = transaction.message.account_keys
    memos = [
        instruction.data.decode(errors="replace")
        for instruction in transaction.message.instructions
        if keys[instruction.program_id_index] == MEMO_PROGRAM
    ]
    return "; ".join(f"[{len(memo.encode())}] {memo}" for memo in memos) or None


def _token_balances(balances: Iterable[TokenBalance]) -> tuple[list[Json], list[Json]]:
    """Show the balances before, and after. An account that does not exist then is left out."""
    before: list[Json] = []
    after: list[Json] = []
    for row in balances:
        holder = {
            "accountIndex": row.account_index,
            "mint": str(Pubkey(row.holder.mint)),
            "owner": str(Pubkey(row.holder.owner)),
            "programId": str(row.holder.program),
        }
        for shown, base_units in (before, row.before_base_units), (after, row.after_base_units):
            if base_units is not None:
                amount = ui_amount(base_units, row.holder.decimals)
                shown.append({**holder, "uiTokenAmount": amount})
    return before, after


def _loaded_addresses(landed: Landed, transaction: VersionedTransaction) -> Json:
    message = transaction.message
    tables = message.address_table_lookups if isinstance(message, MessageV0) else []
    writable = sum(len(table.writable_indexes) for table in tables)
    addresses = [str(address) for address in landed.looked_up()]
    return {"writable": addresses[:writable], "readonly": addresses[writable:]}

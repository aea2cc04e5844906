"""Messages and instructions as the JSON of `getTransaction`."""

from __future__ import annotations

import struct

from solders.message import MessageV0, MessageV1
from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM_PROGRAM
from solders.transaction import VersionedTransaction

from deploy.local.chain.base58 import base58_encode
from deploy.local.chain.execution import writable_indexes
from deploy.local.chain.history import Landed
from deploy.local.chain.preinstalled import MEMO_PROGRAM
from deploy.local.chain.rpc.json_accounts import ui_amount
from deploy.local.chain.rpc.params import Json
from deploy.local.chain.tokens import TOKEN_2022_PROGRAM, TOKEN_PROGRAM

_TRANSFER_CHECKED = struct.Struct("<BQB")
_SYSTEM_TRANSFER = struct.Struct("<IQ")


def raw_message(transaction: VersionedTransaction) -> Json:
    """Show the raw message, with indexes into its account keys."""
    message = transaction.message
    header = message.header
    shown: dict[str, Json] = {
        "accountKeys": [str(key) for key in message.account_keys],
        "header": {
            "numReadonlySignedAccounts": header.num_readonly_signed_accounts,
            "numReadonlyUnsignedAccounts": header.num_readonly_unsigned_accounts,
            "numRequiredSignatures": header.num_required_signatures,
        },
        "instructions": [
            {
                "accounts": list(instruction.accounts),
                "data": base58_encode(instruction.data),
                "programIdIndex": instruction.program_id_index,
                "stackHeight": 1,
            }
            for instruction in message.instructions
        ],
        "recentBlockhash": str(message.recent_blockhash),
    }
    return {**shown, **_version_fields(transaction)}


def _version_fields(transaction: VersionedTransaction) -> dict[str, Json]:
    """Return the fields that only a v0 or v1 message has."""
    message = transaction.message
    if isinstance(message, MessageV0):
        lookups = [
            {
                "accountKey": str(lookup.account_key),
                "readonlyIndexes": list(lookup.readonly_indexes),
                "writableIndexes": list(lookup.writable_indexes),
            }
            for lookup in message.address_table_lookups
        ]
        return {"addressTableLookups": lookups}
    if isinstance(message, MessageV1):
        config = message.config
        return {
            "transactionConfig": {
                "priorityFee": config.priority_fee,
                "computeUnitLimit": config.compute_unit_limit,
                "loadedAccountsDataSizeLimit": config.loaded_accounts_data_size_limit,
                "heapSize": config.heap_size,
            }
        }
    return {}


def parsed_message(landed: Landed) -> Json:
    """Show a message with addresses instead of indexes, and simple instructions in words."""
    transaction = landed.transaction
    message = transaction.message
    addresses = landed.addresses()
    static = len(message.account_keys)
    writable = set(writable_indexes(message, static, len(addresses) - static))
    signers = message.header.num_required_signatures
    return {
        "accountKeys": [
            {
                "pubkey": str(address),
                "signer": index < signers,
                "source": "transaction" if index < static else "lookupTable",
                "writable": index in writable,
            }
            for index, address in enumerate(addresses)
        ],
        "instructions": [
            _parsed_instruction(
                addresses[instruction.program_id_index],
                [addresses[index] for index in instruction.accounts],
                instruction.data,
            )
            for instruction in message.instructions
        ],
        "recentBlockhash": str(message.recent_blockhash),
        **_version_fields(transaction),
    }


def _parsed_instruction(program: Pubkey, accounts: list[Pubkey], data: bytes) -> Json:
    """Show the instructions of a payment in words, and every other one raw."""
    parsed = _in_words(program, [str(account) for account in accounts], data)
    if parsed is None:
        return {
            "accounts": [str(account) for account in accounts],
            "data": base58_encode(data),
            "programId": str(program),
            "stackHeight": 1,
        }
    name, shown = parsed
    return {"parsed": shown, "program": name, "programId": str(program), "stackHeight": 1}


def _in_words(program: Pubkey, accounts: list[str], data: bytes) -> tuple[str, Json] | None:
    if program == MEMO_PROGRAM:
        return "spl-memo", data.decode(errors="replace")
    if program == SYSTEM_PROGRAM and len(data) == _SYSTEM_TRANSFER.size and len(accounts) == 2:
        kind, lamports = _SYSTEM_TRANSFER.unpack(data)
        info = {"source": accounts[0], "destination": accounts[1], "lamports": lamports}
        return ("system", {"info": info, "type": "transfer"}) if kind == 2 else None
    is_token = program in (TOKEN_PROGRAM, TOKEN_2022_PROGRAM)
    if is_token and len(data) == _TRANSFER_CHECKED.size and len(accounts) == 4 and data[0] == 12:
        _, base_units, decimals = _TRANSFER_CHECKED.unpack(data)
        names = ("source", "mint", "destination", "authority")
        info = dict(zip(names, accounts, strict=True))
        amount = ui_amount(base_units, decimals)
        shown = {"info": {**info, "tokenAmount": amount}, "type": "transferChecked"}
        return ("spl-token" if program == TOKEN_PROGRAM else "spl-token-2022"), shown
    return None

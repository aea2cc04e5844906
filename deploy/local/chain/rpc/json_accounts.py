"""Accounts and token amounts as JSON for clients."""

from __future__ import annotations

import base64
from collections.abc import Callable

from solders.account import Account
from solders.pubkey import Pubkey

from deploy.local.chain.base58 import base58_encode
from deploy.local.chain.rpc.params import INVALID_REQUEST, Config, Json, RpcError, invalid_params
from deploy.local.chain.tokens import (
    TOKEN_PROGRAM,
    mint_data,
    mint_decimals,
    mint_supply,
    token_account_data,
    token_amount,
)

RENT_EPOCH = 2**64 - 1
MAX_BASE58_BYTES = 128
_STATES = ("uninitialized", "initialized", "frozen")

ReadAccount = Callable[[Pubkey], Account | None]


def ui_amount(base_units: int, decimals: int) -> Json:
    """Show a token amount: an exact string, and the float for older clients.

    The float is the quotient of two floats, as in agave, so it may differ in its last digit.
    """
    whole, part = divmod(base_units, 10**decimals)
    text = f"{whole}.{part:0{decimals}}".rstrip("0") if part else str(whole)
    return {
        "amount": str(base_units),
        "decimals": decimals,
        "uiAmount": float(base_units) / float(10**decimals),
        "uiAmountString": text,
    }


def encode_account(account: Account | None, config: Config, read: ReadAccount) -> Json:
    """Show an account in the requested encoding; `read` finds a token account's mint."""
    if account is None:
        return None
    encoding = config.get("encoding") or "binary"
    parsed = parse_account(account, read) if encoding == "jsonParsed" else None
    data = account.data
    return {
        "data": _encode_data(data, encoding, config.get("dataSlice")) if parsed is None else parsed,
        "executable": account.executable,
        "lamports": account.lamports,
        "owner": str(account.owner),
        "rentEpoch": RENT_EPOCH,
        "space": len(data),
    }


def parse_account(account: Account, read: ReadAccount) -> Json:
    """Show a token account or mint in words; None for anything else."""
    program = "spl-token" if account.owner == TOKEN_PROGRAM else "spl-token-2022"
    token = token_account_data(account)
    if token is not None:
        decimals = _decimals(token[:32], read)
        parsed = {"info": _token_account_info(token, decimals), "type": "account"}
        return {"parsed": parsed, "program": program, "space": len(token)}
    mint = mint_data(account)
    if mint is not None:
        parsed = {"info": _mint_info(mint), "type": "mint"}
        return {"parsed": parsed, "program": program, "space": len(mint)}
    return None


def _encode_data(data: bytes, encoding: Json, part: Json) -> Json:
    if part is not None:
        offset, length = _slice(part)
        data = data[offset : offset + length]
    if encoding in ("base64", "jsonParsed"):
        return [base64.b64encode(data).decode(), "base64"]
    if encoding not in ("binary", "base58"):
        raise invalid_params(f"unsupported encoding: {encoding}")
    if len(data) > MAX_BASE58_BYTES:
        raise RpcError(
            INVALID_REQUEST,
            f"Encoded binary (base 58) data should be less than {MAX_BASE58_BYTES} bytes, "
            "please use Base64 encoding.",
        )
    text = base58_encode(data)
    return text if encoding == "binary" else [text, "base58"]


def _slice(part: Json) -> tuple[int, int]:
    offset, length = (part.get("offset"), part.get("length")) if isinstance(part, dict) else (0, -1)
    if not isinstance(offset, int) or not isinstance(length, int) or min(offset, length) < 0:
        raise invalid_params("Invalid params: dataSlice needs an offset and a length.")
    return offset, length


def _token_account_info(data: bytes, decimals: int) -> Json:
    info: dict[str, Json] = {
        "isNative": data[109:113] == b"\x01\0\0\0",
        "mint": str(Pubkey(data[:32])),
        "owner": str(Pubkey(data[32:64])),
        "state": _STATES[data[108]],
        "tokenAmount": ui_amount(token_amount(data), decimals),
    }
    delegate = _optional_key(data[72:108])
    if delegate is not None:
        info["delegate"] = delegate
        delegated = int.from_bytes(data[121:129], "little")
        info["delegatedAmount"] = ui_amount(delegated, decimals)
    close_authority = _optional_key(data[129:165])
    if close_authority is not None:
        info["closeAuthority"] = close_authority
    return info


def _mint_info(data: bytes) -> Json:
    return {
        "decimals": mint_decimals(data),
        "freezeAuthority": _optional_key(data[46:82]),
        "isInitialized": True,
        "mintAuthority": _optional_key(data[:36]),
        "supply": str(mint_supply(data)),
    }


def _optional_key(option: bytes) -> str | None:
    """Read a `COption<Pubkey>`: a four-byte flag, then the key."""
    return str(Pubkey(option[4:36])) if option[0] else None


def _decimals(mint: bytes, read: ReadAccount) -> int:
    data = mint_data(read(Pubkey(mint)))
    return 0 if data is None else mint_decimals(data)

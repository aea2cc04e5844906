"""Saves a chain to one file and loads it again, so that the local stack can stop and start.

The file is gzipped JSON lines: a header, then a line for each block, token holder, transaction,
account and undo entry. Each line is a list that begins with its kind. The file also holds
unfinalized slots, so a restarted chain continues exactly where it stopped.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from solders.account import Account
from solders.hash import Hash
from solders.pubkey import Pubkey
from solders.signature import Signature

from deploy.local.chain.blocks import Block
from deploy.local.chain.history import Landed
from deploy.local.chain.ledger import ChainRules, Ledger
from deploy.local.chain.tokens import Holder
from deploy.local.errors import LocalStackError

FORMAT = 1
_COMPRESSION = 1

Line = list[Any]

_DAMAGE = (gzip.BadGzipFile, zlib.error, EOFError, StopIteration, ValueError, KeyError, TypeError)


class SnapshotUnreadableError(LocalStackError):
    """The file is damaged or was written by another version."""

    def __init__(self, path: Path, reason: str) -> None:
        """Name the file and its fault."""
        super().__init__(f"{path} is not a usable snapshot of the local chain: {reason}")
        self.path = path


def save(ledger: Ledger, path: Path) -> None:
    """Write the whole chain. The file is replaced in one step."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        with gzip.open(file, "wt", compresslevel=_COMPRESSION, encoding="utf-8") as text:
            for line in _lines(ledger):
                text.write(json.dumps(line, separators=(",", ":")) + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load(path: Path, rules: ChainRules, *, clock_offset_seconds: int | None = None) -> Ledger:
    """Load a chain. Lag and features come from `rules`, the past from the file.

    Raises `SnapshotUnreadableError`, and `OSError` if the file cannot be opened.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") as text:
            lines = (json.loads(line) for line in text)
            return _load(lines, rules, clock_offset_seconds)
    except _DAMAGE as error:
        raise SnapshotUnreadableError(path, f"{type(error).__name__}: {error}") from error


def _lines(ledger: Ledger) -> Iterator[Line]:
    yield [
        "chain",
        {
            "format": FORMAT,
            "seed": ledger.seed.hex(),
            "firstSlot": ledger.rules.first_slot,
            "firstHeight": ledger.rules.first_height,
            "clockOffsetSeconds": ledger.clock_offset_seconds,
            "blocks": [_block_line(block) for block in ledger.blocks.all()],
        },
    ]
    for holder in ledger.tokens.holders:
        program = str(holder.program)
        yield ["holder", _b64(holder.mint), _b64(holder.owner), program, holder.decimals]
    for landed in ledger.history.transactions:
        yield _landed_line(landed)
    for address in ledger.accounts.touched:
        yield ["account", str(address), _account_line(ledger.accounts.now(address))]
    for slot, address, before in ledger.accounts.history():
        yield ["undo", slot, str(address), _account_line(before)]


def _load(
    lines: Iterator[Line], given_rules: ChainRules, clock_offset_seconds: int | None
) -> Ledger:
    kind, header = next(lines)
    if kind != "chain" or header["format"] != FORMAT:
        raise ValueError(f"expected format {FORMAT}, found {header}")
    rules = replace(given_rules, first_slot=header["firstSlot"], first_height=header["firstHeight"])
    saved_offset = header["clockOffsetSeconds"]
    ledger = Ledger(
        rules,
        seed=bytes.fromhex(header["seed"]),
        unix_seconds=0,
        clock_offset_seconds=saved_offset if clock_offset_seconds is None else clock_offset_seconds,
        blocks=[_block(line) for line in header["blocks"]],
    )
    for line in lines:
        _restore(ledger, line)
    return ledger


def _restore(ledger: Ledger, line: Line) -> None:
    kind, *fields = line
    if kind == "holder":
        mint, owner, program, decimals = fields
        holder = Holder(_bytes(mint), _bytes(owner), Pubkey.from_string(program), decimals)
        ledger.tokens.add(holder)
    elif kind == "landed":
        landed = _landed(fields)
        ledger.history.add(landed, landed.addresses())
    elif kind == "account":
        address, account = fields
        ledger.accounts.restore(Pubkey.from_string(address), _account(account))
    elif kind == "undo":
        slot, address, before = fields
        ledger.accounts.remember(slot, Pubkey.from_string(address), _account(before))
    else:
        raise ValueError(f"unknown line {kind!r}")


def _block_line(block: Block) -> Line:
    return [
        block.slot,
        block.height,
        block.parent_slot,
        _b64(bytes(block.blockhash)),
        block.unix_seconds,
    ]


def _block(line: Line) -> Block:
    slot, height, parent_slot, blockhash, unix_seconds = line
    return Block(slot, height, parent_slot, Hash(_bytes(blockhash)), unix_seconds)


def _landed_line(landed: Landed) -> Line:
    return [
        "landed",
        _b64(bytes(landed.signature)),
        landed.slot,
        landed.unix_seconds,
        _b64(landed.raw),
        landed.error,
        landed.fee_lamports,
        landed.micro_lamports_per_compute_unit,
        _b64(landed.lookups),
        _b64(landed.lamports),
        _b64(landed.tokens),
        _b64(landed.outcome),
    ]


def _landed(fields: Line) -> Landed:
    signature, slot, unix_seconds, raw, error, fee, price, lookups, lamports, tokens, out = fields
    return Landed(
        signature=Signature.from_bytes(_bytes(signature)),
        slot=slot,
        unix_seconds=unix_seconds,
        raw=_bytes(raw),
        error=error,
        fee_lamports=fee,
        micro_lamports_per_compute_unit=price,
        lookups=_bytes(lookups),
        lamports=_bytes(lamports),
        tokens=_bytes(tokens),
        outcome=_bytes(out),
    )


def _account_line(account: Account | None) -> Line | None:
    if account is None:
        return None
    return [account.lamports, _b64(account.data), str(account.owner), account.executable]


def _account(line: Line | None) -> Account | None:
    if line is None:
        return None
    lamports, data, owner, executable = line
    return Account(lamports, _bytes(data), Pubkey.from_string(owner), executable)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)

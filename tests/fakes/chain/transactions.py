"""Transactions of the fake cluster: their encoding, and their effects on accounts.

They execute with the semantics that receipts rely on. Two rules of a real cluster are left out on
purpose: the fee payer's own rent minimum, and compute limits.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

from tests.fakes.chain.versions import Versions
from worker.core.plan.receipts import Resolution

SYSTEM = "11111111111111111111111111111111"
FEE_PER_SIGNATURE = 5_000
TOKEN_ACCOUNT_RENT = 2_039_280
RENT_PER_BYTE = 6_960
ACCOUNT_OVERHEAD_BYTES = 128


def rent_minimum(space: int) -> int:
    return (ACCOUNT_OVERHEAD_BYTES + space) * RENT_PER_BYTE


@dataclass(frozen=True, slots=True)
class Account:
    lamports: int = 0
    space: int = 0
    owner: str = SYSTEM


@dataclass(frozen=True, slots=True)
class TokenAccount:
    owner: str
    amount: int = 0
    frozen: bool = False
    memo_required: bool = False
    confidential_only: bool = False
    refuses_credits: bool = False
    """No account state shows this refusal."""
    delegate: str | None = None
    allowance: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """The request that a wire transaction encodes."""

    blockhash: str
    fee_payer: str
    signers: tuple[str, ...]
    authority: str = ""
    source: str = ""
    allocations: tuple[tuple[str, str], ...] = ()
    """Receipt id and address."""
    space: int = 0
    transfers: tuple[tuple[str, int], ...] = ()
    memo: str = ""
    creations: tuple[str, ...] = ()
    mentions: tuple[str, ...] = ()

    def wire(self) -> bytes:
        fields = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps(fields, sort_keys=True).encode()

    @classmethod
    def read(cls, wire: bytes) -> Request:
        fields = json.loads(wire)
        for name in ("allocations", "transfers"):
            fields[name] = tuple(tuple(pair) for pair in fields[name])
        for name in ("signers", "creations", "mentions"):
            fields[name] = tuple(fields[name])
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Landed:
    """A transaction in a block. A failed one has an `error`, and moved only its fee."""

    signature: str
    slot: int
    request: Request
    error: str | None
    fee: int
    source_decrease: int = 0
    accounts: int = 0
    """Token accounts that it created."""


class ProgramError(Exception):
    """A program refused. The transaction lands without effect, and its fee is spent."""


def token_address(wallet: str) -> str:
    return f"token/{wallet}"


def receipt_address(receipt_key: str, seed: str) -> str:
    return f"receipt/{receipt_key}/{seed}"


def signature_of(wire: bytes) -> str:
    return "sig" + hashlib.sha256(wire).hexdigest()


class Draft:
    """The changes of one transaction, applied as a whole or not at all."""

    def __init__(
        self,
        accounts: Versions[Account],
        tokens: Versions[TokenAccount],
        transfer_fee_basis_points: int,
    ) -> None:
        self._ledger_accounts = accounts
        self._ledger_tokens = tokens
        self._transfer_fee_basis_points = transfer_fee_basis_points
        self._accounts: dict[str, Account] = {}
        self._tokens: dict[str, TokenAccount] = {}
        self.created = 0

    def apply(self, request: Request) -> None:
        for _, address in request.allocations:
            self._allocate(request.fee_payer, address, request.space)
        for wallet in request.creations:
            self._create_token_account(request.fee_payer, wallet)
        for number, (wallet, amount) in enumerate(request.transfers):
            has_memo = number == 0 and bool(request.memo)
            self._transfer(request.source, request.authority, wallet, amount, has_memo)

    def commit(self, slot: int) -> None:
        for address, account in self._accounts.items():
            self._ledger_accounts.put(address, slot, account)
        for address, token_account in self._tokens.items():
            self._ledger_tokens.put(address, slot, token_account)

    def _account(self, address: str) -> Account:
        return self._accounts.get(address) or self._ledger_accounts.now(address) or Account()

    def _token_account(self, address: str) -> TokenAccount | None:
        return self._tokens.get(address) or self._ledger_tokens.now(address)

    def _pay(self, payer: str, address: str, lamports: int) -> None:
        source = self._account(payer)
        if source.lamports < lamports:
            raise ProgramError("insufficient lamports")
        self._accounts[payer] = replace(source, lamports=source.lamports - lamports)
        target = self._account(address)
        self._accounts[address] = replace(target, lamports=target.lamports + lamports)

    def _allocate(self, payer: str, address: str, space: int) -> None:
        if space not in tuple(Resolution):
            raise ProgramError(f"space {space} is no resolution")
        self._pay(payer, address, rent_minimum(space))
        account = self._account(address)
        if account.space or account.owner != SYSTEM:
            raise ProgramError("Allocate: account already in use")
        self._accounts[address] = replace(account, space=space)

    def _create_token_account(self, payer: str, wallet: str) -> None:
        address = token_address(wallet)
        existing = self._token_account(address)
        if existing is None:
            self._pay(payer, address, TOKEN_ACCOUNT_RENT)
            self._tokens[address] = TokenAccount(wallet)
            self.created += 1
        elif existing.owner != wallet:
            raise ProgramError("token account has another owner")

    def _transfer(self, source: str, authority: str, wallet: str, amount: int, memo: bool) -> None:
        paying, paid = self._token_account(source), self._token_account(token_address(wallet))
        if paying is None or paid is None:
            raise ProgramError("invalid account data: no token account")
        if paying.frozen or paid.frozen:
            raise ProgramError("account is frozen")
        if paid.confidential_only or paid.refuses_credits:
            raise ProgramError("Custom: the account accepts no plain credits")
        if paid.memo_required and not memo:
            raise ProgramError("no memo in previous instruction")
        if paying.amount < amount:
            raise ProgramError("insufficient funds")
        if authority != paying.owner:
            if authority != paying.delegate or paying.allowance < amount:
                raise ProgramError("owner does not match, or allowance is too small")
            paying = replace(paying, allowance=paying.allowance - amount)
        withheld = -(-amount * self._transfer_fee_basis_points // 10_000)
        self._tokens[source] = replace(paying, amount=paying.amount - amount)
        target = token_address(wallet)
        paid = self._tokens.get(target, paid)
        self._tokens[target] = replace(paid, amount=paid.amount + amount - withheld)

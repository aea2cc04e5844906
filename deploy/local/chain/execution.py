"""Runs transactions on the virtual machine under the additional rules of a validator.

LiteSVM ignores the budget in a v1 header and the limit on loaded account data, and takes no fee
from a transaction whose program cannot be loaded. A validator does all three, so this module adds
them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from solders.account import Account
from solders.clock import Clock
from solders.compute_budget import ComputeBudget
from solders.litesvm import LiteSVM
from solders.message import MessageV0, MessageV1
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import (
    FailedTransactionMetadata,
    SimulatedTransactionInfo,
    TransactionMetadata,
)

from deploy.local.chain.budget import (
    LOADED_ACCOUNT_OVERHEAD_BYTES,
    SIGNATURE_FEE_LAMPORTS,
    AnyMessage,
    Budget,
    budget_of,
)
from deploy.local.chain.preinstalled import LAMPORTS_PER_BYTE, install

V1_FEATURE = Pubkey.from_string("txv1aq4pp281K9um3tnPgkfX8UqtFT6wcVW3hNezGLL")
FEATURE_PROGRAM = Pubkey.from_string("Feature111111111111111111111111111111111111")
UPGRADEABLE_LOADER = Pubkey.from_string("BPFLoaderUpgradeab1e11111111111111111111111")

_FEES_ONLY = frozenset({'"ProgramAccountNotFound"', '"InvalidProgramForExecution"'})
"""Errors while loading. The transaction lands unexecuted and pays its fee."""

_LOOKUP_TABLE_META_BYTES = 56
_ADDRESS_BYTES = 32


@dataclass(frozen=True, slots=True)
class Execution:
    """The result of a transaction. Without landing, it left no trace and paid nothing."""

    error: str | None
    metadata: TransactionMetadata
    landed: bool
    fee_lamports: int
    loaded_bytes: int = 0
    accounts_after: tuple[tuple[Pubkey, Account], ...] = ()

    @property
    def error_json(self) -> Any:
        """The `TransactionError` as JSON-RPC shows it; None for a success."""
        return None if self.error is None else json.loads(self.error)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A transaction with its addresses resolved and its accounts read."""

    transaction: VersionedTransaction
    message: AnyMessage
    budget: Budget
    addresses: list[Pubkey]
    lookups: list[Pubkey]
    accounts: list[Account | None]

    def writable(self) -> list[int]:
        """Return the indexes of the accounts the transaction may change."""
        static = len(self.addresses) - len(self.lookups)
        return writable_indexes(self.message, static, len(self.lookups))


class Executor:
    """One virtual machine with the rules of a validator."""

    def __init__(
        self, *, v1_active_since_slot: int | None, lamports_per_byte: int = LAMPORTS_PER_BYTE
    ) -> None:
        """Start a virtual machine. Without a v1 slot it refuses v1 transactions."""
        self.svm = (
            LiteSVM()
            .with_transaction_history(0)
            .with_blockhash_check(check=False)
            .with_sigverify(sigverify=False)
        )
        install(self.svm, lamports_per_byte=lamports_per_byte)
        self.v1 = v1_active_since_slot is not None
        if v1_active_since_slot is not None:
            data = b"\x01" + v1_active_since_slot.to_bytes(8, "little")
            lamports = self.svm.minimum_balance_for_rent_exemption(len(data))
            self.svm.set_account(V1_FEATURE, Account(lamports, data, FEATURE_PROGRAM))
        self._compute_budget = ComputeBudget(simd_0268_active=True)
        self._set_limits: tuple[int, int] | None = None
        self._program_bytes: dict[Pubkey, int] = {}

    def set_clock(self, *, slot: int, epoch: int, unix_seconds: int) -> None:
        """Move the clock that programs read."""
        self.svm.set_clock(Clock(slot, unix_seconds, epoch, epoch + 1, unix_seconds))

    def load(self, transaction: VersionedTransaction) -> Loaded:
        """Resolve the addresses of a transaction and read the present state of its accounts.

        Raises `BudgetRefusedError` if its header asks for more than a validator grants.
        """
        message = transaction.message
        budget = budget_of(message)
        read = self.svm.get_account
        lookups = lookup_addresses(message, read)
        addresses = [*message.account_keys, *lookups]
        accounts = [read(address) for address in addresses]
        return Loaded(transaction, message, budget, addresses, lookups, accounts)

    def simulate(self, loaded: Loaded) -> Execution:
        """Execute without committing."""
        budget = loaded.budget
        loaded_bytes = self._loaded_bytes(loaded)
        if loaded_bytes > budget.loaded_bytes:
            return refused("MaxLoadedAccountsDataSizeExceeded", budget.fee_lamports, loaded_bytes)
        payer = loaded.addresses[0]
        extra_lamports = _fee_unknown_to_the_machine(loaded)
        if not self._take(payer, extra_lamports, of_fee_lamports=budget.fee_lamports):
            return refused("InsufficientFundsForFee", budget.fee_lamports)
        self._limit(budget)
        result = self.svm.simulate_transaction(loaded.transaction)
        self._give_back(loaded, extra_lamports)
        error = error_json(result) if isinstance(result, FailedTransactionMetadata) else None
        after = result.post_accounts() if isinstance(result, SimulatedTransactionInfo) else ()
        fee = budget.fee_lamports
        return Execution(error, result.meta(), False, fee, loaded_bytes, tuple(after))

    def execute(self, loaded: Loaded) -> Execution:
        """Execute and commit. A landed failure pays its fee; a refusal changes nothing."""
        budget = loaded.budget
        payer = loaded.addresses[0]
        fee = budget.fee_lamports
        if self._loaded_bytes(loaded) > budget.loaded_bytes:
            landed = self._charge_only(payer, fee)
            return refused("MaxLoadedAccountsDataSizeExceeded", fee, landed=landed)
        extra_lamports = _fee_unknown_to_the_machine(loaded)
        if not self._take(payer, extra_lamports, of_fee_lamports=budget.fee_lamports):
            return refused("InsufficientFundsForFee", fee)
        before = self.svm.get_balance(payer)
        self._limit(budget)
        result = self.svm.send_transaction(loaded.transaction)
        if not isinstance(result, FailedTransactionMetadata):
            return Execution(None, result, True, fee)
        error = error_json(result)
        landed = self.svm.get_balance(payer) != before
        if not landed:
            self._give_back(loaded, extra_lamports)
            landed = error in _FEES_ONLY and self._charge_only(payer, fee)
        return Execution(error, result.meta(), landed, fee)

    def _limit(self, budget: Budget) -> None:
        limits = (budget.compute_units, budget.heap_bytes)
        if limits != self._set_limits:
            self._compute_budget.compute_unit_limit, self._compute_budget.heap_size = limits
            self.svm.with_compute_budget(self._compute_budget)
            self._set_limits = limits

    def _loaded_bytes(self, loaded: Loaded) -> int:
        """Add up the data of every loaded account, programs with their code."""
        total = 0
        for address, account in zip(loaded.addresses, loaded.accounts, strict=True):
            if account is None:
                continue
            if account.executable:
                total += self._bytes_of_program(address, account)
            else:
                total += LOADED_ACCOUNT_OVERHEAD_BYTES + len(account.data)
        return total

    def _bytes_of_program(self, address: Pubkey, program: Account) -> int:
        known = self._program_bytes.get(address)
        if known is None:
            known = LOADED_ACCOUNT_OVERHEAD_BYTES + len(program.data)
            if program.owner == UPGRADEABLE_LOADER:
                code = self.svm.get_account(Pubkey(program.data[4:36]))
                known += LOADED_ACCOUNT_OVERHEAD_BYTES + (len(code.data) if code else 0)
            self._program_bytes[address] = known
        return known

    def _take(self, payer: Pubkey, lamports: int, *, of_fee_lamports: int) -> bool:
        """Take a part of the fee; return False and take nothing if the payer lacks it."""
        if lamports == 0:
            return True
        account = self.svm.get_account(payer)
        if account is None or account.lamports < of_fee_lamports:
            return False
        self.svm.set_account(payer, _with_lamports(account, account.lamports - lamports))
        return True

    def _give_back(self, loaded: Loaded, lamports: int) -> None:
        """Restore the payer. The fee may have taken all its lamports, and so deleted it."""
        account = loaded.accounts[0]
        if lamports and account is not None:
            self.svm.set_account(loaded.addresses[0], account)

    def _charge_only(self, payer: Pubkey, fee_lamports: int) -> bool:
        """Charge for a transaction that failed to load; False if the payer cannot pay."""
        account = self.svm.get_account(payer)
        kept = self.svm.minimum_balance_for_rent_exemption(0)
        if account is None or account.data or account.lamports - fee_lamports < kept:
            return False
        return self._take(payer, fee_lamports, of_fee_lamports=fee_lamports)


def writable_indexes(message: AnyMessage, static: int, looked_up: int) -> list[int]:
    """Return the indexes of writable addresses, looked-up addresses included."""
    header = message.header
    signers = header.num_required_signatures
    indexes = [
        *range(signers - header.num_readonly_signed_accounts),
        *range(signers, static - header.num_readonly_unsigned_accounts),
    ]
    if isinstance(message, MessageV0):
        count = sum(len(table.writable_indexes) for table in message.address_table_lookups)
        indexes.extend(range(static, static + min(count, looked_up)))
    return indexes


def lookup_addresses(message: AnyMessage, read: Callable[[Pubkey], Account | None]) -> list[Pubkey]:
    """Resolve a v0 message's lookup tables; writable addresses of all tables come first."""
    if not isinstance(message, MessageV0) or not message.address_table_lookups:
        return []
    writable: list[Pubkey] = []
    readonly: list[Pubkey] = []
    for lookup in message.address_table_lookups:
        table = read(lookup.account_key)
        entries = b"" if table is None else table.data[_LOOKUP_TABLE_META_BYTES:]
        for indexes, found in (
            (lookup.writable_indexes, writable),
            (lookup.readonly_indexes, readonly),
        ):
            for index in indexes:
                entry = entries[index * _ADDRESS_BYTES : (index + 1) * _ADDRESS_BYTES]
                if len(entry) == _ADDRESS_BYTES:
                    found.append(Pubkey(entry))
    return writable + readonly


def error_json(failed: FailedTransactionMetadata) -> str:
    """Return the `TransactionError` of a failure as the JSON of JSON-RPC."""
    return json.dumps(json.loads(failed.to_json())["err"], separators=(",", ":"))


def _fee_unknown_to_the_machine(loaded: Loaded) -> int:
    """Return the priority fee of a v1 header, which the virtual machine ignores."""
    return loaded.budget.priority_fee_lamports if isinstance(loaded.message, MessageV1) else 0


def refused(
    error: str,
    fee_lamports: int = SIGNATURE_FEE_LAMPORTS,
    loaded_bytes: int = 0,
    *,
    landed: bool = False,
) -> Execution:
    """Describe a transaction that was not executed."""
    nothing = TransactionMetadata.from_json(_NOTHING_HAPPENED)
    return Execution(f'"{error}"', nothing, landed, fee_lamports, loaded_bytes)


def _with_lamports(account: Account, lamports: int) -> Account:
    return Account(lamports, account.data, account.owner, account.executable, account.rent_epoch)


_NOTHING_HAPPENED = json.dumps(
    {
        "signature": "1" * 64,
        "logs": [],
        "inner_instructions": [],
        "compute_units_consumed": 0,
        "return_data": {"program_id": [0] * 32, "data": []},
        "fee": 0,
    }
)

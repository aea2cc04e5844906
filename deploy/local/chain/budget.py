"""The resources that a transaction requests: compute units, account data, heap, priority fee.

Legacy and v0 transactions request them by ComputeBudget instructions, and get generous defaults.
v1 transactions request them in their header, and the default there is *zero* (SIMD-0385).
"""

from __future__ import annotations

from dataclasses import dataclass

from solders.message import Message, MessageV0, MessageV1
from solders.pubkey import Pubkey

from deploy.local.errors import LocalStackError

MAX_LEGACY_BYTES = 1_232
MAX_V1_BYTES = 4_096
MAX_V1_SIGNATURES = 12
MAX_V1_ADDRESSES = 64
MAX_V1_INSTRUCTIONS = 64
MAX_COMPUTE_UNITS = 1_400_000
MAX_LOADED_BYTES = 64 * 1024 * 1024
MIN_HEAP_BYTES = 32 * 1024
MAX_HEAP_BYTES = 256 * 1024
SIGNATURE_FEE_LAMPORTS = 5_000
LOADED_ACCOUNT_OVERHEAD_BYTES = 64

_PROGRAM_COMPUTE_UNITS = 200_000
_BUILTIN_COMPUTE_UNITS = 3_000
_MICRO_LAMPORTS = 1_000_000
COMPUTE_BUDGET_PROGRAM = Pubkey.from_string("ComputeBudget111111111111111111111111111111")
_BUILTINS = frozenset(
    {
        COMPUTE_BUDGET_PROGRAM,
        Pubkey.from_string("11111111111111111111111111111111"),
        Pubkey.from_string("Vote111111111111111111111111111111111111111"),
        Pubkey.from_string("BPFLoader1111111111111111111111111111111111"),
        Pubkey.from_string("BPFLoader2111111111111111111111111111111111"),
        Pubkey.from_string("BPFLoaderUpgradeab1e11111111111111111111111"),
        Pubkey.from_string("KeccakSecp256k11111111111111111111111111111"),
        Pubkey.from_string("Ed25519SigVerify111111111111111111111111111"),
    }
)

AnyMessage = Message | MessageV0 | MessageV1


class BudgetRefusedError(LocalStackError):
    """The header asks for more than a validator grants; carries the transaction error."""

    def __init__(self, error: str) -> None:
        """Store the name of the `TransactionError`."""
        super().__init__(error)
        self.error = error


@dataclass(frozen=True, slots=True)
class Budget:
    """The resources of a transaction, and its fee on top of its signatures."""

    compute_units: int
    loaded_bytes: int
    heap_bytes: int
    priority_fee_lamports: int
    signatures: int

    @property
    def fee_lamports(self) -> int:
        """The whole fee. A landed transaction owes the fee even if it failed."""
        return self.signatures * SIGNATURE_FEE_LAMPORTS + self.priority_fee_lamports

    @property
    def micro_lamports_per_compute_unit(self) -> int:
        """The price in `getRecentPrioritizationFees`."""
        if self.compute_units == 0:
            return 0
        return self.priority_fee_lamports * _MICRO_LAMPORTS // self.compute_units


def budget_of(message: AnyMessage) -> Budget:
    """Read a message's budget; raise `BudgetRefusedError` for a v1 header out of bounds."""
    if isinstance(message, MessageV1):
        return _budget_of_v1(message)
    return _budget_of_instructions(message)


def _budget_of_v1(message: MessageV1) -> Budget:
    config = message.config
    budget = Budget(
        compute_units=config.compute_unit_limit or 0,
        loaded_bytes=config.loaded_accounts_data_size_limit or 0,
        heap_bytes=config.heap_size or MIN_HEAP_BYTES,
        priority_fee_lamports=config.priority_fee or 0,
        signatures=message.header.num_required_signatures,
    )
    heap_fits = MIN_HEAP_BYTES <= budget.heap_bytes <= MAX_HEAP_BYTES
    if (
        budget.compute_units > MAX_COMPUTE_UNITS
        or budget.loaded_bytes > MAX_LOADED_BYTES
        or not heap_fits
        or budget.heap_bytes % 1024
    ):
        raise BudgetRefusedError("SanitizeFailure")
    if budget.loaded_bytes == 0:
        raise BudgetRefusedError("InvalidLoadedAccountsDataSizeLimit")
    return budget


def _budget_of_instructions(message: Message | MessageV0) -> Budget:
    """Add up ComputeBudget instructions. The virtual machine refuses malformed ones."""
    keys = message.account_keys
    asked: dict[int, int] = {}
    default_units = 0
    for instruction in message.instructions:
        program = keys[instruction.program_id_index]
        default_units += _BUILTIN_COMPUTE_UNITS if program in _BUILTINS else _PROGRAM_COMPUTE_UNITS
        if program == COMPUTE_BUDGET_PROGRAM and len(instruction.data) > 1:
            asked[instruction.data[0]] = int.from_bytes(instruction.data[1:], "little")
    compute_units = min(asked.get(2, default_units), MAX_COMPUTE_UNITS)
    micro_lamports = asked.get(3, 0) * compute_units
    return Budget(
        compute_units=compute_units,
        loaded_bytes=min(asked.get(4, MAX_LOADED_BYTES), MAX_LOADED_BYTES),
        heap_bytes=asked.get(1, MIN_HEAP_BYTES),
        priority_fee_lamports=-(-micro_lamports // _MICRO_LAMPORTS),
        signatures=message.header.num_required_signatures,
    )

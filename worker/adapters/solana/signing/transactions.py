"""Turns intents into signed transactions, and finds out how much fits into one.

The order of instructions is: all receipts, the memo, the transfers. With it, a payment whose
receipt exists already fails early and cheaply, and the memo directly precedes the first transfer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import MessageV0, MessageV1, TransactionConfig, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from worker.adapters.solana import instructions as make
from worker.adapters.solana.addresses import associated_account, receipt_address
from worker.adapters.solana.errors import IntentTooLarge
from worker.adapters.solana.signing.keys import Keyring
from worker.adapters.solana.signing.signing_key import SigningKey
from worker.core.payout.chain import Intent, Transfer
from worker.core.plan.receipts import Resolution, receipt_seed

COMPUTE_UNITS_MAX = 1_400_000
LOADED_BYTES_MAX = 64 * 1024 * 1024
ACCOUNTS_MAX = 64
INSTRUCTIONS_MAX = 64
V0_BYTES_MAX = 1_232
V1_BYTES_MAX = 4_096
MICRO_LAMPORTS = 1_000_000

SAMPLE_MEMO = "2024-12-09/00007"
"""The memo with which capacities are measured. It is as long as every batch id."""

INSTRUCTIONS_TRACED_PER_CREATION = 7
"""A transaction may make 64 calls in total, and the creation of an account calls other programs.

It makes 5 calls for a fresh address, and 7 for an address that holds lamports already. If the limit
assumed 5 calls, a stranger could block a whole transaction at a cost of a thousandth of a SOL per
address.
"""


@dataclass(frozen=True, slots=True)
class ComputeBudget:
    """The resources of a transaction. A v1 transaction gets exactly these, without defaults."""

    compute_units: int = COMPUTE_UNITS_MAX
    loaded_bytes: int = LOADED_BYTES_MAX
    priority_fee_lamports: int = 0


_SAMPLE_BUDGET = ComputeBudget(priority_fee_lamports=1)
"""A sample pays a fee, so that capacities are the same with and without one."""


@dataclass(frozen=True, slots=True)
class Built:
    """Instructions, and the keys that must sign them."""

    instructions: list[Instruction]
    signers: list[SigningKey]

    def __repr__(self) -> str:
        return f"Built({len(self.instructions)} instructions)"


class TransactionMaker:
    """Makes transactions of one version, mint and set of keys. Makes no requests.

    No message is longer than all keys sign.
    """

    def __init__(
        self, keys: Keyring, *, mint: Pubkey, token_program: Pubkey, source: Pubkey, v1: bool
    ) -> None:
        self.v1 = v1
        self._keys = keys
        self._message_bytes_max = keys.message_bytes_max()
        self._mint = mint
        self._token_program = token_program
        self._base = keys.receipt_key.pubkey()
        self._payer = keys.fee_payer.pubkey()
        self._transfers = make.TransferMaker(token_program, mint, source, keys.authority.pubkey())

    def of_intent(self, intent: Intent, rents: Mapping[Resolution, int]) -> Built:
        """The instructions of an intent. `rents` holds the rent of each resolution, in lamports."""
        listed: list[Instruction] = []
        for receipt_id in intent.receipts:
            address = receipt_address(self._base, receipt_id)
            seed, space = receipt_seed(receipt_id), intent.resolution
            listed.append(make.transfer_lamports(self._payer, address, rents[space]))
            listed.append(make.allocate_with_seed(address, self._base, seed, space))
        if intent.memo:
            listed.append(make.memo(intent.memo))
        listed.extend(
            self._transfers.make(self._account(transfer.wallet), transfer.amount)
            for transfer in intent.transfers
        )
        signers = self._keys.signers(
            moves_tokens=bool(intent.transfers), makes_receipts=bool(intent.receipts)
        )
        return Built(listed, signers)

    def of_creations(self, wallets: Sequence[str]) -> Built:
        """Idempotent creations of associated token accounts, paid by the fee payer alone."""
        listed = [
            make.create_account_idempotent(
                self._payer,
                self._account(wallet),
                Pubkey.from_string(wallet),
                self._mint,
                self._token_program,
            )
            for wallet in wallets
        ]
        signers = self._keys.signers(moves_tokens=False, makes_receipts=False)
        return Built(listed, signers)

    def signed(self, built: Built, blockhash: Hash, budget: ComputeBudget) -> VersionedTransaction:
        """
        Raises:
            IntentTooLarge: the instructions do not fit into one transaction.
            KeyUnusable: a key cannot sign now.
        """
        message = self._message(built.instructions, blockhash, budget)
        if not self._fits(message, len(bytes(_without_signatures(message)))):
            raise IntentTooLarge((), len(built.instructions))
        keys = {key.pubkey(): key for key in built.signers}
        signers = message.account_keys[: message.header.num_required_signatures]
        signed = to_bytes_versioned(message)
        return VersionedTransaction.populate(
            message, [keys[signer].sign_message(signed) for signer in signers]
        )

    def unsigned(self, built: Built, budget: ComputeBudget) -> VersionedTransaction:
        """A transaction with empty signatures and blockhash, to simulate or to measure."""
        return _without_signatures(self._message(built.instructions, Hash.default(), budget))

    @cached_property
    def transfers_max(self) -> int:
        """The number of transfers that fit beside one receipt and a memo."""
        return self._largest(self._sample_payment, INSTRUCTIONS_MAX)

    @cached_property
    def creations_max(self) -> int:
        """The number of account creations that fit, even if strangers sent lamports there."""
        most = INSTRUCTIONS_MAX // INSTRUCTIONS_TRACED_PER_CREATION
        return self._largest(lambda count: self.of_creations(sample_wallets(count)), most)

    def samples(self) -> list[VersionedTransaction]:
        """Unsigned transactions of the largest payment and of the most account creations."""
        largest = (
            self._sample_payment(self.transfers_max),
            self.of_creations(sample_wallets(self.creations_max)),
        )
        return [self.unsigned(built, _SAMPLE_BUDGET) for built in largest]

    def _sample_payment(self, transfers: int) -> Built:
        paid = tuple(Transfer(wallet, 1) for wallet in sample_wallets(transfers))  # type: ignore[arg-type]
        intent = Intent(("sample",), Resolution.PAID, paid, SAMPLE_MEMO)
        return self.of_intent(intent, {Resolution.PAID: 1})

    def _largest(self, sample: Callable[[int], Built], most: int) -> int:
        for count in range(most, 0, -1):
            transaction = self.unsigned(sample(count), _SAMPLE_BUDGET)
            if self._fits(transaction.message, len(bytes(transaction))):
                return count
        return 0

    def _account(self, wallet: str) -> Pubkey:
        return associated_account(wallet, self._mint, self._token_program)

    def _message(
        self, instructions: list[Instruction], blockhash: Hash, budget: ComputeBudget
    ) -> MessageV0 | MessageV1:
        if self.v1:
            config = TransactionConfig(
                priority_fee=budget.priority_fee_lamports,
                compute_unit_limit=budget.compute_units,
                loaded_accounts_data_size_limit=budget.loaded_bytes,
            )
            return MessageV1.try_compile(self._payer, instructions, blockhash, config)
        price = budget.priority_fee_lamports * MICRO_LAMPORTS // budget.compute_units
        listed = [make.compute_unit_limit(budget.compute_units)]
        listed += [make.compute_unit_price(price)] if budget.priority_fee_lamports else []
        return MessageV0.try_compile(self._payer, [*listed, *instructions], [], blockhash)

    def _fits(self, message: object, length_bytes: int) -> bool:
        assert isinstance(message, MessageV0 | MessageV1)  # noqa: S101 - narrows a union
        return (
            length_bytes <= (V1_BYTES_MAX if self.v1 else V0_BYTES_MAX)
            and len(to_bytes_versioned(message)) <= self._message_bytes_max
            and len(message.account_keys) <= ACCOUNTS_MAX
            and len(message.instructions) <= INSTRUCTIONS_MAX
        )


def _without_signatures(message: MessageV0 | MessageV1) -> VersionedTransaction:
    empty = [Signature.default()] * message.header.num_required_signatures
    return VersionedTransaction.populate(message, empty)


def sample_wallets(count: int) -> list[str]:
    """Fixed, made-up wallets."""
    names = (f"kontrib/sample/{number}".encode() for number in range(count))
    keys = (Keypair.from_seed(hashlib.sha256(name).digest()) for name in names)
    return [str(key.pubkey()) for key in keys]

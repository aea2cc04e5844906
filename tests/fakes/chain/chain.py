"""`FakeChain`: the in-memory twin of `SolanaChain`, one client of a `FakeLedger`.

Two operators are two of these on one ledger. Wallets are real addresses (any base58 public key
on the curve; `wallet_named` makes them), every other address is a readable name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

from tests.fakes.chain.faults import FakeEndpoint as FakeEndpoint
from tests.fakes.chain.faults import observed
from tests.fakes.chain.ledger import STATUS_CACHE_SLOTS, FakeLedger
from tests.fakes.chain.transactions import (
    FEE_PER_SIGNATURE,
    SYSTEM,
    TOKEN_ACCOUNT_RENT,
    Landed,
    Request,
    TokenAccount,
    receipt_address,
    rent_minimum,
    signature_of,
    token_address,
)
from tests.fakes.wallets import recipient_of
from tests.fakes.wallets import wallet_named as wallet_named
from worker.adapters.solana.errors import AuthorityUnusable, IntentTooLarge, MintUnusable
from worker.core.errors import Unreachable
from worker.core.money import BaseUnits, Lamports
from worker.core.payout.chain import (
    AccountProblem,
    Blockhash,
    Costs,
    Execution,
    Height,
    Intent,
    Landing,
    Recipient,
    SendResult,
    SignatureStatus,
    Transfer,
    Treasury,
)
from worker.core.plan.receipts import ReceiptState, Resolution, receipt_seed, state_of
from worker.ports.payout import PublicAddresses, Signed


class FakeChain:
    """One operator's keys on a shared ledger. Set `before` or `after` to inject faults."""

    def __init__(
        self,
        ledger: FakeLedger,
        *,
        authority: str = "authority",
        receipt_key: str | None = None,
        fee_payer: str | None = None,
        source: str | None = None,
        endpoints: Sequence[FakeEndpoint] | None = None,
        transfers_per_transaction: int | None = None,
        accounts_per_transaction: int = 9,
    ) -> None:
        self.ledger = ledger
        self.authority = authority
        self.receipt_key = receipt_key or authority
        self.fee_payer = fee_payer or authority
        self.source = source or token_address(authority)
        self.endpoints = list(endpoints) if endpoints else [FakeEndpoint()]
        self.signatures = len({self.authority, self.receipt_key, self.fee_payer})
        self.transfers_per_transaction = transfers_per_transaction or 58 - self.signatures
        self.accounts_per_transaction = accounts_per_transaction
        self.refuses_sends: str | None = None
        self.has_history = True
        self.before: Callable[[str], None] = lambda method: None
        self.after: Callable[[str], None] = lambda method: None

    # --- for tests -------------------------------------------------------------------------

    def fund(self, *, tokens: int = 0, lamports: int = 0) -> None:
        """Put tokens into the source account and lamports into the fee payer's."""
        existing = self.ledger.token_account(self.source) or TokenAccount(self.authority)
        self.ledger.put_token_account(self.source, existing)
        self.ledger.change_token_account(self.source, amount=existing.amount + tokens)
        self.ledger.give_lamports(self.fee_payer, lamports)

    def receipt_address(self, receipt_id: str) -> str:
        return receipt_address(self.receipt_key, receipt_seed(receipt_id))

    # --- the port --------------------------------------------------------------------------

    @property
    def mint(self) -> str:
        return self.ledger.mint

    @property
    def receipt_secret(self) -> bytes:
        return hashlib.sha256(f"secret of {self.receipt_key}".encode()).digest()

    @property
    def public_addresses(self) -> PublicAddresses:
        return PublicAddresses(self.receipt_key, self.source)

    @observed
    def cluster_genesis(self) -> str:
        self._any_endpoint()
        return self.ledger.cluster_genesis

    @observed
    def check_mint(self) -> None:
        self._any_endpoint()
        if self.ledger.mint_problem is not None:
            raise MintUnusable(self.mint, self.ledger.mint_problem)
        account = self.ledger.token_account(self.source)
        if account is None or self.authority not in (account.owner, account.delegate):
            found = "no account" if account is None else f"owner {account.owner}"
            raise AuthorityUnusable(self.authority, self.source, found)

    @observed
    def treasury(self) -> Treasury:
        slot = self._confirmed_slot()
        source = self.ledger.token_account(self.source, slot)
        payer = self.ledger.account(self.fee_payer, slot)
        owns = source is None or source.owner == self.authority
        return Treasury(
            tokens=BaseUnits(source.amount if source else 0),
            allowance=None if owns or source is None else BaseUnits(source.allowance),
            lamports=Lamports(payer.lamports if payer else 0),
        )

    @observed
    def costs(self) -> Costs:
        self._any_endpoint()
        return Costs(
            receipt_rent=Lamports(rent_minimum(Resolution.PAID)),
            token_account_rent=Lamports(TOKEN_ACCOUNT_RENT),
            fee_per_signature=Lamports(FEE_PER_SIGNATURE),
            signatures=self.signatures,
            transfers_per_transaction=self.transfers_per_transaction,
            accounts_per_transaction=self.accounts_per_transaction,
        )

    @observed
    def finalized_height(self) -> Height:
        self._any_endpoint()
        lags = [endpoint.lag_slots for endpoint in self.endpoints if not endpoint.down]
        block = self.ledger.block(self.ledger.finalized_lag_slots + max(lags))
        return Height(block.height, block.slot)

    @observed
    def latest_blockhash(self) -> Blockhash:
        endpoint = self._any_endpoint()
        block = self.ledger.block(self.ledger.confirmed_lag_slots + endpoint.lag_slots)
        return Blockhash(block.blockhash, block.height + 150)

    @observed
    def receipts(self, ids: Sequence[str], *, not_before_slot: int = 0) -> dict[str, ReceiptState]:
        return {
            receipt_id: self._receipt(self.receipt_address(receipt_id), not_before_slot)
            for receipt_id in ids
        }

    @observed
    def executions(self, ids: Sequence[str]) -> dict[str, Execution]:
        self._any_endpoint()
        found = (
            (receipt_id, self.ledger.allocated_by.get(self.receipt_address(receipt_id)))
            for receipt_id in ids
        )
        return self._executions({receipt_id: by for receipt_id, by in found if by})

    @observed
    def executions_of(self, signatures: Mapping[str, str]) -> dict[str, Execution]:
        self._any_endpoint()
        return self._executions(signatures)

    @observed
    def recipients(self, wallets: Sequence[str]) -> list[Recipient]:
        slot = self._confirmed_slot()
        return [self._recipient(wallet, slot) for wallet in wallets]

    @observed
    def sign(self, intents: Sequence[Intent], blockhash: Blockhash) -> list[Signed]:
        return [_signed(self._request(intent, blockhash), blockhash) for intent in intents]

    @observed
    def sign_account_creations(self, wallets: Sequence[str], blockhash: Blockhash) -> list[Signed]:
        size = self.accounts_per_transaction
        groups = (tuple(wallets[start : start + size]) for start in range(0, len(wallets), size))
        payer = self.fee_payer
        return [
            _signed(Request(blockhash.value, payer, (payer,), creations=group), blockhash)
            for group in groups
        ]

    @observed
    def send(self, wires: Sequence[tuple[str, bytes]]) -> list[SendResult]:
        if self.refuses_sends is not None:
            return [SendResult(signature, self.refuses_sends) for signature, _ in wires]
        if not all(endpoint.down for endpoint in self.endpoints):
            for signature, wire in wires:
                self.ledger.submit(signature, wire)
        return [SendResult(signature) for signature, _ in wires]

    @observed
    def statuses(self, signatures: Sequence[str]) -> list[SignatureStatus]:
        self._any_endpoint()
        return [self._status(signature) for signature in signatures]

    # --- one thing at a time ---------------------------------------------------------------

    def _any_endpoint(self) -> FakeEndpoint:
        for endpoint in self.endpoints:
            if not endpoint.down:
                return endpoint
        raise Unreachable("no endpoint answers")

    def _confirmed_slot(self) -> int:
        endpoint = self._any_endpoint()
        return self.ledger.block(self.ledger.confirmed_lag_slots + endpoint.lag_slots).slot

    def _receipt(self, address: str, not_before_slot: int) -> ReceiptState:
        states = set()
        for endpoint in self.endpoints:
            slot = self.ledger.block(self.ledger.finalized_lag_slots + endpoint.lag_slots).slot
            if endpoint.down or slot < not_before_slot:
                return ReceiptState.UNKNOWN
            account = self.ledger.account(address, slot)
            foreign = account is not None and account.owner != SYSTEM
            states.add(
                ReceiptState.UNKNOWN if foreign else state_of(account.space if account else None)
            )
        return states.pop() if len(states) == 1 else ReceiptState.UNKNOWN

    def _executions(self, signatures: Mapping[str, str]) -> dict[str, Execution]:
        finalized = self.ledger.block(self.ledger.finalized_lag_slots).slot
        found = {}
        for receipt_id, signature in signatures.items():
            landed = self.ledger.landed.get(signature)
            pair = (receipt_id, self.receipt_address(receipt_id))
            if landed is None or landed.error is not None or landed.slot > finalized:
                continue
            if self.has_history and pair in landed.request.allocations:
                found[receipt_id] = self._execution(receipt_id, landed)
        return found

    def _execution(self, receipt_id: str, landed: Landed) -> Execution:
        request = landed.request
        return Execution(
            receipt=receipt_id,
            resolution=Resolution(request.space),
            signature=landed.signature,
            slot=landed.slot,
            fee=Lamports(landed.fee),
            memo=request.memo,
            transfers=tuple(
                Transfer(wallet, BaseUnits(amount)) for wallet, amount in request.transfers
            ),
            source=request.source if request.transfers else "",
            source_decrease=BaseUnits(landed.source_decrease),
            landed_at=self.ledger.time_of(landed.slot),
        )

    def _recipient(self, wallet: str, slot: int) -> Recipient:
        ours = (self.authority, self.receipt_key, self.fee_payer, self.source, self.mint)
        if wallet in ours:
            return Recipient(wallet, AccountProblem.OURS, account_exists=False)
        account = self.ledger.account(wallet, slot)
        return recipient_of(wallet, account, self.ledger.token_account(token_address(wallet), slot))

    def _request(self, intent: Intent, blockhash: Blockhash) -> Request:
        if len(intent.transfers) > self.transfers_per_transaction:
            raise IntentTooLarge(intent.receipts, len(intent.transfers))
        signers = [self.fee_payer]
        signers += [self.receipt_key] if intent.receipts else []
        signers += [self.authority] if intent.transfers else []
        return Request(
            blockhash=blockhash.value,
            fee_payer=self.fee_payer,
            signers=tuple(sorted(set(signers))),
            authority=self.authority,
            source=self.source,
            allocations=tuple((it, self.receipt_address(it)) for it in intent.receipts),
            space=int(intent.resolution),
            transfers=tuple((transfer.wallet, transfer.amount) for transfer in intent.transfers),
            memo=intent.memo,
        )

    def _status(self, signature: str) -> SignatureStatus:
        landed = self.ledger.landed.get(signature)
        if landed is None or landed.slot < self.ledger.slot - STATUS_CACHE_SLOTS:
            return SignatureStatus(Landing.UNSEEN)
        if landed.slot > self.ledger.block(self.ledger.finalized_lag_slots).slot:
            return SignatureStatus(Landing.PENDING)
        if landed.error is not None:
            return SignatureStatus(Landing.FAILED, landed.error)
        return SignatureStatus(Landing.FINALIZED)


def _signed(request: Request, blockhash: Blockhash) -> Signed:
    wire = request.wire()
    return Signed(signature_of(wire), wire, blockhash)

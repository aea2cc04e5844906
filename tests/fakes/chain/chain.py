"""`FakeChain`: the in-memory twin of `SolanaChain`, one client of a `FakeLedger`.

Two operators have two clients of one ledger. Wallets are real base58 public keys on the curve,
made by `wallet_named`. Every other address is a readable name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from tests.fakes.chain.faults import FakeEndpoint as FakeEndpoint
from tests.fakes.chain.faults import observed
from tests.fakes.chain.ledger import FakeLedger
from tests.fakes.chain.reader import FakeReader
from tests.fakes.chain.transactions import (
    FEE_PER_SIGNATURE,
    TOKEN_ACCOUNT_RENT,
    Request,
    TokenAccount,
    rent_minimum,
    signature_of,
    token_address,
)
from tests.fakes.wallets import recipient_of
from tests.fakes.wallets import wallet_named as wallet_named
from worker.adapters.solana.errors import (
    AuthorityUnusable,
    IntentTooLarge,
    MintUnusable,
    SampleRefused,
)
from worker.core.cost import Charge
from worker.core.identity import plan_salt
from worker.core.money import BaseUnits, Lamports
from worker.core.payout.chain import (
    AccountProblem,
    Blockhash,
    Costs,
    Intent,
    Recipient,
    SendResult,
    Treasury,
)
from worker.core.plan.receipts import Resolution
from worker.core.week import Week
from worker.ports.payout import EndpointReport, PublicAddresses, Signed


class FakeChain(FakeReader):
    """One operator's keys on a shared ledger."""

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
        super().__init__(ledger, receipt_key or authority, endpoints)
        self.authority = authority
        self.fee_payer = fee_payer or authority
        self.source = source or token_address(authority)
        self.signatures = len({self.authority, self.receipt_key, self.fee_payer})
        self.transfers_per_transaction = transfers_per_transaction or 58 - self.signatures
        self.accounts_per_transaction = accounts_per_transaction
        self.refuses_sends: str | None = None

    def fund(self, *, tokens: int = 0, lamports: int = 0) -> None:
        """Put tokens into the source account and lamports into the fee payer's."""
        existing = self.ledger.token_account(self.source) or TokenAccount(self.authority)
        self.ledger.put_token_account(self.source, existing)
        self.ledger.change_token_account(self.source, amount=existing.amount + tokens)
        self.ledger.give_lamports(self.fee_payer, lamports)

    @property
    def receipt_secret(self) -> bytes:
        return hashlib.sha256(f"secret of {self.receipt_key}".encode()).digest()

    @observed
    def plan_salt(self, week: Week) -> bytes:
        return plan_salt(self.receipt_secret, week)

    @property
    def public_addresses(self) -> PublicAddresses:
        return PublicAddresses(self.receipt_key, self.source)

    @observed
    def check_keys(self) -> None:
        """The fake's keys always sign."""

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
    def check_endpoints(self) -> None:
        self._majority()
        refused = {
            f"endpoint {number}": each.refuses_samples
            for number, each in enumerate(self.endpoints, 1)
            if each.refuses_samples and not each.down
        }
        if refused:
            raise SampleRefused(refused)

    @observed
    def endpoint_reports(self) -> list[EndpointReport]:
        lags = [each.lag_slots for each in self.endpoints]
        return [
            EndpointReport(
                host=f"endpoint {number}",
                problem="it does not answer" if each.down else each.refuses_samples,
                slots_behind=each.lag_slots - min(lags),
            )
            for number, each in enumerate(self.endpoints, 1)
        ]

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
            source_account=self.source,
            fee_payer=self.fee_payer,
        )

    @observed
    def costs(self) -> Costs:
        self._any_endpoint()
        return Costs(
            receipt_rent=Lamports(rent_minimum(Resolution.PAID)),
            void_receipt_rent=Lamports(rent_minimum(Resolution.VOID)),
            token_account_rent=Lamports(TOKEN_ACCOUNT_RENT),
            fee_per_signature=Lamports(FEE_PER_SIGNATURE),
            signatures=self.signatures,
            transfers_per_transaction=self.transfers_per_transaction,
            accounts_per_transaction=self.accounts_per_transaction,
        )

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
            replace(
                _signed(Request(blockhash.value, payer, (payer,), creations=group), blockhash),
                charge=Charge(
                    Lamports(FEE_PER_SIGNATURE),
                    Lamports(len(group) * TOKEN_ACCOUNT_RENT),
                    len(group),
                ),
            )
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


def _signed(request: Request, blockhash: Blockhash) -> Signed:
    wire = request.wire()
    return Signed(signature_of(wire), wire, blockhash)

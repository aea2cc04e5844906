"""`SolanaChain`: one Solana cluster with our keys. Implements `worker.ports.payout.Chain`."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType

from worker.adapters.solana.addresses import receipt_address
from worker.adapters.solana.facts import ClusterFacts, read_confirmed
from worker.adapters.solana.prices import Prices
from worker.adapters.solana.reader import ChainReader
from worker.adapters.solana.reading.accounts import ChainAccount
from worker.adapters.solana.reading.charges import read_charges
from worker.adapters.solana.reading.cluster import (
    read_blockhash,
)
from worker.adapters.solana.reading.mint import check_source, token_account_bytes, usable_mint
from worker.adapters.solana.reading.recipients import RecipientReader
from worker.adapters.solana.reading.token_account_bytes import token_account
from worker.adapters.solana.reports import read_reports
from worker.adapters.solana.rpc.endpoint import DEFAULT_RETRIES, Retries
from worker.adapters.solana.rpc.endpoints import Rpc
from worker.adapters.solana.samples import Samples
from worker.adapters.solana.signer import RESOLUTION_SPACES, Signer
from worker.adapters.solana.signing import landing
from worker.adapters.solana.signing.keys import Keyring, read_address
from worker.adapters.solana.signing.signing_key import SigningKey
from worker.core.cost import Charge
from worker.core.errors import Unreachable
from worker.core.money import BaseUnits, Lamports
from worker.core.payout.chain import (
    Blockhash,
    Costs,
    Intent,
    Landing,
    Recipient,
    SendResult,
    SignatureStatus,
    Treasury,
)
from worker.core.plan.receipts import Resolution
from worker.core.week import Week
from worker.ports.payout import EndpointReport, PublicAddresses, Signed

TREASURY_FRESH_SECONDS = 2.0
"""How long the balances that `check_mint` saw serve as the treasury."""
NOT_READ: tuple[float, ChainAccount | None, ChainAccount | None] = (-math.inf, None, None)
"""The time, and the source's and the fee payer's account, in place of what `check_mint` read."""

_LANDED = (Landing.CONFIRMED, Landing.FINALIZED)


class SolanaChain(ChainReader):
    """Synchronous and bulk. Usable on both sides of a fork."""

    def __init__(
        self,
        endpoints: Sequence[str],
        mint: str,
        authority: SigningKey,
        receipt_key: SigningKey,
        fee_payer: SigningKey,
        source_token_account: str | None,
        *,
        timeout_seconds: float,
        priority_fee_lamports_max: int = 0,
        earlier_salts: Mapping[str, bytes] = MappingProxyType({}),
        retries: Retries = DEFAULT_RETRIES,
    ) -> None:
        """
        Raises:
            EndpointUnusable: an endpoint is not a URL.
            AddressUnusable: the mint or the source account is not an address.
        """
        self._mint = read_address("mint", mint)
        source = source_token_account
        configured = None if source is None else read_address("source token account", source)
        super().__init__(Rpc(endpoints, timeout_seconds, retries), receipt_key.pubkey(), mint)
        self._keys = Keyring(authority, receipt_key, fee_payer, earlier_salts)
        self._payer = fee_payer.pubkey()
        self._facts = ClusterFacts(self._rpc, self._keys, self._mint, configured)
        self._samples = Samples(self._rpc, self._facts)
        self._prices = Prices(self._rpc, self._payer)
        self._fresh_treasury = NOT_READ
        self._priority_fee_lamports_max = priority_fee_lamports_max
        self._signer = Signer(
            self._rpc, self._facts, self._prices, self._payer, priority_fee_lamports_max
        )
        self._creations: tuple[frozenset[str], ...] = ()

    def __repr__(self) -> str:
        return f"SolanaChain({self._rpc}, mint={self._mint}, {self._keys})"

    def receipt_address(self, receipt_id: str) -> str:
        """The address of a receipt on chain, in base58."""
        return str(receipt_address(self._base, receipt_id))

    # --- the cluster and our accounts ------------------------------------------------------

    @property
    def mint(self) -> str:
        return str(self._mint)

    def plan_salt(self, week: Week) -> bytes:
        return self._keys.salts.of(week)

    @property
    def public_addresses(self) -> PublicAddresses:
        return PublicAddresses(str(self._base), str(self._facts.source))

    def check_keys(self) -> None:
        self._keys.check()

    def check_mint(self) -> None:
        # Read anew each time: mint and source may have changed since this process began.
        source = self._facts.source
        mint, account, payer = read_confirmed(self._rpc, [self._mint, source, self._payer])
        usable_mint(self._mint, mint)
        check_source(self._keys.authority.pubkey(), source, self._mint, account)
        self._fresh_treasury = time.monotonic(), account, payer

    def check_endpoints(self) -> None:
        self._samples.check()

    def endpoint_reports(self) -> list[EndpointReport]:
        try:
            samples = self._facts.maker.samples()
        except Unreachable:  # the reports show why
            samples = []
        return read_reports(self._rpc, str(self._payer), samples)

    @property
    def endpoint_troubles(self) -> Sequence[str]:
        return self._rpc.troubles

    def treasury(self) -> Treasury:
        (read_at, source, payer), self._fresh_treasury = self._fresh_treasury, NOT_READ
        if time.monotonic() - read_at >= TREASURY_FRESH_SECONDS:
            source, payer = read_confirmed(self._rpc, [self._facts.source, self._payer])
        state = token_account(source)
        owns = state is None or state.owner == str(self._keys.authority.pubkey())
        return Treasury(
            tokens=BaseUnits(state.amount if state else 0),
            allowance=None if owns or state is None else BaseUnits(state.delegated_amount),
            lamports=Lamports(payer.lamports if payer else 0),
            source_account=str(self._facts.source),
            fee_payer=str(self._payer),
        )

    def costs(self) -> Costs:
        maker = self._facts.maker
        account_bytes = token_account_bytes(self._facts.mint_state)
        rents = self._prices.rents(*RESOLUTION_SPACES, account_bytes)
        return Costs(
            receipt_rent=Lamports(rents[Resolution.PAID]),
            void_receipt_rent=Lamports(rents[Resolution.VOID]),
            token_account_rent=Lamports(rents[account_bytes]),
            fee_per_signature=Lamports(self._prices.fee_per_signature()),
            signatures=len(self._keys.signers(moves_tokens=True, makes_receipts=True)),
            transfers_per_transaction=maker.transfers_max,
            accounts_per_transaction=maker.creations_max,
            priority_fee_max=Lamports(self._priority_fee_lamports_max),
        )

    def latest_blockhash(self) -> Blockhash:
        return read_blockhash(self._rpc)

    def recipients(self, wallets: Sequence[str]) -> list[Recipient]:
        return self._recipients.read(wallets)

    @cached_property
    def _recipients(self) -> RecipientReader:
        return RecipientReader(
            self._rpc,
            mint=self._mint,
            token_program=self._facts.mint_state.token_program,
            ours=[*(k.pubkey() for k in self._keys.all()), self._facts.source, self._mint],
        )

    # --- signing and sending ---------------------------------------------------------------

    def sign(self, intents: Sequence[Intent], blockhash: Blockhash) -> list[Signed]:
        return self._signer.sign(intents, blockhash)

    def sign_account_creations(self, wallets: Sequence[str], blockhash: Blockhash) -> list[Signed]:
        signed = self._signer.sign_account_creations(wallets, blockhash)
        self._creations = (*self._creations[-1:], frozenset(each.signature for each in signed))
        return signed

    def send(self, wires: Sequence[tuple[str, bytes]]) -> list[SendResult]:
        return landing.send(self._rpc, wires)

    def statuses(self, signatures: Sequence[str]) -> list[SignatureStatus]:
        found = landing.statuses(self._rpc, signatures)
        # Creations alone, of the last two groups: payments make no accounts to wait for.
        for signature, status in zip(signatures, found, strict=True):
            if any(signature in it for it in self._creations) and status.landing in _LANDED:
                self._recipients.require_slot(status.landed_at_slot)
        return found

    def charges(self, signatures: Sequence[str]) -> dict[str, Charge]:
        return read_charges(self._rpc, signatures) if signatures else {}

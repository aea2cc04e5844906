"""`SolanaChain`: one Solana cluster with our keys, as `worker.ports.payout.Chain` wants it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from solders.hash import Hash
from solders.keypair import Keypair

from worker.adapters.solana.addresses import receipt_address
from worker.adapters.solana.cluster import read_cluster_genesis
from worker.adapters.solana.errors import IntentTooLarge, MalformedAnswer
from worker.adapters.solana.facts import ClusterFacts, read_confirmed
from worker.adapters.solana.prices import Prices
from worker.adapters.solana.reading.accounts import CONFIRMED, FINALIZED
from worker.adapters.solana.reading.history import History
from worker.adapters.solana.reading.mint import check_source, token_account_bytes, usable_mint
from worker.adapters.solana.reading.receipt_states import read_receipts
from worker.adapters.solana.reading.recipients import RecipientReader
from worker.adapters.solana.reading.token_account_bytes import token_account
from worker.adapters.solana.rpc.calls import Call, Reply
from worker.adapters.solana.rpc.endpoint import DEFAULT_RETRIES, Retries
from worker.adapters.solana.rpc.endpoints import Rpc, answering
from worker.adapters.solana.signing import landing
from worker.adapters.solana.signing.compute import ComputeLimits, shape_of
from worker.adapters.solana.signing.keys import Keyring, read_address
from worker.adapters.solana.signing.transactions import (
    INSTRUCTIONS_MAX,
    Built,
    Limits,
    TransactionMaker,
)
from worker.core.money import BaseUnits, Lamports
from worker.core.payout.chain import (
    Blockhash,
    Costs,
    Execution,
    Height,
    Intent,
    Recipient,
    SendResult,
    SignatureStatus,
    Treasury,
)
from worker.core.plan.receipts import ReceiptState, Resolution
from worker.ports.payout import PublicAddresses, Signed

RESOLUTION_SPACES = tuple(int(resolution) for resolution in Resolution)


class SolanaChain:
    """Synchronous and bulk; makes no connection before its first call. Safe across a fork."""

    def __init__(
        self,
        endpoints: Sequence[str],
        mint: str,
        authority: Keypair,
        receipt_key: Keypair,
        fee_payer: Keypair,
        source_token_account: str | None,
        *,
        timeout_seconds: float,
        priority_fee_lamports_max: int = 0,
        retries: Retries = DEFAULT_RETRIES,
    ) -> None:
        """
        Raises:
            EndpointUnusable: an endpoint is no URL.
            AddressUnusable: the mint or the source account is no address.
        """
        self._mint = read_address("mint", mint)
        source = source_token_account
        configured = None if source is None else read_address("source token account", source)
        self._rpc = Rpc(endpoints, timeout_seconds, retries)
        self._keys = Keyring(authority, receipt_key, fee_payer)
        self._base = receipt_key.pubkey()
        self._payer = fee_payer.pubkey()
        self._facts = ClusterFacts(self._rpc, self._keys, self._mint, configured)
        self._prices = Prices(self._rpc, self._payer)
        self._history = History(self._rpc, self._base, mint)
        self._priority_fee_lamports_max = priority_fee_lamports_max
        self._limits: ComputeLimits | None = None
        self._recipients: RecipientReader | None = None

    def __repr__(self) -> str:
        return f"SolanaChain({self._rpc}, mint={self._mint}, {self._keys})"

    def close(self) -> None:
        """Close this process's connections."""
        self._rpc.close()

    def receipt_address(self, receipt_id: str) -> str:
        """Where a receipt is on chain: for people, and for whoever checks us."""
        return str(receipt_address(self._base, receipt_id))

    # --- the cluster and what we have on it ------------------------------------------------

    @property
    def mint(self) -> str:
        return str(self._mint)

    @property
    def receipt_secret(self) -> bytes:
        return bytes(self._keys.receipt_key.secret())

    @property
    def public_addresses(self) -> PublicAddresses:
        return PublicAddresses(str(self._base), str(self._facts.source))

    def cluster_genesis(self) -> str:
        """
        Raises:
            EndpointsDisagree: endpoints belong to different clusters.
            Unreachable: one of them does not answer, so it cannot be told.
        """
        return read_cluster_genesis(self._rpc)

    def check_mint(self) -> None:
        # Read anew each time: both may have changed since this process began.
        [mint] = read_confirmed(self._rpc, [self._mint])
        usable_mint(self._mint, mint)
        source = self._facts.source
        [account] = read_confirmed(self._rpc, [source])
        check_source(self._keys.authority.pubkey(), source, self._mint, account)

    def treasury(self) -> Treasury:
        source, payer = read_confirmed(self._rpc, [self._facts.source, self._payer])
        state = token_account(source)
        owns = state is None or state.owner == str(self._keys.authority.pubkey())
        return Treasury(
            tokens=BaseUnits(state.amount if state else 0),
            allowance=None if owns or state is None else BaseUnits(state.delegated_amount),
            lamports=Lamports(payer.lamports if payer else 0),
        )

    def costs(self) -> Costs:
        maker = self._facts.maker
        account_bytes = token_account_bytes(self._facts.mint_state)
        rents = self._prices.rents(*RESOLUTION_SPACES, account_bytes)
        blockhash = Hash.from_string(self.latest_blockhash().value)
        return Costs(
            receipt_rent=Lamports(rents[Resolution.PAID]),
            token_account_rent=Lamports(rents[account_bytes]),
            fee_per_signature=Lamports(self._prices.fee_per_signature(blockhash)),
            signatures=len(self._keys.signers(moves_tokens=True, makes_receipts=True)),
            transfers_per_transaction=maker.transfers_max,
            accounts_per_transaction=maker.creations_max,
            priority_fee_max=Lamports(self._priority_fee_lamports_max),
        )

    def finalized_height(self) -> Height:
        calls = [Call("getEpochInfo", [{"commitment": FINALIZED}])]
        answers = answering(self._rpc.each(calls))
        heights = [height for answer in answers if (height := _height(answer[0])) is not None]
        if not heights:
            raise MalformedAnswer("no endpoint tells the epoch info")
        return min(heights, key=lambda height: height.block_height)

    def latest_blockhash(self) -> Blockhash:
        call = Call("getLatestBlockhash", [{"commitment": CONFIRMED}])
        return self._rpc.any([call], _blockhash)

    def recipients(self, wallets: Sequence[str]) -> list[Recipient]:
        if self._recipients is None:
            keys = (self._keys.authority, self._keys.receipt_key, self._keys.fee_payer)
            self._recipients = RecipientReader(
                self._rpc,
                mint=self._mint,
                token_program=self._facts.mint_state.token_program,
                ours=[*(key.pubkey() for key in keys), self._facts.source, self._mint],
            )
        return self._recipients.read(wallets)

    def _compute(self) -> ComputeLimits:
        if self._limits is None:
            contended = [self._facts.source, self._payer]
            self._limits = ComputeLimits(self._rpc, self._priority_fee_lamports_max, contended)
        return self._limits

    # --- receipts --------------------------------------------------------------------------

    def receipts(self, ids: Sequence[str], *, not_before_slot: int = 0) -> dict[str, ReceiptState]:
        return read_receipts(self._rpc, self._base, ids, not_before_slot)

    def executions(self, ids: Sequence[str]) -> dict[str, Execution]:
        return self._history.find(ids)

    def executions_of(self, signatures: Mapping[str, str]) -> dict[str, Execution]:
        return self._history.read(signatures)

    # --- signing and sending ---------------------------------------------------------------

    def sign(self, intents: Sequence[Intent], blockhash: Blockhash) -> list[Signed]:
        """
        Raises:
            IntentTooLarge: one does not fit into a transaction; nothing was signed.
        """
        maker = self._facts.maker
        rents = self._prices.rents(*RESOLUTION_SPACES)
        by_resolution = {resolution: rents[resolution] for resolution in Resolution}
        for intent in intents:
            if len(intent.transfers) > INSTRUCTIONS_MAX:
                raise IntentTooLarge(intent.receipts, len(intent.transfers))
        built = [maker.of_intent(intent, by_resolution) for intent in intents]
        limits = self._limits_of(maker, intents, built)
        recent = Hash.from_string(blockhash.value)
        signed = []
        for intent, parts in zip(intents, built, strict=True):
            try:
                transaction = maker.signed(parts, recent, limits[shape_of(intent)[0]])
            except IntentTooLarge:
                raise IntentTooLarge(intent.receipts, len(intent.transfers)) from None
            signature = str(transaction.signatures[0])
            signed.append(Signed(signature, bytes(transaction), blockhash))
        return signed

    def _limits_of(
        self, maker: TransactionMaker, intents: Sequence[Intent], built: Sequence[Built]
    ) -> dict[Hashable, Limits]:
        """Limits for each shape among the intents, from the largest of it."""
        largest: dict[Hashable, tuple[tuple[int, int], Built]] = {}
        for intent, parts in zip(intents, built, strict=True):
            shape, size = shape_of(intent)
            if shape not in largest or largest[shape][0] < size:
                largest[shape] = (size, parts)
        return {
            shape: self._compute().of(maker, shape, size, parts)
            for shape, (size, parts) in largest.items()
        }

    def sign_account_creations(self, wallets: Sequence[str], blockhash: Blockhash) -> list[Signed]:
        maker = self._facts.maker
        size = maker.creations_max
        recent = Hash.from_string(blockhash.value)
        limits = self._compute().generous()
        signed = []
        for start in range(0, len(wallets), size):
            built = maker.of_creations(wallets[start : start + size])
            transaction = maker.signed(built, recent, limits)
            signed.append(Signed(str(transaction.signatures[0]), bytes(transaction), blockhash))
        return signed

    def send(self, wires: Sequence[tuple[str, bytes]]) -> list[SendResult]:
        return landing.send(self._rpc, wires)

    def statuses(self, signatures: Sequence[str]) -> list[SignatureStatus]:
        return landing.statuses(self._rpc, signatures)


def _height(reply: Reply) -> Height | None:
    try:
        return Height(int(reply["blockHeight"]), int(reply["absoluteSlot"]))
    except (KeyError, TypeError, ValueError):
        return None


def _blockhash(replies: list[Reply]) -> Blockhash:
    try:
        value = replies[0]["value"]
        height = int(value["lastValidBlockHeight"])
        return Blockhash(str(Hash.from_string(value["blockhash"])), height)
    except (KeyError, TypeError, ValueError):
        raise MalformedAnswer("no blockhash") from None

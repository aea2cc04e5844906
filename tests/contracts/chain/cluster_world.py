"""The contract of a chain on any cluster, set up with nothing but ordinary transactions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import (
    ID as SYSTEM_PROGRAM,
)
from solders.system_program import (
    CreateAccountParams,
    TransferParams,
    create_account,
    transfer,
)
from spl.token.instructions import approve, freeze_account, set_authority
from spl.token.models import (
    ApproveParams,
    AuthorityType,
    FreezeAccountParams,
    SetAuthorityParams,
)

from deploy.local.chain import setup as chain_setup
from deploy.local.chain.client import ChainClient
from tests.cluster.cluster import Cluster, prepare
from worker.adapters.solana.addresses import associated_account
from worker.adapters.solana.chain import SolanaChain

LAMPORTS = 10**9
"""What our authority holds, roughly: the contract spends less than half."""
STRANGER_LAMPORTS = 3 * 10**8
DELEGATE_LAMPORTS = 5 * 10**7
FINALIZE_SECONDS_MAX = 120
ARRIVE_SECONDS_MAX = 60

# A transaction that was sent just now may land this many slots later.
_LANDING_SLOTS = 2
_BLOCKHASH_BLOCKS = 150
_REALLOCATE, _MEMO_TRANSFER, _MEMO_TRANSFER_EXTENSION = 29, 30, 8
_PROCESSED = {"commitment": "processed"}


class ClusterWorld:
    """`SolanaChain` on a cluster whose time passes by itself."""

    def __init__(self, cluster: Cluster, state: Path, kind: chain_setup.MintKind) -> None:
        self._cluster = cluster
        self.url = cluster.url
        self.client = ChainClient(cluster.url)
        settings = prepare(cluster, state, kind, lamports=LAMPORTS)
        self.key = chain_setup.load_or_create_key(Path(settings["SOLANA_PRIVATE_KEY_FILE"]))
        self.kind = kind
        self._mint = Pubkey.from_string(settings["TOKEN_MINT_ADDRESS"])
        self._stranger = Keypair()
        self._wallets: dict[str, Keypair] = {}
        cluster.fund(self.client, self._stranger.pubkey(), STRANGER_LAMPORTS)
        self.chain: SolanaChain = self._client(self.key, None)

    def _client(self, authority: Keypair, source: str | None) -> SolanaChain:
        return SolanaChain(
            [self.url], str(self._mint), authority, self.key, authority, source, timeout_seconds=10
        )

    def close(self) -> None:
        for key in (self.key, self._stranger):
            self._cluster.give_back(self.client, key)
        self.chain.close()
        self.client.__exit__(None, None, None)

    def operator(self) -> SolanaChain:
        return self._client(self.key, None)

    def delegate(self, allowance: int) -> SolanaChain:
        delegate = Keypair()
        source = self.token_account(str(self.key.pubkey()))
        self._give(delegate.pubkey(), DELEGATE_LAMPORTS)
        params = ApproveParams(
            program_id=self.kind.program,
            source=source,
            delegate=delegate.pubkey(),
            owner=self.key.pubkey(),
            amount=allowance,
        )
        self._send(approve(params))
        return self._client(delegate, str(source))

    def arrive(self, signature: str) -> None:
        deadline = time.monotonic() + ARRIVE_SECONDS_MAX
        while self.client.value("getSignatureStatuses", [signature]) == [None]:
            assert time.monotonic() < deadline, f"{signature} did not land"
            time.sleep(self._cluster.poll_seconds)

    def finalize(self) -> None:
        self._wait_for("getSlot", self.client.call("getSlot", _PROCESSED) + _LANDING_SLOTS)

    def expire(self) -> None:
        height = self.client.call("getBlockHeight", _PROCESSED) + _BLOCKHASH_BLOCKS
        self._wait_for("getBlockHeight", height + 1)

    def new_wallet(self, *, account: bool = True) -> str:
        return self.new_wallets(1, account=account)[0]

    def new_wallets(self, count: int, *, account: bool = True) -> list[str]:
        keys = [Keypair() for _ in range(count)]
        wallets = [str(key.pubkey()) for key in keys]
        self._wallets |= zip(wallets, keys, strict=True)
        if account:
            signed = self.chain.sign_account_creations(wallets, self.chain.latest_blockhash())
            self.chain.send([(it.signature, it.wire) for it in signed])
            self.finalize()
        return wallets

    def balance(self, wallet: str) -> int:
        address = str(self.token_account(wallet))
        return int(self.client.value("getTokenAccountBalance", address)["amount"])

    def received(self, amount: int) -> int:
        fee = self.kind.transfer_fee
        return amount if fee is None else amount - -(-amount * fee.basis_points // 10_000)

    def freeze(self, wallet: str) -> None:
        params = FreezeAccountParams(
            program_id=self.kind.program,
            account=self.token_account(wallet),
            mint=self._mint,
            authority=self.key.pubkey(),
        )
        self._send(freeze_account(params))

    def give_away(self, wallet: str) -> None:
        params = SetAuthorityParams(
            program_id=self.kind.program,
            account=self.token_account(wallet),
            authority=AuthorityType.ACCOUNT_OWNER,
            current_authority=Pubkey.from_string(wallet),
            new_authority=Keypair().pubkey(),
        )
        self._send(set_authority(params), wallet=wallet)

    def require_memo(self, wallet: str) -> None:
        account = AccountMeta(self.token_account(wallet), is_signer=False, is_writable=True)
        owner = AccountMeta(Pubkey.from_string(wallet), is_signer=True, is_writable=False)
        payer = AccountMeta(self.key.pubkey(), is_signer=True, is_writable=True)
        system = AccountMeta(SYSTEM_PROGRAM, is_signer=False, is_writable=False)
        extension = _MEMO_TRANSFER_EXTENSION.to_bytes(2, "little")
        program = self.kind.program
        self._send(
            Instruction(program, bytes([_REALLOCATE]) + extension, [account, payer, system, owner]),
            Instruction(program, bytes([_MEMO_TRANSFER, 0]), [account, owner]),
            wallet=wallet,
        )

    def own_by_program(self, wallet: str) -> None:
        space = 10
        params = CreateAccountParams(
            from_pubkey=self.key.pubkey(),
            to_pubkey=Pubkey.from_string(wallet),
            lamports=self.client.call("getMinimumBalanceForRentExemption", space),
            space=space,
            owner=self.kind.program,
        )
        self._send(create_account(params), wallet=wallet)

    def give_lamports(self, address: str, lamports: int) -> None:
        self._give(Pubkey.from_string(address), lamports)
        self.finalize()

    def send_ahead(self, wallet: str, lamports: int) -> None:
        self._give(self.token_account(wallet), lamports)

    def mention(self, receipt_id: str) -> None:
        address = Pubkey.from_string(self.chain.receipt_address(receipt_id))
        # The rent minimum of an empty account. A smaller transfer would not land.
        self._give(address, 890_880)
        self.finalize()

    def token_account(self, wallet: str) -> Pubkey:
        return associated_account(wallet, self._mint, self.kind.program)

    def _give(self, address: Pubkey, lamports: int) -> None:
        """A transfer of a stranger."""
        payer = self._stranger.pubkey()
        params = TransferParams(from_pubkey=payer, to_pubkey=address, lamports=lamports)
        chain_setup.send(self.client, [transfer(params)], [self._stranger])

    def _send(self, *instructions: Instruction, wallet: str | None = None) -> None:
        """Our transaction, with the signature of a wallet if named, until it is final."""
        signers: Sequence[Keypair] = [] if wallet is None else [self._wallets[wallet]]
        chain_setup.send(self.client, instructions, [self.key, *signers])
        self.finalize()

    def _wait_for(self, method: str, number: int) -> None:
        """Wait until the finalized answer of a method reaches a number."""
        deadline = time.monotonic() + FINALIZE_SECONDS_MAX
        while self.client.call(method) < number:
            assert time.monotonic() < deadline, f"{method} stays under {number}"
            time.sleep(self._cluster.poll_seconds)

"""Checks that wallets can be paid now: address, account and associated token account."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM_PROGRAM

from worker.adapters.solana.addresses import ASSOCIATED_CACHE_MAX, associated_account
from worker.adapters.solana.reading.accounts import (
    CONFIRMED,
    ChainAccount,
    accounts_calls,
    newest_slot,
    read_all_accounts,
)
from worker.adapters.solana.reading.token_account_bytes import token_account
from worker.adapters.solana.rpc.calls import Reply
from worker.adapters.solana.rpc.endpoints import Rpc
from worker.core.payout.chain import AccountProblem, Recipient
from worker.core.payout.wallet_text import has_lost_case

TOKEN_ACCOUNT_BYTES_MAX = 2_048
"""Longer than a token account with every extension. A stranger's wallet may hold megabytes."""

Accounts = list[ChainAccount | None]


class RecipientReader:
    """Reads wallets and their token accounts of one mint."""

    def __init__(
        self, rpc: Rpc, *, mint: Pubkey, token_program: Pubkey, ours: Iterable[Pubkey]
    ) -> None:
        self._rpc = rpc
        self._mint = mint
        self._token_program = token_program
        self._ours = {str(address) for address in ours}
        self._newest_slot = 0
        """The newest slot of an answer or of a created account. A node behind it may lack accounts
        that exist already."""

    def require_slot(self, slot: int) -> None:
        """Let only nodes that have reached this slot answer the next read."""
        self._newest_slot = max(self._newest_slot, slot)

    def read(self, wallets: Sequence[str]) -> list[Recipient]:
        """The state of each wallet at `confirmed`, in order.

        Raises:
            Unreachable: every endpoint failed to answer.
        """
        problems = {wallet: self._problem_of_address(wallet) for wallet in wallets}
        readable = [wallet for wallet, problem in problems.items() if problem is None]
        accounts, token_accounts = self._read_accounts(readable) if readable else ([], [])
        found = {
            wallet: self._recipient(wallet, account, token)
            for wallet, account, token in zip(readable, accounts, token_accounts, strict=True)
        }
        return [
            found.get(wallet) or Recipient(wallet, problems[wallet], account_exists=False)
            for wallet in wallets
        ]

    def _problem_of_address(self, wallet: str) -> AccountProblem | None:
        return AccountProblem.OURS if wallet in self._ours else _problem_of_address(wallet)

    def _read_accounts(self, wallets: list[str]) -> tuple[Accounts, Accounts]:
        """The accounts of wallets, and their token accounts."""

        def read(replies: list[Reply]) -> tuple[int, Accounts]:
            return newest_slot(replies), read_all_accounts(replies, len(addresses))

        slot, self._newest_slot = self._newest_slot, 0  # forgotten if no node has reached it
        associated = [associated_account(it, self._mint, self._token_program) for it in wallets]
        addresses = [*wallets, *associated]
        calls = accounts_calls(
            addresses, CONFIRMED, data_length=TOKEN_ACCOUNT_BYTES_MAX, not_before_slot=slot
        )
        newest, accounts = self._rpc.any(calls, read)
        self._newest_slot = max(slot, newest)
        return accounts[: len(wallets)], accounts[len(wallets) :]

    def _recipient(
        self, wallet: str, account: ChainAccount | None, token: ChainAccount | None
    ) -> Recipient:
        exists = token is not None and not _is_bare(token)
        if account is not None and account.owner != str(SYSTEM_PROGRAM):
            return Recipient(wallet, AccountProblem.NOT_A_WALLET, exists)
        problem = self._problem_of_token_account(wallet, token) if exists else None
        return Recipient(wallet, problem, exists)

    def _problem_of_token_account(
        self, wallet: str, account: ChainAccount | None
    ) -> AccountProblem | None:
        state = token_account(account)
        is_ours = (
            account is not None
            and state is not None
            and account.owner == str(self._token_program)
            and (state.owner, state.mint) == (wallet, str(self._mint))
        )
        if state is None or not is_ours:
            return AccountProblem.FOREIGN_OWNER
        if state.is_frozen:
            return AccountProblem.FROZEN
        if state.is_confidential_only:
            return AccountProblem.CONFIDENTIAL_ONLY
        return AccountProblem.MEMO_REQUIRED if state.memo_required else None


@lru_cache(maxsize=ASSOCIATED_CACHE_MAX)
def _problem_of_address(wallet: str) -> AccountProblem | None:
    try:
        address = Pubkey.from_string(wallet)
    except ValueError:
        return AccountProblem.NOT_AN_ADDRESS
    if has_lost_case(wallet):
        return AccountProblem.NOT_AN_ADDRESS
    return None if address.is_on_curve() else AccountProblem.OFF_CURVE


def _is_bare(account: ChainAccount) -> bool:
    """True for an address that holds only lamports. A token account can still be created there."""
    return account.owner == str(SYSTEM_PROGRAM) and account.space == 0

"""Accounts of the fake cluster, now and at the end of recent slots."""

from __future__ import annotations

from dataclasses import replace

from tests.fakes.chain.blocks import FakeBlocks
from tests.fakes.chain.transactions import Account, TokenAccount, token_address
from tests.fakes.chain.versions import Versions


class FakeAccounts(FakeBlocks):
    """System accounts and token accounts by address, at every recent block."""

    def __init__(self, *, confirmed_lag_slots: int = 1, finalized_lag_slots: int = 32) -> None:
        self._accounts: Versions[Account] = Versions()
        self._tokens: Versions[TokenAccount] = Versions()
        super().__init__(
            confirmed_lag_slots=confirmed_lag_slots, finalized_lag_slots=finalized_lag_slots
        )

    def abandon(self, depth: int) -> int:
        last_slot = super().abandon(depth)
        self._accounts.drop_after(last_slot)
        self._tokens.drop_after(last_slot)
        return last_slot

    def account(self, address: str, slot: int | None = None) -> Account | None:
        """An account now, or at the end of a recent slot."""
        return self._accounts.now(address) if slot is None else self._accounts.at(address, slot)

    def token_account(self, address: str, slot: int | None = None) -> TokenAccount | None:
        return self._tokens.now(address) if slot is None else self._tokens.at(address, slot)

    def balance(self, wallet: str) -> int:
        """Base units in a wallet's associated token account."""
        account = self.token_account(token_address(wallet))
        return 0 if account is None else account.amount

    def total_tokens(self) -> int:
        """Base units in all token accounts, without withheld transfer fees."""
        return sum(account.amount for account in self._tokens.values())

    def put_account(self, address: str, account: Account) -> None:
        self._accounts.put(address, self.slot, account)

    def put_token_account(self, address: str, account: TokenAccount | None) -> None:
        self._tokens.put(address, self.slot, account)

    def change_token_account(self, address: str, **changes: object) -> None:
        """Change fields of an existing token account, as its owner or the issuer can."""
        account = self.token_account(address)
        if account is None:
            raise LookupError(f"no token account {address}")
        self.put_token_account(address, replace(account, **changes))  # type: ignore[arg-type]

    def give_lamports(self, address: str, lamports: int) -> None:
        """Credit an account, as anyone can."""
        account = self.account(address) or Account()
        self.put_account(address, replace(account, lamports=account.lamports + lamports))

"""Accounts of the local chain, now and at the last settled slots.

The virtual machine knows only the present. This module keeps the state of each account before its
first change in each recent slot. So a read at `finalized` shows the finalized state, and a fork
can be undone. The entries of a slot are deleted once it is finalized.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from solders.account import Account
from solders.litesvm import LiteSVM
from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM_PROGRAM

NO_ACCOUNT = Account(lamports=0, data=b"", owner=SYSTEM_PROGRAM)

Change = tuple[int, Account | None]
"""A slot, and the account before that slot changed it (None: it did not exist)."""


class AccountStore:
    """Reads and writes accounts of one virtual machine, with an undo history by slot."""

    def __init__(self, svm: LiteSVM, *, settled_slot: int = 0) -> None:
        """Wrap a virtual machine whose present accounts count as settled."""
        self.settled_slot = settled_slot
        """The oldest slot whose accounts can be read."""
        self.remembered_slots = 0
        """The finalized slots whose accounts stay readable."""
        self._svm = svm
        self._undo: dict[Pubkey, list[Change]] = {}
        self._changed_in: dict[int, list[Pubkey]] = {}
        self.touched: set[Pubkey] = set()

    def now(self, address: Pubkey) -> Account | None:
        """Return the account in the open slot; None if it does not exist."""
        return self._svm.get_account(address)

    def at(self, address: Pubkey, slot: int) -> Account | None:
        """Return the account at the end of `slot`."""
        for changed_slot, before in self._undo.get(address, ()):
            if changed_slot > slot:
                return before
        return self._svm.get_account(address)

    def changed_since(self, slot: int) -> Iterator[Pubkey]:
        """Yield the accounts with a change after `slot`, each once."""
        later = [addresses for changed, addresses in self._changed_in.items() if changed > slot]
        return iter({address for addresses in later for address in addresses})

    def owned_by(self, program: Pubkey, slot: int) -> Iterator[tuple[Pubkey, Account]]:
        """Yield the accounts a program owned at the end of `slot`."""
        changed = set(self.changed_since(slot))
        for address, account in self._svm.get_program_accounts(program):
            if address not in changed:
                yield address, account
        for address in changed:
            before = self.at(address, slot)
            if before is not None and before.owner == program:
                yield address, before

    def remember(self, slot: int, address: Pubkey, before: Account | None) -> None:
        """Record the account before `slot` changes it. Only the first call in a slot counts."""
        changes = self._undo.get(address)
        if changes is None:
            self._undo[address] = [(slot, before)]
        elif changes[-1][0] < slot:
            changes.append((slot, before))
        else:
            return
        self._changed_in.setdefault(slot, []).append(address)
        self.touched.add(address)

    def write(self, slot: int, address: Pubkey, account: Account | None) -> None:
        """Set an account outside of any transaction. It can be undone like any change."""
        self.remember(slot, address, self.now(address))
        self.restore(address, account)

    def restore(self, address: Pubkey, account: Account | None) -> None:
        """Set an account without a trace in the history."""
        self.touched.add(address)
        self._svm.set_account(address, NO_ACCOUNT if account is None else account)

    def settle(self, finalized_slot: int) -> None:
        """Forget the changes of the slots before the remembered ones."""
        slot = finalized_slot - self.remembered_slots
        self.settled_slot = max(self.settled_slot, slot)
        for settled in [changed for changed in self._changed_in if changed <= slot]:
            for address in self._changed_in.pop(settled):
                changes = self._undo[address]
                changes.pop(0)
                if not changes:
                    del self._undo[address]

    def roll_back(self, slot: int) -> None:
        """Undo every change after `slot`, and forget it."""
        for address in list(self.changed_since(slot)):
            self.restore(address, self.at(address, slot))
            kept = [change for change in self._undo[address] if change[0] <= slot]
            if kept:
                self._undo[address] = kept
            else:
                del self._undo[address]
        for changed in [changed for changed in self._changed_in if changed > slot]:
            del self._changed_in[changed]

    @contextmanager
    def as_of(self, slot: int, addresses: Iterable[Pubkey]) -> Iterator[None]:
        """Show the virtual machine these accounts in their state at the end of `slot`."""
        present = {
            address: self.now(address) for address in addresses if self._is_newer(address, slot)
        }
        for address in present:
            self.restore(address, self.at(address, slot))
        try:
            yield
        finally:
            for address, account in present.items():
                self.restore(address, account)

    def history(self) -> Iterator[tuple[int, Pubkey, Account | None]]:
        """Yield every remembered change, in the order in which `remember` may replay it."""
        for slot, addresses in sorted(self._changed_in.items()):
            for address in addresses:
                yield slot, address, dict(self._undo[address])[slot]

    def _is_newer(self, address: Pubkey, slot: int) -> bool:
        changes = self._undo.get(address)
        return changes is not None and changes[-1][0] > slot

"""Checks that a mint can be paid out, and that the source account can pay it.

A Token-2022 extension is allowed if it leaves a plain `TransferChecked` between our accounts
unchanged, or changes it in a way that we account for (a transfer fee, withheld from the
recipient's amount). Every other extension is refused by name.
"""

from __future__ import annotations

from solders.pubkey import Pubkey

from worker.adapters.solana.addresses import TOKEN_PROGRAM
from worker.adapters.solana.errors import AuthorityUnusable, MintUnusable
from worker.adapters.solana.reading.accounts import ChainAccount
from worker.adapters.solana.reading.token_account_bytes import (
    ACCOUNT_BYTES,
    TOKEN_PROGRAMS,
    MintState,
    TokenAccountState,
    mint_state,
    token_account,
)
from worker.core.money import DECIMALS

TRANSFER_FEE_CONFIG = 1
DEFAULT_ACCOUNT_STATE = 6
TRANSFER_HOOK = 14
PAUSABLE = 26

ALLOWED = {
    TRANSFER_FEE_CONFIG: "TransferFeeConfig",
    3: "MintCloseAuthority",
    4: "ConfidentialTransferMint",
    12: "PermanentDelegate",
    16: "ConfidentialTransferFeeConfig",
    18: "MetadataPointer",
    19: "TokenMetadata",
    20: "GroupPointer",
    21: "TokenGroup",
    22: "GroupMemberPointer",
    23: "TokenGroupMember",
}
"""A permanent delegate can take tokens from any account, but cannot change the effect of our
payments. If it empties our source, payments stop for lack of balance."""

REFUSED = {
    9: "NonTransferable",
    10: "InterestBearingConfig (wallets would show other amounts than we pay)",
    24: "ConfidentialMintBurn",
    25: "ScaledUiAmount (wallets would show other amounts than we pay)",
}


def usable_mint(mint: Pubkey, account: ChainAccount | None) -> MintState:
    """
    Raises:
        MintUnusable: the mint is missing or cannot be paid out.
    """
    if account is None:
        raise MintUnusable(str(mint), "no account on this cluster", "a mint")
    if account.owner not in TOKEN_PROGRAMS:
        expected = "a mint of the Token or Token-2022 program"
        raise MintUnusable(str(mint), f"an account owned by {account.owner}", expected)
    state = mint_state(account)
    if state is None:
        raise MintUnusable(str(mint), "a token account or an uninitialised mint", "a mint")
    if state.decimals != DECIMALS:
        raise MintUnusable(str(mint), f"{state.decimals} decimals", f"{DECIMALS} decimals")
    for number, data in state.extensions.items():
        found = _hindrance(number, data)
        if found is not None:
            raise MintUnusable(str(mint), f"the extension {found}", "none that hinders payments")
    return state


def check_source(
    authority: Pubkey, source: Pubkey, mint: Pubkey, account: ChainAccount | None
) -> TokenAccountState:
    """
    Raises:
        AuthorityUnusable: this authority cannot spend from the source.
    """
    state = token_account(account)
    if account is None:
        found = "no account"
    elif state is None:
        found = "no token account"
    elif state.mint != str(mint):
        found = f"a token account of the mint {state.mint}"
    elif state.is_frozen:
        found = "a frozen token account"
    elif str(authority) not in (state.owner, state.delegate):
        found = f"owner {state.owner} and delegate {state.delegate or 'none'}"
    else:
        return state
    raise AuthorityUnusable(str(authority), str(source), found)


def token_account_bytes(mint: MintState) -> int:
    """The size of an associated token account of this mint, which decides its rent."""
    if mint.token_program == TOKEN_PROGRAM:
        return ACCOUNT_BYTES
    size = ACCOUNT_BYTES + 1 + _IMMUTABLE_OWNER_BYTES
    needed = (_BYTES_FOR[number] for number in mint.extensions if number in _BYTES_FOR)
    return size + sum(needed)


_IMMUTABLE_OWNER_BYTES = 4
_BYTES_FOR = {TRANSFER_FEE_CONFIG: 4 + 8, TRANSFER_HOOK: 4 + 1, PAUSABLE: 4}
"""Bytes that an extension of the mint adds to each token account: a 4-byte head and a value."""


def _hindrance(number: int, data: bytes) -> str | None:
    """The name of an extension whose present value makes the mint unusable; None if usable."""
    if number in ALLOWED:
        return None
    if number == DEFAULT_ACCOUNT_STATE:
        return None if data[:1] == b"\1" else "DefaultAccountState, set to frozen"
    if number == TRANSFER_HOOK:
        is_unset = data[32:64] == bytes(32)
        return None if is_unset else f"TransferHook, set to {_address(data[32:64])}"
    if number == PAUSABLE:
        return None if data[32:33] == b"\0" else "Pausable, and it is paused now"
    return REFUSED.get(number, f"number {number}, which is not known here")


def _address(data: bytes) -> str:
    return str(Pubkey(data)) if len(data) == Pubkey.LENGTH else "a malformed address"

"""Usable and unusable mints and source accounts. Each refusal names the fact that was found."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from worker.adapters.solana.addresses import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from worker.adapters.solana.errors import AuthorityUnusable, MintUnusable
from worker.adapters.solana.reading.accounts import ChainAccount
from worker.adapters.solana.reading.mint import check_source, token_account_bytes, usable_mint
from worker.adapters.solana.reading.token_account_bytes import mint_state, token_account

MINT, AUTHORITY, SOURCE, OTHER = (Pubkey.from_bytes(bytes([it]) * 32) for it in range(1, 5))
PROGRAM_SET = bytes(32) + bytes(OTHER)


def account(owner: Pubkey, data: bytes) -> ChainAccount:
    return ChainAccount(str(owner), 10**9, data, len(data))


def mint_data(*, decimals: int = 9, initialised: bool = True) -> bytes:
    return struct.pack("<I32sQBB", 1, bytes(32), 10**18, decimals, initialised).ljust(82, b"\0")


def extended(base: bytes, kind: int, *extensions: tuple[int, bytes]) -> bytes:
    tlv = b"".join(struct.pack("<HH", number, len(data)) + data for number, data in extensions)
    return base.ljust(165, b"\0") + bytes([kind]) + tlv


def token_2022(*extensions: tuple[int, bytes]) -> ChainAccount:
    return account(TOKEN_2022_PROGRAM, extended(mint_data(), 1, *extensions))


def token_data(
    *,
    mint: Pubkey = MINT,
    owner: Pubkey = AUTHORITY,
    amount: int = 5,
    delegate: Pubkey | None = None,
    state: int = 1,
    allowance: int = 0,
) -> bytes:
    head = bytes(mint) + bytes(owner) + struct.pack("<Q", amount)
    option = struct.pack("<I32s", delegate is not None, bytes(delegate or Pubkey.default()))
    return (head + option + bytes([state]) + bytes(12) + struct.pack("<Q", allowance)).ljust(
        165, b"\0"
    )


@pytest.mark.parametrize(
    "usable",
    [
        account(TOKEN_PROGRAM, mint_data()),
        account(TOKEN_2022_PROGRAM, mint_data()),
        token_2022(),
        token_2022((1, bytes(108)), (18, bytes(64)), (19, b"name"), (20, b""), (21, b"")),
        token_2022((3, bytes(32)), (4, bytes(65)), (16, bytes(129)), (12, bytes(32))),
        token_2022((6, b"\1")),
        token_2022((14, bytes(64))),
        token_2022((26, bytes(33))),
    ],
)
def test_usable_mints(usable: ChainAccount) -> None:
    assert usable_mint(MINT, usable).decimals == 9


@pytest.mark.parametrize(
    ("unusable", "found"),
    [
        (None, "no account on this cluster"),
        (account(OTHER, mint_data()), f"owned by {OTHER}"),
        (account(TOKEN_PROGRAM, b""), "uninitialised mint"),
        (account(TOKEN_PROGRAM, token_data()), "token account"),
        (account(TOKEN_2022_PROGRAM, extended(token_data(), 2)), "token account"),
        (account(TOKEN_PROGRAM, mint_data(initialised=False)), "uninitialised mint"),
        (account(TOKEN_PROGRAM, mint_data(decimals=6)), "6 decimals, expected 9 decimals"),
        (token_2022((6, b"\2")), "DefaultAccountState, set to frozen"),
        (token_2022((9, b"")), "NonTransferable"),
        (token_2022((10, bytes(52))), "InterestBearingConfig"),
        (token_2022((14, PROGRAM_SET)), "TransferHook, set to"),
        (token_2022((14, bytes(32) + b"short")), "TransferHook, set to a malformed"),
        (token_2022((24, b"")), "ConfidentialMintBurn"),
        (token_2022((25, bytes(56))), "ScaledUiAmount"),
        (token_2022((26, bytes(32) + b"\1")), "Pausable, and it is paused"),
        (token_2022((1, bytes(108)), (999, b"")), "number 999"),
    ],
)
def test_unusable_mints_are_refused_by_name(unusable: ChainAccount | None, found: str) -> None:
    with pytest.raises(MintUnusable, match=found) as caught:
        usable_mint(MINT, unusable)

    assert str(MINT) in str(caught.value)


@pytest.mark.parametrize("role", ["owner", "delegate"])
def test_an_owner_and_a_delegate_may_pay(role: str) -> None:
    data = (
        token_data(**{role: AUTHORITY}, allowance=7)
        if role == "owner"
        else token_data(owner=OTHER, delegate=AUTHORITY, allowance=7)
    )

    state = check_source(AUTHORITY, SOURCE, MINT, account(TOKEN_PROGRAM, data))

    assert (state.amount, state.delegated_amount) == (5, 7)


@pytest.mark.parametrize(
    ("unusable", "found"),
    [
        (None, "no account"),
        (account(OTHER, b""), "no token account"),
        (account(TOKEN_PROGRAM, mint_data()), "no token account"),
        (account(TOKEN_PROGRAM, token_data(state=0)), "no token account"),
        (account(TOKEN_PROGRAM, token_data(mint=OTHER)), f"of the mint {OTHER}"),
        (account(TOKEN_PROGRAM, token_data(state=2)), "frozen"),
        (account(TOKEN_PROGRAM, token_data(owner=OTHER)), f"owner {OTHER} and delegate none"),
        (account(TOKEN_PROGRAM, token_data(owner=OTHER, delegate=MINT)), f"delegate {MINT}"),
    ],
)
def test_a_source_we_cannot_spend_from_is_named(unusable: ChainAccount | None, found: str) -> None:
    with pytest.raises(AuthorityUnusable, match=found):
        check_source(AUTHORITY, SOURCE, MINT, unusable)


def test_rent_is_asked_for_the_size_that_accounts_will_have() -> None:
    def size(usable: ChainAccount) -> int:
        return token_account_bytes(usable_mint(MINT, usable))

    assert size(account(TOKEN_PROGRAM, mint_data())) == 165
    assert size(token_2022()) == 170
    assert size(token_2022((1, bytes(108)))) == 182
    assert size(token_2022((1, bytes(108)), (14, bytes(64)), (26, bytes(33)))) == 191


def test_a_required_memo_is_read_from_its_extension() -> None:
    for value, expected in ((b"\0", False), (b"\1", True)):
        data = extended(token_data(), 2, (7, b""), (8, value))
        state = token_account(account(TOKEN_2022_PROGRAM, data))
        assert state is not None
        assert state.memo_required is expected


def test_an_account_that_accepts_confidential_transfers_only_is_read_from_its_extension() -> None:
    """The flag follows the approval, a key, three balances, a fourth one, and another flag."""
    for flags, expected in ((b"\1\1", False), (b"\1\0", True), (b"", False)):
        value = bytes(1 + 32 + 3 * 64 + 36) + flags + (bytes(32) if flags else b"")
        state = token_account(account(TOKEN_2022_PROGRAM, extended(token_data(), 2, (5, value))))
        assert state is not None
        assert state.is_confidential_only is expected


@given(data=st.binary(max_size=300), kind=st.integers(0, 3))
def test_odd_bytes_are_no_crash(data: bytes, kind: int) -> None:
    for content in (data, data.ljust(165, b"\1") + bytes([kind]) + data):
        odd = account(TOKEN_2022_PROGRAM, content)
        token_account(odd)
        mint_state(odd)

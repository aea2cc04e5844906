"""The memos that a stranger reads on chain."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import A_WEEK, a_header, digests, headers, wallets, weeks
from worker.core.plan.commitment import Header
from worker.core.plan.earlier_key import EarlierKey
from worker.core.plan.memo import AnchorMemo, GenesisMemo, MalformedMemo

MEMO_BYTES_MAX = 500
"""The room for a memo in 1,232 bytes, beside two receipts and two signatures."""


@given(headers, digests)
def test_an_anchors_memo_says_what_its_header_says(header: Header, root: bytes) -> None:
    memo = AnchorMemo.of(header, root)

    assert AnchorMemo.parse(memo.text()) == memo
    assert (memo.week, memo.cutoff, memo.root) == (header.week, header.cutoff, root)
    assert (memo.rewards, memo.batches, memo.batch_size) == (
        header.rewards,
        header.batches,
        header.batch_size,
    )
    assert (memo.total_amount, memo.previous_root) == (header.total_amount, header.previous_root)


@given(weeks, wallets)
def test_the_genesis_memo_survives_its_text(week, mint: str) -> None:
    memo = GenesisMemo(first_week=week, mint=mint)

    assert GenesisMemo.parse(memo.text()) == memo


def test_the_texts_are_canonical_json_of_strings() -> None:
    anchor = AnchorMemo.of(a_header(payable=3, held=1, batch_size=2), b"\xab" * 32)

    assert GenesisMemo(A_WEEK, "Mint").text() == (
        '{"first_week":"2024-12-09","kontrib":"1","mint":"Mint"}'
    )
    assert anchor.text() == (
        '{"batch_size":"2","batches":"2","cutoff":"1734307201","kontrib":"1",'
        '"mint":"So11111111111111111111111111111111111111112","previous_root":"",'
        f'"rewards":"4","root":"{"ab" * 32}","total":"10000000000000","week":"2024-12-09"}}'
    )


def test_the_longest_anchor_memo_fits_a_transaction() -> None:
    header = a_header(
        batch_size=64,
        batches=10**5,
        rewards=10**7,
        previous_root=b"\xff" * 32,
        mint="M" * 44,
        total_amount=2**63 - 1,
    )

    assert len(AnchorMemo.of(header, b"\xff" * 32).text().encode()) <= MEMO_BYTES_MAX


@pytest.mark.parametrize("parser", [AnchorMemo, GenesisMemo])
@pytest.mark.parametrize(
    "memo",
    [
        "",
        "hello",
        "null",
        "[]",
        "7",
        '"text"',
        "{}",
        '{"kontrib":"1"}',
        '{"kontrib":"2","first_week":"2024-12-09","mint":"Mint"}',
        '{"kontrib":1,"first_week":"2024-12-09","mint":"Mint"}',
    ],
)
def test_what_is_no_memo_of_ours_is_refused(parser, memo: str) -> None:
    with pytest.raises(MalformedMemo, match="Not a memo of this system"):
        parser.parse(memo)


@given(st.data())
def test_a_memo_that_misses_a_value_is_refused(data: st.DataObject) -> None:
    value = json.loads(AnchorMemo.of(a_header(), b"\x01" * 32).text())
    del value[data.draw(st.sampled_from(sorted(value)))]

    with pytest.raises(MalformedMemo):
        AnchorMemo.parse(json.dumps(value))


def test_one_kind_of_memo_does_not_pass_for_the_other() -> None:
    with pytest.raises(MalformedMemo):
        GenesisMemo.parse(AnchorMemo.of(a_header(), b"\x01" * 32).text())
    with pytest.raises(MalformedMemo):
        AnchorMemo.parse(GenesisMemo(A_WEEK, "Mint").text())


@pytest.mark.parametrize(
    ("parser", "memo", "why"),
    [
        (GenesisMemo, '{"kontrib":"2"}', "version 2 is not known here"),
        (GenesisMemo, "hello", "Expecting value: line 1 column 1 (char 0)"),
        (
            GenesisMemo,
            '{"kontrib":"1","first_week":"2024-12-10","mint":"Mint"}',
            "'2024-12-10' is not a week (Tuesday is not a Monday). Write it as 2024-W50 or as its "
            "Monday, 2024-12-09.",
        ),
        (
            AnchorMemo,
            json.dumps(json.loads(AnchorMemo.of(a_header(), b"").text()) | {"root": "x"}),
            "non-hexadecimal number found in fromhex() arg at position 0",
        ),
    ],
)
def test_a_refused_memo_is_shown_with_the_reason(parser, memo: str, why: str) -> None:
    with pytest.raises(MalformedMemo) as caught:
        parser.parse(memo)
    assert str(caught.value) == f"Not a memo of this system ({why}): {memo[:200]!r}"


@given(weeks, wallets, st.integers(0, 2**40), weeks)
def test_the_genesis_memo_of_a_second_key_names_the_key_before(week, mint, cutoff, since) -> None:
    memo = GenesisMemo(week, mint, EarlierKey(cutoff, since))

    assert GenesisMemo.parse(memo.text()) == memo
    assert json.loads(memo.text()) == {
        "earlier_cutoff": str(cutoff),
        "earlier_first_week": since.id,
        "first_week": week.id,
        "kontrib": "1",
        "mint": mint,
    }

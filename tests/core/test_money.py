"""P1: no float ever touches money."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.money import (
    INT64_MAX,
    ONE_TOKEN,
    MalformedAmount,
    base_units,
    exact_decimal,
    is_amount_of,
    rounded_down,
    sol_text,
    tokens_float,
    tokens_text,
)

amounts = st.integers(0, INT64_MAX)


def decimal_text(amount: int) -> str:
    return f"{amount // ONE_TOKEN}.{amount % ONE_TOKEN:09}"


@given(amounts)
def test_base_units_survive_the_way_to_a_decimal_text_and_back(amount: int) -> None:
    assert base_units(decimal_text(amount)) == amount
    assert base_units(Decimal(decimal_text(amount))) == amount


@given(st.floats(0, 10**6, allow_nan=False))
def test_a_float_means_the_decimal_that_a_person_reads(value: float) -> None:
    exact = Fraction(repr(value)) * ONE_TOKEN

    if exact.denominator == 1:
        assert base_units(value) == exact
    else:
        with pytest.raises(MalformedAmount, match="finer"):
            base_units(value)


@pytest.mark.parametrize(
    ("tokens", "amount"),
    [
        (0, 0),
        (-0.0, 0),
        (1.2, 1_200_000_000),
        (0.3, 300_000_000),
        ("1E-9", 1),
        ("1.0000000000", ONE_TOKEN),
        (10_000.0, 10_000 * ONE_TOKEN),
        (9_007_199.254740993, 9_007_199_254_740_993),  # 2^53 + 1 base units
        ("9223372036.854775807", INT64_MAX),
    ],
)
def test_amounts_that_floats_would_get_wrong_are_exact(tokens: object, amount: int) -> None:
    assert base_units(tokens) == amount


@pytest.mark.parametrize(
    ("tokens", "why"),
    [
        ("0.0000000001", "finer"),
        (0.1 + 0.2, "finer"),  # 0.30000000000000004
        ("1." + "0" * 30 + "1", "finer"),
        ("1E-999999", "finer"),
        ("1E-2000000", "finer"),
        (-1, "negative or too large"),
        (-1e-9, "negative or too large"),
        ("9223372036.854775808", "negative or too large"),
        ("9223372036.8547758070" + "0" * 20 + "1", "negative or too large"),
        (2**63, "negative or too large"),
        (1e300, "negative or too large"),
        ("1E+999999", "negative or too large"),
        (float("nan"), "not finite"),
        (float("inf"), "not finite"),
        ("sNaN", "not finite"),
        (True, "not a number"),
        (None, "not a number"),
        ("", "not a number"),
        ("ten", "not a number"),
        ("1,000", "not a number"),
        ("1_000", "not a number in the digits 0 to 9"),
        ("\uff11\uff10", "not a number in the digits 0 to 9"),  # full-width 10
        (b"1", "not a number"),
        ([1], "not a number"),
        (Fraction(1), "not a number"),  # although its text is one
    ],
)
def test_what_is_no_exact_amount_is_refused_with_the_reason(tokens: object, why: str) -> None:
    with pytest.raises(MalformedAmount, match=rf"\({why}") as raised:
        base_units(tokens)

    assert raised.value.value is tokens


def test_an_unquiet_decimal_is_no_number() -> None:
    with pytest.raises(MalformedAmount, match="not finite"):
        exact_decimal(Decimal("NaN"))


@given(amounts)
def test_a_text_has_separators_and_no_idle_zeros(amount: int) -> None:
    text = tokens_text(amount)

    assert Fraction(text.replace(",", "")) == Fraction(amount, ONE_TOKEN)
    assert "." not in text or text[-1] not in "0."
    assert text.partition(".")[0] == f"{amount // ONE_TOKEN:,}"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0"),
        (1, "0.000000001"),
        (10_000 * ONE_TOKEN, "10,000"),
        (222_500_000_000, "222.5"),
        (INT64_MAX, "9,223,372,036.854775807"),
        (-1_500_000_000, "-1.5"),
        (100 * ONE_TOKEN, "100"),
    ],
)
def test_texts_of_known_amounts(amount: int, text: str) -> None:
    assert tokens_text(amount) == text


def test_lamports_read_like_tokens() -> None:
    assert sol_text(897_840) == "0.00089784"


@given(amounts)
def test_the_owners_float_field_is_the_nearest_float(amount: int) -> None:
    assert tokens_float(amount) == float(Fraction(amount, ONE_TOKEN))


def test_the_callers_decimal_context_does_not_round_a_configured_amount() -> None:
    with localcontext() as context:
        context.prec = 19
        assert base_units("9223372036.854775807") == INT64_MAX


@pytest.mark.parametrize(
    ("tokens", "exact", "same"),
    [
        (0.1, 100_000_000, True),
        ("0.1", 100_000_000, True),  # no float, and the same amount
        (Decimal("0.10000000099"), 100_000_000, True),
        (Decimal("0.10000000199"), 100_000_000, False),
        (0.2, 100_000_000, False),
        (None, 0, False),
        ("much", 0, False),
        (-0.1, 0, False),
    ],
)
def test_the_owners_field_is_compared_with_the_exact_one(
    tokens: object, exact: int, same: bool
) -> None:
    assert is_amount_of(tokens, exact) is same


@pytest.mark.parametrize("tokens", ["1.9999999999", Decimal("1.9999999991"), 1.9999999999])
def test_the_owners_number_is_rounded_down(tokens: object) -> None:
    assert rounded_down(tokens) == 1_999_999_999


def test_the_owners_number_is_refused_only_outside_of_its_range() -> None:
    largest = Decimal(2**63 - 1).scaleb(-9)
    for tokens, amount in ((0, 0), (largest, 2**63 - 1)):
        assert rounded_down(tokens) == amount
    for tokens in (-1, largest + 1):
        with pytest.raises(MalformedAmount, match=f"{tokens}.*negative or too large"):
            rounded_down(tokens)

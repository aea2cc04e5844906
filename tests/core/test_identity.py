"""User ids in one form, and the commitments that stand for them in public."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import A_WEEK, digests, object_ids, user_ids
from worker.core.identity import (
    MalformedId,
    canonical_user_id,
    plan_salt,
    user_commitment,
    user_salt,
)

SECRET = bytes(range(32))


@given(object_ids)
def test_an_object_id_has_one_form_in_any_case(user_id: str) -> None:
    canonical = canonical_user_id(user_id)

    assert canonical == canonical_user_id(user_id.upper()) == canonical_user_id(user_id.lower())
    assert canonical == user_id.lower()


@given(user_ids)
def test_a_canonical_id_stays_as_it_is(user_id: str) -> None:
    assert canonical_user_id(canonical_user_id(user_id)) == canonical_user_id(user_id)


@pytest.mark.parametrize(
    "user_id",
    [
        "",
        "Alice",
        "507F1F77BCF86CD79943901",  # 23 characters
        "507F1F77BCF86CD7994390111",  # 25
        "507F1F77BCF86CD79943901G",
        "507F1F77BCF86CD799439011\n",
        "٥07F1F77BCF86CD799439011",  # a digit, but not ASCII
    ],
)
def test_what_is_no_object_id_stays_as_it_is(user_id: str) -> None:
    assert canonical_user_id(user_id) == user_id


def test_what_is_not_utf_8_is_no_id() -> None:
    with pytest.raises(MalformedId, match=r"'\\udcff' is not UTF-8"):
        canonical_user_id("\udcff")


@given(digests, user_ids)
def test_a_commitment_is_the_hash_of_the_users_own_salt_and_id(salt: bytes, user_id: str) -> None:
    own = hmac.new(salt, user_id.encode(), hashlib.sha256).digest()

    assert user_salt(salt, user_id) == own
    assert user_commitment(salt, user_id) == hashlib.sha256(own + user_id.encode()).digest()


@given(digests, st.sets(user_ids, min_size=2, max_size=20))
def test_commitments_of_different_users_differ(salt: bytes, users: set[str]) -> None:
    assert len({user_commitment(salt, user) for user in users}) == len(users)
    assert len({user_salt(salt, user) for user in users}) == len(users)


@given(user_ids)
def test_a_user_cannot_be_followed_from_week_to_week(user_id: str) -> None:
    salts = {plan_salt(SECRET, A_WEEK.back(i)) for i in range(20)}

    assert len(salts) == 20
    assert len({user_commitment(salt, user_id) for salt in salts}) == 20


def test_the_plans_salt_is_the_same_again_for_the_same_secret_and_week_only() -> None:
    expected = hmac.new(SECRET, b"kontrib/1/salt/2024-12-09", hashlib.sha256).digest()

    assert plan_salt(SECRET, A_WEEK) == expected
    assert plan_salt(SECRET[::-1], A_WEEK) != expected

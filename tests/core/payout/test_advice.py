"""Commands in an advice can be typed: they name the week."""

from __future__ import annotations

import pytest

from worker.core.payout.advice import BY_OPERATOR, VOID_BATCH, advice
from worker.core.payout.chain import AccountProblem
from worker.core.payout.single import HOLD_EXPIRED, NOT_MADE_YET, UNREADABLE


@pytest.mark.parametrize(
    "reason",
    [
        *(problem.value for problem in AccountProblem),
        f"{AccountProblem.NOT_AN_ADDRESS.value}: 42 characters",
        VOID_BATCH,
        HOLD_EXPIRED,
        NOT_MADE_YET,
        UNREADABLE,
        "something new",
    ],
)
def test_a_retry_names_the_week(reason: str) -> None:
    found = advice(reason, "2024-W50")
    assert found.count("kontrib retry") == found.count("kontrib retry 2024-W50")
    assert "{" not in found


def test_another_spelling_of_no_address_is_corrected_in_the_wiki() -> None:
    reason = f"{AccountProblem.NOT_AN_ADDRESS.value}: 42 characters"
    assert "correct the wallet in the wiki" in advice(reason, "2024-W50")
    assert "kontrib retry 2024-W50 --rewallet USER --wallet ADDRESS" in advice(reason, "2024-W50")


def test_for_an_unknown_reason_the_week_is_looked_at() -> None:
    assert advice("something new", "2024-W50") == (
        "Look at it: kontrib status 2024-W50. Then: kontrib retry 2024-W50"
    )


def test_a_hold_of_an_operator_is_released_for_its_week() -> None:
    assert advice(f"{BY_OPERATOR}a question", "2024-W50").endswith("kontrib release USER 2024-W50")

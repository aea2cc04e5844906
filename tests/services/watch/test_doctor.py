"""The doctor names every missing part with advice. One failure hides no other failure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.fakes.check.check_store import FakeCheckStore
from tests.fakes.world import WEEK, World, chain_of, store_of
from tests.simulation.faults.moods import SkewedClock
from worker.core.errors import Refused, Unreachable
from worker.core.findings import Check, Outcome
from worker.core.money import ONE_TOKEN
from worker.services.context import Context
from worker.services.watch.doctor import (
    CLUSTER,
    DATABASE,
    Question,
    ask,
    beat_question,
    payout_questions,
    users_question,
    weeks_question,
)


def checks(world: World) -> dict[str, Check]:
    return {
        check.name: check
        for check in ask(payout_questions(lambda: world.first, lambda: world.first.store))
    }


def final(world: World) -> None:
    """Make all changes on chain final."""
    world.clock.sleep(30)


def failures(world: World) -> dict[str, str]:
    return {name: check.findings[0].found for name, check in checks(world).items() if not check.ok}


def beat(world: World) -> Check:
    question = beat_question(lambda: world.first.store, lambda: world.clock, 300)
    (check,) = ask([question])
    return check


def test_users_with_several_documents_are_named(world: World) -> None:
    store = FakeCheckStore(store_of(world.first))
    (well,) = ask([users_question(lambda: store)])
    assert well.ok
    for each in "abcd":
        for form in (each * 24, each.upper() * 24):
            store_of(world.first).add_user({"_id": form})

    (found,) = ask([users_question(lambda: store)])

    assert not found.ok
    (finding,) = found.findings
    assert finding.found.startswith(f"4 users with several documents: {'a' * 24} (")
    assert finding.found.endswith(", ...")


def test_a_funded_world_with_its_genesis_is_well(world: World) -> None:
    world.genesis()
    assert failures(world) == {}


def test_a_world_without_genesis_is_not_ready(world: World) -> None:
    final(world)
    assert list(failures(world)) == ["genesis"]
    assert "kontrib genesis" in checks(world)["genesis"].findings[0].advice


def test_too_few_tokens_for_the_coming_week_are_named(world: World) -> None:
    world.genesis()
    world.fund(tokens=-(1_000_000 - 9_999) * ONE_TOKEN)
    final(world)
    assert failures(world).keys() == {"treasury"}
    assert "1 short" in failures(world)["treasury"]


def test_too_little_sol_is_named(world: World) -> None:
    world.genesis()
    world.fund(lamports=-(10**12) + 3_000_000)
    final(world)
    assert failures(world).keys() == {"SOL"}


def test_a_question_that_needs_the_cluster_is_not_asked_without_it(world: World) -> None:
    world.genesis()
    chain_of(world.first).endpoints[0].down = True
    found = failures(world)
    assert found["mint and authority"] == f"cannot be answered without: {CLUSTER}"
    assert found["treasury"] == f"cannot be answered without: {CLUSTER}"
    assert "plan archive" not in found


def test_a_key_that_cannot_be_read_is_named_once_and_other_questions_are_asked(
    world: World,
) -> None:
    def without_key() -> Context:
        raise Refused("the key file holds a seed phrase")

    world.genesis()
    world.first.store.pause("the treasury moves")
    found = {it.name: it for it in ask(payout_questions(without_key, lambda: world.first.store))}
    assert found["keys"].findings[0].found == "the key file holds a seed phrase"
    assert found["rules"].ok
    assert "the treasury moves" in found["signing"].findings[0].found
    unknown = [name for name, check in found.items() if not check.ok]
    rest = [name for name in unknown if name not in ("keys", "signing")]
    assert rest == [n for n in found if n not in ("keys", "signing", "rules")]
    assert all("cannot be answered without" in found[name].findings[0].found for name in rest)


def test_an_unusable_mint_is_named(world: World) -> None:
    world.genesis()
    world.ledger.mint_problem = "it has 6 decimals instead of 9"
    assert "6 decimals" in failures(world)["mint and authority"]


def test_a_pause_is_named_with_its_reason(world: World) -> None:
    world.genesis()
    world.first.store.pause("the treasury moves")
    assert "the treasury moves" in failures(world)["signing"]


def test_a_beat_that_was_never_seen_or_is_too_old_is_named(world: World) -> None:
    assert not beat(world).ok
    world.first.store.beat("beat", world.clock.now())
    assert beat(world).ok
    world.clock.sleep(14 * 60)
    assert beat(world).ok
    world.clock.sleep(2 * 60)
    assert not beat(world).ok


def test_stopped_weeks_are_named(world: World) -> None:
    now = world.clock.now()
    world.first.store.ensure_distribution(WEEK, now)
    (check,) = ask([weeks_question(lambda: world.first.store)])
    assert check.ok
    world.first.store.record_failure(
        WEEK, reason="no", next_attempt_at=now + timedelta(1), attempts=12, stopped=True
    )
    (check,) = ask([weeks_question(lambda: world.first.store)])
    assert not check.ok
    assert "2024-W50: no" in check.findings[0].found


def test_a_context_that_cannot_be_made_fails_each_question_by_itself() -> None:
    def broken() -> str:
        raise Unreachable("MongoDB does not answer.")

    asked = list(
        ask(
            [
                Question(DATABASE, broken, "Start it."),
                Question("later", lambda: "fine", "", needs=(DATABASE,)),
                Question("other", lambda: "fine", ""),
            ]
        )
    )
    assert [check.outcome for check in asked] == [Outcome.WRONG, Outcome.UNPROVEN, Outcome.OK]
    assert asked[0].findings[0].advice == "Start it."


def test_the_clocks_difference_is_shown_and_a_wrong_clock_is_named(world: World) -> None:
    final(world)
    assert (
        "s ahead of the newest finalized block of 2024-12-16 01:00" in checks(world)["clock"].detail
    )
    slow = replace(world.first, clock=SkewedClock(world.clock, -3600))
    (check,) = (
        each
        for each in ask(payout_questions(lambda: slow, lambda: slow.store))
        if each.name == "clock"
    )
    assert not check.ok
    assert "s behind the newest finalized block" in check.findings[0].found
    chain_of(world.first).knows_block_times = False
    assert "cluster's time is unknown" in failures(world)["clock"]

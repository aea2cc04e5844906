"""The work of the commands about one week."""

from __future__ import annotations

from collections.abc import Callable

from worker.cli.console import emit, facts, say, waiting
from worker.cli.json_views import (
    board_document,
    preview_document,
    reconciliation_document,
)
from worker.cli.session import BrokerUnreachable, NoWorker, Session
from worker.cli.text_views import (
    notes_of,
    show_board,
    show_notes,
    show_preview,
    show_reconciliation,
)
from worker.cli.week.progress import follow, interrupted_text, work_inline
from worker.core.lifecycle import Stage
from worker.core.payout.records import Distribution
from worker.core.week import Week
from worker.services.payout.reconcile import reconcile
from worker.services.plan.genesis import make_genesis
from worker.services.plan.plan_week import check_plannable, dry_run, plan_week
from worker.services.plan.planned_week import NotPlanned
from worker.services.plan.preview import preview
from worker.services.week.outcome import DONE, Verdict
from worker.services.week.status import board, obstacles

INTERRUPTED = 130
OBSTACLES_SHOWN = 5


def make_the_genesis(session: Session, week: Week, *, as_json: bool) -> None:
    """Make it, or find that it is there with the same values."""
    with waiting("Waiting until the genesis is final on chain"):
        signature, made = make_genesis(session.context, week)
    data = {"first_week": week.label, "made_now": made, "signature": signature}
    what = "made" if made else "there already"
    rows = {"genesis": f"{what}, first week {week.label}", "signature": signature}
    emit(data, as_json=as_json, render=lambda console: console.print(facts(rows)))


def preview_the_week(session: Session, week: Week, *, as_json: bool) -> None:
    """Compute and show. Writes nothing."""
    with waiting(f"Computing {week.label}"):
        found = preview(session.context, dry_run(session.context, week))
    emit(preview_document(found), as_json=as_json, render=lambda c: show_preview(c, found))
    if found.stage is not Stage.DUE:
        say(
            f"Note: {week.label} has a plan already (stage {found.stage.value}), and that one is "
            "paid. This is what a plan would be today."
        )


def plan_the_week(session: Session, week: Week, *, as_json: bool) -> None:
    """Write and publish the plan."""
    context = session.context
    with waiting(f"Planning {week.label}"):
        planned = plan_week(context, week, at_once=True)
    current = board(context.store, week)
    where = context.archive.location(week, planned.root)
    data = board_document(current) | {"how": planned.how, "published": where}

    emit(data, as_json=as_json, render=lambda console: show_board(console, current))
    if not as_json:
        emit(None, as_json=False, render=lambda c: show_notes(c, notes_of(current.notes)))
    say(f"The plan was {planned.how} and is published at {where}.")
    if current.stage is Stage.PLANNED:
        wait = context.rules().require_approval and not current.approved
        first = f"after `kontrib approve {week.label}`, " if wait else ""
        say(f"Nothing is paid yet. Workers anchor it {first}or `kontrib run {week.label}`.")


def approve_the_week(session: Session, week: Week) -> None:
    """Approve a plan that is not anchored yet, and wake the anchor."""
    store = session.store
    if planned(session, week).stage.is_frozen:
        say(f"{week.label} is anchored already; there is nothing to approve.")
        return
    store.approve(week)
    store.requeue(week, session.clock.now())
    say(f"{week.label} is approved.")
    wake_or_say(session, "tasks.retry", week)


def run_the_week(
    session: Session, week: Week | None, *, inline: bool, at_once: bool, as_json: bool
) -> int:
    """Pay a week and follow it; returns the exit code."""
    context = session.context
    now = context.clock.now()
    week = week or Week.containing(now).previous()
    check_plannable(context, week, at_once=at_once)
    in_grace = now < week.end + context.limits.plan_grace
    known = context.store.distribution(week)
    early = in_grace and (known is None or known.plan_id is None)
    if inline:
        return _finish(session, week, as_json, lambda: _work_here(session, week, at_once=early))
    if not session.workers():
        raise NoWorker
    session.wake("tasks.distribute", week=week.id, at_once=early)
    return _finish(session, week, as_json, lambda: follow(session, week))


def _work_here(session: Session, week: Week, *, at_once: bool) -> Verdict:
    """Pay in this process, and count what users and articles have earned by it."""
    from worker.services.wiki.earned_tokens import recount_week

    found = work_inline(session.context, week, at_once=at_once)
    if found.exit_code == DONE:
        recount_week(session.wiki, week)
    return found


def retry_the_week(session: Session, week: Week, *, inline: bool, as_json: bool) -> int:
    """Make everything unresolved due now, and follow it; returns the exit code."""
    planned(session, week)
    count = session.store.requeue(week, session.clock.now())
    say(f"{week.label}: {count} made due now.")
    if inline:
        return _finish(session, week, as_json, lambda: _work_here(session, week, at_once=False))
    if not session.workers():
        raise NoWorker
    session.wake("tasks.retry", week=week.id)
    return _finish(session, week, as_json, lambda: follow(session, week))


def reconcile_the_week(session: Session, week: Week, *, as_json: bool) -> bool:
    """Compare plan, database and chain; whether they agree."""
    distribution = planned(session, week)
    with waiting(f"Comparing {week.label} with the chain"):
        result = reconcile(session.context, distribution)
    emit(
        reconciliation_document(result),
        as_json=as_json,
        render=lambda console: show_reconciliation(console, result),
    )
    return result.is_exact


def planned(session: Session, week: Week) -> Distribution:
    """
    Raises:
        NotPlanned: the week has no plan.
    """
    distribution = session.store.distribution(week)
    if distribution is None or distribution.plan_id is None:
        raise NotPlanned(week)
    return distribution


def wake_or_say(session: Session, task: str, week: Week | None = None) -> None:
    """Wake the workers; what is due is found by the sweeper in any case."""
    try:
        session.wake(task, **({"week": week.id} if week else {}))
    except BrokerUnreachable as error:
        say(f"Note: {error}")


def _finish(session: Session, week: Week, as_json: bool, act: Callable[[], Verdict]) -> int:
    """Do it, say how it ended, and what to do after Ctrl-C."""
    try:
        found = act()
    except KeyboardInterrupt:
        say(interrupted_text(board(session.store, week)))
        return INTERRUPTED
    current = board(session.store, week)
    listed = () if found.exit_code == DONE else obstacles(session.store, week, OBSTACLES_SHOWN)
    data = board_document(current, listed) | {"exit_code": found.exit_code, "said": found.sentence}
    emit(data, as_json=as_json, render=lambda c: show_board(c, current, listed))
    say(found.sentence)
    return found.exit_code


def redirect_the_reward(session: Session, week: Week, user: str, wallet: str | None) -> None:
    """Send a held or voided reward to another wallet, by default to the user's of today."""
    from worker.services.payout.override import redirect_reward, wallet_of_today

    target = wallet or wallet_of_today(session.context, user)
    reward = redirect_reward(session.context, week, user, target)
    say(f"{reward.user_id}'s reward of {week.label} goes to {target}.")

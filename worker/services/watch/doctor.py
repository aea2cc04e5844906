"""The questions of `kontrib doctor`: everything that a payout needs, each with advice."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from worker.core.errors import KontribError, NotReady, Unreachable
from worker.core.findings import Check, Finding
from worker.core.lifecycle import Stage
from worker.core.money import sol_text, tokens_text
from worker.core.plan.rules import Rules, rules_from
from worker.core.week import Week
from worker.core.wording import counted
from worker.ports.check import CheckStore
from worker.ports.payout import Archive, Clock, Store
from worker.services.context import Context, Paused
from worker.services.plan.cluster.clock import check_clock
from worker.services.plan.funds import FundsReport, Need, estimate, funds_report
from worker.services.plan.genesis import first_week
from worker.services.watch.endpoints import limits_text, problem_of

DATABASE, KEYS, CLUSTER, MINT = "MongoDB", "keys", "cluster", "mint and authority"
ASK_AGAIN = (
    "Nothing is known about this, because no endpoint answered. Ask again; if it stays so, replace "
    "the endpoint in SOLANA_RPC_URL."
)
REPLACE_ENDPOINT = (
    "Replace the endpoint in SOLANA_RPC_URL, or ask its provider for another plan. Payments go on "
    "while a majority of the endpoints answers."
)
BEATS_MISSED_MAX = 2
USERS_LISTED_MAX = 3
_PROBE_WEEK, _PROBE_ROOT = Week(date(1970, 1, 5)), bytes(32)


@dataclass(frozen=True, slots=True)
class Question:
    """`probe` returns the answer, or raises an expected failure with the reason."""

    name: str
    probe: Callable[[], str]
    advice: str
    needs: tuple[str, ...] = ()
    """Names of the questions that must be answered first."""


class Unwell(NotReady):
    """A probe found a fault."""


def ask(questions: Iterable[Question]) -> Iterator[Check]:
    """Ask every question. After a failure, only the questions that depend on it stay unanswered."""
    failed: set[str] = set()
    for question in questions:
        check = Check(question.name)
        lacking = next((name for name in question.needs if name in failed), None)
        if lacking is not None:
            check.unproven("", f"cannot be answered without: {lacking}")
        else:
            _ask(question, check)
        if not check.ok:
            failed.add(check.name)
        yield check


def _ask(question: Question, check: Check) -> None:
    try:
        check.detail = question.probe()
    except KontribError as error:
        # The usual advice is about a fact, and an endpoint that is silent says nothing about it.
        is_silence = isinstance(error, Unreachable) and CLUSTER in question.needs
        advice = ASK_AGAIN if is_silence else question.advice
        check.add(Finding(question.name, "", str(error), advice=advice))


def payout_questions(
    context: Callable[[], Context], store: Callable[[], Store], places: Callable[[], str] = str
) -> list[Question]:
    """Questions about the ports. `context` fails without usable keys, and `store` needs none."""
    return [
        Question(
            "rules",
            lambda: _rules(rules_from(store().rules_document())),
            "Correct the document `token_system` in system_config, or run `kontrib migrate`.",
            needs=(DATABASE,),
        ),
        Question(KEYS, lambda: _keys(context, places()), "Correct what is named."),
        *_chain_questions(context),
        Question(
            "genesis",
            lambda: f"first week {first_week(context()).label}",
            "Run `kontrib genesis --first-week WEEK` once, or correct the key, mint or cluster.",
            needs=(DATABASE, CLUSTER),
        ),
        Question(
            "treasury",
            lambda: _treasury(context()),
            "Send KONTRIB to the source account, or raise the delegate's allowance.",
            needs=(DATABASE, "rules", CLUSTER, MINT),
        ),
        Question(
            "SOL",
            lambda: _lamports(context()),
            "Send SOL to the fee payer.",
            needs=(DATABASE, "rules", CLUSTER, MINT),
        ),
        Question(
            "plan archive",
            lambda: archive_answers(context().archive),
            "Correct PLAN_ARCHIVE_URL, or the rights on that place.",
            needs=(KEYS,),
        ),
        Question(
            "signing",
            lambda: _not_paused(store()),
            "Run `kontrib resume` when the reason is gone.",
            needs=(DATABASE,),
        ),
    ]


def _chain_questions(context: Callable[[], Context]) -> list[Question]:
    return [
        Question(
            CLUSTER,
            lambda: f"genesis hash {context().chain.cluster_genesis()}",
            "Check SOLANA_RPC_URL: most endpoints must answer, and all must be of one cluster.",
            needs=(KEYS,),
        ),
        Question(
            "clock",
            lambda: check_clock(context()).sentence(),
            "Set this machine's clock by NTP, or remove the endpoint whose blocks are old.",
            needs=(CLUSTER,),
        ),
        Question(
            MINT,
            lambda: _mint(context()),
            "Correct TOKEN_MINT_ADDRESS, SOLANA_PRIVATE_KEY_FILE or SOURCE_TOKEN_ACCOUNT.",
            needs=(CLUSTER,),
        ),
        Question(
            "endpoints", lambda: _endpoints(context()), REPLACE_ENDPOINT, needs=(CLUSTER, MINT)
        ),
    ]


def beat_question(
    store: Callable[[], Store], clock: Callable[[], Clock], sweep_seconds: float
) -> Question:
    """Asks whether Celery beat runs. The sweep records each time that beat wakes it."""
    silent_max = timedelta(seconds=sweep_seconds * (BEATS_MISSED_MAX + 1))
    return Question(
        "Celery beat",
        lambda: _beat(store().last_beat("beat"), clock().now(), silent_max),
        "Start `celery -A worker.app beat`, and a worker that takes the queue `control`.",
        needs=(DATABASE,),
    )


def weeks_question(store: Callable[[], Store]) -> Question:
    """Asks whether a week waits for a person."""
    return Question(
        "weeks",
        lambda: _weeks(store()),
        "Look with `kontrib status WEEK`, mend the reason, then `kontrib retry WEEK`.",
        needs=(DATABASE,),
    )


def users_question(store: Callable[[], CheckStore]) -> Question:
    """Whether each user is one document."""
    return Question(
        "users",
        lambda: _users(store()),
        "Keep one document of each user in the wiki: until then their rewards are held.",
        needs=(DATABASE,),
    )


def archive_answers(archive: Archive) -> str:
    """Publish a line under a week that is never planned, and read it back.

    Raises:
        Unreachable: the archive cannot be used.
        Unwell: the archive does not return the written line.
    """
    where = archive.location(_PROBE_WEEK, _PROBE_ROOT)
    archive.publish(_PROBE_WEEK, _PROBE_ROOT, [b"kontrib doctor"])
    published = archive.fetch(_PROBE_WEEK, _PROBE_ROOT)
    if published is None:
        raise Unwell(f"The line that was written to {where} is not there.")
    with published as lines:
        if list(lines) != [b"kontrib doctor"]:
            raise Unwell(f"The line that was written to {where} came back changed.")
    return f"{where} written and read back"


def coming_need(context: Context) -> FundsReport:
    """The treasury against the coming week's pool and all debts.

    Costs are estimated from the last planned week: the coming week's contributors are not known.
    """
    plans = [d.plan_id for d in context.store.distributions() if d.plan_id is not None]
    rewards = context.store.progress(plans[-1]) if plans else None
    users = sum(t.count for t in rewards.rewards.values()) if rewards else 0
    costs = context.chain.costs()
    batches = max(1, -(-users // costs.transfers_per_transaction))
    pool = context.rules().pool
    cost = estimate(costs, batches=batches, held=0, new_accounts=users // 10)
    return funds_report(context, Need(pool, cost.lamports))


def _keys(context: Callable[[], Context], places: str) -> str:
    """A context is built from the keys. A silent endpoint is another question's."""
    with contextlib.suppress(Unreachable):
        context().chain.check_keys()
    return f"each signs a test message; {places}".removesuffix("; ")


def _rules(rules: Rules) -> str:
    return f"{tokens_text(rules.pool)} KONTRIB a week, from {rules.min_points} points on"


def _mint(context: Context) -> str:
    context.chain.check_mint()
    return f"{context.chain.mint} is usable, and so is the authority"


def _endpoints(context: Context) -> str:
    reports = context.chain.endpoint_reports()
    found = [f"{it.host}: {problem}" for it in reports if (problem := problem_of(it))]
    if found:
        usable = f"{len(reports) - len(found)} of {len(reports)} can be used"
        raise Unwell(f"{usable}; {'; '.join(found)}")
    return "; ".join(filter(None, [f"{len(reports)} answer in all sizes", limits_text(reports)]))


def _treasury(context: Context) -> str:
    report = coming_need(context)
    there, needed = tokens_text(report.treasury.tokens), tokens_text(report.needed.tokens)
    text = f"{there} KONTRIB, {needed} needed for the coming week and all debts"
    if report.tokens_short:
        raise Unwell(f"{text}: {tokens_text(report.tokens_short)} short")
    if report.allowance_short:
        raise Unwell(f"{text}: the allowance is {tokens_text(report.allowance_short)} short")
    return text


def _lamports(context: Context) -> str:
    report = coming_need(context)
    there, needed = sol_text(report.treasury.lamports), sol_text(report.needed.lamports)
    extra = sol_text(context.chain.costs().priority_fee_max)
    text = (
        f"{there} SOL, about {needed} needed for the coming week and all debts, with priority fees "
        f"of at most {extra} SOL a transaction"
    )
    if report.lamports_short:
        raise Unwell(f"{text}: {sol_text(report.lamports_short)} short")
    return text


def _not_paused(store: Store) -> str:
    if (reason := store.paused()) is not None:
        raise Paused(reason)
    return "not paused"


def _beat(last: datetime | None, now: datetime, silent_max: timedelta) -> str:
    if last is None:
        raise Unwell("no beat was ever recorded")
    age = now - last.astimezone(UTC)
    text = f"last beat {int(age.total_seconds())} s ago"
    if age > silent_max:
        raise Unwell(text)
    return text


def _users(store: CheckStore) -> str:
    twice = [f"{user_id} ({', '.join(ids)})" for user_id, ids in store.same_users()]
    if twice:
        more = ", ..." if len(twice) > USERS_LISTED_MAX else ""
        listed = ", ".join(twice[:USERS_LISTED_MAX]) + more
        raise Unwell(f"{counted(len(twice), 'user')} with several documents: {listed}")
    return "each is one document"


def _weeks(store: Store) -> str:
    """Stopped weeks wait for a person."""
    known = store.distributions()
    stopped = [d for d in known if d.stopped]
    if stopped:
        listed = "; ".join(f"{d.week.label}: {d.reason}" for d in stopped[:3])
        raise Unwell(f"{len(stopped)} stopped: {listed}")
    opened = [d for d in known if d.stage is not Stage.COMPLETED]
    return f"{len(opened)} open, none stopped"

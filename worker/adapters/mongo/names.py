"""Names that several modules share: collections, fields, and the ways to pay a reward."""

from __future__ import annotations

from enum import StrEnum

from worker.core.wiki.stored_counters import OPENING_TOKENS

USERS = "users"
ARTICLES = "articles"
CONTRIBUTIONS = "contributions"
TOKEN_REWARDS = "token_rewards"  # noqa: S105 - a collection's name
WEEKLY_DISTRIBUTIONS = "weekly_distributions"
STAKING_RECORDS = "staking_records"
GOVERNANCE_PROPOSALS = "governance_proposals"
SYSTEM_CONFIG = "system_config"
PAYOUT_BATCHES = "payout_batches"
OTHER_TRANSACTIONS = "other_transactions"
"""Transactions that resolve no payout: creations of token accounts, and replaced attempts."""
ARTICLE_REWARDS = "article_rewards"
"""Each article's share of each week's rewards, computed from the rewards."""
GOVERNANCE_VOTES = "governance_votes"
GOVERNANCE_SNAPSHOTS = "governance_snapshots"
"""Each user's voting power when a vote began."""
WEEKLY_DISTRIBUTIONS_ARCHIVE = "weekly_distributions_archive"
WEEKLY_DISTRIBUTIONS_CONFLICTS = "weekly_distributions_conflicts"
"""Second distributions of a week, which migration moved here."""

SET_ASIDE = "kontrib_set_aside"
"""Field of a distribution that a person moved away: when, and why. A record without a distribution
has `rewards_only` in it: another system had only rewards of the week."""

ADOPTED = "kontrib_adopted"
"""Field of a distribution that another system had left undone, and that this one took over."""

WALLET = "wallet_address"
WALLET_CONFLICT = "wallet_address_conflict"
"""Field of `users`. Migration moves a wallet here if an older account has the same wallet."""

WALLET_REMOVED = "wallet_address_removed"
"""Field of `users`: a null or empty wallet, which migration moved here for the unique index."""

ADDED_FIELDS = "kontrib_added_fields"
"""Field of `users` and `articles`: which of the wiki's own fields migration added to a document."""

ACCOUNT_MADE_AT = "token_account_created_at"
"""Field of `users`: when we last created a token account for the user, at our cost."""

ACCOUNT_WALLETS = "token_account_wallets"
"""Field of `users`: the wallets for which we did. Without it, the wallet of then is unknown."""

USER_OPENINGS = (OPENING_TOKENS, "opening_total_contributions", "opening_total_points")
ARTICLE_OPENINGS = (OPENING_TOKENS, "opening_contribution_count")
"""Fields of `users` and `articles`: what the wiki had counted, and no document explains. Null where
the counter cannot be read."""


class Route(StrEnum):
    """How a reward is paid. `WAITING`: as a single payout, which does not exist yet."""

    BATCH = "batch"
    WAITING = "waiting"
    SINGLE = "single"

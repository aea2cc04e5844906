"""The server's side of a call: the ledger as one node sees it, and an operator's switches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from deploy.local.chain.blocks import Block, Commitment
from deploy.local.chain.budget import MAX_V1_BYTES
from deploy.local.chain.ledger import Ledger
from deploy.local.chain.rpc.conditions import Conditions, Endpoint
from deploy.local.chain.rpc.params import (
    MIN_CONTEXT_SLOT_NOT_REACHED,
    Config,
    RpcError,
    commitment_of,
    invalid_params,
)


@dataclass(slots=True)
class Switches:
    """The state that an operator sets, shared by every node of the chain."""

    paused: bool = False
    airdrops: int = 0
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    """The endpoints by their path; every other path is a healthy one."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node of the cluster.

    A node that is `behind_blocks` shows the chain of that many blocks ago. It still forwards
    transactions to the leader, except those that it loses.
    """

    ledger: Ledger
    unix_seconds: Callable[[], int]
    admin: bool = False
    switches: Switches = field(default_factory=Switches)
    behind_blocks: int = 0
    loses_sends: bool = False
    max_transaction_bytes: int = MAX_V1_BYTES

    def set_conditions(self, path: str, conditions: Conditions) -> None:
        """Give the endpoint at `path` conditions.

        The chain remembers accounts for its lag from now on, so a longer lag is reached slowly.
        """
        self.switches.endpoints[path] = Endpoint(conditions)
        # Where slots are skipped, a block is up to two slots.
        self.remember(2 * conditions.most_lag_blocks)

    def remember(self, slots: int) -> None:
        """Keep the accounts of at least so many slots before `finalized` from now on."""
        accounts = self.ledger.accounts
        accounts.remembered_slots = max(accounts.remembered_slots, slots)

    def endpoint(self, path: str) -> Endpoint:
        """Return the endpoint at a path."""
        return self.switches.endpoints.get(path) or _HEALTHY

    def behind(self, endpoint: Endpoint, method: str, draw: float) -> Node:
        """Return the node that answers a call of this endpoint."""
        if endpoint is _HEALTHY:
            return self
        return replace(
            self,
            behind_blocks=self.behind_blocks + endpoint.lag_blocks(method, draw),
            loses_sends=method == "sendTransaction" and endpoint.loses_send(),
            max_transaction_bytes=endpoint.conditions.max_transaction_bytes,
        )

    def block(self, commitment: Commitment) -> Block:
        """Return the newest block at `commitment` that this node knows.

        A node is never further behind than the chain remembers its accounts.
        """
        blocks, readable = self.ledger.blocks, self.ledger.accounts.settled_slot
        return blocks.before(blocks.at(commitment), self.behind_blocks, not_before_slot=readable)

    def bank(self, config: Config, *, at_least: Commitment = Commitment.PROCESSED) -> Block:
        """Return the block for the requested commitment (by default `finalized`)."""
        block = self.block_at(config, at_least=at_least)
        wanted_slot = config.get("minContextSlot")
        if wanted_slot is not None and wanted_slot > block.slot:
            raise RpcError(
                MIN_CONTEXT_SLOT_NOT_REACHED,
                "Minimum context slot has not been reached",
                {"contextSlot": block.slot},
            )
        return block

    def block_at(self, config: Config, *, at_least: Commitment = Commitment.PROCESSED) -> Block:
        """Return the block for the requested commitment, at any slot."""
        commitment = commitment_of(config.get("commitment"))
        if commitment < at_least:
            raise invalid_params(f"Method does not support commitment below `{at_least.label}`")
        return self.block(commitment)


_HEALTHY = Endpoint(Conditions())

"""Expected failures of the Solana adapter. Their messages never contain a secret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from worker.core.errors import NotReady, Refused, Unreachable, UsageError


class EndpointsDisagree(NotReady):
    """The configured endpoints belong to different clusters."""

    def __init__(self, found: Mapping[str, str]) -> None:
        self.found = dict(found)
        listed = ", ".join(f"{host}: {value}" for host, value in found.items())
        super().__init__(
            f"The RPC endpoints do not belong to one cluster ({listed}). "
            "Configure endpoints of the same cluster only."
        )


class MintUnusable(NotReady):
    """The mint is missing, of the wrong kind, or carries an extension that hinders payments."""

    def __init__(self, mint: str, found: str, expected: str = "a mint we can pay out") -> None:
        self.mint, self.found = mint, found
        super().__init__(f"The mint {mint} cannot be used: found {found}, expected {expected}.")


class AuthorityUnusable(NotReady):
    """The payout authority may not spend from the source account."""

    def __init__(self, authority: str, source: str, found: str) -> None:
        self.authority, self.source, self.found = authority, source, found
        super().__init__(
            f"The payout authority {authority} cannot pay from {source}: found {found}. "
            "It must be the owner of that token account, or its delegate."
        )


class KeyUnusable(NotReady):
    """A configured key cannot be used. The message names the variable, never its value."""

    def __init__(
        self,
        variable: str,
        why: str,
        advice: str = "Write the secret as a JSON array of 64 numbers, like the Solana command "
        "line, or in base58.",
    ) -> None:
        self.variable = variable
        super().__init__(f"{variable} holds no usable key ({why}). {advice}")


class SettingUnusable(NotReady):
    """A configured endpoint or address is malformed."""


class AddressUnusable(UsageError):
    """A configured address is not a public key."""

    def __init__(self, name: str, value: str) -> None:
        super().__init__(f"The {name} {value!r} is not a Solana address: 32 bytes in base58.")


class EndpointUnusable(UsageError):
    """A configured RPC endpoint is not a URL. The message hides it: it may hold an API key."""

    def __init__(self, position: int, why: str) -> None:
        super().__init__(f"RPC endpoint number {position} is not usable: {why}.")


class IntentTooLarge(Refused):
    """An intent has more transfers or a longer memo than fit into one transaction.

    Nothing was signed.
    """

    def __init__(self, receipts: Sequence[str], transfers: int) -> None:
        self.receipts, self.transfers = tuple(receipts), transfers
        super().__init__(
            f"{', '.join(receipts)} does not fit into one transaction of the version that every "
            f"endpoint accepts: it has {transfers} transfers."
        )


class RpcRefused(NotReady):
    """An endpoint answered a request with a permanent error. A retry would not help."""

    def __init__(self, host: str, method: str, why: str) -> None:
        self.host, self.method = host, method
        super().__init__(f"{host} refused {method}: {why}")


class SampleRefused(NotReady):
    """An endpoint refuses transactions of the size that the cluster's version allows."""

    def __init__(self, refusals: Mapping[str, str]) -> None:
        self.refusals = dict(refusals)
        listed = "; ".join(f"{host} refuses {why}" for host, why in refusals.items())
        super().__init__(
            f"A plan needs larger transactions than an endpoint takes: {listed}. Remove the "
            "endpoint from SOLANA_RPC_URL, or ask its provider for v1 transactions of 4,096 bytes."
        )


class MalformedAnswer(Unreachable):
    """An endpoint's answer lacks the form that its method promises. Counts as no answer."""


class BlockTimeUnknown(Unreachable):
    """No majority of the endpoints reports the time of a recent finalized block."""

    def __init__(self, silent: Sequence[str]) -> None:
        super().__init__(
            f"The cluster's time is unknown: {', '.join(silent)} reports no time of a finalized "
            "block. No week is planned or anchored without it; the sweeper tries again."
        )

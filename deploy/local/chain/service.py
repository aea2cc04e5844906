"""The Solana chain as a service of the local stack: LiteSVM behind JSON-RPC, ready for payments."""

from __future__ import annotations

import json
from collections.abc import Mapping

from deploy.local.chain.client import ChainClient
from deploy.local.chain.setup import prepare
from deploy.local.service import LOOPBACK, ServiceContext, ServiceSpec, python_module
from deploy.local.state_files import write_atomically

CHAIN_SERVICE = "chain"
SLOT_MILLISECONDS = 400


def chain_service(*, slot_milliseconds: int = SLOT_MILLISECONDS) -> ServiceSpec:
    """The chain with its mint and a full treasury.

    The service enables its `local_*` methods. With them the setup finalizes the treasury at once.
    """

    def command(context: ServiceContext) -> list[str]:
        arguments = ["--host", LOOPBACK, "--port", str(context.port)]
        arguments += ["--state-dir", str(context.directory)]
        arguments += ["--slot-milliseconds", str(slot_milliseconds)]
        module = "deploy.local.chain.rpc.server"
        return python_module(module, *arguments, "--admin")

    return ServiceSpec(
        name=CHAIN_SERVICE, command=command, probe=_probe, settings=_settings, detail=_detail
    )


def _url(context: ServiceContext) -> str:
    return f"http://{LOOPBACK}:{context.port}"


def _probe(context: ServiceContext) -> None:
    """Raise unless the chain answers, and the payout authority has SOL, a mint and a treasury."""
    with ChainClient(_url(context)) as client:
        genesis = str(client.call("getGenesisHash"))
    if _settings(context).get("LOCAL_CLUSTER_GENESIS") == genesis:
        return  # prepared before, and loaded from its snapshot
    settings = dict(prepare(context.directory, _url(context)))
    settings["LOCAL_CLUSTER_GENESIS"] = genesis
    settings["PLAN_ARCHIVE_URL"] = str(context.directory / "plans")
    write_atomically(context.directory / "settings.json", json.dumps(settings))


def _settings(context: ServiceContext) -> Mapping[str, str]:
    path = context.directory / "settings.json"
    return json.loads(path.read_text()) if path.exists() else {}


def _detail(context: ServiceContext) -> str:
    with ChainClient(_url(context)) as client:
        return f"slot {client.call('getSlot')}"

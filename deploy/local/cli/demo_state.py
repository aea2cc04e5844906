"""The folder of a demo: emptied for each run, and never shared with another stack."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import typer

from deploy.local.chain.client import ChainClient
from deploy.local.cli.stack import (
    BEAT,
    FLOWER,
    WORKER,
    open_stack,
    open_whole_stack,
    read_env,
    register_celery,
)
from deploy.local.stack import LocalStack
from deploy.local.state_files import make_state_folder, write_atomically
from worker.core.errors import Refused

MARKER = "demo"
KEPT = "kept"
"""The file that marks a finished demo that its user wanted to keep."""
FOREIGN = (
    *("SOLANA_PRIVATE_KEY", "RECEIPT_KEY_FILE", "FEE_PAYER_KEY_FILE", "SOURCE_TOKEN_ACCOUNT"),
    *("SOLANA_PRIVATE_KEY_URI", "RECEIPT_KEY_URI", "FEE_PAYER_KEY_URI", "EARLIER_SALTS_FILE"),
    *("PKCS11_MODULE", "PKCS11_PIN", "PKCS11_PIN_FILE"),
    *("KONTRIB_ENV_FILE", "CLOCK_OFFSET_SECONDS", "PLAN_GRACE_SECONDS"),
)
"""Settings of other systems. They must not reach the processes of a demo."""


class StateTaken(Refused):
    """The folder holds a stack of the user."""

    def __init__(self, state: Path) -> None:
        super().__init__(
            f"{state} holds a local stack of your own, and a demo begins afresh. Give another "
            "folder with --state, or delete that one: "
            f"python -m deploy.local down --purge --state {state}"
        )


class DemoKept(Refused):
    """The folder holds a demo that was kept."""

    def __init__(self, state: Path) -> None:
        super().__init__(
            f"{state} holds a demo that was kept with its data, and a demo begins afresh. Nothing "
            "was changed. Give another folder with --state (make demo STATE=DIR), or delete that "
            f"demo: python -m deploy.local down --purge --state {state}"
        )


def begin_afresh(state: Path) -> None:
    """Remove an earlier demo from the folder, running or killed. Asks before it removes a kept one.

    Raises:
        StateTaken: the folder holds something else.
        DemoKept: it holds a kept demo, and nobody agreed to its deletion.
    """
    if (state / KEPT).exists() and not _is_deletion_wanted(state):
        raise DemoKept(state)
    if (state / MARKER).exists():
        purge(state)
    elif (state / "stack.json").exists():
        raise StateTaken(state)
    make_state_folder(state)
    (state / MARKER).touch()


def _is_deletion_wanted(state: Path) -> bool:
    if not sys.stdin.isatty():
        return False
    return typer.confirm(f"{state} holds a kept demo. Delete it with its data?", err=True)


def purge(state: Path) -> list[str]:
    """Stop a folder's stack, delete its data and demo settings; return the stopped services."""
    stopped = open_whole_stack(state).down(purge=True)
    if (state / MARKER).exists():
        for name in (WORKER, BEAT, FLOWER):
            shutil.rmtree(state / name, ignore_errors=True)
        for name in ("env", MARKER, KEPT):
            (state / name).unlink(missing_ok=True)
    return stopped


def start_stack(state: Path, own_settings: Mapping[str, str]) -> LocalStack:
    """Start engine, Redis and chain, and put their settings into this process's environment.

    The chain's clock is shifted like the demo's, so that block times lie in the demo's time.

    Celery's processes are registered: the next `up` starts them, with the same settings.
    """
    stack = open_stack(state, _environment())
    stack.up()
    settings = {**read_env(stack.env_file), **own_settings}
    write_atomically(stack.env_file, "".join(f"{k}={v}\n" for k, v in settings.items()))
    for name in FOREIGN:
        os.environ.pop(name, None)
    os.environ.update(settings)
    with ChainClient(settings["SOLANA_RPC_URL"]) as chain:
        chain.call("local_setClockOffset", int(settings["CLOCK_OFFSET_SECONDS"]))
    register_celery(stack)
    return stack


def _environment() -> dict[str, str]:
    """A database name for this run alone, so that the wiki on a user's server stays untouched."""
    environment = dict(os.environ)
    if "MONGO_URI" in environment:
        environment["MONGO_DATABASE"] = f"kontrib_demo_{secrets.token_hex(4)}"
    return environment

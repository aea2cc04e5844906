"""A task's answer goes through Redis to Flower, so it holds no secret of the settings."""

from __future__ import annotations

import os
import subprocess
import sys

KEY = "s3cr3t-api-key-of-the-rpc"
SETTINGS = {
    "MONGO_URI": "mongodb://127.0.0.1:9/",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "SOLANA_RPC_URL": f"https://rpc.example/v2/{KEY}",
    "TOKEN_MINT_ADDRESS": "So11111111111111111111111111111111111111112",
    "WATCH_ONLY": "true",
    "KONTRIB_ENV_FILE": "/dev/null",
}
SCRIPT = """
from config.logging import configure_logging
from tasks.task import settings, task
from worker.core.errors import KontribError, NotReady

configure_logging("json", "INFO", settings.secrets())
TEXT = "the provider says: no credits for s3cr3t-api-key-of-the-rpc"
FAILURES = {"refused": KontribError(TEXT), "waits": NotReady(TEXT), "library": ValueError(TEXT)}

def fail(name):
    if name == "answer":
        return TEXT
    if name == "cause":
        raise RuntimeError("no detail") from ValueError(TEXT)
    raise FAILURES[name]

@task
def probe(*, name, **_):
    return fail(name)

for name in ("answer", *FAILURES):
    try:
        print(name, probe.run(name=name))
    except Exception as error:
        print(name, type(error).__name__, error)

try:
    probe.run(name="cause")
except Exception as error:
    print("cause", type(error).__name__, error, error.__cause__, error.__suppress_context__)

try:
    FAILURES["plain"] = KeyError("a bug")
    probe.run(name="plain")
except KeyError as error:
    print("plain", repr(error))
"""


def test_no_answer_of_a_task_repeats_a_secret() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, **SETTINGS},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    names = ["answer", "refused", "waits", "library", "cause", "plain"]
    assert [line.split()[0] for line in lines] == names
    assert all("no credits for (hidden)" in line for line in lines[:4]), done.stdout
    assert KEY not in done.stdout + done.stderr
    assert lines[4] == "cause TaskRefused RuntimeError: no detail None True"
    assert lines[5] == "plain KeyError('a bug')"

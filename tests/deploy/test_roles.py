"""A process in the wrong role does not start, and prints a message without a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {
    "MONGO_URI": "mongodb://127.0.0.1:1",
    "REDIS_URL": "redis://127.0.0.1:1",
    "SOLANA_RPC_URL": "http://not-used.invalid",
    "TOKEN_MINT_ADDRESS": "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
    "WATCH_ONLY": "true",
}


def celery(tmp_path: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "celery", "-A", "worker.app", *arguments],
        env={**os.environ, **SETTINGS, "KONTRIB_ENV_FILE": os.devnull, **settings},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_worker_without_keys_is_refused(tmp_path: Path) -> None:
    done = celery(tmp_path, "worker")
    assert done.returncode == 3
    assert "A worker needs the keys" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_malformed_tls_option_is_refused(tmp_path: Path) -> None:
    url = "rediss://:s3cret@127.0.0.1:1/0?ssl_cert_reqs=perhaps"
    done = celery(tmp_path, "beat", REDIS_URL=url)
    assert done.returncode == 3
    assert "REDIS_URL is malformed. Expected: redis://" in done.stderr
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stdout + done.stderr

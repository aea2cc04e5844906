"""A bundle in memory: the twin of both `BundleFolderWriter` and `BundleFolder`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from worker.core.proof.bundle import MANIFEST_FILE, PAYOUTS_FILE, PLAN_FILE, Manifest, PayoutLine
from worker.core.week import Week


class MemoryBundle:
    """Written once, and read any number of times. Tests may change `files` in between."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self._draft: dict[str, bytes] = {}
        self.siblings: dict[Week, MemoryBundle] = {}

    def write(self, name: str, lines: Iterable[bytes]) -> bytes:
        self._draft[name] = b"".join(line + b"\n" for line in lines)
        return hashlib.sha256(self._draft[name]).digest()

    def finish(self) -> str:
        self.files = dict(self._draft)
        return "memory"

    def manifest(self) -> bytes:
        return self.files[MANIFEST_FILE]

    def lines(self, name: str) -> Iterator[bytes]:
        return iter(self.files[name].splitlines(keepends=True))

    def beside(self, week: Week) -> MemoryBundle | None:
        return self.siblings.get(week)


def with_payout(
    bundle: MemoryBundle, number: int, change: Callable[[PayoutLine], PayoutLine]
) -> MemoryBundle:
    """The bundle with one payout changed, and a manifest that matches it."""
    lines = [PayoutLine.parse(line[:-1], "") for line in bundle.lines(PAYOUTS_FILE)]
    lines[number] = change(lines[number])
    copy = MemoryBundle()
    payouts = copy.write(PAYOUTS_FILE, [line.canonical() for line in lines])
    plan = copy.write(PLAN_FILE, (line[:-1] for line in bundle.lines(PLAN_FILE)))
    manifest = Manifest.parse(bundle.manifest())
    fitting = replace(manifest, files={PLAN_FILE: plan, PAYOUTS_FILE: payouts})
    copy.write(MANIFEST_FILE, [fitting.canonical()])
    copy.finish()
    return copy

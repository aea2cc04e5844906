"""RFC 6962 Merkle trees over SHA-256. A byte 0x00 precedes each leaf, and 0x01 each node."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class RootBuilder:
    """Builds the root of a stream of leaves. Its memory grows only with the tree's height."""

    def __init__(self) -> None:
        self._stack: list[tuple[int, bytes]] = []  # (height, root) of perfect subtrees

    def add(self, leaf: bytes) -> None:
        height, digest = 0, leaf_hash(leaf)
        while self._stack and self._stack[-1][0] == height:
            digest = node_hash(self._stack.pop()[1], digest)
            height += 1
        self._stack.append((height, digest))

    def root(self) -> bytes:
        """The root of all leaves so far; without leaves the SHA-256 of no bytes."""
        if not self._stack:
            return EMPTY_ROOT
        digest = self._stack[-1][1]
        for _, left in reversed(self._stack[:-1]):
            digest = node_hash(left, digest)
        return digest


def merkle_root(leaves: Iterable[bytes]) -> bytes:
    builder = RootBuilder()
    for leaf in leaves:
        builder.add(leaf)
    return builder.root()


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of RFC 6962 section 2.1.1 for the leaf at `index`, nearest sibling first."""
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*inclusion_path(leaves[:split], index), merkle_root(leaves[split:])]
    return [*inclusion_path(leaves[split:], index - split), merkle_root(leaves[:split])]


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a leaf and its path lead to; None if the path does not fit the tree."""
    if not 0 <= index < size:
        return None
    digest, last = leaf_hash(leaf), size - 1
    steps = list(path)
    while last > 0:
        if index % 2 == 1:
            if not steps:
                return None
            digest = node_hash(steps.pop(0), digest)
        elif index < last:
            if not steps:
                return None
            digest = node_hash(digest, steps.pop(0))
        index, last = index // 2, last // 2
    return digest if not steps else None

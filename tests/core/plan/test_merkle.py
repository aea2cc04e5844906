"""RFC 6962 trees, against the published vectors and the RFC's recursive definition."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.plan.merkle import (
    EMPTY_ROOT,
    RootBuilder,
    inclusion_path,
    merkle_root,
    root_from_path,
)

# The reference inputs of the Certificate Transparency implementations, and their roots by size.
INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PATHS = [
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]


def defined_root(leaves: list[bytes]) -> bytes:
    """Section 2.1 of the RFC, word by word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    halves = defined_root(leaves[:k]) + defined_root(leaves[k:])
    return hashlib.sha256(b"\x01" + halves).digest()


def numbered(count: int) -> list[bytes]:
    return [b"leaf %d" % i for i in range(count)]


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_the_published_ones(size: int) -> None:
    assert merkle_root(INPUTS[:size]).hex() == ROOTS[size]
    assert defined_root(INPUTS[:size]).hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size", "path"), PATHS)
def test_the_inclusion_paths_are_the_published_ones(index: int, size: int, path) -> None:
    found = inclusion_path(INPUTS[:size], index)

    assert [step.hex() for step in found] == path
    assert root_from_path(INPUTS[index], index, size, found).hex() == ROOTS[size]


@pytest.mark.parametrize("size", [*range(70), 127, 128, 129, 255, 256, 257, 1000])
def test_the_streamed_root_is_the_defined_one_for_every_size(size: int) -> None:
    assert merkle_root(iter(numbered(size))) == defined_root(numbered(size))


@given(st.lists(st.binary(max_size=40), max_size=40))
def test_the_streamed_root_is_the_defined_one_for_any_leaves(leaves: list[bytes]) -> None:
    assert merkle_root(leaves) == defined_root(leaves)


def test_a_builder_can_be_read_at_every_step_and_go_on() -> None:
    builder, leaves = RootBuilder(), numbered(40)

    assert builder.root() == EMPTY_ROOT
    for count, leaf in enumerate(leaves, start=1):
        builder.add(leaf)
        assert builder.root() == defined_root(leaves[:count])


@pytest.mark.parametrize("size", range(1, 34))
def test_every_leafs_path_leads_to_the_root(size: int) -> None:
    leaves = numbered(size)
    root = defined_root(leaves)

    for index, leaf in enumerate(leaves):
        assert root_from_path(leaf, index, size, inclusion_path(leaves, index)) == root


@pytest.mark.parametrize("size", range(1, 34))
def test_a_path_leads_there_for_no_other_leaf_and_no_other_index(size: int) -> None:
    leaves = numbered(size)
    root = defined_root(leaves)

    for index, leaf in enumerate(leaves):
        path = inclusion_path(leaves, index)
        for other in range(-2, 2 * size + 2):
            if other != index:
                assert root_from_path(leaf, other, size, path) != root
                assert root_from_path(b"leaf %d" % other, index, size, path) != root


@given(st.integers(1, 40), st.data())
def test_any_change_of_a_path_leads_elsewhere(size: int, data: st.DataObject) -> None:
    leaves = numbered(size)
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_path(leaves, index)
    changed = data.draw(_changed(path))

    assert root_from_path(leaves[index], index, size, path) == defined_root(leaves)
    assert root_from_path(leaves[index], index, size, changed) != defined_root(leaves)


def _changed(path: list[bytes]) -> st.SearchStrategy[list[bytes]]:
    extra = st.binary(min_size=32, max_size=32)
    longer = extra.map(lambda step: [*path, step]) | extra.map(lambda step: [step, *path])
    if not path:
        return longer
    places = st.integers(0, len(path) - 1)
    shorter = places.map(lambda i: path[:i] + path[i + 1 :])
    flipped = places.map(
        lambda i: [*path[:i], bytes([path[i][0] ^ 1]) + path[i][1:], *path[i + 1 :]]
    )
    return longer | shorter | flipped


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 1), (1, 1), (5, 3), (3, 3)])
def test_an_index_outside_the_tree_leads_nowhere(index: int, size: int) -> None:
    path = inclusion_path(numbered(3), 2)

    assert root_from_path(b"leaf 2", index, size, path) is None
    assert root_from_path(b"leaf 2", index, size, []) is None


def test_a_node_cannot_pass_for_a_leaf() -> None:
    """Because of the prefixes, a root's two concatenated children are not a leaf of that root."""
    left, right = (hashlib.sha256(b"\x00" + leaf).digest() for leaf in numbered(2))

    assert merkle_root([left + right]) != merkle_root(numbered(2))


@given(st.lists(st.binary(max_size=3), min_size=1, max_size=12, unique=True), st.data())
def test_a_missing_extra_or_moved_leaf_changes_the_root(leaves, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    rest = leaves[:index] + leaves[index + 1 :]

    root = merkle_root(leaves)

    assert merkle_root(rest) != root
    assert merkle_root([*leaves, leaves[index]]) != root
    moved = [leaves[index], *rest]
    assert (merkle_root(moved) == root) == (moved == leaves)

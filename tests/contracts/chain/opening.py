"""Opens the worlds of the chain contracts by their names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.local.chain import setup as chain_setup
from tests.cluster.cluster import any_cluster, named_cluster
from tests.contracts.chain.chain_worlds import FEE_BASIS_POINTS, FakeWorld, LocalWorld
from tests.contracts.chain.cluster_world import ClusterWorld
from tests.contracts.chain.local_chain import local_chain
from tests.contracts.chain.module_world import ModuleWorld
from tests.softhsm import SoftHsm
from worker.adapters.solana.addresses import TOKEN_2022_PROGRAM

WITH_FEE = chain_setup.MintKind(
    TOKEN_2022_PROGRAM, chain_setup.TransferFee(FEE_BASIS_POINTS, 10**18)
)
A_FEE = "with a transfer fee"
IN_A_MODULE = "token, keys in a module"
ANOTHER = "another cluster"
"""Surfpool, or the cluster that the environment names."""


def worlds(*names: str) -> list[Any]:
    """The parameters of a fixture. A named cluster replaces the local chain."""
    return [
        name if name.startswith("fake") else pytest.param(name, marks=pytest.mark.real)
        for name in names
        if name.startswith(("fake", ANOTHER)) or named_cluster() is None
    ]


@contextmanager
def open_world(name: str, folder: Path) -> Iterator[FakeWorld | ClusterWorld]:
    """A new world during the block. Raises pytest's skip if the machine lacks what it needs."""
    kind = WITH_FEE if A_FEE in name else chain_setup.CLASSIC
    if name.startswith("fake"):
        yield FakeWorld(fee_basis_points=FEE_BASIS_POINTS if A_FEE in name else 0)
    elif name.startswith(ANOTHER):
        with any_cluster(folder / "cluster.log") as cluster:
            yield from _closing(ClusterWorld(cluster, folder / "state", kind))
    elif name == IN_A_MODULE:
        with pytest.MonkeyPatch.context() as patch, local_chain(folder / "chain.log") as url:
            module = SoftHsm(folder / "softhsm", patch)
            yield from _closing(ModuleWorld(module, url, folder / "state", kind))
    else:
        arguments = ("--no-v1",) if "without v1" in name else ()
        with local_chain(folder / "chain.log", *arguments) as url:
            yield from _closing(LocalWorld(url, folder / "state", kind))


def _closing(world: ClusterWorld) -> Iterator[ClusterWorld]:
    try:
        yield world
    finally:
        world.close()

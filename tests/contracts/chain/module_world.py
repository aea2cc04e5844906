"""The local chain, with keys in a real PKCS#11 module."""

from __future__ import annotations

from pathlib import Path

from solders.keypair import Keypair

from config.pkcs11_uri import parse_pkcs11_uri
from deploy.local.chain import setup as chain_setup
from tests.contracts.chain.chain_worlds import LocalWorld
from tests.softhsm import PIN, SoftHsm
from worker.adapters.solana.chain import SolanaChain
from worker.adapters.solana.signing.pkcs11_key import Pkcs11Key


class ModuleWorld(LocalWorld):
    """Everything that our client signs is signed in the module.

    The world plays the mint's owner, too, so it imports the keys and does not generate them.
    """

    def __init__(self, module: SoftHsm, url: str, state: Path, kind: chain_setup.MintKind) -> None:
        self._module = module
        self._imported: set[str] = set()
        super().__init__(url, state, kind)

    def _client(self, authority: Keypair, source: str | None) -> SolanaChain:
        return SolanaChain(
            [self.url],
            str(self._mint),
            self._key(authority),
            self._key(self.key),
            self._key(authority),
            source,
            timeout_seconds=10,
        )

    def _key(self, keypair: Keypair) -> Pkcs11Key:
        name = str(keypair.pubkey())
        if name not in self._imported:
            self._module.load(name, keypair)
            self._imported.add(name)
        uri = parse_pkcs11_uri(self._module.uri(name))
        return Pkcs11Key("SOLANA_PRIVATE_KEY_URI", uri, self._module.path, lambda: PIN)

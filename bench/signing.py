"""Signatures a second, by a key from a file and by one in a PKCS#11 module.

    python -m bench.signing                        # a key from memory
    python -m bench.signing pkcs11:token=...       # your module's key, beside it

PKCS11_MODULE and PKCS11_PIN_FILE are read as a worker reads them.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from solders.keypair import Keypair

from config.pkcs11_uri import parse_pkcs11_uri
from worker.adapters.solana.signing.pkcs11_key import Pkcs11Key
from worker.adapters.solana.signing.signing_key import TEST_MESSAGE, SigningKey, signs

LENGTHS_BYTES = (1_167, 2_040, 3_301)
"""About the largest v0 payment, one of a module that signs 2 kB at most, and the largest v1."""
SECONDS = 3.0


def signatures_per_second(key: SigningKey, length_bytes: int) -> float:
    message = TEST_MESSAGE.ljust(length_bytes, b"\0")
    count, began = 0, time.perf_counter()
    while (passed := time.perf_counter() - began) < SECONDS:
        key.sign_message(message)
        count += 1
    return count / passed


def main(uris: list[str]) -> None:
    keys: dict[str, SigningKey] = {"file": Keypair()}
    for text in uris:
        uri = parse_pkcs11_uri(text)
        module = uri.module_path or Path(os.environ["PKCS11_MODULE"])
        pin = uri.pin_source or Path(os.environ["PKCS11_PIN_FILE"])
        keys[uri.key_text] = Pkcs11Key(
            "the URI", uri, module, lambda path=pin: path.read_text().rstrip("\r\n")
        )
    for name, key in keys.items():
        for length in LENGTHS_BYTES:
            if signs(key, length):
                rate = signatures_per_second(key, length)
                print(f"{name}: {rate:,.0f} signatures a second of {length:,} bytes")
            else:
                print(f"{name}: does not sign {length:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])

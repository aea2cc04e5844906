"""The secrets of a URL are hidden as a server may echo them, and nothing else is."""

from __future__ import annotations

import pytest

from config.secrets import Hiding, passwords_in_url, secrets_in_url

KEY = "s3cr3t-api-key-of-the-rpc"


@pytest.mark.parametrize(
    "url",
    [
        f"https://rpc.example/?api-key={KEY}",
        f"https://rpc.example/v2/{KEY}",
        f"https://rpc.example/v2/{KEY}/",
        f"https://{KEY}@rpc.example",
        f"https://user:{KEY}@rpc.example",
        f"https://rpc.example/?tier=fast&token={KEY}#x",
    ],
)
def test_an_api_key_is_hidden_without_its_place_in_the_url(url: str) -> None:
    hiding = Hiding(secrets_in_url(url))
    for text in (f"key {KEY} has no credits", url, repr(url)):
        assert KEY not in hiding(text)
    assert hiding("v2 of rpc.example: user is unknown") == "v2 of rpc.example: user is unknown"


def test_an_encoded_key_is_hidden_decoded_and_in_json() -> None:
    hiding = Hiding(secrets_in_url("https://rpc.example/?key=pass%22word%2F1"))
    for text in ('pass"word/1', "pass%22word%2F1", 'pass\\"word/1'):
        assert hiding(f"<{text}>") == "<(hidden)>"


def test_a_database_and_a_folder_are_no_secrets() -> None:
    uri = "mongodb://wiki:p%40ssword@db:27017/kontrib?tlsCertificateKeyFilePassword=0pen-it"
    assert set(passwords_in_url(uri)) == {"p%40ssword", "p@ssword", "0pen-it"}
    assert passwords_in_url("/var/lib/kontrib/plans") == []
    assert passwords_in_url("s3://bucket/plans") == []
    assert "AKIA1234567890AB" in passwords_in_url("s3://AKIA1234567890AB:secret@bucket/plans")


def test_a_url_that_cannot_be_read_is_hidden_whole() -> None:
    broken = "https://[rpc.example/key"
    assert secrets_in_url(broken) == passwords_in_url(broken) == [broken]


def test_the_longest_secret_is_hidden_first_and_an_empty_one_never() -> None:
    assert Hiding(["", "word", "password"])("my password, a word") == "my (hidden), a (hidden)"

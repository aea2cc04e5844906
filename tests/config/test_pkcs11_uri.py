"""RFC 7512 URIs: every key is found again from its text, and nothing unclear is accepted."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from config.pkcs11_uri import Pkcs11Uri, parse_pkcs11_uri

SECRET = "hunter2"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
PATHS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
URIS = st.builds(
    Pkcs11Uri,
    token=TEXTS,
    serial=st.none() | TEXTS,
    manufacturer=st.none() | TEXTS,
    model=st.none() | TEXTS,
    slot_id=st.none() | st.integers(0, 2**60),
    object=st.none() | TEXTS,
    id=st.binary(min_size=1, max_size=20),
    module_path=st.none() | PATHS.map(lambda text: Path(f"/{text}")),
    pin_source=st.none() | PATHS.map(lambda text: Path(f"/{text}")),
)


def written(uri: Pkcs11Uri) -> str:
    """The URI of a place, with everything encoded that may be."""
    path = {
        name: getattr(uri, name) for name in ("token", "serial", "manufacturer", "model", "object")
    }
    parts = [f"{name}={quote(value, safe='')}" for name, value in path.items() if value is not None]
    parts += [] if uri.slot_id is None else [f"slot-id={uri.slot_id}"]
    parts += [] if uri.id is None else ["id=" + "".join(f"%{byte:02x}" for byte in uri.id)]
    query = {"module-path": uri.module_path, "pin-source": uri.pin_source}
    options = [f"{name}={quote(str(path), safe='')}" for name, path in query.items() if path]
    return f"pkcs11:{';'.join(parts)}" + (f"?{'&'.join(options)}" if options else "")


@given(URIS)
def test_a_place_is_read_back_from_its_uri(uri: Pkcs11Uri) -> None:
    assert parse_pkcs11_uri(written(uri)) == uri


@given(st.text(max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    for each in (text, f"pkcs11:{text}", f"pkcs11:token=a;object=b{text}"):
        try:
            uri = parse_pkcs11_uri(each)
        except ValueError:
            continue
        assert uri.object or uri.id
        assert uri.token or uri.serial or uri.slot_id is not None


@given(URIS, st.sampled_from(["token", "object", "id"]))
def test_an_attribute_that_stands_twice_is_refused(uri: Pkcs11Uri, name: str) -> None:
    path, _, query = written(uri).partition("?")
    assume(f"{name}=" in path)
    with pytest.raises(ValueError, match="twice"):
        parse_pkcs11_uri(f"{path};{name}=%41?{query}")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("pkcs11:token=kontrib;object=payout", Pkcs11Uri(token="kontrib", object="payout")),
        ("PKCS11:object=a;token=b", Pkcs11Uri(token="b", object="a")),
        ("pkcs11:serial=0123;id=%01", Pkcs11Uri(serial="0123", id=b"\x01")),
        ("pkcs11:slot-id=7;id=AB", Pkcs11Uri(slot_id=7, id=b"AB")),
        (
            "pkcs11:token=The%20wiki%3b;object=a&b;type=private",
            Pkcs11Uri(token="The wiki;", object="a&b"),
        ),
        (
            "pkcs11:token=a;object=b?pin-source=file:/etc/pin&module-path=/usr/lib/x.so",
            Pkcs11Uri(
                "a", object="b", module_path=Path("/usr/lib/x.so"), pin_source=Path("/etc/pin")
            ),
        ),
        (
            "pkcs11:token=a;object=b?pin-source=file:///etc/pin",
            Pkcs11Uri("a", object="b", pin_source=Path("/etc/pin")),
        ),
        (
            "pkcs11:token=a;object=b?pin-source=/etc/pin",
            Pkcs11Uri("a", object="b", pin_source=Path("/etc/pin")),
        ),
    ],
)
def test_the_forms_of_the_standard_are_read(text: str, found: Pkcs11Uri) -> None:
    assert parse_pkcs11_uri(text) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "begin with pkcs11:"),
        ("file:/etc/key", "begin with pkcs11:"),
        ("pkcs11:", "names no token"),
        ("pkcs11:object=hunter2", "names no token"),
        ("pkcs11:manufacturer=hunter2;object=a", "names no token"),
        ("pkcs11:token=hunter2", "names no key"),
        ("pkcs11:token=a;object=b;", "list of name=value"),
        ("pkcs11:token=a,object=hunter2", "names no key"),
        ("pkcs11:token;object=b", "list of name=value"),
        ("pkcs11:token=a;object=", "is empty"),
        ("pkcs11:token=hunter2 x;object=b", "percent-encoding"),
        ("pkcs11:token=a;object=b/hunter2", "percent-encoding"),
        ("pkcs11:token=a;object=%zz", "percent-encoding"),
        ("pkcs11:token=a;object=%4", "percent-encoding"),
        ("pkcs11:token=%ff;object=b", "not UTF-8"),
        ("pkcs11:slot-id=hunter2;object=b", "slot-id is not a number"),
        ("pkcs11:slot-id=-1;object=b", "slot-id is not a number"),
        ("pkcs11:token=a;object=b;type=cert", "type is not private"),
        ("pkcs11:token=a;object=b;library-version=3", "library-version is not supported"),
        ("pkcs11:token=a;object=b;x-hunter=2", "x-hunter is not supported"),
        ("pkcs11:Token=a;object=b", "Token is not supported"),
        ("pkcs11:token=a;object=b?pin-value=hunter2", "PIN does not belong into a URI"),
        ("pkcs11:token=a;object=b;pin-value=hunter2", "PIN does not belong into a URI"),
        ("pkcs11:token=a;object=b?module-name=softhsm2", "module-path or PKCS11_MODULE"),
        ("pkcs11:token=a;object=b?pin-source=hunter2", "not an absolute path"),
        ("pkcs11:token=a;object=b?pin-source=|cat%20hunter2", "not an absolute path"),
        ("pkcs11:token=a;object=b?pin-source=file:hunter2", "not an absolute path"),
        ("pkcs11:token=a;object=b?module-path=/x%00hunter2", "not an absolute path"),
        ("pkcs11:token=a;object=b?token=c", "token is not supported"),
    ],
)
def test_an_unclear_uri_is_refused_without_its_values(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        parse_pkcs11_uri(text)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_place_is_named_for_people() -> None:
    uri = parse_pkcs11_uri("pkcs11:token=The%20wiki;serial=12;object=payout;id=%01%ff")
    assert uri.token_text == "token=The wiki, serial=12"
    assert uri.key_text == "object=payout, id=01ff"

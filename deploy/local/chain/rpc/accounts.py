"""JSON-RPC methods that read accounts at the commitment of the request."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable

from solders.account import Account
from solders.pubkey import Pubkey

from deploy.local.chain.base58 import base58_decode
from deploy.local.chain.blocks import Block
from deploy.local.chain.rpc.json_accounts import ReadAccount, encode_account, ui_amount
from deploy.local.chain.rpc.node import Node
from deploy.local.chain.rpc.params import (
    Config,
    Json,
    Params,
    invalid_params,
    pubkey,
    with_context,
)
from deploy.local.chain.tokens import (
    TOKEN_PROGRAMS,
    mint_data,
    mint_decimals,
    mint_supply,
    token_account_data,
    token_amount,
)

MAX_MULTIPLE_ACCOUNTS = 100
MAX_FILTERS = 4


def reader(node: Node, bank: Block) -> ReadAccount:
    """Return a function that reads the accounts of `bank`."""
    return lambda address: node.ledger.accounts.at(address, bank.slot)


def get_account_info(node: Node, params: Params) -> Json:
    """`getAccountInfo`."""
    address, config = params.pubkey(0), params.config(1)
    bank = node.bank(config)
    read = reader(node, bank)
    return with_context(bank, encode_account(read(address), config, read))


def get_multiple_accounts(node: Node, params: Params) -> Json:
    """`getMultipleAccounts`, at most 100; in base64 by default."""
    texts = params.texts(0)
    if len(texts) > MAX_MULTIPLE_ACCOUNTS:
        raise invalid_params(f"Too many inputs provided; max {MAX_MULTIPLE_ACCOUNTS}")
    config = {"encoding": "base64", **_given(params.config(1))}
    addresses = [pubkey(text) for text in texts]
    bank = node.bank(config)
    read = reader(node, bank)
    shown = [encode_account(read(address), config, read) for address in addresses]
    return with_context(bank, shown)


def get_balance(node: Node, params: Params) -> Json:
    """`getBalance`, in lamports; 0 for an account that does not exist."""
    address = params.pubkey(0)
    bank = node.bank(params.config(1))
    account = reader(node, bank)(address)
    return with_context(bank, 0 if account is None else account.lamports)


def get_token_account_balance(node: Node, params: Params) -> Json:
    """`getTokenAccountBalance`."""
    address = params.pubkey(0)
    bank = node.block_at(params.config(1))
    read = reader(node, bank)
    account = read(address)
    if account is None:
        raise invalid_params("Invalid param: could not find account")
    data = token_account_data(account)
    if data is None:
        raise invalid_params("Invalid param: not a Token account")
    decimals = mint_decimals(_mint(read, Pubkey(data[:32])))
    return with_context(bank, ui_amount(token_amount(data), decimals))


def get_token_supply(node: Node, params: Params) -> Json:
    """`getTokenSupply`."""
    address = params.pubkey(0)
    bank = node.block_at(params.config(1))
    mint = _mint(reader(node, bank), address)
    return with_context(bank, ui_amount(mint_supply(mint), mint_decimals(mint)))


def get_token_accounts_by_owner(node: Node, params: Params) -> Json:
    """`getTokenAccountsByOwner`, of one mint or of one token program."""
    owner, wanted = params.pubkey(0), params.config(1)
    config = params.config(2)
    bank = node.bank(config)
    read = reader(node, bank)
    programs, mint = _token_filter(wanted, read)
    found = [
        (address, account)
        for program in programs
        for address, account in node.ledger.accounts.owned_by(program, bank.slot)
        if _belongs_to(account, owner, mint)
    ]
    return with_context(bank, _keyed(found, config, read))


def get_program_accounts(node: Node, params: Params) -> Json:
    """`getProgramAccounts`, with dataSize and memcmp filters."""
    program, config = params.pubkey(0), params.config(1)
    bank = node.bank(config)
    filters = config.get("filters") or []
    if len(filters) > MAX_FILTERS:
        raise invalid_params(f"Too many filters provided; max {MAX_FILTERS}")
    tests = [_filter(one) for one in filters]
    found = [
        (address, account)
        for address, account in node.ledger.accounts.owned_by(program, bank.slot)
        if all(test(account.data) for test in tests)
    ]
    shown = _keyed(found, config, reader(node, bank))
    return with_context(bank, shown) if config.get("withContext") else shown


def _keyed(
    found: Iterable[tuple[Pubkey, Account]], config: Config, read: ReadAccount
) -> list[Json]:
    return [
        {"pubkey": str(address), "account": encode_account(account, config, read)}
        for address, account in sorted(found, key=lambda pair: str(pair[0]))
    ]


def _token_filter(wanted: Config, read: ReadAccount) -> tuple[Iterable[Pubkey], Pubkey | None]:
    if "mint" in wanted:
        mint = pubkey(wanted["mint"])
        account = read(mint)
        if account is None or mint_data(account) is None:
            raise invalid_params("Invalid param: could not find mint")
        return [account.owner], mint
    program = pubkey(wanted.get("programId"))
    if program not in TOKEN_PROGRAMS:
        raise invalid_params("Invalid param: unrecognized Token program id")
    return [program], None


def _belongs_to(account: Account, owner: Pubkey, mint: Pubkey | None) -> bool:
    data = token_account_data(account)
    if data is None or data[32:64] != bytes(owner):
        return False
    return mint is None or data[:32] == bytes(mint)


def _mint(read: ReadAccount, address: Pubkey) -> bytes:
    account = read(address)
    if account is None:
        raise invalid_params("Invalid param: could not find account")
    if account.owner not in TOKEN_PROGRAMS:
        raise invalid_params("Invalid param: not a Token mint")
    data = mint_data(account)
    if data is None:
        raise invalid_params("Invalid param: mint could not be unpacked")
    return data


def _filter(wanted: Json) -> Callable[[bytes], bool]:
    """Build the predicate of one filter object."""
    if isinstance(wanted, dict) and isinstance(wanted.get("dataSize"), int):
        size: int = wanted["dataSize"]
        return lambda data: len(data) == size
    compared = wanted.get("memcmp") if isinstance(wanted, dict) else None
    if not isinstance(compared, dict) or not isinstance(compared.get("offset"), int):
        raise invalid_params("Invalid params: a filter is a dataSize or a memcmp.")
    offset: int = compared["offset"]
    pattern = _pattern(compared)
    return lambda data: data[offset : offset + len(pattern)] == pattern


def _pattern(compared: Config) -> bytes:
    given, encoding = compared.get("bytes"), compared.get("encoding") or "base58"
    try:
        if isinstance(given, list):
            return bytes(given)
        if isinstance(given, str):
            return base64.b64decode(given) if encoding == "base64" else base58_decode(given)
    except (ValueError, binascii.Error) as error:
        raise invalid_params(f"Invalid param: {error}") from error
    raise invalid_params("Invalid param: a memcmp filter needs bytes")


def _given(config: Config) -> Config:
    """Leave out the options that a client sent as null, so that defaults apply."""
    return {name: value for name, value in config.items() if value is not None}


METHODS: dict[str, Callable[[Node, Params], Json]] = {
    "getAccountInfo": get_account_info,
    "getBalance": get_balance,
    "getMultipleAccounts": get_multiple_accounts,
    "getProgramAccounts": get_program_accounts,
    "getTokenAccountBalance": get_token_account_balance,
    "getTokenAccountsByOwner": get_token_accounts_by_owner,
    "getTokenSupply": get_token_supply,
}

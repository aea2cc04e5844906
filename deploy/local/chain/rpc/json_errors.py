"""Transaction errors in the words of the real server's messages."""

from __future__ import annotations

import json
import re
from typing import Any

_TRANSACTION_ERRORS = {
    "AccountInUse": "Account in use",
    "AccountLoadedTwice": "Account loaded twice",
    "AccountNotFound": "Attempt to debit an account but found no record of a prior credit.",
    "ProgramAccountNotFound": "Attempt to load a program that does not exist",
    "InsufficientFundsForFee": "Insufficient funds for fee",
    "InvalidAccountForFee": "This account may not be used to pay transaction fees",
    "AlreadyProcessed": "This transaction has already been processed",
    "BlockhashNotFound": "Blockhash not found",
    "SignatureFailure": "Transaction did not pass signature verification",
    "InvalidProgramForExecution": "This program may not be used for executing instructions",
    "SanitizeFailure": "Transaction failed to sanitize accounts offsets correctly",
    "UnsupportedVersion": "Transaction version is unsupported",
    "AddressLookupTableNotFound": "Transaction loads an address table account that doesn't exist",
    "MaxLoadedAccountsDataSizeExceeded": "Transaction exceeded max loaded accounts data size cap",
    "InvalidLoadedAccountsDataSizeLimit": (
        "LoadedAccountsDataSizeLimit set for transaction must be greater than 0."
    ),
}
_INSTRUCTION_ERRORS = {
    "GenericError": "generic instruction error",
    "InvalidArgument": "invalid program argument",
    "InvalidInstructionData": "invalid instruction data",
    "InvalidAccountData": "invalid account data for instruction",
    "AccountDataTooSmall": "account data too small for instruction",
    "InsufficientFunds": "insufficient funds for instruction",
    "IncorrectProgramId": "incorrect program id for instruction",
    "MissingRequiredSignature": "missing required signature for instruction",
    "AccountAlreadyInitialized": "instruction requires an uninitialized account",
    "UninitializedAccount": "instruction requires an initialized account",
    "ComputationalBudgetExceeded": "Computational budget exceeded",
    "ProgramFailedToComplete": "Program failed to complete",
    "InvalidAccountOwner": "Invalid account owner",
    "IllegalOwner": "Provided owner is not allowed",
    "InvalidSeeds": "Provided seeds do not result in a valid address",
    "MaxInstructionTraceLengthExceeded": "Max instruction trace length exceeded",
}


def describe(error: str) -> str:
    """Put the JSON of a `TransactionError` into words."""
    parsed: Any = json.loads(error)
    if isinstance(parsed, str):
        return _TRANSACTION_ERRORS.get(parsed, _spaced(parsed))
    name, detail = next(iter(parsed.items()))
    if name == "InstructionError":
        index, cause = detail
        return f"Error processing Instruction {index}: {_instruction_error(cause)}"
    if name == "InsufficientFundsForRent":
        index = detail["account_index"]
        return f"Transaction results in an account ({index}) with insufficient funds for rent"
    return f"{_spaced(name)} ({json.dumps(detail)})"


def _instruction_error(cause: Any) -> str:
    if isinstance(cause, str):
        return _INSTRUCTION_ERRORS.get(cause, _spaced(cause))
    name, detail = next(iter(cause.items()))
    return f"custom program error: {detail:#x}" if name == "Custom" else f"{_spaced(name)}"


def _spaced(name: str) -> str:
    """Split `CamelCase` into words, for errors that are too rare to list."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()

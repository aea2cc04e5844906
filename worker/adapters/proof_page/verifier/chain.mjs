// Reads receipts and payments of one receipt key from an endpoint: docs/plan-format.md.

import { bytesOf, fromBase58, fromBase64, joined, sha256, hexOf, textOf, toBase58 } from "./bytes.mjs";
import { RpcError } from "./rpc.mjs";

const SYSTEM = "11111111111111111111111111111111";
const MEMO = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr";
const TOKEN_2022 = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb";
const ALLOCATE_WITH_SEED = Uint8Array.of(9, 0, 0, 0);
const OWNER_BYTES = 32;
const STATES = new Map([[0, "free"], [1, "paid"], [2, "void"]]);
const ACCOUNTS_A_CALL = 100;
const SIGNATURES_A_PAGE = 1000;
const CALLS_AT_ONCE = 8;

/** Do something for each item, a few at a time. */
export async function forEach(items, act) {
  const queue = items.values();
  const run = async () => {
    for (const item of queue) await act(item);
  };
  await Promise.all(Array.from({ length: CALLS_AT_ONCE }, run));
}

export class Chain {
  constructor(rpc, { receipt_key, source_account, mint }) {
    this.rpc = rpc;
    this.base = addressBytes(receipt_key);
    this.source = source_account;
    this.mint = mint;
    this.transactions = new Map();
  }

  /** The seed and the address of an id's receipt. */
  async receipt(id) {
    const seed = bytesOf(hexOf(await sha256(`kontrib/1/${id}`)).slice(0, 32));
    return { seed, address: toBase58(await sha256(this.base, seed, new Uint8Array(32))) };
  }

  /** The states of these ids by their finalized accounts. */
  async states(ids, onRead = () => {}) {
    const states = new Map();
    const pieces = [];
    for (let i = 0; i < ids.length; i += ACCOUNTS_A_CALL) pieces.push(ids.slice(i, i + ACCOUNTS_A_CALL));
    await forEach(pieces, async (piece) => {
      const receipts = await Promise.all(piece.map((id) => this.receipt(id)));
      const options = { commitment: "finalized", encoding: "base64" };
      const addresses = receipts.map((it) => it.address);
      const { value } = await this.rpc.call("getMultipleAccounts", addresses, options);
      piece.forEach((id, k) => states.set(id, stateOf(value[k])));
      onRead(piece.length);
    });
    return states;
  }

  /**
   * The successful transaction that allocated an id's receipt; undefined if none can be read.
   * `hint` is a signature to look at first. It proves nothing: only one transaction allocates.
   */
  async find(id, hint = "") {
    const receipt = await this.receipt(id);
    const hinted = hint ? await this.transaction(hint) : undefined;
    if (hinted && this.allocates(hinted, receipt)) return hinted;
    for (const { signature } of (await this.history(receipt.address, 0)) ?? []) {
      const found = await this.transaction(signature);
      if (found && this.allocates(found, receipt)) return found;
    }
    return undefined;
  }

  /**
   * Signatures of successful transactions that mention an address, from a slot on, newest first.
   * Undefined if the endpoint refuses.
   */
  async history(mentioned, firstSlot) {
    const found = [];
    for (let before; ; ) {
      const options = { commitment: "finalized", limit: SIGNATURES_A_PAGE };
      if (before) options.before = before;
      const page = await this.readable("getSignaturesForAddress", mentioned, options);
      if (!page) return undefined;
      found.push(...page.filter((it) => it.err === null && it.slot >= firstSlot));
      if (page.length < SIGNATURES_A_PAGE || page.at(-1).slot < firstSlot) return found;
      before = page.at(-1).signature;
    }
  }

  async transaction(signature) {
    if (!this.transactions.has(signature)) {
      const options = {
        commitment: "finalized", encoding: "json", maxSupportedTransactionVersion: 1,
      };
      const found = await this.readable("getTransaction", signature, options);
      this.transactions.set(signature, found?.meta?.err === null ? this.read(found) : undefined);
    }
    return this.transactions.get(signature);
  }

  /** An answer; undefined if the endpoint refuses the question, as for history that it dropped. */
  async readable(method, ...params) {
    try {
      return await this.rpc.call(method, ...params);
    } catch (error) {
      if (error instanceof RpcError) return undefined;
      throw error;
    }
  }

  /**
   * The instructions that can matter, the memo, what each owner got of our mint, which accounts
   * lost some (`from`) and how much in all (`lost`), and what the source account lost (`taken`).
   */
  read({ slot, meta, transaction: { signatures, message } }) {
    const loaded = meta.loadedAddresses;
    const keys = [...message.accountKeys, ...(loaded?.writable ?? []), ...(loaded?.readonly ?? [])];
    const dataOf = (program) => message.instructions
      .filter((it) => keys[it.programIdIndex] === program)
      .map((it) => ({ account: keys[it.accounts[0]], data: fromBase58(it.data) }));
    const accounts = this.changes(keys, meta);
    const changes = new Map();
    for (const { owner, change } of accounts.values()) {
      if (change > 0n) changes.set(owner, (changes.get(owner) ?? 0n) + change);
    }
    const from = [...accounts.keys()].filter((name) => accounts.get(name).change < 0n);
    return {
      signature: signatures[0], slot, changes, from,
      allocations: dataOf(SYSTEM),
      lost: from.reduce((sum, name) => sum - accounts.get(name).change, 0n),
      taken: -(accounts.get(this.source)?.change ?? 0n),
      memo: memoOf(dataOf(MEMO)[0]?.data),
      takesFee: (meta.postTokenBalances ?? []).some((it) => it.mint === this.mint && it.programId === TOKEN_2022),
    };
  }

  /** The owner of each token account of our mint, and how its balance changed. */
  changes(keys, meta) {
    const accounts = new Map();
    const add = (balances, sign) => {
      for (const it of balances ?? []) {
        if (it.mint !== this.mint) continue;
        const name = keys[it.accountIndex];
        const change = (accounts.get(name)?.change ?? 0n) + sign * BigInt(it.uiTokenAmount.amount);
        accounts.set(name, { owner: it.owner, change });
      }
    };
    add(meta.preTokenBalances, -1n);
    add(meta.postTokenBalances, 1n);
    return accounts;
  }

  /** Whether a transaction holds the System program's AllocateWithSeed for this receipt. */
  allocates({ allocations }, { seed, address }) {
    const length = new Uint8Array(8);
    length[0] = seed.length;
    const head = joined([ALLOCATE_WITH_SEED, this.base, length, seed]);
    return allocations.some(({ account, data }) => {
      if (account !== address || data.length !== head.length + 8 + OWNER_BYTES) return false;
      const space = new DataView(data.buffer).getBigUint64(head.length, true);
      return (space === 1n || space === 2n) && head.every((byte, i) => data[i] === byte);
    });
  }
}

/** The bytes of an address. Throws if the text is none. */
export function addressBytes(text) {
  const bytes = fromBase58(text);
  if (bytes.length !== 32) throw new Error(`${text} is no address`);
  return bytes;
}

function memoOf(data) {
  try {
    return data ? textOf(data) : "";
  } catch {
    return ""; // not UTF-8, so no memo of ours
  }
}

function stateOf(account) {
  if (account === null) return "free";
  if (account?.owner !== SYSTEM) return "unknown";
  return STATES.get(fromBase64(account.data[0]).length) ?? "unknown";
}

// Compares a bundle with the chain, through @solana/kit. It shares no code with the worker.

import {
  address,
  createAddressWithSeed,
  createSolanaRpc,
  getAddressEncoder,
  getBase58Encoder,
} from "@solana/kit";

import { canonical, checkFiles, Findings, sha256 } from "./format.mjs";

const SYSTEM = "11111111111111111111111111111111";
const MEMO = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr";
const TOKEN_2022 = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb";
const ALLOCATE_WITH_SEED = 9;
const STATES = new Map([[0, "free"], [1, "paid"], [2, "void"]]);
const ACCOUNTS_A_CALL = 100;
const SIGNATURES_A_PAGE = 1000;
const AT_ONCE = 8;
const WEEK_MS = 7 * 86_400_000;

const base58 = getBase58Encoder();

export class Chain {
  constructor(url, { receipt_key, source_account, mint }) {
    this.rpc = createSolanaRpc(url);
    this.base = address(receipt_key);
    this.source = address(source_account);
    this.mint = mint;
    this.transactions = new Map();
  }

  seed(id) {
    return sha256(`kontrib/1/${id}`).toString("hex").slice(0, 32);
  }

  receipt(id) {
    const seed = this.seed(id);
    return createAddressWithSeed({ baseAddress: this.base, programAddress: SYSTEM, seed });
  }

  /** The states of these ids by their finalized accounts. */
  async states(ids) {
    const states = new Map();
    for (let i = 0; i < ids.length; i += ACCOUNTS_A_CALL) {
      const piece = ids.slice(i, i + ACCOUNTS_A_CALL);
      const addresses = await Promise.all(piece.map((id) => this.receipt(id)));
      const options = { commitment: "finalized", encoding: "base64" };
      const { value } = await this.rpc.getMultipleAccounts(addresses, options).send();
      piece.forEach((id, k) => states.set(id, stateOf(value[k])));
    }
    return states;
  }

  /** The successful transaction that allocated an id's receipt; undefined without one. */
  async find(id) {
    const receipt = await this.receipt(id);
    for (const { signature } of await this.history(receipt, 0n)) {
      const found = await this.transaction(signature);
      if (found && this.allocates(found, id, receipt)) return found;
    }
    return undefined;
  }

  /** Signatures of successful transactions that mention an address, from a slot on. */
  async history(mentioned, firstSlot) {
    const found = [];
    for (let before; ; ) {
      const options = { commitment: "finalized", limit: SIGNATURES_A_PAGE };
      if (before) options.before = before;
      const page = await this.rpc.getSignaturesForAddress(mentioned, options).send();
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
      const found = await this.rpc.getTransaction(signature, options).send();
      this.transactions.set(signature, found?.meta.err === null ? this.read(found) : undefined);
    }
    return this.transactions.get(signature);
  }

  /**
   * Instructions with their accounts, memo, what each owner got of our mint, which accounts lost
   * some (`from`) and how much in all (`lost`), and what the source account lost (`taken`).
   */
  read({ slot, meta, transaction: { signatures, message } }) {
    const loaded = meta.loadedAddresses;
    const keys = [...message.accountKeys, ...(loaded?.writable ?? []), ...(loaded?.readonly ?? [])];
    const instructions = message.instructions.map((it) => ({
      program: keys[it.programIdIndex],
      accounts: it.accounts.map((index) => keys[index]),
      data: Buffer.from(base58.encode(it.data)),
    }));
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
    const changes = new Map();
    for (const { owner, change } of accounts.values()) {
      if (change > 0n) changes.set(owner, (changes.get(owner) ?? 0n) + change);
    }
    const from = [...accounts.keys()].filter((name) => accounts.get(name).change < 0n);
    const lost = from.reduce((sum, name) => sum - accounts.get(name).change, 0n);
    const taken = -(accounts.get(this.source)?.change ?? 0n);
    const memo = instructions.find((it) => it.program === MEMO)?.data.toString() ?? "";
    const takesFee = keys.includes(TOKEN_2022);
    return { signature: signatures[0], slot, instructions, changes, from, lost, taken, memo, takesFee };
  }

  allocates({ instructions }, id, receipt) {
    const seed = Buffer.from(this.seed(id));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(seed.length));
    const base = Buffer.from(getAddressEncoder().encode(this.base));
    const head = Buffer.concat([Buffer.of(ALLOCATE_WITH_SEED, 0, 0, 0), base, length, seed]);
    return instructions.some(({ program, accounts, data }) => {
      const space = data.length === head.length + 40 && data.readBigUInt64LE(head.length);
      const isOurs = program === SYSTEM && accounts[0] === receipt && (space === 1n || space === 2n);
      return isOurs && data.subarray(0, head.length).equals(head);
    });
  }
}

function stateOf(account) {
  if (account === null) return "free";
  if (account.owner !== SYSTEM) return "unknown";
  return STATES.get(Buffer.from(account.data[0], "base64").length) ?? "unknown";
}

/** Compare a bundle whose files are sound with the chain; return the payments found. */
export async function checkChain(bundle, url, beside, findings) {
  const { manifest, header } = bundle;
  const chain = new Chain(url, manifest);
  const cluster = await chain.rpc.getGenesisHash().send();
  findings.expect("manifest.json", "cluster_genesis", cluster, manifest.cluster_genesis);
  const first = `${cluster}/${manifest.mint}/${manifest.first_week}`;
  const genesis = { first_week: manifest.first_week, kontrib: "1", mint: manifest.mint };
  const ids = ["genesis", `genesis/${sha256(first).toString("hex")}`];
  await together(chain, ids, genesis, findings, ["earlier_cutoff", "earlier_first_week"]);
  const anchor = await checkAnchor(chain, bundle, findings);
  if (anchor && manifest.anchor_signature) {
    findings.expect("manifest.json", "anchor_signature", anchor.signature, manifest.anchor_signature);
    findings.expect("manifest.json", "anchor_slot", anchor.slot, manifest.anchor_slot);
  }
  if (header.previous_root) {
    const before = weekAfter(header.week, -1);
    await paid(chain, [`${before}/anchor`, `${before}/root/${header.previous_root}`], findings);
  }
  const result = await checkPayments(chain, bundle, findings);
  if (anchor) {
    const outflows = await checkTreasury(chain, header.week, anchor.slot, result, findings);
    const plans = new Map();
    const planOf = async (week) => {
      if (!plans.has(week)) plans.set(week, await otherPlan(chain, week, beside));
      return plans.get(week);
    };
    for (const found of outflows) await checkOutflow(chain, manifest, planOf, found, result, findings);
  }
  return result;
}

function weekAfter(week, count = 1) {
  return new Date(Date.parse(week) + count * WEEK_MS).toISOString().slice(0, 10);
}

async function checkAnchor(chain, { manifest, header }, findings) {
  const memo = {
    batch_size: header.batch_size, batches: header.batches, cutoff: header.cutoff, kontrib: "1",
    mint: header.mint, previous_root: header.previous_root, rewards: header.rewards,
    root: manifest.root, total: header.total_amount, week: header.week,
  };
  const ids = [`${header.week}/anchor`, `${header.week}/root/${manifest.root}`];
  return together(chain, ids, memo, findings);
}

async function paid(chain, ids, findings) {
  const states = await chain.states(ids);
  for (const id of ids) {
    if (states.get(id) === "unknown") findings.unread(id, "its receipt is unknown");
    else findings.expect(id, "its receipt", "paid", states.get(id));
  }
  return ids.every((id) => states.get(id) === "paid");
}

/** The transaction that resolved both receipts, with the expected memo. */
async function together(chain, ids, memo, findings, optional = []) {
  if (!(await paid(chain, ids, findings))) return undefined;
  const [first, second] = [await chain.find(ids[0]), await chain.find(ids[1])];
  if (!first || !second) {
    findings.unread(ids[0], "the transaction that made its receipt cannot be read");
    return undefined;
  }
  findings.expect(ids[1], "the transaction of its receipt", first.signature, second.signature);
  const kept = optional.filter((name) => name in given(first.memo));
  const whole = { ...memo, ...Object.fromEntries(kept.map((name) => [name, given(first.memo)[name]])) };
  findings.expect(ids[0], "the memo", canonical(whole), first.memo);
  return first;
}

function given(memo) {
  try {
    return Object(JSON.parse(memo));
  } catch {
    return {};
  }
}

async function checkPayments(chain, { header, rows, batches, payouts }, findings) {
  const alone = (row) => `${header.week}/u/${row.user}`;
  const ids = [...batches.map((batch) => batch.id), ...rows.map(alone)];
  const states = await chain.states(ids);
  const lines = new Map(payouts.map((line) => [line.id, line]));
  const work = [];
  for (const batch of batches) {
    const members = rows.slice(batch.first, batch.end);
    const state = states.get(batch.id);
    work.push({ id: batch.id, state, rows: state === "paid" ? members : [] });
    for (const row of members) {
      const single = states.get(alone(row));
      if (["paid", "void"].includes(single) && ["free", "paid"].includes(state)) {
        findings.wrong(alone(row), `is ${single} although its batch is ${state}`);
      }
    }
  }
  for (const row of rows) work.push({ id: alone(row), state: states.get(alone(row)), rows: [row] });
  const unread = new Set(ids.filter((id) => states.get(id) !== "free"));
  const result = { payments: new Map(), paid: 0n, unread };
  const resolved = work.filter((item) => check(item, lines.get(item.id), findings));
  for (let i = 0; i < resolved.length; i += AT_ONCE) {
    const piece = resolved.slice(i, i + AT_ONCE);
    await Promise.all(piece.map((item) => compare(chain, item, lines.get(item.id), result, findings)));
  }
  return result;
}

/** Whether an id is resolved as in the bundle, or was free at the publication. */
function check({ id, state }, line, findings) {
  if (line && ![state, "free"].includes(line.state) && state !== "unknown") {
    findings.wrong(id, `is ${state} on chain, and ${line.state} in the bundle`);
  }
  if (state === "unknown") findings.unread(id, "its receipt is unknown");
  return state === "paid" || state === "void";
}

async function compare(chain, { id, rows }, line, result, findings) {
  const found = await chain.find(id);
  if (!found) {
    findings.unread(id, "the transaction that made its receipt cannot be read");
    return;
  }
  result.unread.delete(id);
  // A transaction can make many receipts, and has one memo: so it counts for one id only.
  findings.expect(id, "the memo of its transaction", id, found.memo);
  if (line?.signature) {
    findings.expect(id, "the signature", found.signature, line.signature);
    findings.expect(id, "the slot", found.slot, line.slot);
  }
  const planned = new Map();
  for (const row of rows) {
    // The bundle names a single's wallet: a held row has no wallet, and others may be redirected.
    const wallet = (line?.kind === "single" && line.wallet) || row.wallet || [...found.changes.keys()][0];
    planned.set(wallet, (planned.get(wallet) ?? 0n) + BigInt(row.amount));
  }
  const total = [...planned.values()].reduce((sum, amount) => sum + amount, 0n);
  findings.expect(id, "what left the source account", total, found.lost);
  for (const wallet of new Set([...planned.keys(), ...found.changes.keys()])) {
    const [expected, got] = [planned.get(wallet) ?? 0n, found.changes.get(wallet) ?? 0n];
    // A Token-2022 mint may keep a fee of each transfer; nobody can get more than was sent.
    if (got !== expected && !(found.takesFee && got < expected)) {
      findings.wrong(id, `${wallet} got ${got}, and the plan says ${expected}`);
    }
  }
  if (found.lost > 0n) result.payments.set(found.signature, found);
  result.paid += found.lost;
}

/** Outgoing transactions between this anchor and the next (or the last payment) that are not payments above. */
async function checkTreasury(chain, week, firstSlot, { payments }, findings) {
  const following = `${weekAfter(week)}/anchor`;
  const next = await chain.find(following);
  if (!next && (await chain.states([following])).get(following) !== "free") {
    findings.unread(following, "cannot be read, and the period ends with it");
  }
  const slots = [...payments.values()].map((it) => it.slot);
  const lastSlot = next?.slot ?? slots.reduce((a, b) => (a > b ? a : b), firstSlot);
  const isWithin = ({ slot }) => slot >= firstSlot && slot <= lastSlot;
  const history = (await chain.history(chain.source, firstSlot)).filter(isWithin);
  const listed = new Set(history.map((it) => it.signature));
  for (const payment of [...payments.values()].filter(isWithin)) {
    if (!listed.has(payment.signature) || payment.from.join() !== chain.source) {
      findings.unread(payment.signature, "is not in the source account's history");
    }
  }
  const outflows = [];
  for (const { signature } of history) {
    if (payments.has(signature)) continue;
    const found = await chain.transaction(signature);
    if (!found) findings.unread(signature, "mentions the source account and cannot be read");
    else if (found.taken > 0n) outflows.push(found);
  }
  return outflows;
}

/** Compare a payment of another week with that week's anchored plan, in the bundle beside this one. */
async function checkOutflow(chain, { week, first_week }, planOf, found, { unread }, findings) {
  const { signature, memo, taken } = found;
  const what = `took ${taken} out of the source account`;
  if (unread.has(memo)) return findings.unread(signature, `${what} for ${memo}, which cannot be read`);
  const named = /^(\d{4}-\d{2}-\d{2})\/(\d{5,}|u\/[0-9a-f]{64})$/.exec(memo);
  const isEarlier = named && named[1] >= first_week && named[1] < week;
  const isWeek = isEarlier && (Date.parse(week) - Date.parse(named[1])) % WEEK_MS === 0;
  if (!isWeek || !chain.allocates(found, memo, await chain.receipt(memo))) {
    return findings.wrong(signature, `${what}, unexplained`);
  }
  const plan = await planOf(named[1]);
  const amount = plan?.get(memo);
  if (!plan) findings.unread(signature, `${what} for ${memo}, and no bundle beside this one proves it`);
  else if (amount === undefined) findings.wrong(signature, `${what} for ${memo}, which no plan has`);
  else findings.expect(signature, `${what}: the amount of ${memo}`, amount, taken);
}

/** An anchored plan's amount for each id; null if its bundle is missing or unsound. */
async function otherPlan(chain, week, beside) {
  const contents = beside(week);
  const doubts = new Findings();
  const bundle = contents && checkFiles(contents, doubts);
  if (!bundle || bundle.header.week !== week || !doubts.isEmpty) return null;
  if (!(await checkAnchor(chain, bundle, doubts)) || !doubts.isEmpty) return null;
  const amounts = new Map();
  const add = (id, row) => amounts.set(id, (amounts.get(id) ?? 0n) + BigInt(row.amount));
  for (const { id, first, end } of bundle.batches) {
    bundle.rows.slice(first, end).forEach((row) => add(id, row));
  }
  bundle.rows.forEach((row) => add(`${week}/u/${row.user}`, row));
  return amounts;
}

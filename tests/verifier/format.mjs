// Checks a bundle's files, written from docs/plan-format.md and docs/verification.md alone.
// It uses Node's crypto and integers of any size, and shares no code with the worker.

import { createHash } from "node:crypto";

export const FILES = ["manifest.json", "payouts.jsonl", "plan.jsonl"];
const MILLION = 1_000_000n;
const HEADER_KEYS = [
  "batch_size", "batches", "cutoff", "floor_waived", "held", "mint", "previous_root", "rewards",
  "rules", "total_amount", "total_points", "total_weight", "version", "week",
];
const ROW_KEYS = ["amount", "batch", "points", "user", "wallet", "weight"];
const PAYOUT_KEYS = ["amount", "id", "kind", "root", "signature", "slot", "state", "wallet"];
const MANIFEST_KEYS = [
  "anchor_signature", "anchor_slot", "bundle", "checksum", "cluster_genesis", "files", "first_week",
  "held_root", "mint", "receipt_key", "root", "source_account", "week",
];

export const sha256 = (...parts) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** The contradictions of a bundle, the unreadable facts, and their places. */
export class Findings {
  list = [];
  unproven = [];

  wrong(place, what) {
    this.list.push(`${place}: ${what}`);
  }

  unread(place, what) {
    this.unproven.push(`${place}: ${what}`);
  }

  /** A fact for the reader, without effect on the verdict. */
  get isEmpty() {
    return this.list.length + this.unproven.length === 0;
  }

  expect(place, what, expected, found) {
    if (String(expected) !== String(found)) {
      this.wrong(place, `${what} is ${found}, and must be ${expected}`);
    }
  }
}

// --- canonical JSON ----------------------------------------------------------------------------

export function canonical(value) {
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") throw new Error(`${value} is no text`);
  // The order is by UTF-8 bytes. JavaScript's own order, by UTF-16 units, differs.
  const keys = Object.keys(value).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A line as an object; null if the line is not canonical or has other keys. */
function read(line, keys, place, findings) {
  try {
    const value = JSON.parse(utf8.decode(line));
    if (!Buffer.from(canonical(value)).equals(line)) throw new Error("not in canonical form");
    if (Object.keys(value).sort().join() !== keys.join()) throw new Error("has other keys");
    return value;
  } catch (error) {
    findings.wrong(place, error.message);
    return null;
  }
}

export function integer(text, place, findings) {
  if (typeof text === "string" && /^(0|[1-9][0-9]*)$/.test(text)) return BigInt(text);
  findings.wrong(place, `${text} is no integer`);
  return 0n;
}

/** The lines of a file, without their ends. */
export function linesOf(content, name, findings) {
  const lines = [];
  for (let start = 0; start < content.length; ) {
    const end = content.indexOf(0x0a, start);
    if (end < 0) findings.wrong(name, "its last line has no end");
    lines.push(content.subarray(start, end < 0 ? content.length : end));
    start = end < 0 ? content.length : end + 1;
  }
  return lines;
}

// --- trees -------------------------------------------------------------------------------------

/** RFC 6962 by levels: join neighbours, and move a remaining node up unchanged. */
export function tree(leaves) {
  if (leaves.length === 0) return sha256();
  let level = leaves.map((leaf) => sha256(Buffer.of(0), leaf));
  while (level.length > 1) {
    const next = [];
    for (let i = 0; i < level.length; i += 2) {
      const pair = i + 1 < level.length;
      next.push(pair ? sha256(Buffer.of(1), level[i], level[i + 1]) : level[i]);
    }
    level = next;
  }
  return level[0];
}

// --- amounts -----------------------------------------------------------------------------------

/** Each user's amount, from weights and rules alone, in the order of the given users. */
export function amountsOf(rules, users) {
  const onTop = rules.staking_bonus === "on_top";
  const floor = BigInt(rules.min_amount);
  const count = BigInt(users.length);
  let pool = BigInt(rules.pool);
  const share = (user) => (onTop ? user.points : user.weight);
  const waived = count * floor > pool;
  let total = users.reduce((sum, user) => sum + share(user), 0n);
  const lifted = new Set();
  for (let found = !waived; found; ) {
    const left = pool;
    const below = users.filter((u) => !lifted.has(u) && share(u) * left < floor * total);
    for (const user of below) {
      lifted.add(user);
      pool -= floor;
    }
    // A round compares all users with the same sums, so the sums change only now.
    total -= below.reduce((sum, user) => sum + share(user), 0n);
    found = below.length > 0;
  }
  const scale = onTop ? MILLION : 1n;
  let before = 0n;
  const amounts = users.map((user) => {
    const factor = onTop ? user.weight / user.points : 1n;
    if (lifted.has(user)) return (floor * factor) / scale;
    const after = before + share(user) * factor;
    const amount = (pool * after) / (total * scale) - (pool * before) / (total * scale);
    before = after;
    return amount;
  });
  return { amounts, waived };
}

// --- the files ---------------------------------------------------------------------------------

/** Check the files, and return the facts to compare with the chain. */
export function checkFiles(contents, findings) {
  const manifest = readManifest(contents["manifest.json"], findings);
  if (manifest) {
    for (const name of ["payouts.jsonl", "plan.jsonl"]) {
      const hash = sha256(contents[name]).toString("hex");
      findings.expect(name, "its SHA-256", manifest.files[name], hash);
    }
  }
  const [headerLine, ...rowLines] = linesOf(contents["plan.jsonl"], "plan.jsonl", findings);
  const header = read(headerLine ?? Buffer.alloc(0), HEADER_KEYS, "plan.jsonl line 1", findings);
  const payouts = linesOf(contents["payouts.jsonl"], "payouts.jsonl", findings)
    .map((line, i) => read(line, PAYOUT_KEYS, `payouts.jsonl line ${i + 1}`, findings));
  if (!header || !manifest || payouts.includes(null)) return null;
  const rows = rowLines
    .map((line, i) => read(line, ROW_KEYS, `plan.jsonl line ${i + 2}`, findings));
  if (rows.includes(null)) return null;
  const plan = { header, rows, batches: cut(header, rows, findings) };
  if (!plan.batches) return null;
  checkHeader(header, manifest, findings);
  checkRows(plan, findings);
  checkAmounts(plan, findings);
  checkRoots(plan, headerLine, rowLines, payouts, manifest, findings);
  checkPayouts(plan, payouts, findings);
  return { manifest, payouts, ...plan };
}

function readManifest(content, findings) {
  const place = "manifest.json";
  const [line, ...more] = linesOf(content, place, findings);
  const manifest = read(line ?? Buffer.alloc(0), MANIFEST_KEYS, place, findings);
  if (!manifest) return null;
  if (more.length) findings.wrong(place, "has more than one line");
  const { checksum, ...rest } = manifest;
  findings.expect(place, "its checksum", sha256(canonical(rest)).toString("hex"), checksum);
  findings.expect(place, "bundle", "1", manifest.bundle);
  return manifest;
}

/** The rows of each batch, and the held rows; null if the counts are impossible. */
function cut(header, rows, findings) {
  const place = "plan.jsonl line 1";
  const [size, count, held, batches] = ["batch_size", "rewards", "held", "batches"]
    .map((name) => Number(integer(header[name], place, findings)));
  const payable = count - held;
  if (count !== rows.length || size < 1 || payable < 0 || Math.ceil(payable / size) !== batches) {
    findings.wrong(place, "its counts are not those of the rows");
    return null;
  }
  return Array.from({ length: batches }, (_, i) => ({
    id: `${header.week}/${String(i).padStart(5, "0")}`,
    first: i * size,
    end: Math.min((i + 1) * size, payable),
  }));
}

function checkHeader(header, manifest, findings) {
  const place = "manifest.json";
  findings.expect("plan.jsonl line 1", "version", "1", header.version);
  findings.expect(place, "week", header.week, manifest.week);
  findings.expect(place, "mint", header.mint, manifest.mint);
  const isFirst = header.previous_root === "";
  if (isFirst ? manifest.first_week !== header.week : manifest.first_week >= header.week) {
    findings.wrong(place, `first_week ${manifest.first_week} does not fit previous_root`);
  }
}

function checkRows({ header, rows, batches }, findings) {
  const payable = rows.length - Number(header.held);
  const size = Number(header.batch_size);
  const least = BigInt(header.rules.min_points ?? "1");
  rows.forEach((row, i) => {
    const place = `plan.jsonl line ${i + 2}`;
    const isHeld = i >= payable;
    findings.expect(place, "batch", isHeld ? "" : batches[Math.floor(i / size)].id, row.batch);
    if (isHeld === (row.wallet !== "")) findings.wrong(place, `has the wallet '${row.wallet}'`);
    if (!/^[0-9a-f]{64}$/.test(row.user)) findings.wrong(place, "has no user commitment");
    const follows = i > 0 && i !== payable;
    if (follows && row.user <= rows[i - 1].user) findings.wrong(place, "is not in order");
    const points = integer(row.points, place, findings);
    const weight = integer(row.weight, place, findings);
    if (points < least) findings.wrong(place, `${points} points are below the ${least} required`);
    if (points < 1n || weight % points || weight < points * MILLION) {
      findings.wrong(place, `weight ${weight} is not points times a multiplier of 1 or more`);
    }
  });
}

function checkAmounts({ header, rows }, findings) {
  if (findings.list.length) return; // what is computed from wrong rows says nothing
  const users = rows
    .map((row, i) => ({
      user: row.user,
      place: `plan.jsonl line ${i + 2}`,
      points: BigInt(row.points),
      weight: BigInt(row.weight),
      amount: BigInt(row.amount),
    }))
    .sort((a, b) => (a.user < b.user ? -1 : 1));
  users.forEach((it, i) => {
    if (i && users[i - 1].user === it.user) findings.wrong(it.place, "the user has two rows");
  });
  const { amounts, waived } = amountsOf(header.rules, users);
  users.forEach((it, i) => findings.expect(it.place, "the amount", amounts[i], it.amount));
  const place = "plan.jsonl line 1";
  for (const name of ["points", "weight", "amount"]) {
    const sum = users.reduce((total, it) => total + it[name], 0n);
    findings.expect(place, `total_${name}`, sum, header[`total_${name}`]);
  }
  findings.expect(place, "floor_waived", waived, header.floor_waived);
}

function checkRoots({ batches, header }, headerLine, rowLines, payouts, manifest, findings) {
  const payable = rowLines.length - Number(header.held);
  const roots = batches.map((batch) => tree(rowLines.slice(batch.first, batch.end)));
  const held = tree(rowLines.slice(payable));
  roots.forEach((root, i) => {
    const stated = payouts[i]?.root ?? "missing";
    if (root.toString("hex") !== stated) findings.wrong(batches[i].id, "its rows have another root");
  });
  findings.expect("the held rows", "their root", manifest.held_root, held.toString("hex"));
  const root = tree([headerLine, ...roots, held]).toString("hex");
  findings.expect("plan.jsonl", "the root", manifest.root, root);
}

function checkPayouts({ header, rows, batches }, payouts, findings) {
  const byUser = new Map(rows.map((row, i) => [row.user, { row, i }]));
  const size = Number(header.batch_size);
  const payable = rows.length - Number(header.held);
  const signatures = new Set();
  let last = "";
  payouts.forEach((line, i) => {
    const place = `payouts.jsonl line ${i + 1}`;
    if (line.signature && signatures.has(line.signature)) findings.wrong(place, "is there twice");
    signatures.add(line.signature);
    if (i < batches.length) {
      checkBatchLine(line, batches[i], rows, place, findings);
      return;
    }
    const user = line.id.slice(`${header.week}/u/`.length);
    const found = byUser.get(user);
    const named = line.id === `${header.week}/u/${user}` && line.kind === "single";
    if (!named || !found || line.id <= last || line.state !== "paid") {
      findings.wrong(place, `${line.id} is no single of this plan, or not in order`);
      return;
    }
    last = line.id;
    findings.expect(place, "amount", found.row.amount, line.amount);
    findings.expect(place, "root", "", line.root);
    const batch = found.i < payable ? payouts[Math.floor(found.i / size)] : null;
    if (batch && batch.state !== "void") {
      findings.wrong(place, `paid alone although ${batch.id} is ${batch.state}, not void`);
    }
  });
  if (payouts.length < batches.length) findings.wrong("payouts.jsonl", "batches are missing");
}

function checkBatchLine(line, batch, rows, place, findings) {
  findings.expect(place, "id", batch.id, line.id);
  findings.expect(place, "kind", "batch", line.kind);
  findings.expect(place, "wallet", "", line.wallet);
  if (!["free", "paid", "void"].includes(line.state)) findings.wrong(place, `state ${line.state}`);
  const isResolved = line.state !== "free";
  if ((line.signature !== "" || line.slot !== "") && !isResolved) {
    findings.wrong(place, "is free and has a signature");
  }
  const sum = rows.slice(batch.first, batch.end).reduce((it, row) => it + BigInt(row.amount), 0n);
  findings.expect(place, "amount", line.state === "paid" ? sum : 0n, line.amount);
}

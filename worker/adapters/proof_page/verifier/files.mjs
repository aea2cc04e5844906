// Checks a bundle's files, written from docs/plan-format.md and docs/verification.md alone.
// It shares no code with the worker.

import { amountsOf, MILLION, rulesOf } from "./amounts.mjs";
import { hexOf, sha256 } from "./bytes.mjs";
import { canonical, hashLeaves, integer, leafHash, linesOf, readLine, treeOf } from "./format.mjs";
import { isWeek } from "./weeks.mjs";

export const FILES = ["manifest.json", "payouts.jsonl", "plan.jsonl"];
export const HEADER_KEYS = [
  "batch_size", "batches", "cutoff", "floor_waived", "held", "mint", "previous_root", "rewards",
  "rules", "total_amount", "total_points", "total_weight", "version", "week",
];
export const ROW_KEYS = ["amount", "batch", "points", "user", "wallet", "weight"];
const PAYOUT_KEYS = ["amount", "id", "kind", "root", "signature", "slot", "state", "wallet"];
const MANIFEST_KEYS = [
  "anchor_signature", "anchor_slot", "bundle", "checksum", "cluster_genesis", "files", "first_week",
  "held_root", "mint", "receipt_key", "root", "source_account", "week",
];
const NOTHING = new Uint8Array(0);

/**
 * Check the files, given as bytes by name. Returns the bundle, to compare with the chain; null if
 * its parts cannot be read.
 */
export async function checkFiles(contents, findings) {
  findings.begin("Files");
  const manifest = await readManifest(contents["manifest.json"], findings);
  if (manifest) {
    for (const name of ["payouts.jsonl", "plan.jsonl"]) {
      const hash = hexOf(await sha256(contents[name]));
      findings.expect(name, "its SHA-256", manifest.files[name], hash);
    }
  }
  const [headerLine, ...rowLines] = linesOf(contents["plan.jsonl"], "plan.jsonl", findings);
  const header = readLine(headerLine ?? NOTHING, HEADER_KEYS, "plan.jsonl line 1", findings);
  const payouts = readLines(contents["payouts.jsonl"], "payouts.jsonl", PAYOUT_KEYS, findings);
  const rows = rowLines.map((line, i) => readRow(line, `plan.jsonl line ${i + 2}`, findings));
  if (!header || !manifest || payouts.includes(null) || rows.includes(null)) return null;
  const bundle = { manifest, header, rows, payouts, batches: [], split: null };
  findings.begin("Header and manifest");
  if (!checkHeader(header, manifest, findings)) return null;
  const batches = batchesOf(header, rows, findings);
  if (!batches) return null;
  bundle.batches = batches;
  findings.begin("Rows", rows.length);
  checkRows(bundle, findings);
  bundle.split = checkAmounts(bundle, findings);
  findings.begin("Root", rows.length);
  await checkRoots(bundle, headerLine, rowLines, findings);
  findings.begin("Payouts", payouts.length);
  checkPayouts(bundle, findings);
  return bundle;
}

const readLines = (content, name, keys, findings) => linesOf(content, name, findings)
  .map((line, i) => readLine(line, keys, `${name} line ${i + 1}`, findings));

/** A row; null if it is none. Its numbers are numbers. */
function readRow(line, place, findings) {
  const row = readLine(line, ROW_KEYS, place, findings);
  const isNumber = (name) => /^(0|[1-9][0-9]*)$/.test(row[name]);
  if (!row || ["amount", "points", "weight"].every(isNumber)) return row;
  findings.wrong(place, "amount, points or weight is no integer");
  return null;
}

async function readManifest(content, findings) {
  const place = "manifest.json";
  const [line, ...more] = linesOf(content, place, findings);
  const manifest = readLine(line ?? NOTHING, MANIFEST_KEYS, place, findings);
  if (!manifest) return null;
  if (more.length) findings.wrong(place, "has more than one line");
  const { checksum, ...rest } = manifest;
  findings.expect(place, "its checksum", hexOf(await sha256(canonical(rest))), checksum);
  findings.expect(place, "bundle", "1", manifest.bundle);
  return manifest;
}

/** The rows of each batch by position; null if the counts are impossible. */
function batchesOf(header, rows, findings) {
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

/** Whether the header is of a week. Contradictions if the manifest is of another plan. */
function checkHeader(header, manifest, findings) {
  const place = "manifest.json";
  findings.expect("plan.jsonl line 1", "version", "1", header.version);
  findings.expect(place, "week", header.week, manifest.week);
  findings.expect(place, "mint", header.mint, manifest.mint);
  const isFirst = header.previous_root === "";
  if (isFirst ? manifest.first_week !== header.week : manifest.first_week >= header.week) {
    findings.wrong(place, `first_week ${manifest.first_week} does not fit previous_root`);
  }
  for (const week of [header.week, manifest.first_week]) {
    if (!isWeek(week)) findings.wrong("plan.jsonl line 1", `${week} is no Monday`);
  }
  return isWeek(header.week);
}

function checkRows({ header, rows, batches }, findings) {
  const payable = rows.length - Number(header.held);
  const size = Number(header.batch_size);
  const least = integer(header.rules.min_points ?? "1", "plan.jsonl line 1", findings);
  rows.forEach((row, i) => {
    const place = `plan.jsonl line ${i + 2}`;
    const isHeld = i >= payable;
    findings.expect(place, "batch", isHeld ? "" : batches[Math.floor(i / size)].id, row.batch);
    if (isHeld === (row.wallet !== "")) findings.wrong(place, `has the wallet '${row.wallet}'`);
    if (!/^[0-9a-f]{64}$/.test(row.user)) findings.wrong(place, "has no user commitment");
    const follows = i > 0 && i !== payable;
    if (follows && row.user <= rows[i - 1].user) findings.wrong(place, "is not in order");
    const [points, weight] = [BigInt(row.points), BigInt(row.weight)];
    if (points < least) findings.wrong(place, `${points} points are below the ${least} required`);
    if (points < 1n || weight % points !== 0n || weight < points * MILLION) {
      findings.wrong(place, `weight ${weight} is not points times a multiplier of 1 or more`);
    }
  });
}

/** Recompute all amounts. Returns how the pool was split; null after contradictions in the rows. */
function checkAmounts({ header, rows }, findings) {
  const place = "plan.jsonl line 1";
  if (findings.list.some((it) => it.startsWith("plan.jsonl line"))) return null;
  findings.begin("Amounts", rows.length);
  const rules = rulesOf(header, integer, place, findings);
  if (!rules) return null;
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
  const { amounts, waived, lifted, pool, total } = amountsOf(rules, users);
  users.forEach((it, i) => findings.expect(it.place, "the amount", amounts[i], it.amount));
  for (const name of ["points", "weight", "amount"]) {
    const sum = users.reduce((whole, it) => whole + it[name], 0n);
    findings.expect(place, `total_${name}`, sum, header[`total_${name}`]);
  }
  findings.expect(place, "floor_waived", waived, header.floor_waived);
  return { ...rules, waived, lifted: new Set([...lifted].map((it) => it.user)), left: pool, total };
}

async function checkRoots({ batches, header, payouts, manifest }, headerLine, rowLines, findings) {
  const payable = rowLines.length - Number(header.held);
  const hashes = await hashLeaves(rowLines, (count) => findings.advance(count));
  const parts = batches.map(({ first, end }) => treeOf(hashes.slice(first, end)));
  const roots = await Promise.all([...parts, treeOf(hashes.slice(payable))]);
  batches.forEach((batch, i) => {
    const stated = payouts[i]?.root ?? "missing";
    if (hexOf(roots[i]) !== stated) findings.wrong(batch.id, "its rows have another root");
  });
  findings.expect("the held rows", "their root", manifest.held_root, hexOf(roots.at(-1)));
  const leaves = await Promise.all([headerLine, ...roots].map(leafHash));
  findings.expect("plan.jsonl", "the root", manifest.root, hexOf(await treeOf(leaves)));
}

function checkPayouts({ header, rows, batches, payouts }, findings) {
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

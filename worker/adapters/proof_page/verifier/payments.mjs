// Compares batches and rewards paid alone with their receipts and transactions.

import { forEach } from "./chain.mjs";

/**
 * Compare every payment. Returns the state of each id, what resolved it, the payments by
 * signature, the base units paid, and the ids that could not be read.
 */
export async function checkPayments(chain, { header, rows, batches, payouts }, findings) {
  const alone = (row) => `${header.week}/u/${row.user}`;
  const ids = [...batches.map((batch) => batch.id), ...rows.map(alone)];
  findings.begin("Receipts", ids.length);
  const states = await chain.states(ids, (count) => findings.advance(count));
  const lines = new Map(payouts.map((line) => [line.id, line]));
  const work = [];
  for (const batch of batches) {
    const members = rows.slice(batch.first, batch.end);
    const state = states.get(batch.id);
    work.push({ id: batch.id, state, rows: state === "paid" ? members : [] });
    for (const row of members) {
      const single = states.get(alone(row));
      if (["paid", "void"].includes(single) && ["free", "paid"].includes(state)) {
        findings.wrong(alone(row), `is ${single} although its batch is ${state}: paid twice`);
      }
    }
  }
  for (const row of rows) work.push({ id: alone(row), state: states.get(alone(row)), rows: [row] });
  const unread = new Set(ids.filter((id) => states.get(id) !== "free"));
  const result = { states, found: new Map(), payments: new Map(), paid: 0n, unread };
  const resolved = work.filter((item) => isResolved(item, lines.get(item.id), findings));
  findings.begin("Payments", resolved.length);
  await forEach(resolved, async (item) => {
    await compare(chain, item, lines.get(item.id), result, findings);
    findings.advance(1);
  });
  return result;
}

/** Whether an id is resolved as in the bundle, or was free at the publication. */
function isResolved({ id, state }, line, findings) {
  if (line && ![state, "free"].includes(line.state) && state !== "unknown") {
    findings.wrong(id, `is ${state} on chain, and ${line.state} in the bundle`);
  }
  if (state === "unknown") findings.unread(id, "its receipt is unknown");
  return state === "paid" || state === "void";
}

async function compare(chain, { id, rows }, line, result, findings) {
  const found = await chain.find(id, line?.signature);
  if (!found) {
    findings.unread(id, "the transaction that made its receipt cannot be read");
    return;
  }
  result.unread.delete(id);
  result.found.set(id, found);
  // A transaction can make many receipts, and has one memo: so it counts for one id only.
  findings.expect(id, "the memo of its transaction", id, found.memo);
  if (line?.signature) {
    findings.expect(id, "the signature", found.signature, line.signature);
    findings.expect(id, "the slot", found.slot, line.slot);
  }
  const planned = new Map();
  for (const row of rows) {
    // A held row has no wallet, and an operator may redirect others: a single is compared by amount.
    const other = id === row.batch ? undefined : line?.wallet || [...found.changes.keys()].sort()[0];
    const wallet = other || row.wallet;
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


// Explains everything that left the source account in a week's period.

import { checkAnchor } from "./anchor.mjs";
import { checkFiles } from "./files.mjs";
import { Findings } from "./findings.mjs";
import { isWeek, weekAfter } from "./weeks.mjs";

/**
 * Check each decrease of the source account from this week's anchor to the next one's. `beside`
 * gives the files of another week's bundle, or null.
 */
export async function checkTreasury(chain, { manifest }, anchor, result, beside, findings) {
  findings.begin("Treasury");
  const outflows = await outflowsOf(chain, manifest.week, anchor.slot, result, findings);
  const plans = new Map();
  const planOf = async (week) => {
    if (!plans.has(week)) plans.set(week, await otherPlan(chain, week, beside));
    return plans.get(week);
  };
  for (const found of outflows) await checkOutflow(chain, manifest, planOf, found, result, findings);
}

/** Outgoing transactions between this anchor and the next (or the last payment) that are not payments above. */
async function outflowsOf(chain, week, firstSlot, { payments }, findings) {
  const following = `${weekAfter(week)}/anchor`;
  const next = await chain.find(following);
  if (!next && (await chain.states([following])).get(following) !== "free") {
    findings.unread(following, "cannot be read, and the period ends with it");
  }
  const slots = [...payments.values()].map((it) => it.slot);
  const lastSlot = next?.slot ?? slots.reduce((a, b) => Math.max(a, b), firstSlot);
  const isWithin = ({ slot }) => slot >= firstSlot && slot <= lastSlot;
  const mentions = await chain.history(chain.source, firstSlot);
  if (!mentions) findings.unread(chain.source, "the source account's history cannot be read");
  const history = (mentions ?? []).filter(isWithin);
  const listed = new Set(history.map((it) => it.signature));
  for (const payment of [...payments.values()].filter(isWithin)) {
    if (!listed.has(payment.signature) || payment.from.join() !== chain.source) {
      findings.unread(payment.signature, "is not in the source account's history");
    }
  }
  const outflows = [];
  findings.total = history.length;
  for (const { signature } of history) {
    findings.advance(1);
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
  const isEarlier = named && isWeek(named[1]) && named[1] >= first_week && named[1] < week;
  if (!isEarlier || !chain.allocates(found, await chain.receipt(memo))) {
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
  const contents = await beside(week);
  const doubts = new Findings();
  const bundle = contents && (await checkFiles(contents, doubts));
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

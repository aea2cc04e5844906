// Says why a row has its amount, and whether it is paid, in sentences.

import { MILLION } from "./amounts.mjs";
import { counted, grouped, tokensText } from "./words.mjs";

const NANO = 10n ** 9n;

/** Millionths as a decimal number. */
export const millionthsText = (number) => tokensText(String(BigInt(number) * (NANO / MILLION)));

/** Sentences from points to amount. `split` is how the pool was split: see checkFiles. */
export function whyThisAmount(row, split) {
  const [points, weight] = [BigInt(row.points), BigInt(row.weight)];
  const factor = millionthsText(weight / points);
  const weighted = `${grouped(points)} points x ${factor} for staking = ${millionthsText(weight)} weighted points.`;
  const pool = `The pool is ${tokensText(split.pool)} KONTRIB.`;
  const floor = `${tokensText(split.floor)} KONTRIB`;
  const bonus = split.onTop ? ` times ${factor}` : "";
  if (split.lifted.has(row.user)) {
    return [weighted, pool, `The share would be below the floor of ${floor}. So the amount is the floor${bonus}.`];
  }
  const unit = split.onTop ? "points" : "weighted points";
  const total = split.onTop ? grouped(split.total) : millionthsText(split.total);
  const mine = split.onTop ? grouped(points) : millionthsText(weight);
  const others = split.lifted.size
    ? [`${counted(split.lifted.size, "contributor")} with a smaller share got the floor of ${floor}. `
      + `That leaves ${tokensText(split.left)} KONTRIB for all others.`]
    : [];
  return [
    weighted, pool, ...others,
    `${tokensText(split.left)} KONTRIB x ${mine} / ${total} ${unit} of all who share it${bonus} = `
      + `${tokensText(row.amount)} KONTRIB, rounded to 0.000000001.`,
  ];
}

/**
 * Whether a row is paid, as a sentence, and its transaction. `paid` is what the chain said, or null
 * if only the files are known. `payouts` are the bundle's lines by id.
 */
export function fateOf(row, week, payouts, paid) {
  const alone = `${week}/u/${row.user}`;
  const stateOf = (id) => (paid ? paid.states.get(id) : payouts.get(id)?.state) ?? "free";
  const signatureOf = (id) => (paid ? paid.found.get(id)?.signature : payouts.get(id)?.signature) ?? "";
  const source = paid ? "The chain says" : "The files say, and the chain was not asked";
  const say = (text, id = "") => ({ text: `${source}: ${text}`, signature: id && signatureOf(id) });
  const isUnread = (id) => paid && stateOf(id) === "paid" && !paid.found.has(id);
  if (stateOf(alone) === "unknown") return say("whether it was paid alone cannot be read now.");
  if ([alone, row.batch].some(isUnread)) {
    return say("its receipt is that of a payment. The transaction cannot be read now, so the payment is not proven.");
  }
  if (stateOf(alone) === "paid") {
    const wallet = payouts.get(alone)?.wallet || [...(paid?.found.get(alone)?.changes.keys() ?? [])][0];
    return say(`paid alone to ${wallet || row.wallet || "an unknown wallet"}.`, alone);
  }
  if (!row.batch) return say("held, and not paid yet.");
  const state = stateOf(row.batch);
  if (state === "paid") return say(`paid to ${row.wallet} in batch ${row.batch}.`, row.batch);
  if (state === "void") return say(`batch ${row.batch} is void. The reward will be paid alone, and is not paid yet.`);
  if (state === "free") return say(`batch ${row.batch} is not paid yet.`);
  return say(`batch ${row.batch} cannot be read.`);
}

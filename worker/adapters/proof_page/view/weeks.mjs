// All weeks of a place: totals by week, and by wallet over time, as the files say.

import { labelOf } from "../verifier/weeks.mjs";
import { contentsOf, firstLine, linesOfText } from "./place.mjs";
import { numberOf, objectOf } from "./week.mjs";

/** A week and the header of its plan, which holds its totals. */
export async function totalsOf(place, week) {
  return { week, header: objectOf(await firstLine(place, week, "plan.jsonl")) };
}

/** What each wallet was paid in each week. */
export class Wallets {
  constructor() {
    this.byWallet = new Map();
    this.byWeek = new Map();
    this.sorted = [];
  }

  async add(place, week) {
    const contents = await contentsOf(place, week);
    this.byWeek.set(week, 0n);
    const payouts = linesOfText(contents["payouts.jsonl"]).map(objectOf);
    const isPaid = (line) => line.kind === "batch" && line.state === "paid";
    const paid = new Set(payouts.filter(isPaid).map((line) => line.id));
    for (const line of linesOfText(contents["plan.jsonl"]).slice(1)) {
      const row = objectOf(line);
      if (paid.has(row.batch)) this.#add(row.wallet, week, numberOf(row.amount));
    }
    for (const line of payouts) {
      if (line.kind === "single") this.#add(line.wallet || "unknown wallet", week, numberOf(line.amount));
    }
  }

  #add(wallet, week, amount) {
    const weeks = this.byWallet.get(wallet) ?? { total: 0n, weeks: new Map() };
    weeks.total += amount;
    this.byWeek.set(week, (this.byWeek.get(week) ?? 0n) + amount);
    weeks.weeks.set(week, (weeks.weeks.get(week) ?? 0n) + amount);
    this.byWallet.set(wallet, weeks);
  }

  /** What was paid in each week, in base units. */
  paid() {
    return Object.fromEntries([...this.byWeek].map(([week, amount]) => [week, String(amount)]));
  }

  /** Order the wallets by what they got, the largest first. */
  sort() {
    this.sorted = [...this.byWallet].sort(([, a], [, b]) => (a.total < b.total ? 1 : a.total > b.total ? -1 : 0));
  }

  rows({ find, first, count }) {
    const matching = find ? this.sorted.filter(([wallet]) => String(wallet).includes(find)) : this.sorted;
    const rows = matching.slice(first, first + count).map(([wallet, { total, weeks }]) => ({
      wallet, total: String(total),
      weeks: [...weeks].map(([week, amount]) => [labelOf(week), String(amount)]),
    }));
    return { all: this.sorted.length, matching: matching.length, rows };
  }
}

// One week as it is shown: read leniently, since only the verification judges it.

import { millionthsText } from "../verifier/explain.mjs";
import { contentsOf, firstLine, linesOfText } from "./place.mjs";

const TENTHS = 10;
const STATE_TEXTS = new Map([["paid", "paid"], ["void", "batch void, not paid yet"]]);

/** An object of a line; an empty one if the line is none. */
export function objectOf(line) {
  try {
    return Object(JSON.parse(line));
  } catch {
    return {};
  }
}

/** A number of a file; 0 if it is none. */
export const numberOf = (text) => (/^\d+$/.test(text) ? BigInt(text) : 0n);

export class ShownWeek {
  constructor(place, week) {
    this.place = place;
    this.week = week;
    this.loaded = null;
    this.found = { find: null, numbers: [] };
  }

  /** Header and manifest, without waiting for the rows. */
  async summary() {
    const [manifest, header] = await Promise.all([
      firstLine(this.place, this.week, "manifest.json"), firstLine(this.place, this.week, "plan.jsonl"),
    ]);
    return { manifest: objectOf(manifest), header: objectOf(header) };
  }

  /** The files, the plan's lines and the payouts by id. Read once. */
  load() {
    this.loaded ??= this.#load();
    return this.loaded;
  }

  async #load() {
    const contents = await contentsOf(this.place, this.week);
    const lines = linesOfText(contents["plan.jsonl"]);
    const payouts = linesOfText(contents["payouts.jsonl"]).map(objectOf);
    return { contents, lines, payouts: new Map(payouts.map((line) => [line.id, line])) };
  }

  /** The rows with a text in them: how many, and those from position `first` on. */
  async rows({ find, first, count }) {
    const { lines, payouts } = await this.load();
    if (this.found.find !== find) {
      const numbers = [];
      for (let i = 1; i < lines.length; i += 1) if (lines[i].includes(find)) numbers.push(i);
      this.found = { find, numbers };
    }
    const { numbers } = this.found;
    const rows = numbers.slice(first, first + count).map((i) => this.#row(lines[i], i, payouts));
    return { all: Math.max(0, lines.length - 1), matching: numbers.length, rows };
  }

  #row(line, number, payouts) {
    const row = objectOf(line);
    const alone = payouts.get(`${this.week}/u/${row.user}`);
    const batch = payouts.get(row.batch);
    const points = numberOf(row.points);
    return {
      number, user: row.user, wallet: alone?.wallet || row.wallet, points: row.points,
      factor: points ? millionthsText(numberOf(row.weight) / points) : "",
      amount: row.amount,
      state: alone ? "paid alone" : row.batch ? STATE_TEXTS.get(batch?.state) ?? "not paid yet" : "held",
      signature: (alone ?? batch)?.signature ?? "",
    };
  }

  /** How the rewards are spread: base units as texts; what the highest 10 %, 20 %, … have, in thousandths. */
  async spread() {
    const { lines } = await this.load();
    const rows = lines.slice(1).map(objectOf);
    const amounts = rows.map((row) => numberOf(row.amount)).sort((a, b) => (a < b ? 1 : a > b ? -1 : 0));
    const total = amounts.reduce((sum, amount) => sum + amount, 0n);
    const factors = new Map();
    for (const row of rows) {
      const points = numberOf(row.points);
      const factor = points ? numberOf(row.weight) / points : 0n;
      factors.set(factor, (factors.get(factor) ?? 0) + 1);
    }
    const tenths = Array.from({ length: TENTHS }, (_, i) => {
      const count = Math.round(((i + 1) * amounts.length) / TENTHS);
      const sum = amounts.slice(0, count).reduce((whole, amount) => whole + amount, 0n);
      return total ? Number((sum * 1000n) / total) : 0;
    });
    return {
      count: amounts.length,
      largest: String(amounts[0] ?? 0n),
      median: String(amounts[amounts.length >> 1] ?? 0n),
      smallest: String(amounts.at(-1) ?? 0n),
      tenths: amounts.length >= TENTHS ? tenths : [],
      factors: [...factors]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([factor, users]) => [millionthsText(factor), users]),
    };
  }
}

// What a verification found: contradictions, facts that could not be read, and its progress.

/** The checks of a verification in their order, and everything that speaks against the week. */
export class Findings {
  /** Each check: its name, and the number of its contradictions and unreadable facts. */
  checks = [];
  /** The contradictions, each with its place. */
  list = [];
  /** The facts that could not be read, each with its place. */
  unproven = [];

  /** `onProgress` is told the current check, how many things it has compared, and of how many. */
  constructor(onProgress = () => {}) {
    this.onProgress = onProgress;
  }

  /** Start the next check, of `total` things. */
  begin(name, total = 0) {
    this.checks.push({ name, wrong: 0, unread: 0 });
    this.done = 0;
    this.total = total;
    this.advance(0);
  }

  advance(count) {
    this.done += count;
    this.onProgress({ check: this.checks.at(-1)?.name ?? "", done: this.done, total: this.total });
  }

  wrong(place, what) {
    this.list.push(`${place}: ${what}`);
    if (this.checks.length) this.checks.at(-1).wrong += 1;
  }

  unread(place, what) {
    this.unproven.push(`${place}: ${what}`);
    if (this.checks.length) this.checks.at(-1).unread += 1;
  }

  get isEmpty() {
    return this.list.length + this.unproven.length === 0;
  }

  expect(place, what, expected, found) {
    if (String(expected) !== String(found)) {
      this.wrong(place, `${what} is ${found}, and must be ${expected}`);
    }
  }
}

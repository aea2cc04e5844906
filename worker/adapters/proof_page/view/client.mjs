// Asks the worker, and shows its tables page by page.

import { grouped } from "../verifier/words.mjs";
import { byId, make, table } from "./dom.mjs";

const ROWS_A_PAGE = 50;
const TYPING_MS = 150;

const worker = startWorker();
const waiting = new Map();
let asked = 0;

function startWorker() {
  const blob = new Blob([byId("worker").textContent], { type: "text/javascript" });
  // Where the browser knows trusted types, this is the only URL that a script may come from.
  const policy = globalThis.trustedTypes?.createPolicy("worker", { createScriptURL: (url) => url });
  const url = URL.createObjectURL(blob);
  return new Worker(policy ? policy.createScriptURL(url) : url);
}

worker.addEventListener("message", ({ data: { id, answer, problem, progress } }) => {
  const { resolve, reject, tell } = waiting.get(id);
  if (progress) {
    tell(progress);
    return;
  }
  waiting.delete(id);
  if (problem === undefined) resolve(answer);
  else reject(new Error(problem));
});

worker.addEventListener("error", ({ message }) => {
  for (const { reject } of waiting.values()) reject(new Error(`The browser cannot run the verifier (${message})`));
  waiting.clear();
});

/** The worker's answer. `tell` is told the progress. */
export function ask(kind, data = {}, tell = () => {}) {
  return new Promise((resolve, reject) => {
    asked += 1;
    waiting.set(asked, { resolve, reject, tell });
    worker.postMessage({ id: asked, kind, ...data });
  });
}

/** A table with a search and pages. `kind` is the worker's name for its rows. */
export class PagedTable {
  constructor(kind, label, caption, heads, cellsOf) {
    Object.assign(this, { kind, caption, heads, cellsOf, first: 0, turn: 0 });
    this.box = make("input", { type: "search", autocomplete: "off", spellcheck: "false" });
    this.status = make("span", { role: "status" });
    this.before = make("button", { type: "button" }, "Previous");
    this.after = make("button", { type: "button" }, "Next");
    this.place = make("div");
    const target = document.querySelector(`[data-table=${kind}]`);
    target.replaceChildren(make("p", {}, make("label", {}, `${label} `, this.box), " ", this.status), this.place,
      make("p", {}, this.before, " ", this.after));
    target.hidden = false;
    let timer;
    this.box.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.go(0), TYPING_MS);
    });
    this.before.addEventListener("click", () => this.go(this.first - ROWS_A_PAGE));
    this.after.addEventListener("click", () => this.go(this.first + ROWS_A_PAGE));
  }

  async go(first) {
    this.turn += 1;
    const { turn } = this;
    const find = this.box.value.trim();
    const { all, matching, rows } = await ask(this.kind, { find, first, count: ROWS_A_PAGE });
    if (turn !== this.turn) return; // a newer search is under way
    this.first = first;
    this.place.replaceChildren(table(this.caption, this.heads, rows.map(this.cellsOf)));
    const range = rows.length ? `${grouped(first + 1)} to ${grouped(first + rows.length)} of ` : "";
    this.status.textContent = `${range}${grouped(matching)}${find ? ` found in ${grouped(all)}` : ""}`;
    this.before.disabled = first === 0;
    this.after.disabled = first + rows.length >= matching;
  }
}

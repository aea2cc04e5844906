// What runs in the worker: all reading, hashing and asking. The page only shows the answers.

import { fateOf, whyThisAmount } from "../verifier/explain.mjs";
import { Findings } from "../verifier/findings.mjs";
import { checkProof, readProof } from "../verifier/proof.mjs";
import { Rpc, Unreachable } from "../verifier/rpc.mjs";
import { verdictOf, verifyWeek } from "../verifier/verify.mjs";
import { counted } from "../verifier/words.mjs";
import { contentsOf, openPlace } from "./place.mjs";
import { ShownWeek } from "./week.mjs";
import { totalsOf, Wallets } from "./weeks.mjs";

const PROGRESS_MS = 200;
const LISTED_MAX = 500;

let place = null;
let shown = null;
/** What the last verification of the shown week found. */
let verified = null;
let wallets = null;
let stop = new AbortController();

const answers = {
  async open(data) {
    place = await openPlace(data);
    wallets = null;
    return place && { weeks: place.weeks, own: place.own };
  },

  async week({ week }) {
    stop.abort();
    shown = new ShownWeek(place, week);
    verified = null;
    return shown.summary();
  },

  rows: (data) => shown.rows(data),
  spread: () => shown.spread(),
  totals: () => Promise.all(place.weeks.map((week) => totalsOf(place, week))),

  /** Read all weeks; what was paid in each of them. */
  async addUp(data, tell) {
    wallets = new Wallets();
    for (const [i, week] of place.weeks.entries()) {
      tell({ check: "Weeks", done: i, total: place.weeks.length });
      await wallets.add(place, week);
    }
    wallets.sort();
    return wallets.paid();
  },

  wallets: (data) => wallets.rows(data),

  async verify({ url }, tell) {
    stop = new AbortController();
    const week = shown;
    const findings = new Findings(tell);
    const outcome = await outcomeOf(week, url, stop.signal, findings);
    if (week === shown) verified = outcome.verified;
    return {
      ...outcome.verdict,
      checks: findings.checks,
      contradictions: listed(findings.list),
      doubts: listed(findings.unproven),
    };
  },

  async proof({ text }, tell) {
    const findings = new Findings(tell);
    findings.begin("Proof");
    const proof = readProof(text, findings);
    const week = shown;
    const { contents, payouts } = await week.load();
    const known = verified ?? await verifiedFiles(contents, tell);
    if (week === shown) verified ??= known;
    const { bundle, paid, isSound } = known;
    if (!isSound) findings.wrong("this week", "does not hold: verify it, and read what is named there");
    if (proof && bundle) await checkProof(proof, bundle.manifest, findings);
    if (!findings.isEmpty || !proof) return { contradictions: listed(findings.list) };
    const { row, header } = proof;
    const reasons = whyThisAmount(row, bundle.split);
    return { user: proof.user_id, row, reasons, fate: fateOf(row, header.week, payouts, paid), contradictions: [] };
  },

  async stop() {
    stop.abort();
  },
};

async function verifiedFiles(contents, tell) {
  const findings = new Findings(tell);
  const found = await verifyWeek(contents, { findings });
  return { ...found, isSound: found.bundle !== null && findings.isEmpty };
}

/** Verify a week. An endpoint without an answer leaves no verdict, but does not hide a contradiction. */
async function outcomeOf(week, url, signal, findings) {
  try {
    const rpc = url ? new Rpc(url, signal) : null;
    const { contents } = await week.load();
    const beside = (other) => contentsOf(week.place, other).catch(() => null);
    const found = await verifyWeek(contents, { rpc, beside, findings });
    const isSound = found.bundle !== null && findings.list.length === 0;
    return { verified: { ...found, isSound }, verdict: verdictOf(found, findings) };
  } catch (error) {
    const why = signal.aborted ? "it was stopped" : error.message;
    if (!signal.aborted && !(error instanceof Unreachable)) throw error;
    const wrong = findings.list.length;
    const verdict = wrong
      ? { word: "WRONG", text: `${counted(wrong, "contradiction")}. The endpoint gives no answer (${why})` }
      : { word: "NO VERDICT", text: signal.aborted ? why : `the endpoint gives no answer (${why})` };
    return { verified: wrong ? { bundle: null, paid: null, isSound: false } : null, verdict };
  }
}

function listed(findings) {
  const more = findings.length - LISTED_MAX;
  return more > 0 ? [...findings.slice(0, LISTED_MAX), `and ${more} more`] : findings;
}

/** Tells progress to the page, but not more often than a person can see. */
function teller(id) {
  let last = 0;
  return (progress) => {
    if (performance.now() - last < PROGRESS_MS) return;
    last = performance.now();
    postMessage({ id, progress });
  };
}

addEventListener("message", async ({ data: { id, kind, ...data } }) => {
  try {
    postMessage({ id, answer: await answers[kind](data, teller(id)) });
  } catch (error) {
    postMessage({ id, problem: error.message });
  }
});

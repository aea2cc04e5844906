// The page of one week: figures, verification, proof, spread and rows.

import { labelOf, weekAfter } from "../verifier/weeks.mjs";
import { counted, grouped, tokensText } from "../verifier/words.mjs";
import { ask, PagedTable } from "./client.mjs";
import { bar, byId, explorerLink, make, shortened, show, table } from "./dom.mjs";

const KINDS = {
  VERIFIED: "good", "VERIFIED in itself": "good", WRONG: "bad", "NOT PROVEN": "warn", "NO VERDICT": "warn",
};
const MEANINGS = {
  VERIFIED: "Everything agrees: files, rules and chain.",
  "VERIFIED in itself": "The files agree with each other. Name an endpoint to compare them with the chain.",
  WRONG: "This week does not hold. Each contradiction is named below.",
  "NOT PROVEN": "No contradiction was found, but not everything could be read. It is named below.",
  "NO VERDICT": "Nothing is known about the chain. Try again, or name another endpoint.",
};
const MARKS = { good: "✓", warn: "?", bad: "✗" };

const CLEARED = [
  "figures", "verdict", "contradictions", "checks", "proof-verdict", "proof-findings", "tenths", "factors",
];

let cluster = "";
let turn = 0;

/** Show a week, its rows as soon as they are read. */
export async function showWeek(week) {
  turn += 1;
  const mine = turn;
  byId("title").textContent = `KONTRIB rewards, ${labelOf(week)}`;
  document.title = `${labelOf(week)} · KONTRIB rewards`;
  byId("lead").textContent = `${week} to ${weekAfter(week)}, 00:00 UTC, the end excluded.`;
  for (const id of CLEARED) byId(id).replaceChildren();
  for (const id of ["pill", "checks-box", "progress"]) show(id, false);
  const { manifest, header } = await ask("week", { week });
  if (mine !== turn) return; // the visitor went on to another week
  cluster = manifest.cluster_genesis;
  showFigures(header);
  showIdentity(manifest, header);
  const heads = [">#", "Commitment", "Wallet", ">Points", ">Staking", ">KONTRIB", "State", "Transaction"];
  await new PagedTable("rows", "Find a commitment or a wallet", "Rewards", heads, rewardCells).go(0);
  await showSpread();
}

function showFigures(header) {
  const figure = (name, value, unit) => make("div", { class: "figure" },
    make("span", {}, name), make("b", {}, value), make("span", {}, unit));
  const { pool, staking_bonus } = header.rules ?? {};
  const parts = `${grouped(header.held)} held, ${grouped(header.batches)} batches`;
  byId("figures").replaceChildren(
    figure("Pool", tokensText(pool), `KONTRIB, staking bonus ${String(staking_bonus).replace("_", " ")}`),
    figure("Planned", tokensText(header.total_amount), "KONTRIB"),
    figure("Contributors", grouped(header.rewards), parts),
    figure("Points", grouped(header.total_points), ""),
    figure("Ratio", ratioText(header), `KONTRIB a ${staking_bonus === "on_top" ? "" : "weighted "}point`),
  );
}

/** KONTRIB for a weighted point, or for a point if staking bonuses come on top; to eight decimals. */
export function ratioText({ rules, total_amount, total_points, total_weight }) {
  const isOnTop = rules?.staking_bonus === "on_top";
  const [amount, points] = isOnTop ? [rules.pool, total_points] : [total_amount, total_weight];
  if (!/^\d+$/.test(amount) || !/^[1-9]\d*$/.test(points)) return "–";
  const scale = isOnTop ? 1n : 1_000_000n;
  return tokensText(String(((BigInt(amount) * scale) / BigInt(points) / 10n) * 10n));
}

function showIdentity(manifest, header) {
  const facts = [
    ["Root of the plan", make("code", {}, manifest.root)],
    ["Receipt key", explorerLink("address", manifest.receipt_key, cluster)],
    ["Mint", explorerLink("address", manifest.mint, cluster)],
    ["Paying account", explorerLink("address", manifest.source_account, cluster)],
    ["Anchor", explorerLink("tx", manifest.anchor_signature, cluster)],
    ["Cluster", make("code", {}, manifest.cluster_genesis)],
    ["Root of the week before", make("code", {}, header.previous_root || "none, this is the first week")],
    ["Rules", make("code", {}, JSON.stringify(header.rules))],
  ];
  const pairs = facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
  byId("identity").replaceChildren(...pairs);
}

function rewardCells(row) {
  return [
    grouped(row.number), make("code", { title: row.user }, shortened(row.user)),
    row.wallet ? explorerLink("address", row.wallet, cluster, shortened(row.wallet)) : "",
    grouped(row.points), row.factor && `×${row.factor}`, tokensText(row.amount), row.state,
    row.signature ? explorerLink("tx", row.signature, cluster, shortened(row.signature)) : "",
  ];
}

async function showSpread() {
  const { count, largest, median, smallest, tenths, factors } = await ask("spread");
  byId("spread-lead").textContent = count
    ? `From ${tokensText(smallest)} to ${tokensText(largest)} KONTRIB, the median is ${tokensText(median)}.`
    : "Nobody has a reward in this week.";
  const shares = tenths.map((share, i) => [
    `${(i + 1) * 10} %`, `${(share / 10).toFixed(1)} %`, bar(share / 1000),
  ]);
  const rows = factors.map(([factor, users]) => [`×${factor}`, grouped(users)]);
  for (const [id, caption, heads, lines] of [
    ["tenths", "Share of all KONTRIB, highest rewards first", ["Contributors", ">Share", ""], shares],
    ["factors", "Multipliers for staking", ["Multiplier", ">Contributors"], rows],
  ]) {
    if (lines.length) byId(id).replaceChildren(table(caption, heads, lines));
  }
}

/** A verdict in words, at a place of the page. */
function say(place, kind, word, text) {
  const sentence = make("p", { class: `note ${kind}` }, make("strong", {}, `${MARKS[kind]} ${word}. `), text);
  byId(place).replaceChildren(sentence);
}

const showVerdict = (word, text) => say("verdict", KINDS[word], word, `${MEANINGS[word]} ${text}`);

function showList(id, lines) {
  byId(id).replaceChildren(...lines.map((line) => make("li", {}, line)));
}

function checkText({ name, wrong, unread }) {
  const mark = MARKS[wrong ? "bad" : unread ? "warn" : "good"];
  const contradictions = wrong ? `, ${counted(wrong, "contradiction")}` : "";
  const doubts = unread ? `, ${counted(unread, "thing")} not read` : "";
  return `${mark} ${name}${contradictions}${doubts}`;
}

function showProgress({ check, done, total }) {
  byId("step").textContent = `${check}${total ? `: ${grouped(done)} of ${grouped(total)}` : ""}`;
  byId("bar").value = total ? done / total : 0;
}

byId("verify").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [button] = event.target.querySelectorAll("button");
  const mine = turn;
  button.disabled = true;
  const url = byId("url").value.trim();
  showProgress({ check: "Reading" });
  show("progress");
  show("stop", url !== ""); // the files alone take seconds
  for (const id of ["verdict", "contradictions", "checks"]) byId(id).replaceChildren();
  try {
    const { word, text, checks, contradictions, doubts } = await ask("verify", { url }, showProgress);
    if (mine !== turn) return;
    showVerdict(word, `${text}.`);
    showList("contradictions", [...contradictions, ...doubts]);
    showList("checks", checks.map(checkText));
    show("checks-box");
    byId("pill").className = `pill ${KINDS[word]}`;
    byId("pill").textContent = word.toLowerCase();
    show("pill");
  } catch (error) {
    showVerdict("NO VERDICT", error.message);
  } finally {
    button.disabled = false;
    for (const id of ["progress", "stop"]) show(id, false);
  }
});

byId("stop").addEventListener("click", () => ask("stop"));

byId("proof-file").addEventListener("change", async ({ target }) => {
  if (target.files[0]) byId("proof-text").value = await target.files[0].text();
});

byId("proof").addEventListener("submit", async (event) => {
  event.preventDefault();
  const mine = turn;
  byId("proof-verdict").replaceChildren(make("p", {}, "Checking…"));
  byId("proof-findings").replaceChildren();
  try {
    const found = await ask("proof", { text: byId("proof-text").value });
    if (mine === turn) showProof(found);
  } catch (error) {
    say("proof-verdict", "warn", "NO VERDICT", error.message);
  }
});

function showProof({ user, row, reasons, fate, contradictions }) {
  if (contradictions.length) {
    say("proof-verdict", "bad", "WRONG", "The proof and this week do not agree. Each contradiction is named below.");
    showList("proof-findings", contradictions);
    return;
  }
  say("proof-verdict", "good", "VERIFIED", `${tokensText(row.amount)} KONTRIB of this week belong to ${user}.`);
  const link = fate.signature ? [" ", explorerLink("tx", fate.signature, cluster)] : [];
  const lines = [...reasons, `Its row: commitment ${row.user}.`].map((line) => make("li", {}, line));
  byId("proof-findings").replaceChildren(...lines, make("li", {}, fate.text, ...link));
}

// The page of all weeks.

import { labelOf } from "../verifier/weeks.mjs";
import { grouped, tokensText } from "../verifier/words.mjs";
import { ask, PagedTable } from "./client.mjs";
import { bar, byId, make } from "./dom.mjs";
import { ratioText } from "./week_page.mjs";

/** Show the totals of each week, the newest first. */
export async function showWeeks(weeks) {
  byId("title").textContent = "KONTRIB rewards";
  document.title = "KONTRIB rewards";
  byId("lead").textContent = `${weeks.length} weeks, ${labelOf(weeks[0])} to ${labelOf(weeks.at(-1))}.`;
  byId("pill").hidden = true;
  const totals = await ask("totals");
  const most = Math.max(...totals.map((it) => Number(it.amount) || 0), 1);
  byId("week-rows").replaceChildren(...totals.reverse().map((it) => make("tr", {},
    make("td", {}, make("a", { href: `#${it.week}` }, it.label)),
    ...[grouped(it.rewards), grouped(it.points), tokensText(it.amount), ratioText(it.amount, it.weight)]
      .map((text) => make("td", { class: "num" }, text)),
    make("td", {}, bar((Number(it.amount) || 0) / most)))));
}

byId("add-up").addEventListener("click", async ({ target }) => {
  target.disabled = true;
  const heads = ["Wallet", ">KONTRIB", ">Weeks", "By week"];
  const wallets = new PagedTable("wallets", "Find a wallet", "Wallets by what they were paid", heads, walletCells);
  await wallets.go(0, ({ done, total }) => {
    target.textContent = `Reading week ${done + 1} of ${total}`;
  });
  target.hidden = true;
});

function walletCells({ wallet, total, weeks }) {
  const list = weeks.map(([week, amount]) => make("li", {}, `${week}: ${tokensText(amount)}`));
  const details = make("details", {}, make("summary", {}, "Show"), make("ul", {}, ...list));
  return [make("code", {}, wallet), tokensText(total), weeks.length, details];
}

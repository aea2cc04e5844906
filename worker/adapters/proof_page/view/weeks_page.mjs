// The page of all weeks.

import { labelOf } from "../verifier/weeks.mjs";
import { counted, grouped, tokensText } from "../verifier/words.mjs";
import { ask, PagedTable } from "./client.mjs";
import { bar, byId, make, show, table } from "./dom.mjs";
import { ratioText } from "./week_page.mjs";

let totals = [];

/** Show the totals of each week, the newest first. */
export async function showWeeks(weeks) {
  byId("title").textContent = "KONTRIB rewards";
  document.title = "KONTRIB rewards";
  byId("lead").textContent = `${counted(weeks.length, "week")}, ${labelOf(weeks[0])} to ${labelOf(weeks.at(-1))}.`;
  show("pill", false);
  totals = (await ask("totals")).reverse();
  showTotals({});
}

function showTotals(paid) {
  const most = Math.max(...totals.map((it) => Number(it.header.total_amount) || 0), 1);
  const heads = ["Week", ">Contributors", ">Points", ">Ratio", ">KONTRIB", "", ">Paid"];
  const rows = totals.map(({ week, header }) => [
    make("a", { href: `#${week}` }, labelOf(week)), grouped(header.rewards), grouped(header.total_points),
    ratioText(header), tokensText(header.total_amount), bar((Number(header.total_amount) || 0) / most),
    week in paid ? tokensText(paid[week]) : "–",
  ]);
  byId("week-table").replaceChildren(table("Weeks, the newest first", heads, rows));
}

byId("add-up").addEventListener("click", async ({ target }) => {
  target.disabled = true;
  const label = target.textContent;
  try {
    showTotals(await ask("addUp", {}, ({ done, total }) => {
      target.textContent = `Reading week ${done + 1} of ${total}`;
    }));
    const heads = ["Wallet", ">KONTRIB", ">Weeks", "By week"];
    await new PagedTable("wallets", "Find a wallet", "Wallets by what they were paid", heads, walletCells).go(0);
  } catch (error) {
    byId("problem").textContent = error.message;
    show("problem");
  } finally {
    target.disabled = false;
    target.textContent = label;
  }
});

function walletCells({ wallet, total, weeks }) {
  const list = weeks.map(([week, amount]) => make("li", {}, `${week}: ${tokensText(amount)}`));
  const details = make("details", {}, make("summary", {}, "Show"), make("ul", {}, ...list));
  return [make("code", {}, wallet), tokensText(total), weeks.length, details];
}

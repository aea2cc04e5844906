// The page: opens what lies beside it, or what the visitor chooses, and follows the address's #.

import { isWeek } from "../verifier/weeks.mjs";
import { ask } from "./client.mjs";
import { byId, show } from "./dom.mjs";
import { showWeek } from "./week_page.mjs";
import { showWeeks } from "./weeks_page.mjs";

const NO_BUNDLES = "There are no bundles beside this page.";
const FROM_A_FILE = "A browser does not let a page that was opened as a file read the files beside it.";
const NOT_SECURE = "This page can only hash where the browser trusts the connection: open it over https, "
  + "from localhost, or as a file.";

let opened = null;

function report(problem) {
  byId("problem").textContent = problem;
  show("problem", problem !== "");
}

async function open(data, whyNothing) {
  try {
    opened = await ask("open", data);
    report(opened ? "" : whyNothing);
  } catch (error) {
    opened = null;
    report(`${whyNothing} (${error.message})`);
  }
  show("choose", !opened);
  if (opened) await follow();
}

async function follow() {
  try {
    await route();
  } catch (error) {
    report(error.message);
  }
}

async function route() {
  const named = location.hash.slice(1);
  const week = isWeek(named) && opened.weeks.includes(named) ? named : opened.own;
  show("weeks", !week);
  show("week", Boolean(week));
  show("up", Boolean(week) && opened.weeks.length > 1);
  byId("up-link").href = location.protocol !== "file:" && opened.own && !named ? "../index.html" : "#";
  if (week) await showWeek(week);
  else await showWeeks(opened.weeks);
}

function openChosen({ target }) {
  const files = [...target.files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
  open({ files }, "These are not the files of a bundle: manifest.json, payouts.jsonl and plan.jsonl.");
}

addEventListener("hashchange", () => opened && follow());
for (const id of ["folder", "files"]) byId(id).addEventListener("change", openChosen);
if (!globalThis.crypto?.subtle) report(NOT_SECURE);
else if (location.protocol === "file:") {
  byId("choose-why").prepend(`${FROM_A_FILE} `);
  show("choose");
} else open({ base: location.href }, NO_BUNDLES);

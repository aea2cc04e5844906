#!/usr/bin/env node
// node verify.mjs BUNDLE [RPC-URL]: exits 0 if the bundle holds, 1 if it does not, 2 if asked wrongly.

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { checkFiles, FILES, Findings } from "./format.mjs";

const LISTED_MAX = 20;
const [folder, url] = process.argv.slice(2);
if (!folder) {
  console.error("usage: node verify.mjs BUNDLE [RPC-URL]");
  process.exit(2);
}

const findings = new Findings();
const contents = Object.fromEntries(FILES.map((name) => [name, readFileSync(join(folder, name))]));
const bundle = checkFiles(contents, findings);
let paid = "";
if (bundle && url) {
  const { checkChain } = await import("./chain.mjs");
  const result = await checkChain(bundle, url, findings);
  paid = `, ${result.paid} base units paid in ${result.payments.size} transactions`;
}

for (const finding of findings.list.slice(0, LISTED_MAX)) console.log(finding);
if (findings.list.length || !bundle) {
  console.log(`WRONG: ${findings.list.length} contradictions`);
  process.exit(1);
}
const { header, manifest } = bundle;
const planned = `${header.rewards} rewards of ${header.total_amount} base units`;
console.log(`VERIFIED${url ? "" : " in itself"}: ${header.week}, root ${manifest.root}, ${planned}${paid}`);

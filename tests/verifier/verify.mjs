#!/usr/bin/env node
// node verify.mjs BUNDLE [RPC-URL]: exits 0 if the bundle is verified, 1 if not, 2 after wrong usage.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

import { checkFiles, FILES, Findings } from "./format.mjs";

const LISTED_MAX = 20;
const [folder, url] = process.argv.slice(2);
if (!folder) {
  console.error("usage: node verify.mjs BUNDLE [RPC-URL]");
  process.exit(2);
}

const contentsOf = (path) =>
  Object.fromEntries(FILES.map((name) => [name, readFileSync(join(path, name))]));

/** The files of another week's bundle in the same folder; null without one. */
function beside(week) {
  const path = join(dirname(resolve(folder)), week);
  return FILES.every((name) => existsSync(join(path, name))) ? contentsOf(path) : null;
}

const findings = new Findings();
const bundle = checkFiles(contentsOf(folder), findings);
let paid = "";
if (bundle && url) {
  const { checkChain } = await import("./chain.mjs");
  const result = await checkChain(bundle, url, beside, findings);
  paid = `, ${result.paid} base units paid in ${result.payments.size} transactions`;
}

for (const finding of findings.list.slice(0, LISTED_MAX)) console.log(finding);
for (const doubt of findings.unproven.slice(0, LISTED_MAX)) console.log(doubt);
if (findings.list.length || !bundle) {
  console.log(`WRONG: ${findings.list.length} contradictions`);
  process.exit(1);
}
if (!findings.isEmpty) {
  console.log(`NOT PROVEN: ${findings.unproven.length} things could not be read`);
  process.exit(1);
}
const { header, manifest } = bundle;
const planned = `${header.rewards} rewards of ${header.total_amount} base units`;
console.log(`VERIFIED${url ? "" : " in itself"}: ${header.week}, root ${manifest.root}, ${planned}${paid}`);

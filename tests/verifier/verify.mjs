#!/usr/bin/env node
// node verify.mjs BUNDLE [RPC-URL]: exits 0 if the bundle is verified, 1 if not, 2 after wrong usage,
// and 3 without a verdict, because the endpoint gives no answer.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

import { FILES } from "../../worker/adapters/proof_page/verifier/files.mjs";
import { Findings } from "../../worker/adapters/proof_page/verifier/findings.mjs";
import { Rpc, Unreachable } from "../../worker/adapters/proof_page/verifier/rpc.mjs";
import { verdictOf, verifyWeek } from "../../worker/adapters/proof_page/verifier/verify.mjs";

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
try {
  const rpc = url ? new Rpc(url) : null;
  const verified = await verifyWeek(contentsOf(folder), { rpc, beside, findings });
  const { word, text } = verdictOf(verified, findings);
  for (const line of findings.list.slice(0, LISTED_MAX)) console.log(line);
  for (const line of findings.unproven.slice(0, LISTED_MAX)) console.log(line);
  console.log(`${word}: ${text}`);
  process.exitCode = word.startsWith("VERIFIED") ? 0 : 1;
} catch (error) {
  if (!(error instanceof Unreachable)) throw error;
  console.log(`NO VERDICT: ${url} gives no answer (${error.message})`);
  process.exitCode = 3;
}

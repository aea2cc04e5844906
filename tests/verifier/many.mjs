// Verifies many bundles from standard input, a JSON list of files by name; prints what was found in
// each, as a JSON list of lists.

import { readFileSync } from "node:fs";

import { Findings } from "../../worker/adapters/proof_page/verifier/findings.mjs";
import { verifyWeek } from "../../worker/adapters/proof_page/verifier/verify.mjs";

const found = [];
for (const files of JSON.parse(readFileSync(0, "utf8"))) {
  const contents = Object.fromEntries(Object.entries(files).map(([name, text]) => [name, Buffer.from(text)]));
  const findings = new Findings();
  const { bundle } = await verifyWeek(contents, { findings });
  found.push(bundle || findings.list.length ? findings.list : ["nothing was found, and the bundle is none"]);
}
console.log(JSON.stringify(found));

// Recomputes every value of a test vector with the product's modules: node vectors.mjs VECTOR.json PROOFS.json
// The proofs are a JSON list of texts. Prints the first difference and exits with 1, or `all equal`.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { fromBase58, hexOf, sha256, textOf, toBase58 } from "../../worker/adapters/proof_page/verifier/bytes.mjs";
import { Chain } from "../../worker/adapters/proof_page/verifier/chain.mjs";
import { Findings } from "../../worker/adapters/proof_page/verifier/findings.mjs";
import { canonical } from "../../worker/adapters/proof_page/verifier/format.mjs";
import { checkProof, readProof } from "../../worker/adapters/proof_page/verifier/proof.mjs";
import { isWeek } from "../../worker/adapters/proof_page/verifier/weeks.mjs";

const vector = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { receipt_key, mint, root, cluster_genesis } = vector;
const chain = new Chain(null, { receipt_key, mint, source_account: mint });
for (const { id, seed, address } of vector.receipts) {
  const receipt = await chain.receipt(id);
  assert.deepEqual([textOf(receipt.seed), receipt.address], [seed, address]);
}
for (const line of [vector.header, ...vector.rows]) assert.equal(canonical(JSON.parse(line)), line);
for (const user of vector.users) {
  assert.equal(hexOf(await sha256(Buffer.from(user.salt, "hex"), user.id)), user.commitment);
}

for (const bytes of [[], [0], [0, 0, 1], [255], Array(32).fill(0), Array(64).fill(255), [1, ...Array(9).fill(0)]]) {
  assert.deepEqual([...fromBase58(toBase58(Uint8Array.from(bytes)))], bytes);
}
assert.equal(toBase58(new Uint8Array(32)), "1".repeat(32));
assert.throws(() => fromBase58("0"));

for (const text of ["2024-06-31", "2026-02-30", "2024-12-10", "2024-13-01", "", "2024-W50"]) assert.equal(isWeek(text), false, text);
assert.equal(isWeek(vector.week), true);

const isFound = async (text) => {
  const findings = new Findings();
  const proof = readProof(text, findings);
  if (proof) await checkProof(proof, { root, receipt_key, cluster_genesis, week: vector.week }, findings);
  return findings.list.length > 0;
};
const changed = (text) => (text.endsWith("1") ? `${text.slice(0, -1)}2` : `${text.slice(0, -1)}1`);
for (const text of JSON.parse(readFileSync(process.argv[3], "utf8"))) {
  const proof = JSON.parse(text);
  assert.equal(await isFound(`${text}\n`), false, text);
  assert.equal(await isFound(text.replace(":", ": ")), true);
  for (const [name, value] of Object.entries(proof)) {
    const [inner, of] = typeof value === "string" ? [name, proof] : [Object.keys(value)[0], value];
    const before = of[inner];
    of[inner] = changed(before);
    assert.equal(await isFound(canonical(proof)), true, `${name}: ${of[inner]}`);
    of[inner] = before;
  }
}
console.log("all equal");

// Checks a contributor's proof against a week's bundle: docs/verification.md. It asks nobody.

import { bytesOf, fromBase64, fromHex, hexOf, sha256 } from "./bytes.mjs";
import { HEADER_KEYS, ROW_KEYS } from "./files.mjs";
import { canonicalBytes, integer, leafHash, readLine, rootOfPath } from "./format.mjs";

const PROOF_KEYS = [
  "cluster_genesis", "header", "header_path", "index_in_part", "part", "part_path", "part_size",
  "parts", "proof", "receipt_key", "root", "row", "row_path", "salt", "user_id",
];
const HASH_BYTES = 32;

/** The proof's content; null, with a contradiction, if the text is no proof. */
export function readProof(text, findings) {
  const place = "the proof";
  const proof = readLine(bytesOf(text.trim()), PROOF_KEYS, place, findings);
  if (!proof) return null;
  findings.expect(place, "its version", "1", proof.proof);
  for (const [name, keys] of [["header", HEADER_KEYS], ["row", ROW_KEYS]]) {
    readLine(canonicalBytes(proof[name]), keys, `its ${name}`, findings);
  }
  return findings.isEmpty ? proof : null;
}

/** Check that the proof's row is its user's, leads to its root, and that the root is this week's. */
export async function checkProof(proof, manifest, findings) {
  const { header, row } = proof;
  const salt = fromHex(proof.salt, HASH_BYTES);
  const user = salt ? hexOf(await sha256(salt, proof.user_id)) : "unreadable";
  findings.expect("the proof", "the commitment of its user id and salt", row.user, user);
  const [index, size, part, parts] = ["index_in_part", "part_size", "part", "parts"]
    .map((name) => Number(integer(proof[name], "the proof", findings)));
  const [leaf, headerLeaf] = await Promise.all([row, header].map((it) => leafHash(canonicalBytes(it))));
  const partRoot = await rootOfPath(leaf, index, size, pathOf(proof.row_path));
  const roots = await Promise.all([
    partRoot && rootOfPath(await leafHash(partRoot), part, parts, pathOf(proof.part_path)),
    rootOfPath(headerLeaf, 0, parts, pathOf(proof.header_path)),
  ]);
  if (roots.some((root) => !root || hexOf(root) !== proof.root)) {
    findings.wrong("the proof", `its paths do not lead from header and row to its root ${proof.root}`);
  }
  checkPlace(proof, { part, parts, size }, findings);
  if (proof.root !== manifest.root) {
    findings.wrong("the proof", `belongs to a plan of the week ${header.week} with the root `
      + `${proof.root}. This is the week ${manifest.week} with the root ${manifest.root}`);
  }
  for (const name of ["receipt_key", "cluster_genesis"]) {
    findings.expect("the proof", name, manifest[name], proof[name]);
  }
}

/** The hashes of a path; null if the text is none. */
function pathOf(text) {
  try {
    const bytes = fromBase64(text);
    const count = bytes.length / HASH_BYTES;
    if (!Number.isInteger(count)) return null;
    return Array.from({ length: count }, (_, i) => bytes.slice(i * HASH_BYTES, (i + 1) * HASH_BYTES));
  } catch {
    return null;
  }
}

/** The row must be in the batch that its part stands for. */
function checkPlace({ header, row }, { part, parts, size }, findings) {
  const [batches, batchSize, rewards, held] = ["batches", "batch_size", "rewards", "held"]
    .map((name) => Number(integer(header[name], "the proof's header", findings)));
  findings.expect("the proof", "parts", batches + 2, parts);
  const index = part - 1;
  const isHeld = index === batches;
  const payable = rewards - held;
  const members = isHeld ? held : Math.min(batchSize, payable - index * batchSize);
  findings.expect("the proof", "part_size", members, size);
  const batch = isHeld ? "" : `${header.week}/${String(index).padStart(5, "0")}`;
  findings.expect("the proof's row", "batch", batch, row.batch);
}

// Canonical JSON, the lines of a file, and Merkle trees: docs/plan-format.md.

import { bytesOf, sha256, textOf } from "./bytes.mjs";

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);
const NESTED = ["files", "header", "row", "rules"]; // every other value is a text
const AT_ONCE = 2_000; // more digests at once only cost memory

/** An object, array or text as canonical JSON. Throws for anything else. */
export function canonical(value) {
  if (typeof value === "string") return quoted(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") throw new Error(`${value} is no text`);
  const keys = Object.keys(value).sort(byCodePoint);
  return `{${keys.map((key) => `${quoted(key)}:${canonical(value[key])}`).join(",")}}`;
}

function quoted(text) {
  if (/\p{Surrogate}/u.test(text)) throw new Error("half a character");
  return JSON.stringify(text);
}

/** The order of UTF-8 bytes. JavaScript's own order, by UTF-16 units, puts pairs too early. */
function byCodePoint(a, b) {
  let i = 0;
  while (i < a.length && a[i] === b[i]) i += 1;
  const rank = (unit) => (unit >= 0xe000 ? unit - 0x800 : unit >= 0xd800 ? unit + 0x2000 : unit);
  if (i === a.length || i === b.length) return a.length - b.length;
  return rank(a.charCodeAt(i)) - rank(b.charCodeAt(i));
}

/** A line as an object; null if the line is not canonical or has other keys. */
export function readLine(line, keys, place, findings) {
  try {
    const text = textOf(line);
    const value = JSON.parse(text);
    if (canonical(value) !== text) throw new Error("not in canonical form");
    if (Object.keys(value).sort().join() !== keys.join()) throw new Error("has other keys");
    const isFitting = (key) => typeof value[key] === (NESTED.includes(key) ? "object" : "string");
    if (!keys.every(isFitting)) throw new Error("has a value of a wrong type");
    return value;
  } catch (error) {
    findings.wrong(place, error.message);
    return null;
  }
}

/** A number of the format; 0 and a contradiction if the text is something else. */
export function integer(text, place, findings) {
  if (typeof text === "string" && /^(0|[1-9][0-9]*)$/.test(text)) return BigInt(text);
  findings.wrong(place, `${text} is no integer`);
  return 0n;
}

/** The lines of a file, without their ends. */
export function linesOf(content, name, findings) {
  const lines = [];
  for (let start = 0; start < content.length; ) {
    const end = content.indexOf(0x0a, start);
    if (end < 0) findings.wrong(name, "its last line has no end");
    lines.push(content.subarray(start, end < 0 ? content.length : end));
    start = end < 0 ? content.length : end + 1;
  }
  return lines;
}

export const leafHash = (leaf) => sha256(LEAF, leaf);
const nodeHash = (left, right) => sha256(NODE, left, right);

export async function hashLeaves(leaves, onHashed = () => {}) {
  const hashes = [];
  for (let i = 0; i < leaves.length; i += AT_ONCE) {
    const piece = leaves.slice(i, i + AT_ONCE);
    hashes.push(...(await Promise.all(piece.map(leafHash))));
    onHashed(piece.length);
  }
  return hashes;
}

/** The root over hashed leaves. RFC 6962 by levels: join neighbours, move a remaining node up. */
export async function treeOf(hashes) {
  if (hashes.length === 0) return sha256("");
  let level = hashes;
  while (level.length > 1) {
    const next = [];
    for (let i = 0; i < level.length; i += 2) {
      next.push(i + 1 < level.length ? nodeHash(level[i], level[i + 1]) : level[i]);
    }
    level = await Promise.all(next);
  }
  return level[0];
}

/** The root that a path leads to from leaf `index` of `size`; null if the path does not fit. */
export async function rootOfPath(hash, index, size, path) {
  if (!path || !Number.isSafeInteger(size) || !(index >= 0 && index < size)) return null;
  const rest = [...path];
  let [root, at, count] = [hash, index, size];
  while (count > 1) {
    const isRight = at % 2 === 1;
    if (isRight || at + 1 < count) {
      const sibling = rest.shift();
      if (!sibling) return null;
      root = isRight ? await nodeHash(sibling, root) : await nodeHash(root, sibling);
    }
    at = Math.floor(at / 2);
    count = Math.ceil(count / 2);
  }
  return rest.length ? null : root;
}

export const canonicalBytes = (value) => bytesOf(canonical(value));

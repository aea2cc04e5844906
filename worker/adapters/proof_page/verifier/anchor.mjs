// Compares genesis, anchor and the week before with the chain.

import { hexOf, sha256 } from "./bytes.mjs";
import { canonical } from "./format.mjs";
import { weekAfter } from "./weeks.mjs";

/** Check that the receipt key pays this mint on this cluster since the manifest's first week. */
export async function checkGenesis(chain, { manifest }, findings) {
  findings.begin("Genesis");
  const cluster = await chain.rpc.call("getGenesisHash");
  findings.expect("manifest.json", "cluster_genesis", cluster, manifest.cluster_genesis);
  const first = hexOf(await sha256(`${cluster}/${manifest.mint}/${manifest.first_week}`));
  const memo = { first_week: manifest.first_week, kontrib: "1", mint: manifest.mint };
  const optional = ["earlier_cutoff", "earlier_first_week"];
  await together(chain, ["genesis", `genesis/${first}`], memo, findings, optional);
}

/** The transaction that anchored the plan. Contradictions if another plan was anchored. */
export async function checkAnchor(chain, { manifest, header }, findings) {
  findings.begin("Anchor");
  const memo = {
    batch_size: header.batch_size, batches: header.batches, cutoff: header.cutoff, kontrib: "1",
    mint: header.mint, previous_root: header.previous_root, rewards: header.rewards,
    root: manifest.root, total: header.total_amount, week: header.week,
  };
  const ids = [`${header.week}/anchor`, `${header.week}/root/${manifest.root}`];
  const anchor = await together(chain, ids, memo, findings);
  if (!anchor) return undefined;
  if (manifest.anchor_signature) {
    findings.expect("manifest.json", "anchor_signature", anchor.signature, manifest.anchor_signature);
    findings.expect("manifest.json", "anchor_slot", anchor.slot, manifest.anchor_slot);
  }
  if (anchor.lost > 0n) findings.wrong(anchor.signature, "the anchor moved tokens");
  return anchor;
}

export async function checkWeekBefore(chain, { header }, findings) {
  findings.begin("Week before");
  if (!header.previous_root) return;
  const before = weekAfter(header.week, -1);
  await paid(chain, [`${before}/anchor`, `${before}/root/${header.previous_root}`], findings);
}

async function paid(chain, ids, findings) {
  const states = await chain.states(ids);
  for (const id of ids) {
    if (states.get(id) === "unknown") findings.unread(id, "its receipt is unknown");
    else findings.expect(id, "its receipt", "paid", states.get(id));
  }
  return ids.every((id) => states.get(id) === "paid");
}

/** The transaction that resolved both receipts, with the expected memo. */
async function together(chain, ids, memo, findings, optional = []) {
  if (!(await paid(chain, ids, findings))) return undefined;
  const [first, second] = [await chain.find(ids[0]), await chain.find(ids[1])];
  if (!first || !second) {
    findings.unread(ids[0], "the transaction that made its receipt cannot be read");
    return undefined;
  }
  findings.expect(ids[1], "the transaction of its receipt", first.signature, second.signature);
  const given = fieldsOf(first.memo);
  const kept = optional.filter((name) => typeof given[name] === "string");
  const whole = { ...memo, ...Object.fromEntries(kept.map((name) => [name, given[name]])) };
  findings.expect(ids[0], "the memo", canonical(whole), first.memo);
  return first;
}

function fieldsOf(memo) {
  try {
    return Object(JSON.parse(memo));
  } catch {
    return {};
  }
}

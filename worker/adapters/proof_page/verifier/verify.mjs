// Verifies a week: its files, then the chain, and one verdict in words.

import { checkAnchor, checkGenesis, checkWeekBefore } from "./anchor.mjs";
import { addressBytes, Chain } from "./chain.mjs";
import { checkFiles } from "./files.mjs";
import { checkPayments } from "./payments.mjs";
import { Unreachable } from "./rpc.mjs";
import { checkTreasury } from "./treasury.mjs";
import { labelOf } from "./weeks.mjs";
import { counted, tokensText } from "./words.mjs";

/**
 * Verify the files (bytes by name), and with `rpc` the chain. Returns the bundle and what the chain
 * says; each is null if it cannot be read or was not asked.
 *
 * Throws Unreachable if the endpoint gives no answer: then there is no verdict.
 */
export async function verifyWeek(contents, { rpc = null, beside, findings }) {
  const bundle = await checkFiles(contents, findings);
  if (!bundle || !rpc || !hasAddresses(bundle.manifest, findings)) return { bundle, paid: null };
  try {
    return { bundle, paid: await checkChain(bundle, new Chain(rpc, bundle.manifest), beside, findings) };
  } catch (error) {
    if (rpc.signal?.aborted) throw error;
    throw new Unreachable(error.message, { cause: error });
  }
}

function hasAddresses(manifest, findings) {
  try {
    for (const name of ["receipt_key", "source_account", "mint"]) addressBytes(manifest[name]);
    return true;
  } catch (error) {
    findings.wrong("manifest.json", error.message);
    return false;
  }
}

async function checkChain(bundle, chain, beside, findings) {
  await checkGenesis(chain, bundle, findings);
  const anchor = await checkAnchor(chain, bundle, findings);
  await checkWeekBefore(chain, bundle, findings);
  const result = await checkPayments(chain, bundle, findings);
  if (anchor) await checkTreasury(chain, bundle, anchor, result, beside, findings);
  else findings.unread("the source account", "its period is unknown without the anchor");
  return result;
}

/** The verdict: its word, and a sentence with the facts. */
export function verdictOf({ bundle, paid }, findings) {
  const [wrong, doubts] = [findings.list.length, findings.unproven.length];
  if (wrong || !bundle) return { word: "WRONG", text: counted(wrong, "contradiction") };
  if (doubts) return { word: "NOT PROVEN", text: `${counted(doubts, "thing")} could not be read` };
  const { header, manifest } = bundle;
  const text = `${labelOf(header.week)}, ${counted(header.rewards, "reward")} of `
    + `${tokensText(header.total_amount)} KONTRIB, root ${manifest.root}`;
  if (!paid) return { word: "VERIFIED in itself", text };
  const transactions = counted(paid.payments.size, "transaction");
  return { word: "VERIFIED", text: `${text}, ${tokensText(paid.paid)} KONTRIB paid in ${transactions}` };
}

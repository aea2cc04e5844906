// A Solana cluster of another maker: Surfpool, without any network. Prints its URL, and serves
// until its standard input closes, so that it never outlives the test.
import { createRequire } from "node:module";

const { Surfnet } = createRequire(import.meta.url)("@solana/surfpool-linux-x64-gnu");
const slotTimeMs = Number(process.argv[2]);
const surfnet = Surfnet.startWithConfig({ offline: true, blockProductionMode: "clock", slotTimeMs });
// It stops to answer once its queue of events is full.
setInterval(() => surfnet.drainEvents(), 100);
console.log(surfnet.rpcUrl);
process.stdin.on("end", () => process.exit(0)).resume();

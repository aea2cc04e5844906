// Makes elements. Everything that a file says goes into text, never into HTML.

/** An element with attributes, and texts or elements in it. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.map((it) => (it instanceof Node ? it : String(it ?? ""))));
  return element;
}

export const byId = (id) => document.getElementById(id);

export function show(id, isShown = true) {
  byId(id).hidden = !isShown;
}

/** A bar as long as a share of its whole. Decoration: its figure stands beside it. */
export function bar(share) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  const sizes = [[svg, { viewBox: "0 0 100 8", "aria-hidden": "true", preserveAspectRatio: "none", class: "share" }],
    [rect, { width: 100 * share, height: 8, class: "bar" }]];
  for (const [element, attributes] of sizes) {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  }
  svg.append(rect);
  return svg;
}

export function table(caption, heads, rows) {
  const head = make("tr", {}, ...heads.map((it) => cell("th", it)));
  const body = rows.map((cells) => make("tr", {}, ...cells.map((it, i) => cell("td", it, heads[i]))));
  const parts = [make("caption", {}, caption), make("thead", {}, head), make("tbody", {}, ...body)];
  // With a tabindex, a wide table scrolls by the keyboard, too.
  const attributes = { class: "scroll", tabindex: "0", role: "region", "aria-label": caption };
  return make("div", attributes, make("table", {}, ...parts));
}

/** A cell; the heading of a column of numbers begins with `>`. */
function cell(tag, content, heading = content) {
  const isNumber = typeof heading === "string" && heading.startsWith(">");
  const shown = tag === "th" && isNumber ? content.slice(1) : content;
  const attributes = { ...(isNumber && { class: "num" }), ...(tag === "th" && { scope: "col" }) };
  return make(tag, attributes, shown);
}

const BASE58 = /^[1-9A-HJ-NP-Za-km-z]{32,88}$/;
const CLUSTERS = new Map([
  ["5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d", ""],
  ["EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG", "?cluster=devnet"],
  ["4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY", "?cluster=testnet"],
]);

/** A link to an explorer; the text alone if it is no address or signature. `kind`: tx or address. */
export function explorerLink(kind, name, cluster, text = name) {
  const code = make("code", {}, text);
  if (!BASE58.test(name)) return code;
  const page = `https://explorer.solana.com/${kind}/${name}${CLUSTERS.get(cluster) ?? "?cluster=custom"}`;
  return make("a", { href: page, rel: "noopener noreferrer", target: "_blank" }, code);
}

export function shortened(value) {
  const text = String(value);
  return text.length > 20 ? `${text.slice(0, 8)}…${text.slice(-8)}` : text;
}

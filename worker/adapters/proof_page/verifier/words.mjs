// Numbers as people read them.

/** Base units as KONTRIB, exactly. */
export function tokensText(amount) {
  if (!/^\d+$/.test(amount)) return String(amount ?? "–");
  const [whole, rest] = [BigInt(amount) / 10n ** 9n, BigInt(amount) % 10n ** 9n];
  const decimals = String(rest).padStart(9, "0").replace(/0+$/, "");
  return `${grouped(whole)}${decimals && "."}${decimals}`;
}

export function counted(count, what) {
  return `${grouped(count)} ${what}${String(count) === "1" ? "" : "s"}`;
}

/** A whole number with commas. */
export const grouped = (number) => String(number ?? "–").replace(/\B(?=(\d{3})+$)/g, ",");

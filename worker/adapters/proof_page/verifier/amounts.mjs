// Each user's amount from weights and rules alone, in integers of any size.

export const MILLION = 1_000_000n;

/**
 * The amounts of users in the given order, whether the floor is waived, who was lifted to the
 * floor, and what the others share: `pool` base units by `total` shares.
 */
export function amountsOf({ pool: whole, floor, onTop }, users) {
  const share = (user) => (onTop ? user.points : user.weight);
  const waived = BigInt(users.length) * floor > whole;
  const { lifted, pool, total } = liftToFloor(whole, waived ? 0n : floor, share, users);
  const scale = onTop ? MILLION : 1n;
  let before = 0n;
  const amounts = users.map((user) => {
    const factor = onTop ? user.weight / user.points : 1n;
    if (lifted.has(user)) return (floor * factor) / scale;
    const after = before + share(user) * factor;
    const amount = (pool * after) / (total * scale) - (pool * before) / (total * scale);
    before = after;
    return amount;
  });
  return { amounts, waived, lifted, pool, total };
}

function liftToFloor(whole, floor, share, users) {
  let pool = whole;
  let total = users.reduce((sum, user) => sum + share(user), 0n);
  const lifted = new Set();
  for (let found = floor > 0n; found; ) {
    const below = users.filter((user) => !lifted.has(user) && share(user) * pool < floor * total);
    // A round compares all users with the same sums, so the sums change only after it.
    for (const user of below) {
      lifted.add(user);
      pool -= floor;
      total -= share(user);
    }
    found = below.length > 0;
  }
  return { lifted, pool, total };
}

/** The rules that decide amounts; null, with a contradiction, if they cannot be applied. */
export function rulesOf(header, integer, place, findings) {
  const { rules } = header;
  const problems = findings.list.length;
  const policy = {
    pool: integer(rules?.pool, place, findings),
    floor: integer(rules?.min_amount, place, findings),
    onTop: rules?.staking_bonus === "on_top",
  };
  if (!["on_top", "within_pool"].includes(rules?.staking_bonus)) {
    findings.wrong(place, `staking_bonus is ${rules?.staking_bonus}`);
  }
  return findings.list.length === problems ? policy : null;
}

// Weeks by the date of their Monday, as 2024-12-09.

const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
const FIRST_MONDAY_MS = 4 * DAY_MS; // 1970-01-05

export function isWeek(text) {
  const moment = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(text) : NaN;
  if ((moment - FIRST_MONDAY_MS) % WEEK_MS !== 0) return false;
  // Some engines take the 31st of June for the 1st of July.
  return new Date(moment).toISOString().startsWith(text);
}

export function weekAfter(week, count = 1) {
  return new Date(Date.parse(week) + count * WEEK_MS).toISOString().slice(0, 10);
}

/** A week as people write it, 2024-W50: the year and number of its Thursday. */
export function labelOf(week) {
  const thursday = new Date(Date.parse(week) + 3 * DAY_MS);
  const days = (thursday - Date.UTC(thursday.getUTCFullYear(), 0, 1)) / DAY_MS;
  return `${thursday.getUTCFullYear()}-W${String(Math.floor(days / 7) + 1).padStart(2, "0")}`;
}

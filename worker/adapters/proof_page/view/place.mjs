// Where the bundles are: beside the page, or files that the visitor chose.

import { FILES } from "../verifier/files.mjs";
import { isWeek } from "../verifier/weeks.mjs";

/**
 * A place with bundles: `weeks` that it lists, its `own` week if it is the folder of one, and
 * `open(week, name)`, a response or null.
 */
export async function openPlace({ base, files }) {
  return files ? chosenPlace(files) : hostedPlace(base);
}

async function hostedPlace(base) {
  const open = async (path) => {
    const response = await fetch(new URL(path, base), { cache: "no-cache" });
    return response.ok ? response : null;
  };
  const own = (await jsonOf(await open("manifest.json")))?.week;
  const isOwn = isWeek(own);
  const listed = await jsonOf(await open(isOwn ? "../weeks.json" : "weeks.json"));
  const weeks = Array.isArray(listed) ? listed.filter(isWeek) : [];
  if (!isOwn && !weeks.length) return null;
  const folderOf = (week) => (week === own ? "" : `${isOwn ? "../" : ""}${week}/`);
  return { weeks, own: isOwn ? own : null, open: (week, name) => open(`${folderOf(week)}${name}`) };
}

/** `files` are `{ path, file }`. The folder above a file is its week; three files alone are one. */
async function chosenPlace(files) {
  const known = new Map();
  for (const { path, file } of files) {
    const [name, folder = ""] = path.split("/").reverse();
    if (FILES.includes(name)) known.set(`${isWeek(folder) ? folder : ""}/${name}`, file);
  }
  const alone = known.get("/manifest.json");
  const own = alone ? (await jsonOf(new Response(alone)))?.week : null;
  const folders = [...known.keys()].map((key) => key.split("/")[0]);
  const weeks = [...new Set(folders)].filter(isWeek).sort();
  if (!isWeek(own) && !weeks.length) return null;
  const open = async (week, name) => {
    const file = known.get(`${week === own ? "" : week}/${name}`);
    return file ? new Response(file) : null;
  };
  const only = weeks.length === 1 ? weeks[0] : null;
  return { weeks, own: isWeek(own) ? own : only, open };
}

async function jsonOf(response) {
  try {
    return JSON.parse(await response.text());
  } catch {
    return null; // missing, or not ours
  }
}

/** A week's three files as bytes by name. Throws if one is missing. */
export async function contentsOf(place, week) {
  const contents = {};
  for (const name of FILES) {
    const response = await place.open(week, name);
    if (!response) throw new Error(`${name} of ${week} is missing`);
    contents[name] = new Uint8Array(await response.arrayBuffer());
  }
  return contents;
}

/** The first line of a file, without reading the rest; "" if the file is missing. */
export async function firstLine(place, week, name) {
  const response = await place.open(week, name);
  const reader = response?.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (reader && !text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  reader?.cancel();
  return text.split("\n")[0];
}

export const linesOfText = (bytes) => new TextDecoder().decode(bytes).split("\n").slice(0, -1);

// Bytes, hashes and encodings. WebCrypto is the only thing asked of browser and node.

const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const DIGITS_A_STEP = 9; // the most digits of base 58 that a double holds exactly
const STEP = 58n ** BigInt(DIGITS_A_STEP);
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const bytesOf = (text) => encoder.encode(text);

/** The text of UTF-8. Throws if the bytes are not UTF-8. */
export const textOf = (bytes) => decoder.decode(bytes);

export function joined(parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** SHA-256 of bytes and texts, one after the other. */
export async function sha256(...parts) {
  const bytes = parts.map((part) => (typeof part === "string" ? bytesOf(part) : part));
  const whole = bytes.length === 1 ? bytes[0] : joined(bytes);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
}

export function hexOf(bytes) {
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
}

/** The bytes of hex; null if the text is not that many bytes in lower-case hex. */
export function fromHex(text, length) {
  if (typeof text !== "string" || text.length !== 2 * length || !/^[0-9a-f]*$/.test(text)) return null;
  return Uint8Array.from({ length }, (_, i) => parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

/** The bytes of base 64. Throws if the text is not exactly their base 64. */
export function fromBase64(text) {
  const characters = atob(text);
  if (btoa(characters) !== text) throw new Error("not base 64");
  return Uint8Array.from(characters, (character) => character.charCodeAt(0));
}

export function toBase58(bytes) {
  const zeros = leading(bytes, 0);
  let number = BigInt(`0x0${hexOf(bytes)}`);
  let text = "";
  while (number > 0n) {
    let digits = Number(number % STEP);
    number /= STEP;
    // Only the first step, which is reached last, has no leading zeros.
    for (let i = 0; i < DIGITS_A_STEP && (number > 0n || digits > 0); i += 1) {
      text = ALPHABET[digits % 58] + text;
      digits = Math.floor(digits / 58);
    }
  }
  return ALPHABET[0].repeat(zeros) + text;
}

/** The bytes of base 58. Throws if the text is something else. */
export function fromBase58(text) {
  let number = 0n;
  for (let i = 0; i < text.length; i += DIGITS_A_STEP) {
    const piece = text.slice(i, i + DIGITS_A_STEP);
    let digits = 0;
    for (const character of piece) {
      const digit = ALPHABET.indexOf(character);
      if (digit < 0) throw new Error(`${text} is not base 58`);
      digits = digits * 58 + digit;
    }
    number = number * 58n ** BigInt(piece.length) + BigInt(digits);
  }
  const hex = number === 0n ? "" : number.toString(16);
  const even = hex.length % 2 ? `0${hex}` : hex;
  return joined([new Uint8Array(leading(text, ALPHABET[0])), fromHex(even, even.length / 2)]);
}

function leading(values, wanted) {
  let count = 0;
  while (count < values.length && values[count] === wanted) count += 1;
  return count;
}

// Asks a Solana endpoint by JSON-RPC. Nothing but the question is sent: no cookie, no referrer.

const TRIES_MAX = 5; // a gateway that is busy may refuse without letting a page see why
const TRIES_WHEN_BUSY_MAX = 10;
const WAIT_MS = 400;
const WAIT_MS_MAX = 10_000;
const ANSWER_MS_MAX = 30_000;
const BUSY = [429, 502, 503, 504];
/** A node that is behind, or has not the block yet: the same question may be answered later. */
const LATER = [-32004, -32005, -32014, -32016];

/** The endpoint gives no answer, so there is no verdict. */
export class Unreachable extends Error {}

/** The endpoint answers this question with an error. */
export class RpcError extends Error {}

export class Rpc {
  /** `signal` ends all questions. */
  constructor(url, signal = undefined) {
    if (!/^https?:$/.test(protocolOf(url))) throw new Unreachable(`${url} is no URL of an endpoint`);
    this.url = url;
    this.signal = signal;
    this.calls = 0;
  }

  async call(method, ...params) {
    for (let tries = 1; ; tries += 1) {
      this.signal?.throwIfAborted();
      const { result, error, busy, why } = await this.ask(method, params);
      if (error) throw new RpcError(`${method}: ${error.message}`);
      if (!why) return result;
      if (tries >= (busy ? TRIES_WHEN_BUSY_MAX : TRIES_MAX)) throw new Unreachable(`${method}: ${why}`);
      await wait(Math.min(busy || WAIT_MS * 2 ** (tries - 1), WAIT_MS_MAX), this.signal);
    }
  }

  /** One try: the result, an error that stays, or why there is no answer yet. */
  async ask(method, params) {
    const body = JSON.stringify({ jsonrpc: "2.0", id: (this.calls += 1), method, params });
    const limit = AbortSignal.timeout(ANSWER_MS_MAX);
    const signal = this.signal ? AbortSignal.any([this.signal, limit]) : limit;
    try {
      const response = await fetch(this.url, {
        method: "POST", headers: { "Content-Type": "application/json" }, body, signal,
        // Not `cache: "no-store"`: with it, browsers ask for permission before every question.
        credentials: "omit", referrerPolicy: "no-referrer",
      });
      if (!response.ok) return refusalOf(response);
      const { result, error } = await response.json();
      if (error && LATER.includes(error.code)) return { why: error.message, busy: WAIT_MS };
      return { result, error };
    } catch (error) {
      this.signal?.throwIfAborted();
      return { why: error.message };
    }
  }
}

function refusalOf(response) {
  const why = `HTTP ${response.status}`;
  if (!BUSY.includes(response.status)) return { error: { message: why } };
  // Browsers show this header to a page only if the endpoint allows it.
  const seconds = Number(response.headers.get("Retry-After")) || 1;
  return { why, busy: seconds * 1000 };
}

function protocolOf(url) {
  try {
    return new URL(url).protocol;
  } catch {
    return "";
  }
}

function wait(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}

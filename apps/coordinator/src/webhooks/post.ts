/** One signed request to an address: whether it took what it was told, and what came of it. */
import { packageVersion } from '../common/package-info.ts';

/** What one attempt came to. */
export interface Attempt {
  readonly isTaken: boolean;
  /** An HTTP status, `timeout` or `unreachable`; never anything that the address said. */
  readonly outcome: string;
}

/**
 * Post a body. A redirect is not followed and counts as a refusal, so that an address leads nowhere else; of an answer the status
 * alone is read, and the rest of it is cut off.
 *
 * @param limits - `timeoutMs` until the head of the answer is there; `signal` gives the attempt up, which then rejects
 */
export async function post(
  url: string,
  request: { readonly headers: Readonly<Record<string, string>>; readonly body: string },
  limits: { readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<Attempt> {
  const { signal, timeoutMs } = limits;
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': `melo-coordinator/${packageVersion}`,
        ...request.headers,
      },
      body: request.body,
      redirect: 'manual',
      signal: AbortSignal.any([signal, timeout]),
    });
    await response.body?.cancel();
    return { isTaken: response.ok, outcome: String(response.status) };
  } catch {
    // Why it did not get through is the system's affair, and may name what only the coordinator's network should know.
    signal.throwIfAborted();
    return { isTaken: false, outcome: timeout.aborted ? 'timeout' : 'unreachable' };
  }
}

/** REST as the page calls it: same origin, by the session's cookie, every answer parsed. */
import type { z } from 'zod';
import type { ApiRequest } from '#api';
import { noteActivity, wasActiveLately } from './activity.ts';
import { noteServerTime } from '../common/server-time.ts';
import { refusalSchema } from './schemas.ts';

const timeoutMs = 20_000;
const headersOfCommand = { 'content-type': 'application/json', 'x-melo-csrf': '1' };

/** What the coordinator refused, or that it could not be asked. */
export class ApiError extends Error {
  readonly code: string;
  /** Seconds after which it may be tried again; null where that was not said. */
  readonly retryAfterSeconds: number | null;

  constructor(
    code: string,
    message: string,
    options: ErrorOptions & { readonly retryAfterSeconds?: number | null } = {},
  ) {
    super(message, options);
    this.name = 'ApiError';
    this.code = code;
    this.retryAfterSeconds = options.retryAfterSeconds ?? null;
  }

  /** Whether a sign-in is what is missing. */
  get isSignedOut(): boolean {
    return this.code === 'UNAUTHENTICATED';
  }
}

/** Send a request and parse the answer. Whatever changes something is a person's doing. */
export async function send<Schema extends z.ZodType>(
  asked: ApiRequest<Schema>,
): Promise<z.output<Schema>> {
  const { method, target, body, schema } = asked;
  if (target === undefined) throw new ApiError('NOT_FOUND', 'There is nothing of that name.');
  if (method !== 'GET') noteActivity();
  const response = await reach(target, {
    method,
    headers: method === 'GET' ? headersOfReading() : headersOfCommand,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  noteServerTime(response.headers.get('date'));
  const answer: unknown = await response.json().catch(() => undefined);
  if (!response.ok) {
    const refusal = refusalSchema.safeParse(answer);
    const retryAfterSeconds = secondsOf(response.headers.get('retry-after'));
    if (refusal.success) {
      throw new ApiError(refusal.data.code, refusal.data.detail, { retryAfterSeconds });
    }
    throw new ApiError('UNREACHABLE', `The coordinator answered ${response.status}.`);
  }
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new ApiError(
    'ANSWER_UNKNOWN',
    'The coordinator answered in a form that this page does not know. Reload the page.',
    { cause: parsed.error },
  );
}

/** Looking by itself must not keep a session open that a person has left. */
function headersOfReading(): Record<string, string> {
  return wasActiveLately() ? {} : { 'x-melo-background': '1' };
}

async function reach(target: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(target, {
      ...init,
      credentials: 'same-origin',
      cache: 'no-store',
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch (cause) {
    throw new ApiError('UNREACHABLE', 'The coordinator does not answer.', { cause });
  }
}

function secondsOf(header: string | null): number | null {
  return header !== null && /^\d{1,6}$/.test(header) ? Number(header) : null;
}

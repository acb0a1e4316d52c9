/** REST as the page calls it: same origin, by the session's cookie, every answer parsed. */
import type { z } from 'zod';
import { noteActivity, wasActiveLately } from './activity.ts';
import { noteServerTime } from '../common/server-time.ts';
import { refusalSchema } from './schemas.ts';

const timeoutMs = 20_000;

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

/** Read something. */
export function read<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
): Promise<z.output<Schema>> {
  // Looking by itself must not keep a session open that a person has left.
  const headers: Record<string, string> = wasActiveLately() ? {} : { 'x-melo-background': '1' };
  return send(path, schema, { headers });
}

/** Change something. */
export function command<Schema extends z.ZodType>(
  method: 'POST' | 'DELETE',
  path: string,
  schema: Schema,
  body: unknown = {},
): Promise<z.output<Schema>> {
  noteActivity();
  return send(path, schema, {
    method,
    headers: { 'content-type': 'application/json', 'x-melo-csrf': '1' },
    ...(method === 'POST' ? { body: JSON.stringify(body) } : {}),
  });
}

async function send<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
  init: RequestInit,
): Promise<z.output<Schema>> {
  const response = await reach(path, init);
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

async function reach(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, {
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

/** The path of a task's routes. */
export function taskPath(task: string, rest = ''): string {
  return `/v1/tasks/${encodeURIComponent(task)}${rest}`;
}

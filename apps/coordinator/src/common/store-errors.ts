/** Failures of the database that pass: told apart from our own mistakes, so that a caller tries again. */
import { z } from 'zod';
import { MeloError, UnavailableError } from '#core/errors';
import { systemErrorCode } from './durable-files.ts';

const withCause = z.object({ cause: z.unknown() });

/** Classes of SQLSTATE for connection, resources, operator intervention and serialisation; system errors of the network. */
const passing =
  /^(?:08|53|57|40)[0-9A-Z]{3}$|^(?:ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EHOSTUNREACH)$/;

/** Turn what was thrown into what the coordinator answers: a database that is away becomes STORE_UNAVAILABLE. */
export function toCoordinatorError(error: unknown): unknown {
  if (error instanceof MeloError) return error;
  let current: unknown = error;
  for (let depth = 0; depth < 4; depth++) {
    const code = systemErrorCode(current);
    if (code !== undefined && passing.test(code)) {
      return new UnavailableError(
        'STORE_UNAVAILABLE',
        `store: expected an answer of the database, got ${code}; it is tried again`,
        {},
        { cause: error },
      );
    }
    const parsed = withCause.safeParse(current);
    if (!parsed.success) return error;
    current = parsed.data.cause;
  }
  return error;
}

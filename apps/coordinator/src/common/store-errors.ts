/** Failures of database and disk: which pass, which left nothing behind, which nobody knows the end of. */
import { z } from 'zod';
import { MeloError, UnavailableError } from '#core/errors';
import { systemErrorCode, toDiskError } from './durable-files.ts';

/** The connection was lost before the transaction, or the statement outside of one, was sent to its end. */
export class ConnectionLostError extends UnavailableError {
  constructor(cause: unknown) {
    const message =
      'database: expected an answer, the connection was lost; what it was for is tried again';
    super('STORE_UNAVAILABLE', message, {}, { cause });
  }
}

/** A transaction whose end nobody knows: what is stored tells. */
export class OutcomeUnknownError extends UnavailableError {
  constructor(cause: unknown) {
    const message =
      'database: expected word of whether the transaction was stored, none came; what is stored is read again, and the same can be asked again';
    super('STORE_UNAVAILABLE', message, {}, { cause });
  }
}

const withCause = z.object({ cause: z.unknown() });
const depthMax = 5;

/** An error and its causes, outermost first. */
function* chainOf(error: unknown): Generator {
  let current = error;
  for (let depth = 0; depth < depthMax && current !== undefined; depth++) {
    yield current;
    current = withCause.safeParse(current).data?.cause;
  }
}

/** The first code among an error and its causes: an SQLSTATE, or a system error's. */
function storeCodeOf(error: unknown): string | undefined {
  for (const each of chainOf(error)) {
    const code = each instanceof MeloError ? undefined : systemErrorCode(each);
    if (code !== undefined) return code;
  }
  return undefined;
}

/** SQLSTATE classes of connection, rolled back, resources, intervention, system; system errors of the network. */
const passing =
  /^(?:08|40|53|57|58)[0-9A-Z]{3}$|^(?:ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EHOSTUNREACH|EAI_AGAIN)$/;
/** Serialisation failure and deadlock: the transaction is gone, and the same again may go through. */
const repeatable = /^(?:40001|40P01)$/;
/** Words of a server that ended the connection, or of a network that did. */
const lost =
  /^(?:08[0-9A-Z]{3}|57P0[1-5])$|^(?:ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EHOSTUNREACH|EAI_AGAIN)$/;
/** An answer to COMMIT that says by itself that nothing was stored: rolled back, or a constraint that failed. */
const rolledBack = /^(?:40(?!003)[0-9A-Z]{3}|2[35][0-9A-Z]{3})$/;

const fits = (pattern: RegExp, error: unknown): boolean => {
  const code = storeCodeOf(error);
  return code !== undefined && pattern.test(code);
};

/** Whether an error of a driver says that its connection is gone. */
export function isLoss(error: unknown): boolean {
  return fits(lost, error);
}

/** Whether COMMIT was answered with a refusal, so that nothing was stored. */
export function isRolledBack(error: unknown): boolean {
  return fits(rolledBack, error);
}

/** Whether nothing was stored and the same again, at once, may go through. */
export function isRepeatable(error: unknown): boolean {
  for (const each of chainOf(error)) {
    if (each instanceof OutcomeUnknownError) return false;
    if (each instanceof ConnectionLostError) return true;
  }
  return fits(repeatable, error);
}

/** Whether a failure passes with time. */
export function isPassing(error: unknown): boolean {
  const known = toCoordinatorError(error);
  return known instanceof MeloError && known.catalogEntry.family === 'unavailable';
}

/** Turn what was thrown into what the coordinator answers: a database or a disk that fails is named, and asked again. */
export function toCoordinatorError(error: unknown): unknown {
  for (const each of chainOf(error)) {
    const known = toDiskError('file', each);
    if (known instanceof MeloError) return known;
  }
  const code = storeCodeOf(error);
  if (code === undefined || !passing.test(code)) return error;
  return new UnavailableError(
    'STORE_UNAVAILABLE',
    `store: expected an answer of the database, got ${code}; it is tried again`,
    {},
    { cause: error },
  );
}

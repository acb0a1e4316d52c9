/** The log: NDJSON on standard error, with allow-listed fields alone, so that no payload, token or code can get in. */
import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';
import { isNativeError } from 'node:util/types';
import { MeloError } from '#core/errors';
import { systemErrorCode } from './durable-files.ts';

/** What a line may carry beside its message. */
export interface LogFields {
  readonly site?: string;
  readonly task?: string;
  readonly round?: number;
  readonly attempt?: number;
  readonly version?: number;
  readonly event?: string;
  readonly code?: string;
  readonly method?: string;
  readonly route?: string;
  readonly status?: number;
  readonly correlationId?: string;
  readonly url?: string;
  readonly durationMs?: number;
  readonly count?: number;
  readonly freeBytes?: number;
  readonly reserveBytes?: number;
  readonly error?: unknown;
}

const allowedFields: readonly (keyof LogFields)[] = [
  'site',
  'task',
  'round',
  'attempt',
  'version',
  'event',
  'code',
  'method',
  'route',
  'status',
  'correlationId',
  'url',
  'durationMs',
  'count',
  'freeBytes',
  'reserveBytes',
];

/** Name an error for the log: class, code and stack of our own; class and stack alone of others' (their messages may quote data). */
function describeError(error: unknown): Record<string, unknown> {
  if (error instanceof MeloError) {
    const { name, code, message, stack, cause } = error;
    return { name, code, message, stack, ...causeOf(cause) };
  }
  if (!isNativeError(error)) return { name: typeof error };
  const frames = error.stack?.split('\n').filter((line) => line.trimStart().startsWith('at '));
  return {
    name: error.name,
    ...codeOf(error),
    stack: frames?.join('\n'),
    ...causeOf(error.cause),
  };
}

const causeOf = (cause: unknown) => (cause === undefined ? {} : { cause: describeError(cause) });

/** A code of the system or the database, which quotes nothing. */
function codeOf(error: unknown): { readonly code?: string } {
  const code = systemErrorCode(error);
  return code !== undefined && /^[A-Z0-9_]{1,40}$/.test(code) ? { code } : {};
}

/** A log with levels; the message is a constant of the program. */
export class Logger {
  readonly #pino: PinoLogger;

  constructor(level: string, destination: DestinationStream = pino.destination(2)) {
    this.#pino = pino({ level, base: null }, destination);
  }

  info(message: string, fields: LogFields = {}): void {
    this.#pino.info(pick(fields), message);
  }

  warn(message: string, fields: LogFields = {}): void {
    this.#pino.warn(pick(fields), message);
  }

  error(message: string, fields: LogFields = {}): void {
    this.#pino.error(pick(fields), message);
  }

  debug(message: string, fields: LogFields = {}): void {
    this.#pino.debug(pick(fields), message);
  }
}

function pick(fields: LogFields): Record<string, unknown> {
  const line: Record<string, unknown> = {};
  for (const name of allowedFields) if (fields[name] !== undefined) line[name] = fields[name];
  if (fields.error !== undefined) line['error'] = describeError(fields.error);
  return line;
}

/** Exit codes of `melo admin`; docs/operations.md lists them. */
import { MeloError } from '#core/errors';

/** What each exit code means. */
export const adminExitCodes = {
  ok: 0,
  other: 1,
  usage: 2,
  configuration: 3,
  unreachable: 6,
  notAllowed: 7,
  notFound: 8,
  conflict: 9,
  timeout: 10,
  differs: 11,
} as const;

const usageCodes: ReadonlySet<string> = new Set(['USAGE', 'REQUEST_INVALID', 'PASSWORD_REFUSED']);

/** The exit code that goes with a failure. */
export function adminExitCode(error: unknown): number {
  if (!(error instanceof MeloError)) return adminExitCodes.other;
  if (usageCodes.has(error.code)) return adminExitCodes.usage;
  if (error.code === 'CONFIG_INVALID' || error.code === 'KEY_FILE_INVALID') {
    return adminExitCodes.configuration;
  }
  if (error.code === 'BACKUP_INVALID') return adminExitCodes.differs;
  if (error.code === 'TIMEOUT') return adminExitCodes.timeout;
  const { family, httpStatus } = error.catalogEntry;
  if (httpStatus === 404) return adminExitCodes.notFound;
  if (family === 'unavailable') return adminExitCodes.unreachable;
  if (family === 'auth') return adminExitCodes.notAllowed;
  if (family === 'state') return adminExitCodes.conflict;
  return adminExitCodes.other;
}

/** What a route may refuse with: what every route of its form may, and what its contract adds. */
import { errorCatalog, type ErrorCode } from '#core/errors';
import type { RouteContract } from './contract.ts';

/** Of every route: an unknown parameter, too many requests, and our own mistakes. */
const always: readonly ErrorCode[] = ['REQUEST_INVALID', 'RATE_LIMITED', 'INTERNAL'];
/** Of whatever asks who calls: that takes the database. */
const ofCallers: readonly ErrorCode[] = [
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'STORE_UNAVAILABLE',
  'SHUTTING_DOWN',
];
/** Of whatever changes something: a state that forbids it, a key that was used, a disk without room. */
const ofCommands: readonly ErrorCode[] = ['STATE_CONFLICT', 'DISK_FULL'];

/** Every code that a route may refuse with. */
export function refusalsOf(contract: RouteContract): readonly ErrorCode[] {
  const isPublic = contract.roles === 'public';
  const isCommand = contract.method !== 'GET';
  const codes: ErrorCode[] = [
    ...always,
    ...(contract.path.includes(':') ? (['NOT_FOUND'] as const) : []),
    ...(contract.method === 'POST' ? (['PAYLOAD_TOO_LARGE'] as const) : []),
    ...(isPublic ? [] : ofCallers),
    ...(isPublic || contract.isForSetup ? [] : (['ACCOUNT_SETUP_REQUIRED'] as const)),
    ...(isCommand && !isPublic ? ofCommands : []),
    ...(contract.refusals ?? []),
  ];
  return [...new Set(codes)];
}

/** The same by HTTP status, lowest first. */
export function refusalsByStatus(contract: RouteContract): ReadonlyMap<number, ErrorCode[]> {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of refusalsOf(contract)) {
    const { httpStatus } = errorCatalog[code];
    byStatus.set(httpStatus, [...(byStatus.get(httpStatus) ?? []), code]);
  }
  return new Map([...byStatus].sort(([first], [second]) => first - second));
}

/** How lately a site was heard of: green below 2 min, amber below 10 min, red beyond. */
import type { Site } from '../api/schemas.ts';

const lateMs = 2 * 60_000;
const silentMs = 10 * 60_000;

/** How lately a site was heard of; `none` where it never was. */
export type HeartbeatLevel = 'fresh' | 'late' | 'silent' | 'none';

/** When and how lately a site was heard of. */
export interface HeartbeatAge {
  readonly level: HeartbeatLevel;
  readonly atMs: number | null;
}

/** Tell how lately a site was heard of. */
export function heartbeatAge(
  site: Pick<Site, 'heartbeat' | 'lastSeenAtMs' | 'isConnected'>,
  nowMs: number,
): HeartbeatAge {
  const atMs = Math.max(site.heartbeat?.atMs ?? 0, site.lastSeenAtMs ?? 0);
  if (atMs === 0) return { level: 'none', atMs: null };
  const ageMs = nowMs - atMs;
  if (ageMs >= silentMs) return { level: 'silent', atMs };
  return { level: ageMs >= lateMs || !site.isConnected ? 'late' : 'fresh', atMs };
}

/** The administrator's token: made at the first start and when it expired, in a file of mode 0600; stored hashed. */
import { eq } from 'drizzle-orm';
import type { Clock } from '#core/clock';
import { toHex, utf8 } from '#core/bytes';
import { blake2b256, encodePieces, randomBytes } from '#core/crypto';
import type { DurableFiles } from '../common/durable-files.ts';
import type { Queries } from './database.ts';
import { administratorTokens } from './schema.ts';

const lifetimeMs = 90 * 24 * 3_600_000;

/** Hash a token for storage and look-up: 64 hexadecimal digits. */
export function tokenHash(token: string): string {
  return toHex(blake2b256(encodePieces([utf8('melo/1/administrator-token'), utf8(token)])));
}

/** Make sure that the token file holds a token that is valid now. */
export async function ensureAdministratorToken(options: {
  readonly path: string;
  readonly files: DurableFiles;
  readonly queries: Queries;
  readonly clock: Clock;
}): Promise<void> {
  const { path, files, queries, clock } = options;
  const nowMs = clock.wallTimeMs();
  const present = (await files.readText(path))?.trim() ?? null;
  if (present !== null) {
    const rows = await queries
      .select()
      .from(administratorTokens)
      .where(eq(administratorTokens.tokenHash, tokenHash(present)));
    if (rows[0] !== undefined && rows[0].expiresAtMs > nowMs) return;
  }
  const token = `melo_administrator_${Buffer.from(randomBytes(32)).toString('base64url')}`;
  // The row first: a token in the file that nobody knows would lock the administrator out.
  await queries.insert(administratorTokens).values({
    tokenHash: tokenHash(token),
    role: 'administrator',
    createdAtMs: nowMs,
    expiresAtMs: nowMs + lifetimeMs,
  });
  await files.write(path, `${token}\n`);
}

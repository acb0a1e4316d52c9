/** What everything of the database is made with: the coordinator's own keys, the keys of sites, and where rows and blobs go. */
import { fromHex, toHex } from '#core/bytes';
import {
  auditContentDigest,
  auditLink,
  generateSigningKeyPair,
  type SigningKeyPair,
} from '#core/crypto';
import type { SiteId } from '#core/protocol';
import { encodeEntry } from '../../apps/coordinator/src/audit/audit-entry.ts';
import type { CoordinatorKeys } from '../../apps/coordinator/src/config/data-folder.ts';
import { auditEntries } from '../../apps/coordinator/src/config/schema.ts';
import type { Blobs, Rows } from './rows.ts';

type Entry = Parameters<typeof encodeEntry>[0];

/** A database that is being filled. */
export class World {
  readonly federation: string;
  readonly keys: CoordinatorKeys;
  readonly rows: Rows;
  readonly blobs: Blobs;
  readonly nowMs: number;
  readonly #siteKeys = new Map<SiteId, SigningKeyPair>();
  readonly #audit: (Entry & { readonly payload: Uint8Array })[] = [];

  constructor(parts: Pick<World, 'federation' | 'keys' | 'rows' | 'blobs' | 'nowMs'>) {
    this.federation = parts.federation;
    this.keys = parts.keys;
    this.rows = parts.rows;
    this.blobs = parts.blobs;
    this.nowMs = parts.nowMs;
  }

  /** The signing keys of a site. */
  keysOf(site: SiteId): SigningKeyPair {
    const known = this.#siteKeys.get(site) ?? generateSigningKeyPair();
    this.#siteKeys.set(site, known);
    return known;
  }

  /** The key that a site signs with. */
  secretKeyOf(site: SiteId): Uint8Array {
    return this.keysOf(site).secretKey;
  }

  /** Record what happened. */
  audit(
    action: string,
    target: string,
    atMs: number,
    details: Entry['details'],
    actor = 'coordinator',
  ): void {
    const entry = { atMs, actor, action, target, details };
    this.#audit.push({ ...entry, payload: encodeEntry(entry) });
  }

  /** Hand the recorded entries over in their chain, in the order in which it happened, after those that are chained already. */
  endAudit(from: { readonly sequence: number; readonly linkDigest: string }): void {
    let { sequence } = from;
    let link = fromHex(from.linkDigest);
    for (const { payload, ...entry } of this.#audit.splice(0).sort((a, b) => a.atMs - b.atMs)) {
      sequence += 1;
      link = auditLink(sequence, link, auditContentDigest(payload));
      this.rows.add(auditEntries, { ...entry, payload, sequence, linkDigest: toHex(link) });
    }
  }
}

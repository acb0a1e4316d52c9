/**
 * The chain of the audit log: every entry is hashed with the link before it, so that nothing in the middle can be changed,
 * left out or put in without changing every later link. docs/crypto.md has the bytes and a vector.
 *
 * Two digests for each entry: who may follow the chain but not read the log gets content digests alone. The payload carries
 * a random salt, so that a content digest tells nothing to who guesses the content.
 */
import { toHex, uint64le, utf8 } from '#core/bytes';
import { blake2b256, checkBytes, encodePieces } from './primitives.ts';

const entryDomain = utf8('melo/1/audit-entry');
const linkDomain = utf8('melo/1/audit-link');

/** The link before the first entry: 32 bytes of zero, 64 hexadecimal digits. */
export const auditGenesis = '0'.repeat(64);

/**
 * Digest an entry: BLAKE2b-256(pieces('melo/1/audit-entry', payload)).
 *
 * @param payload - the entry's bytes, verbatim
 * @returns 32 bytes
 */
export function auditContentDigest(payload: Uint8Array): Uint8Array {
  return blake2b256(encodePieces([entryDomain, payload]));
}

/**
 * Make the next link: BLAKE2b-256(pieces('melo/1/audit-link', LE64(sequence), link before, content digest)).
 *
 * @param sequence      - place of the entry, from 1
 * @param previousLink  - 32 bytes; those of {@link auditGenesis} for the first entry
 * @param contentDigest - 32 bytes, of {@link auditContentDigest}
 * @returns 32 bytes
 * @throws RangeError on another length, or a sequence that is not a whole number of 0 or more
 */
export function auditLink(
  sequence: number,
  previousLink: Uint8Array,
  contentDigest: Uint8Array,
): Uint8Array {
  return blake2b256(
    encodePieces([
      linkDomain,
      uint64le(sequence),
      checkBytes(previousLink, 32, 'link'),
      checkBytes(contentDigest, 32, 'content digest'),
    ]),
  );
}

/** A place in the chain: the sequence of an entry and the link that ends with it. */
export interface AuditPosition {
  /** 0 before the first entry. */
  readonly sequence: number;
  /** 64 hexadecimal digits. */
  readonly linkDigest: string;
}

/**
 * Follow the chain from a position over the content digests that come after it.
 *
 * @param from    - where the chain stands
 * @param digests - content digests one after the other, 32 bytes each
 * @returns where the chain stands after them
 * @throws RangeError where the bytes are not a whole number of digests
 */
export function followAuditChain(
  from: { readonly sequence: number; readonly link: Uint8Array },
  digests: Uint8Array,
): { readonly sequence: number; readonly link: Uint8Array } {
  if (digests.length % 32 !== 0) {
    throw new RangeError(`content digests: expected 32 bytes each, got ${digests.length} in all`);
  }
  let { sequence, link } = from;
  for (let offset = 0; offset < digests.length; offset += 32) {
    sequence += 1;
    link = auditLink(sequence, link, digests.subarray(offset, offset + 32));
  }
  return { sequence, link };
}

/** Write a position's link as it stands in messages and files. */
export function auditPosition(position: {
  readonly sequence: number;
  readonly link: Uint8Array;
}): AuditPosition {
  return { sequence: position.sequence, linkDigest: toHex(position.link) };
}

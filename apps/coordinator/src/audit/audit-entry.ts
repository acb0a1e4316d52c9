/** The bytes of an entry: JSON, made once and kept. */
import { toHex } from '#core/bytes';
import { randomBytes } from '#core/crypto';
import { auditPayloadSchema, encodePayload, type AuditPayload } from '#core/protocol';

/** Make an entry's payload, with a salt of its own. */
export function encodeEntry(entry: Omit<AuditPayload, 'type' | 'salt'>): Uint8Array {
  return encodePayload(auditPayloadSchema, {
    type: 'audit-entry',
    ...entry,
    salt: toHex(randomBytes(16)),
  });
}

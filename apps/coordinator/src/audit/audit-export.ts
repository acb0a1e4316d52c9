/** The chained log as NDJSON: an entry a line, then the signed head; made page by page, so that any length fits. */
import { toHex } from '#core/bytes';
import { auditHeadSchema, decodePayload, type AuditLine } from '#core/protocol';
import { toJson } from '../common/json-envelope.ts';
import type { AuditChainService } from './audit-chain.service.ts';

const pageEntries = 500;

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');

/** Write the chained log, a page of lines at a time. */
export async function* exportAuditLog(
  chain: AuditChainService,
  signingPublicKey: Uint8Array,
): AsyncGenerator<string> {
  const envelope = await chain.head();
  const { sequence: last } = decodePayload(auditHeadSchema, envelope.payload, 'audit head');
  const line = (value: AuditLine): string => `${JSON.stringify(value)}\n`;
  for (let after = 0; after < last;) {
    const entries = await chain.entries(after, pageEntries, last);
    yield entries
      .map(({ sequence, linkDigest, payload }) =>
        line({ sequence, linkDigest, payload: base64(payload) }),
      )
      .join('');
    after += entries.length;
    if (entries.length === 0) break; // the reader finds what is missing
  }
  yield line({ head: toJson(envelope), signingPublicKey: toHex(signingPublicKey) });
}

import fc from 'fast-check';
import { concatBytes, fromHex, toHex } from '#core/bytes';
import { auditContentDigest, auditGenesis, auditLink, followAuditChain } from './audit-chain.ts';

const start = { sequence: 0, link: fromHex(auditGenesis) };
const payloads = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 12 });
const linkOf = (entries: readonly Uint8Array[]): string =>
  toHex(followAuditChain(start, concatBytes(...entries.map(auditContentDigest))).link);

describe('the chain of the audit log', () => {
  test('is the same followed at once or in two parts', () => {
    fc.assert(
      fc.property(payloads, fc.nat(12), (entries, cut) => {
        const digests = entries.map(auditContentDigest);
        const first = followAuditChain(start, concatBytes(...digests.slice(0, cut)));
        const second = followAuditChain(first, concatBytes(...digests.slice(cut)));
        expect(toHex(second.link)).toBe(linkOf(entries));
        expect(second.sequence).toBe(entries.length);
      }),
    );
  });

  test('ends with another link where an entry is changed, left out, repeated or moved', () => {
    fc.assert(
      fc.property(payloads, fc.nat(), fc.nat(), (entries, where, bit) => {
        const at = where % entries.length;
        const entry = entries[at] ?? new Uint8Array();
        const changed = Uint8Array.from([...entry, bit % 256]);
        const before = linkOf(entries);
        expect(linkOf(entries.with(at, changed))).not.toBe(before);
        expect(linkOf(entries.toSpliced(at, 1))).not.toBe(before);
        expect(linkOf(entries.toSpliced(at, 0, entry))).not.toBe(before);
        const moved = [...entries.toSpliced(at, 1), entry];
        const isOther = moved.some((each, index) => toHex(each) !== toHex(entries[index] ?? each));
        if (isOther) expect(linkOf(moved)).not.toBe(before);
      }),
    );
  });

  test('takes whole digests of 32 bytes alone', () => {
    expect(() => followAuditChain(start, new Uint8Array(31))).toThrow(RangeError);
    expect(() => auditLink(1, new Uint8Array(31), new Uint8Array(32))).toThrow(RangeError);
    expect(() => auditLink(-1, new Uint8Array(32), new Uint8Array(32))).toThrow(RangeError);
    expect(followAuditChain(start, new Uint8Array())).toEqual(start);
  });
});

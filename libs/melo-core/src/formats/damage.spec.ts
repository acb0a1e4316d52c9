/** Files damaged at any place are refused with an error of the catalogue, or read; nothing else is thrown. */
import fc from 'fast-check';
import { MeloError } from '#core/errors';
import {
  decodeOfficial,
  decodePeft,
  encodeOfficial,
  encodePeft,
  recogniseFormat,
} from './index.ts';
import { nativeAdapter } from './testing/index.ts';

const native = nativeAdapter({ isBiasZero: true, alpha: 4 });
const peft = encodePeft(native, { names: 'transformers-5' });
const official = encodeOfficial(native, { isHeadBiasDropped: false });
const configText = JSON.stringify(peft.config);

/** Where a file is hit, with what, and where it is cut. */
const damage = fc.record({
  hits: fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(255)), {
    minLength: 1,
    maxLength: 4,
  }),
  keptShare: fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })),
});

function damaged(
  bytes: Uint8Array,
  { hits, keptShare }: typeof damage extends fc.Arbitrary<infer T> ? T : never,
): Uint8Array {
  const copy = bytes.slice(0, Math.floor(keptShare * bytes.length));
  // Squared, so that most hits are in the header.
  for (const [share, value] of hits) copy[Math.floor(share ** 2 * copy.length)] = value;
  return copy;
}

function expectRefusedOrRead(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof MeloError)) throw error;
    expect(error.catalogEntry.family).toBe('input');
  }
}

test('a damaged file of either format', () => {
  const { fileName } = official;
  fc.assert(
    fc.property(damage, (how) => {
      expectRefusedOrRead(() => decodePeft({ ...peft, bytes: damaged(peft.bytes, how) }));
      expectRefusedOrRead(() => decodeOfficial({ bytes: damaged(official.bytes, how), fileName }));
      expectRefusedOrRead(() => recogniseFormat(damaged(peft.bytes, how)));
    }),
    { numRuns: 300 },
  );
});

test('a configuration with any value in any field', () => {
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(peft.config)), fc.jsonValue(), (field, value) => {
      const config: unknown = { ...JSON.parse(configText), [field]: value };
      expectRefusedOrRead(() => decodePeft({ ...peft, config }));
    }),
    { numRuns: 300 },
  );
});

test('a configuration that is no configuration', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (config) => {
      expectRefusedOrRead(() => decodePeft({ ...peft, config }));
    }),
  );
});

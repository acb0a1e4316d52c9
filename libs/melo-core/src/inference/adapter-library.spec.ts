import fc from 'fast-check';
import { adapterDigest, decodeAdapterFile } from '#core/adapter';
import { AdapterLibrary, libraryBytes } from './adapter-library.ts';
import { smallAdapterFile, smallBackbone } from './testing/small-adapters.ts';

const oneBytes = libraryBytes(decodeAdapterFile(smallAdapterFile()));

interface Shelf {
  readonly library: AdapterLibrary;
  readonly files: Map<string, Uint8Array>;
  /** Names as they were read. */
  readonly reads: string[];
}

/** A library over files in memory, with room for some adapters of the usual size. */
function shelf(room = 3): Shelf {
  const files = new Map<string, Uint8Array>();
  const reads: string[] = [];
  const library = new AdapterLibrary({
    backbone: smallBackbone,
    bytesMax: room * oneBytes,
    read: async (name) => {
      reads.push(name);
      const bytes = files.get(name);
      if (bytes === undefined) throw new Error(`no file ${name}`);
      return bytes;
    },
  });
  return { library, files, reads };
}

describe('an adapter library', () => {
  test('reads a file once and checks it, then keeps it', async () => {
    const { library, files, reads } = shelf();
    const bytes = smallAdapterFile();
    files.set('a', bytes);
    const first = await library.get('a');
    expect(first.digest).toBe(adapterDigest(bytes));
    expect(first.values).toEqual(decodeAdapterFile(bytes).values);
    expect(await library.get('a')).toBe(first);
    expect(reads).toEqual(['a']);
    expect([library.count, library.bytes]).toEqual([1, oneBytes]);
  });

  test('shares one reading among callers that ask at once', async () => {
    const { library, files, reads } = shelf();
    files.set('a', smallAdapterFile());
    const all = await Promise.all([1, 2, 3].map(() => library.get('a')));
    expect(new Set(all).size).toBe(1);
    expect(reads).toEqual(['a']);
    expect(library.count).toBe(1);
  });

  test('gives up the least recently used where the bytes are spent', async () => {
    const { library, files, reads } = shelf(3);
    for (const name of ['a', 'b', 'c', 'd']) files.set(name, smallAdapterFile({ seed: name }));
    for (const name of ['a', 'b', 'c', 'a', 'd']) await library.get(name); // a was used since b
    expect(['a', 'b', 'c', 'd'].map((name) => library.has(name))).toEqual([
      true,
      false,
      true,
      true,
    ]);
    await library.get('b');
    expect(library.has('c')).toBe(false);
    expect(reads).toEqual(['a', 'b', 'c', 'd', 'b']);
  });

  test('gives up several small ones for a large one, by bytes and not by count', async () => {
    const large = smallAdapterFile({ rank: 16, seed: 'large' });
    const largeBytes = libraryBytes(decodeAdapterFile(large));
    expect(largeBytes).toBeGreaterThan(oneBytes);
    const { library } = shelf(3);
    for (const name of ['a', 'b', 'c']) library.put(name, smallAdapterFile({ seed: name }));
    library.put('large', large);
    expect(library.has('large')).toBe(true);
    expect(library.bytes).toBeLessThanOrEqual(3 * oneBytes);
    expect(library.count).toBe(1 + Math.floor((3 * oneBytes - largeBytes) / oneBytes));
  });

  test('never takes more than its bound, whatever is asked for in whatever order', async () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    const ranks = [1, 2, 4, 8, 2];
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...names), { maxLength: 30 }), async (asked) => {
        const { library, files } = shelf(4);
        for (const [at, name] of names.entries()) {
          files.set(name, smallAdapterFile({ seed: name, rank: ranks[at] ?? 2 }));
        }
        for (const name of asked) {
          const { values } = await library.get(name);
          expect(values).toEqual(decodeAdapterFile(files.get(name) ?? new Uint8Array()).values);
          expect(library.bytes).toBeLessThanOrEqual(4 * oneBytes);
          expect(library.has(name)).toBe(true);
        }
      }),
      { numRuns: 25 },
    );
  });

  test('keeps one layout for adapters of one form', async () => {
    const { library } = shelf();
    const [a, b] = ['a', 'b'].map((seed) => library.put(seed, smallAdapterFile({ seed })));
    expect(a?.layout).toBe(b?.layout);
    expect(library.put('c', smallAdapterFile({ rank: 1 })).layout).not.toBe(a?.layout);
  });
});

describe('what a library refuses', () => {
  test('is an adapter of another backbone, by name', async () => {
    const { library } = shelf();
    const other = { name: 'vit-other', fingerprint: 'cd'.repeat(32) };
    const refused = () => library.put('skin', smallAdapterFile({ backbone: other }));
    expect(refused).toThrow(expect.objectContaining({ code: 'BACKBONE_MISMATCH' }));
    for (const name of ['skin', 'vit-small-test', 'vit-other']) expect(refused).toThrow(name);
    expect(library.count).toBe(0);
  });

  test('is a damaged file, by name; it is read again when it is asked for again', async () => {
    const { library, files, reads } = shelf();
    files.set('a', smallAdapterFile().slice(0, -1));
    await expect(library.get('a')).rejects.toMatchObject({ code: 'SAFETENSORS_INVALID' });
    await expect(library.get('a')).rejects.toThrow('adapter a: ');
    files.set('a', smallAdapterFile());
    expect((await library.get('a')).name).toBe('a');
    expect(reads).toEqual(['a', 'a', 'a']);
  });

  test('is an adapter larger than all it may keep', () => {
    const { library } = shelf(1);
    const large = smallAdapterFile({ rank: 16 });
    expect(() => library.put('large', large)).toThrow(
      expect.objectContaining({ code: 'PAYLOAD_TOO_LARGE' }),
    );
  });

  test('is another digest than the one expected', async () => {
    const { library, files, reads } = shelf();
    const [old, bytes] = [smallAdapterFile({ seed: 'old' }), smallAdapterFile({ seed: 'new' })];
    files.set('a', old);
    await library.get('a', adapterDigest(old));
    await expect(library.get('a', adapterDigest(bytes))).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
    expect(library.has('a')).toBe(false);
    files.set('a', bytes);
    expect((await library.get('a', adapterDigest(bytes))).digest).toBe(adapterDigest(bytes));
    expect(reads).toEqual(['a', 'a', 'a']);
  });

  test('is a bound that is no number of bytes', () => {
    const options = { backbone: smallBackbone, read: async () => new Uint8Array() };
    for (const bytesMax of [0, -1, 1.5, Number.NaN]) {
      expect(() => new AdapterLibrary({ ...options, bytesMax })).toThrow(RangeError);
    }
  });
});

test('what is forgotten while it is read is not kept, and the one put in its place stays', async () => {
  const files = new Map([['a', smallAdapterFile({ seed: 'file' })]]);
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  const library = new AdapterLibrary({
    backbone: smallBackbone,
    bytesMax: 3 * oneBytes,
    read: async (name) => {
      await gate;
      return files.get(name) ?? new Uint8Array();
    },
  });
  const reading = library.get('a');
  const put = library.put('a', smallAdapterFile({ seed: 'put' }));
  release();
  expect((await reading).digest).not.toBe(put.digest);
  expect(await library.get('a')).toBe(put);
  expect(library.bytes).toBe(oneBytes);
});

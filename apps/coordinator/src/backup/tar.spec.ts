import { InputError } from '#core/errors';
import { concatBytes } from '#core/bytes';
import { readTar, tarEnd, tarHeader, tarPadding, type Pieces } from './tar.ts';

const filled = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, at) => (at * 31 + length) % 251);

const archiveOf = (sizes: readonly number[]): Uint8Array =>
  concatBytes(
    ...sizes.flatMap((size) => [
      tarHeader(`blobs/${size}`, size, 1_800_000_000_000),
      filled(size),
      tarPadding(size),
    ]),
    tarEnd(),
  );

async function* piecesOf(bytes: Uint8Array, length: number): Pieces {
  for (let offset = 0; offset < bytes.length; offset += length) {
    yield bytes.subarray(offset, offset + length);
  }
}

async function read(bytes: Uint8Array, pieceLength = 300): Promise<[string, Uint8Array][]> {
  const found: [string, Uint8Array][] = [];
  for await (const { path, bytes: size, content } of readTar(piecesOf(bytes, pieceLength))) {
    const pieces: Uint8Array[] = [];
    for await (const piece of content) pieces.push(piece.slice());
    found.push([path, concatBytes(...pieces)]);
    expect(concatBytes(...pieces)).toHaveLength(size);
  }
  return found;
}

const sizes = [0, 1, 511, 512, 513, 5000];

test.each([1, 300, 512, 1_000_000])('files come back whole from pieces of %i bytes', async (n) => {
  expect(await read(archiveOf(sizes), n)).toEqual(
    sizes.map((size) => [`blobs/${size}`, filled(size)]),
  );
});

test('an archive that ends early, anywhere, is refused', async () => {
  const whole = archiveOf([0, 513]);
  for (let length = 0; length < whole.length; length += 100) {
    await expect(read(whole.subarray(0, length))).rejects.toMatchObject({ code: 'BACKUP_INVALID' });
  }
});

test('a header with another byte, or anything behind the end, is refused', async () => {
  const whole = archiveOf([513]);
  for (const at of [0, 60, 124, 150, 156, 257, 400]) {
    const changed = whole.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    await expect(read(changed)).rejects.toBeInstanceOf(InputError);
  }
  await expect(read(concatBytes(whole, new Uint8Array(512)))).rejects.toThrow('nothing behind');
});

test('a name or a size that does not fit is not written', () => {
  expect(() => tarHeader('n'.repeat(101), 1, 0)).toThrow(RangeError);
  expect(() => tarHeader('n', 8 ** 11, 0)).toThrow(RangeError);
});

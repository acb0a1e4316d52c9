/**
 * Just enough of POSIX tar (ustar): plain files with short names, written and read as streams. Whoever holds a backup can
 * look into it with the tar of any system.
 */
import { utf8 } from '#core/bytes';
import { InputError } from '#core/errors';

const blockBytes = 512;
const nameBytesMax = 100;
/** What eleven octal digits can say. */
export const entryBytesMax = 8 ** 11 - 1;

/** Bytes of a source, in pieces of any size. */
export type Pieces = AsyncIterable<Uint8Array>;

/** One file of an archive that is read; its content has to be read before the next entry is asked for. */
export interface TarEntry {
  readonly path: string;
  readonly bytes: number;
  readonly content: Pieces;
}

function field(header: Uint8Array, offset: number, text: string): void {
  header.set(utf8(text), offset);
}

const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0');

function checksum(header: Uint8Array): number {
  let sum = 0;
  // The checksum itself counts as eight blanks.
  for (const [at, byte] of header.entries()) sum += at >= 148 && at < 156 ? 0x20 : byte;
  return sum;
}

/**
 * Make the header of one file.
 *
 * @throws RangeError where the name or the size does not fit
 */
export function tarHeader(path: string, bytes: number, modifiedAtMs: number): Uint8Array {
  if (utf8(path).length > nameBytesMax || bytes > entryBytesMax) {
    throw new RangeError(`tar: expected a name of 100 bytes and 8 GiB at most, got ${path}`);
  }
  const header = new Uint8Array(blockBytes);
  field(header, 0, path);
  field(header, 100, `${octal(0o600, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0`);
  field(header, 124, `${octal(bytes, 11)}\0${octal(Math.floor(modifiedAtMs / 1000), 11)}\0`);
  field(header, 156, '0ustar\0');
  header.copyWithin(257, 157, 163);
  header.fill(0, 157, 163);
  field(header, 263, '00');
  field(header, 148, `${octal(checksum(header), 6)}\0 `);
  return header;
}

/** What fills the last block of a file of so many bytes. */
export const tarPadding = (bytes: number): Uint8Array =>
  new Uint8Array((blockBytes - (bytes % blockBytes)) % blockBytes);

/** What ends an archive. */
export const tarEnd = (): Uint8Array => new Uint8Array(2 * blockBytes);

function damaged(where: string, what: string): InputError {
  return new InputError(
    'BACKUP_INVALID',
    `backup, ${where}: ${what}; take another copy of the file or an older backup`,
    { entry: where },
  );
}

/** Hands out a source's bytes in the amounts asked for. */
class Reader {
  readonly #source: AsyncIterator<Uint8Array, unknown>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(source: Pieces) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The next bytes, at most so many; null at the end. */
  async some(most: number): Promise<Uint8Array | null> {
    while (this.#rest.length === 0) {
      const next = await this.#source.next();
      if (next.done === true) return null;
      this.#rest = next.value;
    }
    const taken = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(taken.length);
    return taken;
  }

  /** Exactly so many bytes. */
  async exactly(length: number, where: string): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let filled = 0; filled < length;) {
      const piece = await this.some(length - filled);
      if (piece === null) throw damaged(where, 'expected it to go on, the file ends here');
      bytes.set(piece, filled);
      filled += piece.length;
    }
    return bytes;
  }

  /** Let go of the source. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }
}

const text = (bytes: Uint8Array): string => {
  const end = bytes.indexOf(0);
  return Buffer.from(end === -1 ? bytes : bytes.subarray(0, end)).toString('latin1');
};

function parseHeader(header: Uint8Array, where: string): { path: string; bytes: number } {
  const size = text(header.subarray(124, 136));
  const isPlain =
    text(header.subarray(257, 263)) === 'ustar' &&
    header[156] === 0x30 &&
    text(header.subarray(345, 500)) === '' &&
    /^[0-7]{11}$/.test(size) &&
    parseInt(text(header.subarray(148, 156)), 8) === checksum(header);
  if (!isPlain) throw damaged(where, 'expected the header of a plain file, it is something else');
  return { path: text(header.subarray(0, 100)), bytes: parseInt(size, 8) };
}

/**
 * Read an archive of plain files, one after the other.
 *
 * @throws InputError BACKUP_INVALID, naming the entry, for anything that {@link tarHeader} would not have written
 */
export async function* readTar(source: Pieces): AsyncGenerator<TarEntry, void> {
  const reader = new Reader(source);
  try {
    for (let where = 'beginning'; ;) {
      const header = await reader.exactly(blockBytes, where);
      if (header.every((byte) => byte === 0)) break;
      const { path, bytes } = parseHeader(header, where);
      let left = bytes;
      const content = async function* (): Pieces {
        while (left > 0) {
          const piece = await reader.some(left);
          if (piece === null) throw damaged(path, 'expected it to go on, the file ends here');
          left -= piece.length;
          yield piece;
        }
      };
      yield { path, bytes, content: content() };
      if (left > 0) throw new RangeError('tar: expected the content to be read first');
      await reader.exactly(tarPadding(bytes).length, path);
      where = `after ${path}`;
    }
    await reader.exactly(blockBytes, 'end');
    if ((await reader.some(1)) !== null) throw damaged('end', 'expected nothing behind it');
  } finally {
    await reader.close();
  }
}

/** Which patient or group an image belongs to, and in which split a group stands. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { utf8 } from '#core/bytes';
import { blake2b256, encodePieces } from '#core/crypto';
import { InputError } from '#core/errors';

/** Where an image is used. */
export type Split = 'train' | 'held-out';

/** Names a group from a file name; null where the pattern does not fit. */
export type GroupOf = (fileName: string) => string | null;

/** Patterns with a name: each alternative's first group is the patient or examination. */
const presets: ReadonlyMap<
  string,
  readonly { readonly label: string; readonly pattern: RegExp }[]
> = new Map([
  [
    'chest-xray',
    [
      { label: 'person', pattern: /person(\d+)_/ },
      { label: 'examination', pattern: /IM-(\d+)-/ },
    ],
  ],
]);

/**
 * Make the grouping rule of a configuration: a preset's name or a regular expression.
 *
 * @throws InputError CONFIG_INVALID where it is neither
 */
export function groupRule(groupRegex: string): GroupOf {
  const patterns = presets.get(groupRegex) ?? [{ label: 'group', pattern: compile(groupRegex) }];
  return (fileName) => {
    for (const { label, pattern } of patterns) {
      const match = pattern.exec(fileName);
      if (match !== null) return `${label}-${match[1] ?? match[0]}`;
    }
    return null;
  };
}

function compile(source: string): RegExp {
  try {
    return new RegExp(source, 'u');
  } catch (cause) {
    throw new InputError(
      'CONFIG_INVALID',
      `groupRegex: expected a preset (${[...presets.keys()].join(', ')}) or a regular expression, it does not compile; correct the task's entry`,
      {},
      { cause },
    );
  }
}

/** Digest a file's content, read as a stream: SHA-256 in hexadecimal, for local grouping and caching only. */
export async function contentHash(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/**
 * Put a group into a split by its name alone: adding images to a folder never moves another group.
 *
 * The first 32 bits of BLAKE2b-256(encodePieces(['melo/1/split', seed, group])) below heldOutShare * 2^32 are held out.
 */
export function splitOfGroup(group: string, seed: string, heldOutShare: number): Split {
  const digest = blake2b256(encodePieces([utf8('melo/1/split'), utf8(seed), utf8(group)]));
  const word = new DataView(digest.buffer, digest.byteOffset).getUint32(0);
  return word < heldOutShare * 2 ** 32 ? 'held-out' : 'train';
}

/** The keys of rounds as the coordinator under test leaves them: with them alone the witness opens what went by. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { digestSchema, federationIdSchema } from '#core/protocol';

const recordSchema = z.strictObject({
  publicKey: digestSchema,
  secretKey: digestSchema,
  openDigest: digestSchema,
  federation: federationIdSchema,
  trainedTensors: z.array(z.string()),
});
/** What opens the updates of one attempt. */
export type RoundKeyRecord = z.infer<typeof recordSchema>;

/** Name of the file about the attempt with this RoundOpen. */
export const roundKeyFile = (openDigest: string): string => `${openDigest}.json`;

/** Read the key of an attempt. */
export function readRoundKey(folder: string, openDigest: string): RoundKeyRecord {
  const text = readFileSync(join(folder, roundKeyFile(openDigest)), 'utf8');
  return recordSchema.parse(JSON.parse(text));
}

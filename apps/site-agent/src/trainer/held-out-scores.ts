/**
 * What a model said of every held-out image of this site: kept here, so that two models can be compared image by image. Never sent.
 *
 * Groups are numbers in the order of their first image; no name, no path.
 */
import { z } from 'zod';
import { decodeFloats, encodeFloats } from '#core/adapter';
import { toHex, utf8 } from '#core/bytes';
import { blake2b256, encodePieces } from '#core/crypto';
import type { ScoredImages } from '#core/evaluation';
import { activationSchema, digestSchema, limits } from '#core/protocol';
import { readJsonIfPresent, writeJsonDurably } from '../common/durable-file.ts';
import { labelText, type DatasetImage } from '../data/dataset.ts';

const countSchema = z.number().int().min(0).max(limits.samplesMax);

const scoresFileSchema = z.strictObject({
  version: z.literal(1),
  /** Digest of the images with their labels: only models that saw the same ones are compared. */
  images: digestSchema,
  classes: z.number().int().min(2).max(limits.classesMax),
  activation: activationSchema,
  groups: z.array(countSchema).max(limits.samplesMax),
  /** Class of each image; -1 where findings say it. */
  labels: z.array(z.number().int().min(-1).max(limits.classesMax)).max(limits.samplesMax),
  findings: z.array(z.number().int().min(-1).max(1)).nullable(),
  /** Little-endian float32, base64. */
  logits: z.base64(),
});

/** Scores of one model, and which images they are of. */
export interface HeldOutScores {
  readonly images: string;
  readonly scored: ScoredImages;
}

/** Digest held-out images with what is known of them. */
export function heldOutDigest(images: readonly DatasetImage[]): string {
  const pieces = images.flatMap(({ path, label, group }) => [
    utf8(path),
    utf8(labelText(label)),
    utf8(group),
  ]);
  return toHex(blake2b256(encodePieces([utf8('held-out'), ...pieces])));
}

/** Write scores durably; groups lose their names. */
export async function writeScores(path: string, { images, scored }: HeldOutScores): Promise<void> {
  const indexOf = new Map([...new Set(scored.groups)].map((group, index) => [group, index]));
  const file: z.infer<typeof scoresFileSchema> = {
    version: 1,
    images,
    classes: scored.classes,
    activation: scored.activation,
    groups: scored.groups.map((group) => indexOf.get(group) ?? 0),
    labels: Array.from({ length: scored.groups.length }, (_, at) => scored.labels[at] ?? -1),
    findings: scored.findings === undefined ? null : [...scored.findings],
    logits: Buffer.from(encodeFloats(scored.logits, 'F32')).toString('base64'),
  };
  await writeJsonDurably(path, file);
}

/** Read scores; null where there are none. */
export async function readScores(path: string): Promise<HeldOutScores | null> {
  const file = await readJsonIfPresent(path, scoresFileSchema);
  if (file === null) return null;
  const { classes, activation, groups, labels, findings } = file;
  return {
    images: file.images,
    scored: {
      ...{ classes, activation, labels },
      groups: groups.map(String),
      ...(findings === null ? {} : { findings: Int8Array.from(findings) }),
      logits: decodeFloats(new Uint8Array(Buffer.from(file.logits, 'base64')), 'F32'),
    },
  };
}

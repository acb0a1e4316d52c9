/** `melo adapter predict` with several adapters: one loaded backbone, each answer its own task's. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { smallAdapterFile } from '#core/inference/testing';
import {
  drawnClassFolders,
  writeDrawnImages,
  writeSmallBackbone,
  type BackboneFolder,
} from '../../../../test/support/small-federation.ts';
import { predictImages } from './adapter-predict.ts';

const predictionSchema = z.object({
  event: z.literal('prediction'),
  image: z.string(),
  adapter: z.string(),
  task: z.string(),
  probabilities: z.record(z.string(), z.number()),
  activation: z.enum(['softmax', 'sigmoid']),
  answers: z.record(z.string(), z.boolean()).optional(),
});
type Line = z.infer<typeof predictionSchema>;

let folder: string;
let backbone: BackboneFolder;
let images: string[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'melo-predict-spec-'));
  backbone = await writeSmallBackbone(join(folder, 'backbone'));
  await writeDrawnImages(join(folder, 'images'), { count: 6, seed: 'predict' });
  const classFolder = join(folder, 'images', Object.keys(drawnClassFolders)[0] ?? '');
  images = (await readdir(classFolder))
    .sort()
    .slice(0, 2)
    .map((file) => join(classFolder, file));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Write an adapter of the small backbone, or of another. */
async function writeAdapter(
  task: string,
  own: Parameters<typeof smallAdapterFile>[0] = {},
): Promise<string> {
  const { name, fingerprint, dimension, blocks } = backbone.reference;
  const file = join(folder, `${task}.safetensors`);
  const of = { backbone: { name, fingerprint }, dimension, blocks };
  await writeFile(file, smallAdapterFile({ ...of, task, seed: task, ...own }));
  return file;
}

/** Run the command as with --json and return its lines. */
async function predict(
  adapters: readonly string[],
  files: readonly string[] = images,
): Promise<{ lines: unknown[]; warnings: string[]; failed: number }> {
  const lines: unknown[] = [];
  const warnings: string[] = [];
  const failed = await predictImages({
    ...{ adapters, images: files, backbone: backbone.directory, isJson: true },
    output: {
      say: (line) => void lines.push(JSON.parse(line)),
      warn: (line) => void warnings.push(line),
    },
  });
  return { lines, warnings, failed };
}

const parsed = (lines: readonly unknown[]): Line[] =>
  lines.map((line) => predictionSchema.parse(line));

describe('melo adapter predict', () => {
  test('gives for several adapters what each alone gives', async () => {
    const adapters = [
      await writeAdapter('lung', { rank: 4, classes: ['a', 'b', 'c'] }),
      await writeAdapter('skin', { rank: 2, alpha: 6 }),
    ];
    const together = parsed((await predict(adapters)).lines);
    expect(together.map(({ image, task }) => [image, task])).toEqual(
      images.flatMap((image) => [
        [image, 'lung'],
        [image, 'skin'],
      ]),
    );
    for (const adapter of adapters) {
      const alone = parsed((await predict([adapter])).lines);
      const own = together.filter((line) => line.adapter === adapter);
      expect(own.map(({ image }) => image)).toEqual(alone.map(({ image }) => image));
      for (const [at, { probabilities }] of alone.entries()) {
        const other = own[at]?.probabilities ?? {};
        expect(Object.keys(other)).toEqual(Object.keys(probabilities));
        for (const [name, share] of Object.entries(probabilities)) {
          expect(other[name]).toBeCloseTo(share, 5);
        }
      }
    }
  });

  test('answers yes or no for each class of an adapter of findings', async () => {
    const adapters = [
      await writeAdapter('findings', { loss: 'binary-cross-entropy', classes: ['a', 'b', 'c'] }),
      await writeAdapter('one-class'),
    ];
    const [own, other] = parsed((await predict(adapters)).lines);
    expect(own?.activation).toBe('sigmoid');
    const { probabilities = {}, answers = {} } = own ?? {};
    expect(Object.keys(answers)).toEqual(['a', 'b', 'c']);
    for (const [name, share] of Object.entries(probabilities)) {
      expect(answers[name]).toBe(share >= 0.5);
    }
    expect(other?.activation).toBe('softmax');
    expect(other).not.toHaveProperty('answers');

    const texts: string[] = [];
    await predictImages({
      ...{ adapters, images: images.slice(0, 1), backbone: backbone.directory, isJson: false },
      output: { say: (line) => void texts.push(line), warn: () => undefined },
    });
    expect(texts[0]).toMatch(
      /by findings version 1: a \d+\.\d % (yes|no), b .* (yes|no), c .* (yes|no)$/,
    );
    expect(texts[1]).toMatch(/%$/);
  });

  test('names an image that cannot be read, and goes on with the others', async () => {
    const broken = join(folder, 'broken.png');
    await writeFile(broken, 'no image');
    const adapter = await writeAdapter('lung');
    const { lines, failed, warnings } = await predict([adapter], [broken, ...images]);
    expect(failed).toBe(1);
    expect(lines[0]).toEqual({ event: 'unreadable', image: broken, code: 'IMAGE_UNREADABLE' });
    expect(parsed(lines.slice(1))).toHaveLength(images.length);
    expect(warnings.join('\n')).toContain('1 of 3 images could not be read');
    expect(warnings[0]).toContain('Not a medical device');
  });

  test('refuses an adapter of another backbone by name, before any image', async () => {
    const other = { name: 'other', fingerprint: 'ef'.repeat(32) };
    const [good, bad] = [
      await writeAdapter('lung'),
      await writeAdapter('eye', { backbone: other }),
    ];
    const refused = predict([good, bad]);
    await expect(refused).rejects.toMatchObject({ code: 'BACKBONE_MISMATCH' });
    await expect(refused).rejects.toThrow('eye.safetensors');
  });
});

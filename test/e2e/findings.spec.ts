/**
 * A task whose images have several findings at once or none, and whose head reads the mean of the patches: from the sites'
 * manifests through training, pooled figures and the published file to the answers of `melo adapter predict`.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { decodeAdapterFile } from '#core/adapter';
import { evaluationRoutes } from '../../apps/coordinator/src/evaluation/evaluation.contract.ts';
import { Federation } from '../support/federation.ts';
import { killAllProcesses, MeloProcess } from '../support/melo-process.ts';
import { makeWorkDirectory } from '../support/package-root.ts';
import {
  drawnFindings,
  taskDefinition,
  writeFindingImages,
  writeSmallBackbone,
  type BackboneFolder,
  type FindingImage,
} from '../support/small-federation.ts';

const sites = ['site-a', 'site-b'];
const task = 'findings';
const rounds = 2;
const timeoutMs = 600_000;

let federation: Federation;
let backbone: BackboneFolder;
let removeDirectory: () => Promise<void>;
let adapterBytes: Uint8Array;
const images: FindingImage[] = [];

const predictionSchema = z.object({
  event: z.literal('prediction'),
  image: z.string(),
  activation: z.literal('sigmoid'),
  probabilities: z.record(z.string(), z.number()),
  answers: z.record(z.string(), z.boolean()),
});

beforeAll(async () => {
  const { path, remove } = await makeWorkDirectory('findings');
  removeDirectory = remove;
  backbone = await writeSmallBackbone(join(path, 'backbone'));
  federation = new Federation(join(path, 'federation'));
  await federation.startCoordinator();
  for (const [at, site] of sites.entries()) {
    const options = { count: 48, seed: site, unknownEvery: 5 + at };
    const { list, ...own } = await writeFindingImages(join(path, site), options);
    images.push(...list);
    await federation.enroll(site, {
      ...{ backbone: backbone.directory, threads: 1 },
      tasks: { [task]: own },
    });
    federation.startAgent(site);
  }
  const { mean, std } = backbone.configuration;
  const definition = taskDefinition({
    ...{ task, backbone: backbone.reference, mean, std, classes: drawnFindings, members: sites },
    ...{ rounds, learningRate: 1e-2, batchSize: 4, overrides: { pooling: 'mean' } },
  });
  await federation.createTask({
    ...definition,
    plan: {
      ...definition.plan,
      duration: { unit: 'epochs', count: 6 },
      loss: { name: 'binary-cross-entropy', positiveWeights: [2, 1] },
    },
  });
  await federation.waitForVersion(task, rounds);
  await federation.waitForEvaluations(task, rounds, sites.length);
  adapterBytes = await federation.download(task, rounds);
}, timeoutMs);

afterAll(async () => {
  await killAllProcesses();
  await removeDirectory();
}, timeoutMs);

test('the published file says how its head reads and how its logits become answers', () => {
  const { card, specification } = decodeAdapterFile(adapterBytes);
  expect(card).toMatchObject({ activation: 'sigmoid', pooling: 'mean', version: rounds });
  expect(specification.pooling).toBe('mean');
  expect(card.lineage.members.map(({ site }) => site)).toEqual(sites);
});

test('pooled figures count the known findings of all sites, and training made them better', async () => {
  const { evaluations } = await federation.call(evaluationRoutes.list, { params: { task } });
  const heldOut = images.filter(({ split }) => split === 'held-out');
  const [first, last] = [evaluations[0]?.pooled, evaluations.at(-1)?.pooled];
  expect(heldOut.some(({ told }) => told.includes(null))).toBe(true);
  expect(first?.count).toBe(heldOut.length);
  expect(last).toMatchObject({ count: heldOut.length, undefinedAucCount: 0 });
  // Version 0 says 1/2 of everything: every answer is yes, and its loss is ln 2 of each finding that is known.
  const known = heldOut.flatMap(({ told }) => told).filter((value) => value !== null);
  const present = known.filter((value) => value === 1);
  expect(first?.accuracy).toBeCloseTo(present.length / known.length, 12);
  expect(first?.loss).toBeCloseTo(Math.log(2), 6);
  expect(last?.loss ?? Infinity).toBeLessThan(Math.log(2));
  expect(last?.macroAuc ?? 0).toBeGreaterThan(0.75);
});

test(
  'predictions are a yes or no for each class, and mostly what was drawn',
  async () => {
    const file = join(federation.directory, 'findings.safetensors');
    await writeFile(file, adapterBytes);
    const training = images.filter(({ split }) => split === 'train');
    const predict = new MeloProcess({
      name: 'predict',
      args: [
        'adapter',
        'predict',
        '--adapter',
        file,
        '--backbone',
        backbone.directory,
        '--json',
      ].concat(training.map((image) => image.file)),
      logFile: join(federation.directory, 'predict.log'),
    });
    expect(await predict.exit()).toBe(0);
    const predictions = predict.events
      .map((event) => predictionSchema.safeParse(event).data)
      .filter((prediction) => prediction !== undefined);
    expect(predictions).toHaveLength(training.length);
    let right = 0;
    for (const [at, { answers, probabilities }] of predictions.entries()) {
      for (const [c, name] of drawnFindings.entries()) {
        expect(answers[name]).toBe((probabilities[name] ?? 0) >= 0.5);
        if (answers[name] === (training[at]?.drawn[c] === 1)) right += 1;
      }
    }
    expect(right / (training.length * drawnFindings.length)).toBeGreaterThan(0.6);
  },
  timeoutMs,
);

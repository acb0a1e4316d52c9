/** `melo doctor`: what is sound, what is wrong, and what it advises. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBackboneFile } from '#core/backbone';
import type { StepResult } from '#core/engine';
import { loadAgentConfig } from '../config/agent-config.ts';
import { agreementFinding, stepDifference } from './doctor-engine.ts';
import { profileEngine, profileTable } from './doctor-profile.ts';
import { nodeFinding } from './doctor-machine.ts';
import { checkSite } from './doctor-site.ts';

const step = (loss: number, ...gradients: number[]): StepResult => ({
  loss,
  gradients: Float32Array.from(gradients),
});
const engines = [
  { name: 'tfjs', device: 'gpu' },
  { name: 'onnx', device: 'cpu' },
] as const;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'melo-doctor-spec-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('the difference of two steps is the largest of loss and gradients, relative', () => {
  expect(stepDifference(step(0.5, 2, -4), step(0.5, 2, -4))).toBe(0);
  expect(stepDifference(step(0.5, 2, -4.004), step(0.5, 2, -4))).toBeCloseTo(1e-3, 5);
  expect(stepDifference(step(2.2, 2, -4), step(2, 2, -4))).toBeCloseTo(0.1, 6);
});

test.each([
  ['a gradient that is no number', step(0.5, Number.NaN, 1)],
  ['a gradient that is infinite', step(0.5, 1, Infinity)],
  ['a loss that is no number', step(Number.NaN, 1, 1)],
  ['gradients of another length', step(0.5, 1)],
])('%s never agrees', (_what, actual) => {
  const difference = stepDifference(actual, step(0.5, 1, 1));
  expect(agreementFinding(...engines, difference).status).toBe('failed');
});

test('engines that disagree fail, and the fallback is named', () => {
  const { status, message } = agreementFinding(...engines, 2e-3);
  expect(status).toBe('failed');
  expect(message).toContain('engine.name: onnx');
  expect(agreementFinding(...engines, 9e-4).status).toBe('ok');
});

test('an old Node is a warning, not a failure', () => {
  expect(nodeFinding('20.19.0').status).toBe('warning');
  expect(nodeFinding('24.1.0').status).toBe('ok');
});

async function writeSite(text: string): Promise<string> {
  const { bytes, config } = randomBackboneFile({
    configuration: {
      dimension: 12,
      blocks: 1,
      heads: 3,
      mlpDimension: 24,
      patchSize: 8,
      imageSize: 16,
      channels: 3,
      layerNormEpsilon: 1e-6,
      activation: 'gelu',
      pooling: 'cls',
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
    },
    seed: 'doctor spec',
    spelling: 'timm',
  });
  await mkdir(join(folder, 'vit'));
  await writeFile(join(folder, 'vit', 'model.safetensors'), bytes);
  await writeFile(join(folder, 'vit', 'config.json'), JSON.stringify(config));
  for (const path of ['images/sick/a.png', 'images/sick/b.jpg', 'images/well/c.png']) {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), '');
  }
  const file = join(folder, 'agent.yaml');
  await writeFile(file, text);
  return file;
}

const findingsOf = async (text: string) => checkSite(await loadAgentConfig(await writeSite(text)));

test('a site is looked at: images by class, the backbone, and that it is not enrolled', async () => {
  const found = await findingsOf(
    'dataDirectory: data\nbackbones: [vit]\ntasks:\n  lung: { images: images }\n',
  );
  expect(found).toEqual([
    expect.objectContaining({ check: 'images of lung', status: 'ok' }),
    expect.objectContaining({ check: 'backbone', status: 'ok' }),
    expect.objectContaining({ check: 'coordinator', status: 'warning' }),
  ]);
  expect(found[0]?.message).toContain('3 images (sick 2, well 1)');
  expect(found[0]?.message).not.toContain('a.png');
});

test('a step on a backbone of the site is profiled, and the table says what the numbers say', async () => {
  await writeSite('');
  const options = { backbone: join(folder, 'vit'), threads: 1, isAlone: false };
  const profile = await profileEngine(options);
  expect(profile).toMatchObject({ backbone: 'vit', threads: 1, isAlone: false });
  expect(profile.kinds.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 6);
  const table = profileTable(profile);
  expect(table[0]).toContain('vit, batch 8, rank 4, 1 threads: ');
  for (const { name, msPerImage } of profile.kinds) {
    const row = table.find((line) => line.startsWith(name));
    expect(row?.split(/\s+/)[1]).toBe(msPerImage.toFixed(2));
  }
});

test('findings of a manifest are counted by class and answer', async () => {
  const text =
    'dataDirectory: data\nbackbones: [vit]\ntasks:\n  lung: { images: images, manifest: m.csv }\n';
  const file = await writeSite(text);
  const rows = ['sick/a.png,a,train,1,', 'sick/b.jpg,b,train,0,1', 'well/c.png,c,held-out,1,0'];
  await writeFile(join(folder, 'm.csv'), ['path,group,split,fluid,air', ...rows].join('\n'));
  const [found] = await checkSite(await loadAgentConfig(file));
  expect(found).toMatchObject({ check: 'images of lung', status: 'ok' });
  expect(found?.message).toContain('2 images to train with and 1 held out');
  expect(found?.message).toContain('fluid 2 yes, 1 no, 0 unknown; air 1 yes, 1 no, 1 unknown');
});

test('a missing folder and another backbone than the pinned one fail', async () => {
  const pinned = `{ path: vit, fingerprint: ${'ab'.repeat(32)} }`;
  const found = await findingsOf(
    `dataDirectory: data\nbackbones: [${pinned}]\ntasks:\n  lung: { images: elsewhere }\n`,
  );
  expect(found.map(({ status }) => status)).toEqual(['failed', 'failed', 'warning']);
  expect(found[1]?.message).toContain('expected the pinned fingerprint');
});

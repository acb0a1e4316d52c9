/** Every family gives the same logits in timm, in transformers and here. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { largestDifference, logitsOfOurs, makeModels, type MadeModel } from './python.ts';

const families = [
  ...['timm-vit', 'timm-deit', 'timm-deit-distilled', 'timm-deit3', 'timm-options'],
  ...['timm-dinov2', 'timm-dinov2-registers', 'timm-dinov3', 'timm-dinov3-qkvb'],
  ...['timm-clip', 'timm-clip-quickgelu'],
  ...['transformers-vit', 'transformers-vit-modules', 'transformers-deit'],
  ...['transformers-dinov2', 'transformers-dinov2-registers', 'transformers-dinov3'],
  ...['transformers-clip', 'transformers-clip-vision'],
];
const folder = mkdtempSync(path.join(tmpdir(), 'melo-interop-'));
let made: ReadonlyMap<string, MadeModel>;

beforeAll(() => {
  made = makeModels(families, folder);
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true }));

describe.each(families)('%s', (family) => {
  test('has the logits that Python computes, to 1e-4', async () => {
    const model = made.get(family);
    if (model === undefined) throw new Error(`${family}: expected a model`);
    const ours = await logitsOfOurs(model, path.join(folder, 'cache'));
    expect(largestDifference(ours, model.logits.values)).toBeLessThan(1e-4);
    // The images are told apart: a forward pass that ignores them would not pass.
    expect(largestDifference(ours.slice(0, 3), ours.slice(3, 6))).toBeGreaterThan(0.05);
  });
});

/** A plain ViT gives the same logits in timm, in transformers and here. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { largestDifference, logitsOfOurs, makeModel } from './python.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'melo-interop-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe.each(['timm-vit', 'transformers-vit', 'transformers-vit-modules'])('%s', (family) => {
  test('has the logits that Python computes, to 1e-4', async () => {
    const made = makeModel(family, path.join(folder, family));
    const ours = await logitsOfOurs(made, path.join(folder, 'cache'));
    expect(largestDifference(ours, made.logits.values)).toBeLessThan(1e-4);
    // The images are told apart: a forward pass that ignores them would not pass.
    expect(largestDifference(ours.slice(0, 3), ours.slice(3, 6))).toBeGreaterThan(0.05);
  });
});

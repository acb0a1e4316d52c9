import { findKnownBackbone, knownBackbones } from './index.ts';

describe('the known backbones', () => {
  test('have names that are folders and repositories that are owner/name, each once', () => {
    for (const { name, repository } of knownBackbones) {
      expect(name).toMatch(/^[a-z][a-z0-9_]+$/);
      expect(repository).toMatch(/^[\w-]+\/[\w.-]+$/);
    }
    for (const key of ['name', 'repository'] as const) {
      expect(new Set(knownBackbones.map((known) => known[key])).size).toBe(knownBackbones.length);
    }
  });

  test('state a licence, and a size that a ViT of their tokens can have', () => {
    for (const { licence, parameters, tokens, imageSize } of knownBackbones) {
      expect(licence).not.toBe('');
      expect(parameters).toBeGreaterThan(5e6);
      expect(tokens).toBeGreaterThan(imageSize / 32);
    }
  });

  test('are found by name alone', () => {
    expect(findKnownBackbone('vit_tiny_patch16_224')?.parameters).toBe(5_717_416);
    expect(findKnownBackbone('timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k')).toBeNull();
  });
});

export * from './types.ts';
export { openBackbone, tensorShape } from './open.ts';
export { readTimmConfiguration } from './read-timm.ts';
export { canonicalNames, spelledTimmNames, type Spelling } from './tensor-names.ts';
export * from './fingerprint.ts';
export * from './memory-source.ts';
export * from './random-backbone.ts';
export * from './architecture.ts';
export * from './known-backbones.ts';

export * from './specification.ts';
export * from './layout.ts';
export * from './float-codec.ts';
export { findRepeatedKey } from './json-keys.ts';
export {
  decodeSafetensors,
  parseSafetensorsHeader,
  safetensorsHeaderLength,
  type SafetensorsEntry,
  type SafetensorsFile,
  type SafetensorsHeader,
  type SafetensorsTensor,
} from './safetensors.ts';
export * from './safetensors-writer.ts';
export * from './initial.ts';
export * from './delta.ts';
export * from './trained-tensors.ts';
export * from './card.ts';
export * from './adapter-file.ts';
export * from './update-file.ts';

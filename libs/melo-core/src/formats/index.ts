export * from './recognise.ts';
export { type ForeignAdapter, type ForeignFormat, type LowRankPair } from './foreign.ts';
export { type Origin } from './origin.ts';
export { decodePeft, encodePeft, type PeftFiles } from './peft.ts';
export { type PeftNames } from './peft-names.ts';
export { decodeOfficial, encodeOfficial, type OfficialFile } from './official.ts';
export * from './official-name.ts';
export * from './convert.ts';
export * from './difference.ts';

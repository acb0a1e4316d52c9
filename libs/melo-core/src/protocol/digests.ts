/** Digests that both sides build of a plan and of a preprocessing, over canonical JSON. */
import { canonicalJson, toHex, utf8 } from '#core/bytes';
import { blake2b256, encodePieces } from '#core/crypto';
import type { Preprocessing, TrainingPlan } from './plan.ts';

function digestOf(domain: string, value: unknown): string {
  return toHex(blake2b256(encodePieces([utf8(domain), utf8(canonicalJson(value))])));
}

/** Digest a training plan: 64 hexadecimal digits of BLAKE2b-256 over the domain and its canonical JSON. */
export function planDigest(plan: TrainingPlan): string {
  return digestOf('melo/1/plan', plan);
}

/** Digest a preprocessing: 64 hexadecimal digits of BLAKE2b-256 over the domain and its canonical JSON. */
export function preprocessingDigest(preprocessing: Preprocessing): string {
  return digestOf('melo/1/preprocessing', preprocessing);
}

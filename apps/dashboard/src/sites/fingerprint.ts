/** Fingerprints as people read them out. */

/** In groups of four. */
export function formatFingerprint(fingerprint: string): string {
  return fingerprint.match(/.{1,4}/g)?.join(' ') ?? '';
}

/** What comparing a fingerprint that was read out with the one that enrolled says. */
export type Comparison = 'none' | 'short' | 'differs' | 'same';

/** Compare what was typed or pasted, in groups or not, with the fingerprint that enrolled: all of it, never a part. */
export function compareFingerprint(typed: string, fingerprint: string): Comparison {
  const digits = typed.replace(/[\s:-]/g, '').toLowerCase();
  if (digits === '') return 'none';
  if (digits === fingerprint) return 'same';
  const isBeginning = digits.length < fingerprint.length && fingerprint.startsWith(digits);
  return isBeginning ? 'short' : 'differs';
}

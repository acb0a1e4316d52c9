export {
  agreementKeyPairFromSecret,
  blake2b256,
  checkBytes,
  constantTimeEqual,
  deterministicBytes,
  encodePieces,
  eraseBytes,
  fingerprint,
  formatFingerprint,
  generateAgreementKeyPair,
  generateSigningKeyPair,
  randomBytes,
  sha256,
  signingKeyPairFromSeed,
  type AgreementKeyPair,
  type SigningKeyPair,
  type StreamingSha256,
} from './primitives.ts';
export * from './signing.ts';
export {
  decryptAdapter,
  encryptAdapter,
  openContentKey,
  openUpdate,
  sealContentKey,
  sealUpdate,
  unwrapSecret,
  wrapSecret,
  type UpdateContext,
} from './sealing.ts';
export * from './enrollment.ts';
export * from './audit-chain.ts';

/** Computes the test vectors of docs/crypto.md from fixed inputs; vectors.json holds what they must be. */
import { adapterDigest } from '#core/adapter';
import { canonicalJson, fromHex, fromUtf8, toHex, utf8 } from '#core/bytes';
import {
  auditHeadSchema,
  encodePayload,
  nonceStatementSchema,
  planDigest,
  preprocessingDigest,
  preprocessingSchema,
  trainingPlanSchema,
} from '#core/protocol';
import { auditContentDigest, auditGenesis, auditLink } from '../audit-chain.ts';
import {
  encodeEnrollmentCode,
  enrollmentSecretHash,
  proveEnrollment,
  siteFingerprint,
} from '../enrollment.ts';
import {
  blake2b256,
  deterministicBytes,
  encodePieces,
  fingerprint,
  formatFingerprint,
  keyedBlake2b256,
} from '../primitives.ts';
import { sealUpdateWith } from '../sealing.ts';
import { envelopeDigest, signDomains, signHandshake, signPayload } from '../signing.ts';
import {
  counting,
  keys,
  layout,
  names,
  roundOpenDigest,
  roundOpenPayload,
  updateContext,
  type Vector,
} from './inputs.ts';
import { backboneVector, numberVectors } from './number-vectors.ts';

function pieceVectors(): Vector[] {
  const abc = utf8('abc');
  return [
    { name: 'pieces, none', given: {}, result: { encoded: toHex(encodePieces([])) } },
    {
      name: 'pieces, two',
      given: { first: 'ab', second: '' },
      result: { encoded: toHex(encodePieces([utf8('ab'), utf8('')])) },
    },
    {
      name: 'BLAKE2b-256',
      given: { message: 'abc', key: toHex(counting(0, 32)) },
      result: {
        unkeyed: toHex(blake2b256(abc)),
        keyed: toHex(keyedBlake2b256(counting(0, 32), abc)),
      },
    },
    {
      name: 'deterministic bytes',
      given: { seed: toHex(counting(0, 32)) },
      result: { bytes: toHex(deterministicBytes(counting(0, 32), 40)) },
    },
  ];
}

function keyVectors(): Vector[] {
  const { coordinatorSigning, coordinatorAgreement, siteSigning, siteAgreement } = keys;
  const publicKeyOf = (
    name: string,
    secret: Uint8Array,
    { publicKey }: { readonly publicKey: Uint8Array },
  ): Vector => ({
    name,
    given: { secret: toHex(secret) },
    result: { publicKey: toHex(publicKey) },
  });
  const coordinatorFingerprint = fingerprint(coordinatorSigning.publicKey);
  return [
    publicKeyOf('coordinator, Ed25519', counting(0x00, 32), coordinatorSigning),
    publicKeyOf('coordinator, X25519', counting(0x20, 32), coordinatorAgreement),
    publicKeyOf('site, Ed25519', counting(0x40, 32), siteSigning),
    publicKeyOf('site, X25519', counting(0x60, 32), siteAgreement),
    publicKeyOf('round, X25519', counting(0x80, 32), keys.round),
    publicKeyOf('ephemeral, X25519', counting(0xa0, 32), keys.ephemeral),
    {
      name: 'fingerprints',
      given: {},
      result: {
        coordinator: coordinatorFingerprint,
        site: siteFingerprint(siteSigning.publicKey, siteAgreement.publicKey),
        coordinatorForPeople: formatFingerprint(coordinatorFingerprint),
      },
    },
  ];
}

function signatureVectors(): Vector[] {
  const payload = utf8('{"type":"decision"}');
  const { signature } = signPayload(signDomains.decision, payload, keys.siteSigning.secretKey);
  const statement = encodePayload(nonceStatementSchema, {
    type: 'nonce',
    protocol: 'melo/1',
    federation: names.federation,
    challenge: toHex(counting(0x30, 32)),
    nonce: toHex(names.nonce),
    signingPublicKey: toHex(keys.coordinatorSigning.publicKey),
    agreementPublicKey: toHex(keys.coordinatorAgreement.publicKey),
    expiresAtMs: 1_800_000_000_000,
  });
  const signed = signPayload(signDomains.nonce, statement, keys.coordinatorSigning.secretKey);
  return [
    {
      name: 'signed payload',
      given: { domain: signDomains.decision, payload: '{"type":"decision"}' },
      result: {
        message: toHex(encodePieces([utf8(signDomains.decision), payload])),
        signature: toHex(signature),
      },
    },
    {
      name: 'nonce statement',
      given: { payload: fromUtf8(statement) },
      result: { signature: toHex(signed.signature) },
    },
    {
      name: 'handshake',
      given: { federation: names.federation, site: names.site, nonce: toHex(names.nonce) },
      result: {
        signature: toHex(
          signHandshake(
            { ...names, coordinatorPublicKey: keys.coordinatorSigning.publicKey },
            keys.siteSigning.secretKey,
          ),
        ),
      },
    },
  ];
}

function enrollmentVectors(): Vector[] {
  const secret = names.enrollmentSecret;
  const coordinatorFingerprint = fingerprint(keys.coordinatorSigning.publicKey);
  const proof = proveEnrollment({
    context: {
      federation: names.federation,
      secret,
      nonce: names.nonce,
      signingPublicKey: keys.siteSigning.publicKey,
      agreementPublicKey: keys.siteAgreement.publicKey,
    },
    signing: keys.siteSigning,
    agreement: keys.siteAgreement,
    coordinatorAgreementPublicKey: keys.coordinatorAgreement.publicKey,
  });
  return [
    {
      name: 'enrolment code',
      given: { secret: toHex(secret), url: names.url },
      result: {
        code: encodeEnrollmentCode({ url: names.url, coordinatorFingerprint, secret }),
        secretHash: enrollmentSecretHash(secret),
      },
    },
    {
      name: 'enrolment proof',
      given: { federation: names.federation, secret: toHex(secret), nonce: toHex(names.nonce) },
      result: { signature: toHex(proof.signature), mac: toHex(proof.mac) },
    },
  ];
}

function digestVectors(): Vector[] {
  const plan = trainingPlanSchema.parse({
    version: 1,
    optimiser: { name: 'adamw', learningRate: 0.002 },
    schedule: { name: 'cosine', totalRounds: 8 },
    duration: { unit: 'epochs', count: 1 },
    batchSize: 16,
    loss: { name: 'cross-entropy' },
    augmentation: { name: 'none' },
    seed: 7,
  });
  const preprocessing = preprocessingSchema.parse({
    version: 1,
    imageSize: 224,
    resize: 'fill',
    crop: 'none',
    kernel: 'cubic',
    channels: 'rgb',
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  });
  const digested = (name: string, value: object, digest: string): Vector => ({
    name,
    given: { canonicalJson: canonicalJson(value) },
    result: { digest },
  });
  const first = '{"type":"round-result","round":1}';
  return [
    digested('plan digest', plan, planDigest(plan)),
    digested('preprocessing digest', preprocessing, preprocessingDigest(preprocessing)),
    {
      name: 'RoundOpen digest',
      given: { payload: roundOpenPayload },
      result: { digest: roundOpenDigest },
    },
    {
      name: 'chain of results',
      given: { payload: first },
      result: { previousResultDigest: envelopeDigest(signDomains.roundResult, utf8(first)) },
    },
    {
      name: 'layout hash',
      given: {
        tensors: layout.tensors.map(({ name, shape }) => `${name} ${shape.join('x')}`).join(', '),
      },
      result: { hash: layout.hash },
    },
  ];
}

function sealVectors(): Vector[] {
  const plaintext = utf8('a safetensors file');
  const nonce = counting(0xf0, 24);
  const { ciphertext } = sealUpdateWith({
    plaintext,
    roundPublicKey: keys.round.publicKey,
    roundOpenDigest,
    context: updateContext,
    ephemeralSecretKey: keys.ephemeral.secretKey.slice(),
    nonce,
  });
  const { federation, task, site, layoutHash } = updateContext;
  return [
    {
      name: 'sealed update',
      given: {
        ...{ federation, task, round: '3', attempt: '2', site, layoutHash, roundOpenDigest },
        nonce: toHex(nonce),
        plaintext: 'a safetensors file',
      },
      result: { ciphertext: toHex(ciphertext), uploadId: toHex(blake2b256(ciphertext)) },
    },
    {
      name: 'adapter digest',
      given: { plaintext: 'a safetensors file' },
      result: { digest: adapterDigest(plaintext) },
    },
  ];
}

function auditVectors(): Vector[] {
  const first = `{"type":"audit-entry","atMs":1800000000000,"actor":"administrator","action":"site.invited","target":"site:alpha","details":{},"salt":"${toHex(counting(0x10, 16))}"}`;
  const second = `{"type":"audit-entry","atMs":1800000000001,"actor":"site:alpha","action":"site.pending","target":"site:alpha","details":{},"salt":"${toHex(counting(0x20, 16))}"}`;
  const firstLink = auditLink(1, fromHex(auditGenesis), auditContentDigest(utf8(first)));
  const secondLink = auditLink(2, firstLink, auditContentDigest(utf8(second)));
  const head = encodePayload(auditHeadSchema, {
    type: 'audit-head',
    protocol: 'melo/1',
    federation: names.federation,
    sequence: 2,
    linkDigest: toHex(secondLink),
    atMs: 1_800_000_000_002,
  });
  const signed = signPayload(signDomains.auditHead, head, keys.coordinatorSigning.secretKey);
  return [
    {
      name: 'audit chain',
      given: { genesis: auditGenesis, first, second },
      result: {
        firstContentDigest: toHex(auditContentDigest(utf8(first))),
        firstLink: toHex(firstLink),
        secondContentDigest: toHex(auditContentDigest(utf8(second))),
        secondLink: toHex(secondLink),
      },
    },
    {
      name: 'audit head',
      given: { payload: fromUtf8(head) },
      result: { signature: toHex(signed.signature) },
    },
  ];
}

/** Compute every vector that carries no randomness. */
export async function computeVectors(): Promise<Vector[]> {
  return [
    ...pieceVectors(),
    ...keyVectors(),
    ...signatureVectors(),
    ...enrollmentVectors(),
    ...digestVectors(),
    ...sealVectors(),
    ...auditVectors(),
    ...numberVectors(),
    await backboneVector(),
  ];
}

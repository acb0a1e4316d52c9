import {
  createCipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  verify,
  type KeyObject,
} from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { concatBytes, fromHex, toHex, utf8 } from '#core/bytes';
import { openContentKey, decryptAdapter, openUpdate, unwrapSecret } from './sealing.ts';
import { encodePieces, blake2b256, deterministicBytes } from './primitives.ts';
import { signDomains } from './signing.ts';
import { parseEnrollmentCode, verifyEnrollment } from './enrollment.ts';
import {
  counting,
  keys,
  names,
  roundOpenDigest,
  updateContext,
  type Vector,
} from './testing/inputs.ts';
import { computeVectors } from './testing/vectors.ts';

const vectorSchema = z.strictObject({
  name: z.string(),
  given: z.record(z.string(), z.string()),
  result: z.record(z.string(), z.string()),
});
const fileSchema = z.strictObject({
  /** Follow from fixed inputs. */
  computed: z.array(vectorSchema),
  /** Made with random nonces once: they must open. */
  recorded: z.array(vectorSchema),
});

const root = new URL('../../../../', import.meta.url);
const { computed, recorded } = fileSchema.parse(
  JSON.parse(readFileSync(new URL('libs/melo-core/src/crypto/vectors.json', root), 'utf8')),
);
const document = readFileSync(new URL('docs/crypto.md', root), 'utf8');

function vectorNamed(name: string): Vector {
  const vector = [...computed, ...recorded].find((candidate) => candidate.name === name);
  if (vector === undefined) throw new Error(`there is no vector ${name}`);
  return vector;
}
const given = (name: string, field: string): string => vectorNamed(name).given[field] ?? '';
const result = (name: string, field: string): string => vectorNamed(name).result[field] ?? '';
const resultBytes = (name: string, field: string): Uint8Array => fromHex(result(name, field));

describe('vectors', () => {
  test('are what the code computes', async () => {
    expect(await computeVectors()).toEqual(computed);
  });

  test('stand in docs/crypto.md, every input and every result', () => {
    const missing = [...computed, ...recorded].flatMap((vector) =>
      [...Object.entries(vector.given), ...Object.entries(vector.result)]
        .filter(([, value]) => value !== '' && !document.includes(value))
        .map(([field]) => `${vector.name}: ${field}`),
    );
    expect(missing).toEqual([]);
  });
});

// Raw keys as Node's own DER: RFC 8410.
const publicKeyObject = (algorithm: 'ed25519' | 'x25519', raw: Uint8Array): KeyObject =>
  createPublicKey({
    key: Buffer.from(
      concatBytes(fromHex(`302a300506032b65${algorithm === 'ed25519' ? '70' : '6e'}032100`), raw),
    ),
    format: 'der',
    type: 'spki',
  });
const agreementKeyObject = (raw: Uint8Array): KeyObject =>
  createPrivateKey({
    key: Buffer.from(concatBytes(fromHex('302e020100300506032b656e04220420'), raw)),
    format: 'der',
    type: 'pkcs8',
  });

/** ChaCha20 key stream (RFC 8439) by OpenSSL; `iv` is the counter (LE32) and the nonce (12 bytes). */
const chacha20 = (key: Uint8Array, iv: Uint8Array, length: number): Uint8Array =>
  new Uint8Array(createCipheriv('chacha20', key, iv).update(new Uint8Array(length)));

/** HChaCha20: the ChaCha20 block with its initial state taken off again, words 0 to 3 and 12 to 15. */
function hchacha20(key: Uint8Array, nonce: Uint8Array): Uint8Array {
  const block = Buffer.from(chacha20(key, nonce, 64));
  const initial = Buffer.concat([utf8('expand 32-byte k'), key, nonce]);
  const subkey = Buffer.alloc(32);
  for (const [to, from] of [0, 1, 2, 3, 12, 13, 14, 15].entries()) {
    const word = (block.readUInt32LE(4 * from) - initial.readUInt32LE(4 * from)) >>> 0;
    subkey.writeUInt32LE(word, 4 * to);
  }
  return subkey;
}

/** XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03, section 2) over OpenSSL's ChaCha20-Poly1305. */
function xchachaEncrypt(options: {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly plaintext: Uint8Array;
  readonly associated: Uint8Array;
}): Uint8Array {
  const { key, nonce, plaintext, associated } = options;
  const subkey = hchacha20(key, nonce.subarray(0, 16));
  const shortNonce = concatBytes(new Uint8Array(4), nonce.subarray(16));
  const cipher = createCipheriv('chacha20-poly1305', subkey, shortNonce, { authTagLength: 16 });
  cipher.setAAD(associated, { plaintextLength: plaintext.length });
  const body = concatBytes(cipher.update(plaintext), cipher.final());
  return concatBytes(nonce, body, cipher.getAuthTag());
}

describe('the same by OpenSSL, through node:crypto', () => {
  const signed: readonly (readonly [string, string, Uint8Array, string])[] = [
    ['signed payload', signDomains.decision, utf8('{"type":"decision"}'), 'site, Ed25519'],
    [
      'nonce statement',
      signDomains.nonce,
      utf8(given('nonce statement', 'payload')),
      'coordinator, Ed25519',
    ],
    [
      'audit head',
      signDomains.auditHead,
      utf8(given('audit head', 'payload')),
      'coordinator, Ed25519',
    ],
    [
      'handshake',
      signDomains.handshake,
      encodePieces([
        utf8(names.federation),
        utf8(names.site),
        names.nonce,
        resultBytes('coordinator, Ed25519', 'publicKey'),
      ]),
      'site, Ed25519',
    ],
    ['enrolment proof', signDomains.enrollment, enrollmentPayload(), 'site, Ed25519'],
  ];

  test.each(signed)('the signature of the %s verifies', (name, domain, payload, signer) => {
    const key = publicKeyObject('ed25519', resultBytes(signer, 'publicKey'));
    const message = encodePieces([utf8(domain), payload]);
    expect(verify(null, message, key, resultBytes(name, 'signature'))).toBe(true);
    const other = encodePieces([utf8('melo/1/other'), payload]);
    expect(verify(null, other, key, resultBytes(name, 'signature'))).toBe(false);
  });

  test('deterministic bytes are the ChaCha20 key stream under the nonce LibsodiumDRG', () => {
    const iv = concatBytes(new Uint8Array(4), utf8('LibsodiumDRG'));
    const seed = counting(0, 32);
    expect(toHex(chacha20(seed, iv, 40))).toBe(result('deterministic bytes', 'bytes'));
    expect(chacha20(seed, iv, 10_000)).toEqual(deterministicBytes(seed, 10_000));
  });

  test('the sealed update is X25519, BLAKE2b and XChaCha20-Poly1305 put together as the document says', () => {
    const shared = diffieHellman({
      privateKey: agreementKeyObject(fromHex(given('round, X25519', 'secret'))),
      publicKey: publicKeyObject('x25519', resultBytes('ephemeral, X25519', 'publicKey')),
    });
    const key = blake2b256(
      encodePieces([
        utf8('melo/1/update-key'),
        shared,
        keys.ephemeral.publicKey,
        keys.round.publicKey,
        fromHex(roundOpenDigest),
      ]),
    );
    const sealed = xchachaEncrypt({
      key,
      nonce: fromHex(given('sealed update', 'nonce')),
      plaintext: utf8(given('sealed update', 'plaintext')),
      associated: encodePieces([
        utf8('melo/1/update'),
        utf8(updateContext.federation),
        utf8(updateContext.task),
        new Uint8Array([3, 0, 0, 0, 0, 0, 0, 0]),
        new Uint8Array([2, 0, 0, 0, 0, 0, 0, 0]),
        utf8(updateContext.site),
        fromHex(updateContext.layoutHash),
      ]),
    });
    expect(toHex(concatBytes(keys.ephemeral.publicKey, sealed))).toBe(
      result('sealed update', 'ciphertext'),
    );
  });

  test('the encrypted version and the wrapped secret are XChaCha20-Poly1305 with their associated data', () => {
    const version = xchachaEncrypt({
      key: fromHex(given('encrypted version', 'contentKey')),
      nonce: resultBytes('encrypted version', 'ciphertext').subarray(0, 24),
      plaintext: utf8('a safetensors file'),
      associated: encodePieces([
        utf8('melo/1/adapter'),
        fromHex(result('adapter digest', 'digest')),
      ]),
    });
    expect(toHex(version)).toBe(result('encrypted version', 'ciphertext'));
    const wrapped = xchachaEncrypt({
      key: fromHex(given('wrapped secret', 'wrappingKey')),
      nonce: resultBytes('wrapped secret', 'wrapped').subarray(0, 24),
      plaintext: fromHex(given('wrapped secret', 'secret')),
      associated: encodePieces([utf8('melo/1/wrap'), utf8(given('wrapped secret', 'purpose'))]),
    });
    expect(toHex(wrapped)).toBe(result('wrapped secret', 'wrapped'));
  });
});

describe('recorded vectors open', () => {
  test('the sealed update, for the round alone', () => {
    const plaintext = openUpdate({
      ciphertext: resultBytes('sealed update', 'ciphertext'),
      roundKeyPair: keys.round,
      roundOpenDigest,
      context: updateContext,
    });
    expect(plaintext).toEqual(utf8('a safetensors file'));
  });

  test('the encrypted version', () => {
    const plaintext = decryptAdapter({
      ciphertext: resultBytes('encrypted version', 'ciphertext'),
      contentKey: fromHex(given('encrypted version', 'contentKey')),
      digest: result('adapter digest', 'digest'),
    });
    expect(plaintext).toEqual(utf8('a safetensors file'));
  });

  test('the content key that is sealed to the site', () => {
    const sealed = resultBytes('sealed content key', 'sealed');
    const contentKey = fromHex(given('sealed content key', 'contentKey'));
    expect(openContentKey(sealed, keys.siteAgreement)).toEqual(contentKey);
  });

  test('the wrapped secret', () => {
    const secret = unwrapSecret({
      wrapped: resultBytes('wrapped secret', 'wrapped'),
      wrappingKey: fromHex(given('wrapped secret', 'wrappingKey')),
      purpose: given('wrapped secret', 'purpose'),
    });
    expect(toHex(secret)).toBe(given('wrapped secret', 'secret'));
  });

  test('the enrolment code and its proof', () => {
    expect(parseEnrollmentCode(result('enrolment code', 'code'))).toEqual({
      url: names.url,
      coordinatorFingerprint: result('fingerprints', 'coordinator'),
      secret: names.enrollmentSecret,
    });
    verifyEnrollment({
      context: {
        ...names,
        secret: names.enrollmentSecret,
        signingPublicKey: keys.siteSigning.publicKey,
        agreementPublicKey: keys.siteAgreement.publicKey,
      },
      proof: {
        signature: resultBytes('enrolment proof', 'signature'),
        mac: resultBytes('enrolment proof', 'mac'),
      },
      coordinatorAgreement: keys.coordinatorAgreement,
    });
  });
});

function enrollmentPayload(): Uint8Array {
  return encodePieces([
    utf8(names.federation),
    resultBytes('enrolment code', 'secretHash'),
    names.nonce,
    resultBytes('site, Ed25519', 'publicKey'),
    resultBytes('site, X25519', 'publicKey'),
  ]);
}

import fc from 'fast-check';
import { fromHex, toHex, utf8 } from '#core/bytes';
import {
  agreementKeyPairFromSecret,
  createEnrollmentCode,
  decryptAdapter,
  deterministicBytes,
  encodePieces,
  encryptAdapter,
  blake2b256,
  enrollmentSecretHash,
  fingerprint,
  generateAgreementKeyPair,
  generateSigningKeyPair,
  openContentKey,
  openUpdate,
  parseEnrollmentCode,
  proveEnrollment,
  randomBytes,
  sealContentKey,
  sealUpdate,
  signDomains,
  signHandshake,
  signingKeyPairFromSeed,
  signPayload,
  unwrapSecret,
  verifyEnrollment,
  verifyHandshake,
  verifyPayload,
  wrapSecret,
} from './index.ts';
import { agree } from './primitives.ts';

const flip = (bytes: Uint8Array, at: number): Uint8Array => {
  const copy = bytes.slice();
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
};

const rfc7748 = {
  alicePublic: '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a',
  bobSecret: '5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb',
  bobPublic: 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f',
  shared: '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742',
} as const;

describe('published vectors', () => {
  test('Ed25519: RFC 8032 section 7.1, test 1', () => {
    const pair = signingKeyPairFromSeed(
      fromHex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60'),
    );
    expect(toHex(pair.publicKey)).toBe(
      'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    );
  });

  test('X25519: RFC 7748 section 6.1', () => {
    const bob = agreementKeyPairFromSecret(fromHex(rfc7748.bobSecret));
    expect(toHex(bob.publicKey)).toBe(rfc7748.bobPublic);
    expect(toHex(agree(bob.secretKey, fromHex(rfc7748.alicePublic)))).toBe(rfc7748.shared);
  });

  test('a point of low order is refused', () => {
    expect(() => agree(randomBytes(32), new Uint8Array(32))).toThrow(RangeError);
  });
});

describe('pieces and deterministic bytes', () => {
  test('the encoding is that of the specification', () => {
    expect(toHex(encodePieces([]))).toBe('0000000000000000');
    expect(toHex(encodePieces([utf8('ab'), utf8('')]))).toBe(
      '0200000000000000' + '0200000000000000' + '6162' + '0000000000000000',
    );
  });

  test('two different lists never give the same bytes', () => {
    const lists = fc.array(fc.uint8Array({ maxLength: 4 }), { maxLength: 4 });
    fc.assert(
      fc.property(lists, lists, (a, b) => {
        const isSame = JSON.stringify(a.map(toHex)) === JSON.stringify(b.map(toHex));
        expect(toHex(encodePieces(a)) === toHex(encodePieces(b))).toBe(isSame);
      }),
    );
  });

  test('a shorter stream is the beginning of a longer one', () => {
    const seed = new Uint8Array(32).fill(7);
    expect(
      toHex(deterministicBytes(seed, 100)).startsWith(toHex(deterministicBytes(seed, 33))),
    ).toBe(true);
  });
});

describe('signed things', () => {
  const pair = generateSigningKeyPair();
  const payload = utf8('{"type":"decision"}');
  const envelope = signPayload(signDomains.decision, payload, pair.secretKey);

  test('verify with the same purpose and key, and give the payload back as it came', () => {
    expect(verifyPayload(signDomains.decision, envelope, pair.publicKey)).toBe(envelope.payload);
  });

  test.each([
    ['another purpose', () => verifyPayload(signDomains.manifest, envelope, pair.publicKey)],
    [
      'another key',
      () => verifyPayload(signDomains.decision, envelope, generateSigningKeyPair().publicKey),
    ],
    [
      'a changed payload',
      () =>
        verifyPayload(
          signDomains.decision,
          { ...envelope, payload: flip(payload, 3) },
          pair.publicKey,
        ),
    ],
    [
      'a changed signature',
      () =>
        verifyPayload(
          signDomains.decision,
          { ...envelope, signature: flip(envelope.signature, 9) },
          pair.publicKey,
        ),
    ],
    [
      'a short signature',
      () =>
        verifyPayload(
          signDomains.decision,
          { ...envelope, signature: envelope.signature.subarray(1) },
          pair.publicKey,
        ),
    ],
  ])('%s is refused', (_name, act) => {
    expect(act).toThrow(expect.objectContaining({ code: 'SIGNATURE_INVALID' }));
  });

  test('a handshake binds federation, site, nonce and coordinator', () => {
    const context = {
      federation: 'f',
      site: 'a',
      nonce: randomBytes(32),
      coordinatorPublicKey: randomBytes(32),
    };
    const signature = signHandshake(context, pair.secretKey);
    verifyHandshake(context, signature, pair.publicKey);
    for (const change of [
      { federation: 'g' },
      { site: 'b' },
      { nonce: randomBytes(32) },
      { coordinatorPublicKey: randomBytes(32) },
    ]) {
      expect(() => {
        verifyHandshake({ ...context, ...change }, signature, pair.publicKey);
      }).toThrow(expect.objectContaining({ code: 'SIGNATURE_INVALID' }));
    }
  });
});

describe('sealed updates', () => {
  const roundKeyPair = generateAgreementKeyPair();
  const roundOpenDigest = 'a'.repeat(64);
  const context = {
    federation: 'f',
    task: 't',
    round: 3,
    attempt: 1,
    site: 's',
    layoutHash: 'b'.repeat(64),
  };
  const plaintext = utf8('sixteen bytes and more of update');
  const { ciphertext } = sealUpdate({
    plaintext,
    roundPublicKey: roundKeyPair.publicKey,
    roundOpenDigest,
    context,
  });

  test('open to the same bytes', () => {
    expect(openUpdate({ ciphertext, roundKeyPair, roundOpenDigest, context })).toEqual(plaintext);
  });

  test.each([
    ['another federation', { context: { ...context, federation: 'g' } }],
    ['another task', { context: { ...context, task: 'u' } }],
    ['another round', { context: { ...context, round: 4 } }],
    ['another attempt', { context: { ...context, attempt: 2 } }],
    ['another site', { context: { ...context, site: 'r' } }],
    ['another layout', { context: { ...context, layoutHash: 'c'.repeat(64) } }],
    ['another RoundOpen', { roundOpenDigest: 'c'.repeat(64) }],
    ['another round key', { roundKeyPair: generateAgreementKeyPair() }],
    ['a truncated ciphertext', { ciphertext: ciphertext.subarray(0, -1) }],
    ['no ciphertext', { ciphertext: new Uint8Array(0) }],
    ['a key of low order', { ciphertext: new Uint8Array(ciphertext.length) }],
  ])('do not open with %s', (_name, change) => {
    expect(() =>
      openUpdate({ ciphertext, roundKeyPair, roundOpenDigest, context, ...change }),
    ).toThrow(expect.objectContaining({ code: 'SEAL_INVALID', sites: [expect.any(String)] }));
  });

  test('do not open with any one bit changed', () => {
    for (let at = 0; at < ciphertext.length; at++) {
      expect(() =>
        openUpdate({ ciphertext: flip(ciphertext, at), roundKeyPair, roundOpenDigest, context }),
      ).toThrow();
    }
  });
});

describe('versions and stored secrets', () => {
  test('a version decrypts with its content key and digest alone', () => {
    const plaintext = utf8('a safetensors file');
    const contentKey = randomBytes(32);
    const digest = toHex(blake2b256(plaintext));
    const ciphertext = encryptAdapter({ plaintext, contentKey });
    expect(decryptAdapter({ ciphertext, contentKey, digest })).toEqual(plaintext);
    for (const change of [
      { contentKey: randomBytes(32) },
      { digest: 'a'.repeat(64) },
      { ciphertext: flip(ciphertext, 30) },
      { ciphertext: new Uint8Array(3) },
    ]) {
      expect(() => decryptAdapter({ ciphertext, contentKey, digest, ...change })).toThrow(
        expect.objectContaining({ code: 'DIGEST_MISMATCH' }),
      );
    }
  });

  test('a content key opens for its recipient alone', () => {
    const recipient = generateAgreementKeyPair();
    const contentKey = randomBytes(32);
    const sealed = sealContentKey(contentKey, recipient.publicKey);
    expect(sealed).toHaveLength(80);
    expect(openContentKey(sealed, recipient)).toEqual(contentKey);
    expect(() => openContentKey(sealed, generateAgreementKeyPair())).toThrow(
      expect.objectContaining({ code: 'SEAL_INVALID' }),
    );
  });

  test('a wrapped secret opens for its purpose alone', () => {
    const wrappingKey = randomBytes(32);
    const secret = randomBytes(32);
    const wrapped = wrapSecret({ secret, wrappingKey, purpose: 'round key' });
    expect(unwrapSecret({ wrapped, wrappingKey, purpose: 'round key' })).toEqual(secret);
    expect(() => unwrapSecret({ wrapped, wrappingKey, purpose: 'content key' })).toThrow(
      expect.objectContaining({ code: 'KEY_FILE_INVALID' }),
    );
  });
});

describe('enrolment', () => {
  const coordinator = generateSigningKeyPair();
  const { code, secretHash } = createEnrollmentCode({
    url: 'https://fed.example.org',
    coordinatorPublicKey: coordinator.publicKey,
  });

  test('a code carries the address, the pinned key and a secret of which only the hash is stored', () => {
    const parsed = parseEnrollmentCode(`  ${code.slice(0, 30)}\n${code.slice(30)} `);
    expect(parsed).toMatchObject({
      url: 'https://fed.example.org',
      coordinatorFingerprint: fingerprint(coordinator.publicKey),
    });
    expect(enrollmentSecretHash(parsed.secret)).toBe(secretHash);
  });

  test('a code with any character changed or missing is refused without being repeated', () => {
    for (let at = 0; at < code.length; at++) {
      const swapped = code.slice(0, at) + (code[at] === 'A' ? 'B' : 'A') + code.slice(at + 1);
      for (const broken of [swapped, code.slice(0, at)]) {
        if (broken === code) continue;
        expect(() => parseEnrollmentCode(broken)).toThrow(
          expect.objectContaining({
            code: 'ENROLLMENT_CODE_MALFORMED',
            message: expect.not.stringContaining(code.slice(6, 20)),
          }),
        );
      }
    }
  });

  test('a proof holds for the keys, nonce and code it was made for', () => {
    const signing = generateSigningKeyPair();
    const agreement = generateAgreementKeyPair();
    const coordinatorAgreement = generateAgreementKeyPair();
    const context = {
      federation: 'f',
      secret: randomBytes(16),
      nonce: randomBytes(32),
      signingPublicKey: signing.publicKey,
      agreementPublicKey: agreement.publicKey,
    };
    const proof = proveEnrollment({
      context,
      signing,
      agreement,
      coordinatorAgreementPublicKey: coordinatorAgreement.publicKey,
    });
    verifyEnrollment({ context, proof, coordinatorAgreement });
    const wrong = [
      { context: { ...context, nonce: randomBytes(32) } },
      { context: { ...context, secret: randomBytes(16) } },
      { context: { ...context, agreementPublicKey: generateAgreementKeyPair().publicKey } },
      { context: { ...context, signingPublicKey: generateSigningKeyPair().publicKey } },
      { proof: { ...proof, mac: flip(proof.mac, 0) } },
      { coordinatorAgreement: generateAgreementKeyPair() },
    ];
    for (const change of wrong) {
      expect(() => {
        verifyEnrollment({ context, proof, coordinatorAgreement, ...change });
      }).toThrow(expect.objectContaining({ code: 'ENROLLMENT_PROOF_INVALID' }));
    }
  });
});

/** Keys and the pinned coordinator: private, stable, refused once others could read them. */
import { chmod, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEnrollmentCode, verifyEnrollment } from '#core/crypto';
import { fromHex, toHex } from '#core/bytes';
import { enrollmentRequestSchema, siteIdSchema } from '#core/protocol';
import { siteFingerprint } from '#core/crypto';
import { FakeCoordinator } from '../testing/fake-coordinator.ts';
import { enrollSite } from './enroll.ts';
import { ensureSiteKeys, loadEnrollment, loadSiteKeys } from './identity.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'melo-identity-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

test('keys are made once and only their owner can read them', async () => {
  const made = await ensureSiteKeys(directory);
  const again = await ensureSiteKeys(directory);
  expect(again.fingerprint).toBe(made.fingerprint);
  const { mode } = await stat(join(directory, 'identity', 'site-keys.json'));
  expect(mode & 0o777).toBe(0o600);
});

test.each([0o640, 0o604, 0o660])('a key file of mode %o is refused', async (mode) => {
  await ensureSiteKeys(directory);
  await chmod(join(directory, 'identity', 'site-keys.json'), mode);
  await expect(loadSiteKeys(directory)).rejects.toMatchObject({ code: 'KEY_FILE_INVALID' });
});

test('before enrolment the agent says what to do', async () => {
  await expect(loadEnrollment(directory)).rejects.toMatchObject({ code: 'SITE_NOT_ENROLLED' });
});

describe('enrolment', () => {
  let coordinator: FakeCoordinator;

  beforeEach(async () => {
    coordinator = new FakeCoordinator();
    await coordinator.start();
  });

  afterEach(() => coordinator.stop());

  const enroll = (code: string): ReturnType<typeof enrollSite> =>
    enrollSite({ dataDirectory: directory, code, certificateAuthority: null, timeoutMs: 20_000 });

  function answerEnrollments(): void {
    coordinator.onEnrollment = (raw) => {
      const request = enrollmentRequestSchema.parse(raw);
      const signingPublicKey = fromHex(request.signingPublicKey);
      const agreementPublicKey = fromHex(request.agreementPublicKey);
      const { federation } = coordinator;
      verifyEnrollment({
        context: {
          federation,
          secret: fromHex(request.secret),
          nonce: fromHex(request.nonce),
          signingPublicKey,
          agreementPublicKey,
        },
        proof: { signature: fromHex(request.signature), mac: fromHex(request.mac) },
        coordinatorAgreement: coordinator.agreement,
      });
      const fingerprint = siteFingerprint(signingPublicKey, agreementPublicKey);
      return { federation, site: siteIdSchema.parse('north'), status: 'pending', fingerprint };
    };
  }

  test('proves both keys, pins the coordinator, and is done once', async () => {
    answerEnrollments();
    const { code } = createEnrollmentCode({
      url: coordinator.url,
      coordinatorPublicKey: coordinator.signing.publicKey,
    });
    const summary = await enroll(`${code.slice(0, 30)}\n ${code.slice(30)}\n`);
    expect(summary).toMatchObject({ site: 'north', status: 'pending' });
    const { coordinator: pinned, keys } = await loadEnrollment(directory);
    expect(pinned.signingPublicKey).toBe(toHex(coordinator.signing.publicKey));
    expect(keys.fingerprint).toBe(summary.fingerprint);
    await expect(enroll(code)).rejects.toMatchObject({ code: 'ALREADY_ENROLLED' });
  });

  test('a coordinator with another key than the code names learns nothing and is not pinned', async () => {
    answerEnrollments();
    const { code } = createEnrollmentCode({
      url: coordinator.url,
      coordinatorPublicKey: new Uint8Array(32).fill(7),
    });
    await expect(enroll(code)).rejects.toMatchObject({ code: 'COORDINATOR_KEY_MISMATCH' });
    await expect(loadEnrollment(directory)).rejects.toMatchObject({ code: 'SITE_NOT_ENROLLED' });
  });
});

/** An exported audit log, whole and in every way that is not. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromHex, toHex, utf8 } from '#core/bytes';
import {
  auditContentDigest,
  auditGenesis,
  auditLink,
  fingerprint,
  generateSigningKeyPair,
  signDomains,
  signPayload,
} from '#core/crypto';
import { auditHeadSchema, encodePayload } from '#core/protocol';
import { verifyAudit } from './audit-verify.ts';

const keys = generateSigningKeyPair();
const federation = 'ab'.repeat(16);
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'melo-audit-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** A head as files have it. */
function head(sequence: number, linkDigest: string, secretKey = keys.secretKey) {
  const payload = encodePayload(auditHeadSchema, {
    ...{ type: 'audit-head', protocol: 'melo/1', federation, sequence, linkDigest, atMs: 99 },
  });
  const signed = signPayload(signDomains.auditHead, payload, secretKey);
  return { payload: base64(signed.payload), signature: base64(signed.signature) };
}

/** An export of so many entries: its lines, and the link after each. */
function exported(count: number): { readonly lines: string[]; readonly links: string[] } {
  const links = [auditGenesis];
  const lines = Array.from({ length: count }, (_, at) => {
    const payload = utf8(
      JSON.stringify({
        ...{ type: 'audit-entry', atMs: 10 + at, actor: 'administrator', action: 'site.invited' },
        ...{ target: `site:s${at}`, details: {}, salt: '0'.repeat(32) },
      }),
    );
    const link = auditLink(at + 1, fromHex(links[at] ?? ''), auditContentDigest(payload));
    links.push(toHex(link));
    const line = { sequence: at + 1, linkDigest: toHex(link), payload: base64(payload) };
    return JSON.stringify(line);
  });
  const end = { head: head(count, links[count] ?? ''), signingPublicKey: toHex(keys.publicKey) };
  return { lines: [...lines, JSON.stringify(end)], links };
}

async function verify(lines: readonly string[], key: string | null = null, siteHead?: object) {
  const file = join(directory, 'audit.ndjson');
  await writeFile(file, `${lines.join('\n')}\n`);
  const headFile = siteHead === undefined ? null : join(directory, 'head.json');
  if (headFile !== null) await writeFile(headFile, JSON.stringify(siteHead));
  return verifyAudit(file, { key, headFile });
}

test('a whole log says how long it is, of when, and whose', async () => {
  const { lines, links } = exported(5);
  const key = fingerprint(keys.publicKey);
  expect(await verify(lines, key, head(3, links[3] ?? ''))).toEqual({
    ...{ entries: 5, federation, firstAtMs: 10, lastAtMs: 14, headAtMs: 99 },
    ...{ keyFingerprint: key, siteHead: 3 },
  });
  expect(await verify(exported(0).lines, null, head(0, auditGenesis))).toMatchObject({
    ...{ entries: 0, firstAtMs: null, siteHead: 0 },
  });
});

const other = generateSigningKeyPair();
const whole = exported(4);
const line = (at: number): string => whole.lines[at] ?? '';
const changed = line(1).replace(
  /"payload":"[^"]*"/,
  () => /"payload":"[^"]*"/.exec(line(2))?.[0] ?? '',
);

test.each([
  ['an entry that was changed', [line(0), changed, ...whole.lines.slice(2)], 'line 2', 'changed'],
  ['an entry that was left out', [line(0), ...whole.lines.slice(2)], 'line 2', 'expected entry 2'],
  [
    'two entries in another order',
    [line(1), line(0), ...whole.lines.slice(2)],
    'line 1',
    'entry 1',
  ],
  ['an end that was cut', whole.lines.slice(0, 4), 'line 4', 'cut'],
  ['entries that were cut before the head', [line(0), line(4)], 'line 2', 'as it was signed'],
  ['something after the head', [...whole.lines, line(0)], 'line 6', 'nothing after'],
  ['another text', ['{"sequence":1}'], 'line 1', 'neither'],
  ['no text at all', [], 'line 0', 'signed head'],
])('%s is named by its line', async (_what, lines, where, why) => {
  const verified = verify(lines);
  await expect(verified).rejects.toMatchObject({ code: 'AUDIT_INVALID' });
  await expect(verified).rejects.toThrow(where);
  await expect(verified).rejects.toThrow(why);
});

test('another key, a head signed by another, and a site that remembers another log', async () => {
  const { lines, links } = exported(4);
  const refused = (...wrong: Parameters<typeof verify>) =>
    expect(verify(...wrong)).rejects.toMatchObject({ code: 'AUDIT_INVALID' });
  await refused(lines, fingerprint(other.publicKey));
  const forged = { head: head(4, links[4] ?? '', other.secretKey) };
  const end = JSON.stringify({ ...forged, signingPublicKey: toHex(keys.publicKey) });
  await refused([...lines.slice(0, 4), end]);
  await refused(lines, null, head(2, links[3] ?? ''));
  await refused(lines, null, head(5, links[4] ?? ''));
  await refused(lines, null, head(2, links[2] ?? '', other.secretKey));
});

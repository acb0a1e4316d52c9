/** The audit log of a running coordinator: exported, verified elsewhere, followed by a site by digests alone. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import { fromHex, toHex } from '#core/bytes';
import { auditGenesis, followAuditChain, signDomains, verifyPayload } from '#core/crypto';
import { auditHeadSchema, decodePayload, siteCommands } from '#core/protocol';
import { auditRoutes } from '../apps/coordinator/src/audit/audit.contract.ts';
import { auditEntries } from '../apps/coordinator/src/config/schema.ts';
import { Harness } from '../apps/coordinator/src/testing/harness.ts';
import { verifyAudit } from '../apps/site-agent/src/commands/audit-verify.ts';

let harness: Harness;
beforeAll(async () => {
  harness = await Harness.start();
});
afterAll(() => harness.stop());

/** Wait until every entry has its place. */
async function untilChained() {
  const look = async () =>
    auditRoutes.list.response.parse(await harness.request('GET', '/v1/audit?limit=1000'));
  const { entries } = await harness.until(look, ({ entries: all }) =>
    all.every(({ sequence }) => sequence !== null),
  );
  return entries;
}

async function exportLog() {
  const response = await harness.raw('GET', '/v1/audit/export');
  const file = join(harness.folder, 'export.ndjson');
  await writeFile(file, await response.text());
  return verifyAudit(file, { key: null, headFile: null });
}

test('what administrators and sites do is in one chain, across a restart, and holds elsewhere', async () => {
  const site = await harness.join('north');
  const before = await untilChained();
  const actions = before.map(({ action }) => action);
  for (const action of ['site.invited', 'site.active']) expect(actions).toContain(action);
  expect(before.map(({ sequence }) => sequence)).toEqual(before.map((_, at) => at + 1));
  expect((await exportLog()).entries).toBe(before.length);
  await harness.restart();
  await harness.request('POST', '/v1/sites', { site: 'south' });
  const after = await untilChained();
  expect(after.length).toBeGreaterThan(before.length);
  expect(after.slice(0, before.length)).toEqual(before);
  expect((await exportLog()).entries).toBe(after.length);

  await site.connect();
  await untilChained();
  const answer = siteCommands['audit:get'].response.parse(
    await site.ask('audit:get', { after: 0, limit: 1000 }),
  );
  const publicKey = fromHex(
    decodedKey(await (await harness.raw('GET', '/v1/audit/export')).text()),
  );
  const payload = verifyPayload(signDomains.auditHead, answer.head, publicKey);
  const head = decodePayload(auditHeadSchema, payload, 'head');
  const start = { sequence: 0, link: fromHex(auditGenesis) };
  const all = followAuditChain(start, answer.digests.subarray(0, 32 * head.sequence));
  expect(all.sequence).toBe(head.sequence);
  expect(toHex(all.link)).toBe(head.linkDigest);
});

function decodedKey(text: string): string {
  const last = text.trimEnd().split('\n').at(-1) ?? '';
  return /"signingPublicKey":"([0-9a-f]{64})"/.exec(last)?.[1] ?? '';
}

test('an entry that somebody changed in the database is found', async () => {
  const entries = await untilChained();
  const target = entries[1];
  await harness.tamper(async (queries) => {
    const [row] = await queries
      .select()
      .from(auditEntries)
      .where(eq(auditEntries.id, target?.id ?? -1));
    const payload = Buffer.from(row?.payload ?? []);
    const changed = Buffer.from(payload.toString('utf8').replace('north', 'south'), 'utf8');
    expect(changed.equals(payload)).toBe(false);
    await queries
      .update(auditEntries)
      .set({ payload: new Uint8Array(changed) })
      .where(eq(auditEntries.id, target?.id ?? -1));
  });
  await expect(exportLog()).rejects.toMatchObject({
    code: 'AUDIT_INVALID',
    details: { line: 2 },
  });
});

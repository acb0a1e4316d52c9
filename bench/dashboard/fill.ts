/** A coordinator's data folder with a federation of years: sites, tasks, rounds, versions, reports, people, webhooks, what happened. */
import { sql } from 'drizzle-orm';
import { toHex } from '#core/bytes';
import { generateAgreementKeyPair, randomBytes, siteFingerprint, wrapSecret } from '#core/crypto';
import {
  siteIdSchema,
  taskDefinitionSchema,
  taskIdSchema,
  type SiteId,
  type TaskDefinition,
} from '#core/protocol';
import { readEnd } from '../../apps/coordinator/src/audit/audit-chain.service.ts';
import { DurableFiles } from '../../apps/coordinator/src/common/durable-files.ts';
import { loadKeys, prepareDataFolder } from '../../apps/coordinator/src/config/data-folder.ts';
import { openDatabase, type Database } from '../../apps/coordinator/src/config/database.ts';
import {
  apiTokens,
  settings,
  sites,
  users,
  webhookDeliveries,
  webhooks,
} from '../../apps/coordinator/src/config/schema.ts';
import type { AlertBody } from '../../apps/coordinator/src/webhooks/webhooks.contract.ts';
import { webhookSecretPurpose } from '../../apps/coordinator/src/webhooks/webhook-store.ts';
import { taskDefinition } from '../../test/support/small-federation.ts';
import { fillTask } from './filled-task.ts';
import { Blobs, Rows } from './rows.ts';
import { World } from './world.ts';

/** How much there is. */
export interface Sizes {
  readonly sites: number;
  readonly tasks: number;
  /** Published rounds of all tasks together. */
  readonly rounds: number;
}

const membersOfTask = 10;
const runningTasks = 3;
const dayMs = 24 * 3_600_000;
const people = 12;
const deliveries = 300;

/** Name of a site, from 0. */
export const siteName = (at: number): SiteId =>
  siteIdSchema.parse(`site-${String(at + 1).padStart(2, '0')}`);

/** The task whose round is open and whose first member is {@link siteName} of 0. */
export const openTask = taskIdSchema.parse('task-01');

/** A backbone that nobody has: the coordinator knows its shape alone. */
const backbone = {
  ...{ name: 'bench', fingerprint: 'be'.repeat(32), dimension: 48, blocks: 2 },
  ...{ patchSize: 16, imageSize: 224 },
};

function definitionOf(at: number, sizes: Sizes, roundCount: number): TaskDefinition {
  const count = Math.min(membersOfTask, sizes.sites);
  const first = (at * 3) % sizes.sites;
  const members = Array.from({ length: count }, (_, k) => siteName((first + k) % sizes.sites));
  return taskDefinitionSchema.parse({
    ...taskDefinition({
      task: `task-${String(at + 1).padStart(2, '0')}`,
      backbone,
      ...{
        mean: [0.5, 0.5, 0.5],
        std: [0.5, 0.5, 0.5],
        classes: ['negative', 'positive'],
        members,
      },
      rounds: roundCount,
    }),
    title: `Findings on images of kind ${at + 1}`,
    rules: { quorumSites: Math.max(1, count - 2), deadlineMs: dayMs },
  });
}

function statusOf(at: number): 'running' | 'paused' | 'finished' {
  if (at < runningTasks) return 'running';
  return at < runningTasks + 2 ? 'paused' : 'finished';
}

function addSite(world: World, site: SiteId, at: number): void {
  const signing = world.keysOf(site).publicKey;
  const agreement = generateAgreementKeyPair().publicKey;
  const approvedAtMs = world.nowMs - 200 * dayMs + at * 60_000;
  world.rows.add(sites, {
    ...{ site, status: 'active', agentVersion: '0.2.0', lostRounds: 0 },
    ...{ signingPublicKey: toHex(signing), agreementPublicKey: toHex(agreement) },
    fingerprint: siteFingerprint(signing, agreement),
    ...{
      invitedAtMs: approvedAtMs - 7200_000,
      enrolledAtMs: approvedAtMs - 3600_000,
      approvedAtMs,
    },
    lastSeenAtMs: world.nowMs - 60_000 * at,
    capabilities: {
      ...{ node: 'v22.12.0', engines: [{ name: 'onnx', device: 'cpu' }], memoryBytes: 64e9 },
      ...{ cores: 16, backbones: [backbone.fingerprint], approvedTasks: [] },
    },
  });
  const target = `site:${site}`;
  world.audit('site.invited', target, approvedAtMs - 7200_000, {}, 'administrator');
  world.audit('site.enrolled', target, approvedAtMs - 3600_000, {}, target);
  world.audit('site.approved', target, approvedAtMs, {}, 'administrator');
}

function addPeople(world: World): void {
  for (let at = 0; at < people; at++) {
    const createdAtMs = world.nowMs - (100 + at) * dayMs;
    const user = `person-${at + 1}`;
    const role = at % 3 === 0 ? 'scientist' : 'viewer';
    const account = { user, role, status: 'active', isPasswordTemporary: false, version: 1 };
    world.rows.add(users, { ...account, createdAtMs });
    const tokenHash = toHex(randomBytes(32));
    world.rows.add(apiTokens, {
      ...{ tokenHash, token: tokenHash.slice(0, 8), name: `scripts of ${user}`, owner: user },
      ...{ scopes: ['read'], createdAtMs, expiresAtMs: world.nowMs + 30 * dayMs },
    });
    world.audit('user.created', `user:${user}`, createdAtMs, { role }, 'administrator');
  }
}

/** An address that took what it was told. */
function addWebhook(world: World): void {
  const webhook = `wh-${toHex(randomBytes(8))}`;
  const { wrappingKey } = world.keys;
  const wrappedSecret = wrapSecret({
    ...{ secret: randomBytes(32), wrappingKey, purpose: webhookSecretPurpose(webhook) },
  });
  const createdAtMs = world.nowMs - 29 * dayMs;
  const url = 'http://127.0.0.1:9/alerts';
  world.rows.add(webhooks, { webhook, url, kinds: ['site-silent'], wrappedSecret, createdAtMs });
  for (let at = 0; at < deliveries; at++) {
    const atMs = createdAtMs + at * 3600_000;
    const site = siteName(at % 7);
    const body: AlertBody = {
      ...{
        version: 1,
        id: `msg_${toHex(randomBytes(16))}`,
        alert: `alert_${toHex(randomBytes(16))}`,
      },
      ...{ kind: 'site-silent', state: 'raised', federation: world.federation },
      ...{ subject: `site:${site}`, atMs, summary: `${site} is silent`, details: { minutes: 10 } },
    };
    world.rows.add(webhookDeliveries, {
      ...{ webhook, alert: body.alert, body: JSON.stringify(body), createdAtMs: atMs, attempts: 1 },
      ...{ nextAtMs: null, deliveredAtMs: atMs + 900, lastOutcome: '204' },
    });
  }
}

/** Fill the folder of a coordinator that was started once; `onTask` hears how many tasks are done. */
export async function fill(
  folderPath: string,
  databaseUrl: string | undefined,
  sizes: Sizes,
  onTask: (done: number) => void,
): Promise<void> {
  const folder = await prepareDataFolder(folderPath);
  const keys = await loadKeys(folder, new DurableFiles());
  const onIdleError = (): void => undefined;
  const database = await openDatabase({ folder: folder.database, url: databaseUrl, onIdleError });
  try {
    const world = new World({
      ...{ federation: await federationOf(database), keys, nowMs: Date.now() },
      ...{ rows: new Rows(), blobs: new Blobs(folder.blobs) },
    });
    // The first site enrols by itself: it is the one that trains while the page is looked at.
    for (let at = 1; at < sizes.sites; at++) addSite(world, siteName(at), at);
    addPeople(world);
    addWebhook(world);
    let roundId = 1;
    for (let at = 0; at < sizes.tasks; at++) {
      const published =
        Math.floor(((at + 1) * sizes.rounds) / sizes.tasks) -
        Math.floor((at * sizes.rounds) / sizes.tasks);
      const status = statusOf(at);
      const definition = definitionOf(
        at,
        sizes,
        Math.max(1, status === 'finished' ? published : published + 10),
      );
      roundId += fillTask(world, { definition, published, status, firstRoundId: roundId });
      await flush(database, world);
      onTask(at + 1);
    }
    world.endAudit(await readEnd(database.queries)); // the coordinator was started and stopped
    await flush(database, world);
    await database.queries.execute(
      sql`select setval(pg_get_serial_sequence('rounds', 'id'), ${roundId}::bigint)`,
    );
  } finally {
    await database.close();
  }
}

/** What real rounds store one by one, over months, is stored in one transaction a task. */
async function flush(database: Database, world: World): Promise<void> {
  await database.transaction((transaction) => world.rows.flush(transaction));
  await world.blobs.flush();
}

async function federationOf({ queries }: Database): Promise<string> {
  const rows = await queries
    .select()
    .from(settings)
    .where(sql`${settings.key} = 'federation'`);
  const value = rows[0]?.value;
  if (typeof value !== 'string') throw new Error('fill: expected a coordinator that was started');
  return value;
}

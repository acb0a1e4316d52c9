/** A log that grows, and every way in which one does not. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { z } from 'zod';
import { concatBytes, fromHex, toHex, utf8 } from '#core/bytes';
import {
  auditContentDigest,
  auditGenesis,
  followAuditChain,
  generateSigningKeyPair,
  signDomains,
  signPayload,
} from '#core/crypto';
import {
  auditHeadSchema,
  encodePayload,
  siteCommands,
  type SiteCommand,
  type SiteRequest,
  type SiteResponse,
} from '#core/protocol';
import { silentLogger, type AgentEvent } from '../common/events.ts';
import type { CoordinatorCommands } from '../transport/connection.ts';
import { RefusedError } from '../transport/refused-error.ts';
import { headOf, readAuditMemory, rememberHead } from './audit-memory.ts';
import { AuditWatch } from './audit-watch.ts';

const signing = generateSigningKeyPair();
const federation = '0f'.repeat(16);

const responses: {
  readonly [Name in SiteCommand]: { readonly response: z.ZodType<SiteResponse<Name>> };
} = siteCommands;

/** A coordinator's log, as honest as the spec wants it. */
class Log implements CoordinatorCommands {
  entries: string[];
  isKnown = true;
  federation = federation;
  signing = signing;
  /** Digests given at once. */
  pageMax = 3;
  asked = 0;

  constructor(...entries: string[]) {
    this.entries = entries;
  }

  command<Name extends SiteCommand>(
    name: Name,
    request: SiteRequest<Name>,
  ): Promise<SiteResponse<Name>> {
    this.asked += 1;
    if (!this.isKnown) {
      const message = 'expected a command of melo/1';
      return Promise.reject(
        new RefusedError({ code: 'MESSAGE_INVALID', message, retryable: false }),
      );
    }
    const { after } = siteCommands['audit:get'].request.parse(request);
    const digests = this.entries.map((entry) => auditContentDigest(utf8(entry)));
    const start = { sequence: 0, link: fromHex(auditGenesis) };
    const { sequence, link } = followAuditChain(start, concatBytes(...digests));
    const payload = encodePayload(auditHeadSchema, {
      type: 'audit-head',
      protocol: 'melo/1',
      federation: this.federation,
      sequence,
      linkDigest: toHex(link),
      atMs: 1,
    });
    const head = signPayload(signDomains.auditHead, payload, this.signing.secretKey);
    const page = concatBytes(...digests.slice(after, after + this.pageMax));
    const answer: unknown = { ok: true, head, digests: page };
    return Promise.resolve(responses[name].response.parse(answer));
  }

  whenConnected(): Promise<void> {
    return Promise.resolve();
  }
}

let directory: string;
let events: AgentEvent[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'melo-audit-'));
  events = [];
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const watch = (commands: Log): Promise<AuditWatch> =>
  AuditWatch.open({
    dataDirectory: directory,
    federation,
    coordinatorPublicKey: signing.publicKey,
    commands,
    emit: (event) => events.push(event),
    logger: silentLogger,
  });
const remembered = async (): Promise<number | null> => {
  const { head } = await readAuditMemory(directory);
  return head === null ? null : headOf(head).sequence;
};

describe('the audit log as a site sees it', () => {
  test('may grow, however far, and over restarts of the agent', async () => {
    const log = new Log('a');
    await (await watch(log)).compare(true);
    expect(await remembered()).toBe(1);
    log.entries.push('b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k');
    const later = await watch(log);
    await later.compare(true);
    expect(later.fork).toBeNull();
    expect(await remembered()).toBe(11);
    expect(events).toEqual([]);
  });

  test('is compared again only after a while, or on a new connection', async () => {
    const log = new Log('a');
    const agent = await watch(log);
    await agent.compare(true);
    await agent.compare(false);
    expect(log.asked).toBe(1);
    await agent.compare(true);
    expect(log.asked).toBe(2);
  });

  test.each<[string, (log: Log) => void]>([
    ['was cut', (log) => (log.entries = ['a', 'b'])],
    ['has another entry in a place that was seen', (log) => (log.entries = ['a', 'x', 'c'])],
    ['has another entry there and goes on', (log) => (log.entries = ['a', 'x', 'c', 'd', 'e'])],
    ['lost one and goes on', (log) => (log.entries = ['a', 'c', 'd', 'e'])],
    [
      'holds digests back',
      (log) => {
        log.entries.push('d');
        log.pageMax = 0;
      },
    ],
    ['is given no more', (log) => (log.isKnown = false)],
  ])('declines from then on where it %s', async (_name, tamper) => {
    const log = new Log('a', 'b', 'c');
    await (await watch(log)).compare(true);
    tamper(log);
    const agent = await watch(log);
    await agent.compare(true);
    expect(agent.fork).not.toBeNull();
    expect(events).toMatchObject([{ event: 'audit-fork' }]);
    // Also after a restart, and where the old log comes back.
    log.entries = ['a', 'b', 'c'];
    log.isKnown = true;
    const restarted = await watch(log);
    await restarted.compare(true);
    expect(restarted.fork).not.toBeNull();
    expect(await remembered()).toBe(3);
    const proofs = (await readdir(join(directory, 'audit'))).filter((name) => name !== 'head.json');
    expect(proofs).toHaveLength(1);
    const proof = await readFile(join(directory, 'audit', proofs[0] ?? ''), 'utf8');
    expect(JSON.parse(proof)).toHaveProperty('remembered.signature');
  });

  test('is taken again once a person accepted it, also by an agent that runs', async () => {
    const log = new Log('a', 'b', 'c');
    await (await watch(log)).compare(true);
    log.entries = ['a', 'x'];
    const agent = await watch(log);
    await agent.compare(true);
    await rememberHead(directory, agent.fork?.offered ?? null);
    await agent.compare(false);
    expect(agent.fork).toBeNull();
    log.entries.push('y');
    await agent.compare(true);
    expect(agent.fork).toBeNull();
    expect(await remembered()).toBe(3);
  });

  test('of a coordinator that never kept one is no fork', async () => {
    const log = new Log('a');
    log.isKnown = false;
    const agent = await watch(log);
    await agent.compare(true);
    expect(agent.fork).toBeNull();
    expect(await remembered()).toBeNull();
  });

  test('signed by another key or of another federation is not believed, and proves nothing', async () => {
    const log = new Log('a');
    const agent = await watch(log);
    log.signing = generateSigningKeyPair();
    await expect(agent.compare(true)).rejects.toMatchObject({ code: 'SIGNATURE_INVALID' });
    log.signing = signing;
    log.federation = '00'.repeat(16);
    await expect(agent.compare(true)).rejects.toMatchObject({ code: 'STATE_CONFLICT' });
    expect(agent.fork).toBeNull();
    expect(await remembered()).toBeNull();
  });

  test('is found out exactly where what was seen is not its beginning', async () => {
    const entry = fc.constantFrom('a', 'b');
    const logs = fc.tuple(fc.array(entry, { maxLength: 6 }), fc.array(entry, { maxLength: 9 }));
    await fc.assert(
      fc.asyncProperty(logs, async ([seen, now]) => {
        await rm(join(directory, 'audit'), { recursive: true, force: true });
        await (await watch(new Log(...seen))).compare(true);
        const agent = await watch(new Log(...now));
        await agent.compare(true);
        const isContinued = seen.every((each, index) => now[index] === each);
        expect(agent.fork === null).toBe(isContinued);
      }),
      { numRuns: 40 },
    );
  });
});

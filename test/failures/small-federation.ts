/** A coordinator whose calls can fail, in this process, and three sites that do not give up. */
import { setTimeout as wait } from 'node:timers/promises';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { decodeAdapterFile } from '#core/adapter';
import { auditRoutes } from '../../apps/coordinator/src/audit/audit.contract.ts';
import { DurableFiles } from '../../apps/coordinator/src/common/durable-files.ts';
import { inProcessWork } from '../../apps/coordinator/src/rounds/adapter-work.ts';
import { roundRoutes } from '../../apps/coordinator/src/rounds/rounds.contract.ts';
import { Harness, taskOf } from '../../apps/coordinator/src/testing/harness.ts';
import { verifyAudit } from '../../apps/site-agent/src/commands/audit-verify.ts';
import { taskViewSchema, type TaskView } from '../../apps/coordinator/src/tasks/tasks.contract.ts';
import { FailingCalls } from './failing-calls.ts';
import { PatientSite } from './patient-site.ts';
import { hold, Violation } from './violations.ts';

/** What the sites send: the sum of samples times value is 900 over 400 samples, exact in float32. */
const members = [
  { name: 'north', samples: 200, value: 2 },
  { name: 'south', samples: 100, value: 4 },
  { name: 'west', samples: 100, value: 1 },
] as const;
const meanStep = 2.25;

const againMs = 10;
const patienceMs = 180_000;
const refusalSchema = z.object({ code: z.string(), message: z.string(), retryable: z.boolean() });

/** How one round ended. */
export interface RoundEnd {
  /** Attempts that were abandoned before it. */
  readonly abandoned: number;
}

/** A federation whose coordinator's calls can fail. */
export class SmallFederation {
  readonly calls: FailingCalls;
  readonly #harness: Harness;
  readonly #sites: readonly PatientSite[];
  #end: (violation: Violation) => void = () => undefined;
  #restarting: Promise<void> = Promise.resolve();

  private constructor(calls: FailingCalls, harness: Harness, sites: readonly PatientSite[]) {
    this.calls = calls;
    this.#harness = harness;
    this.#sites = sites;
  }

  static async start(): Promise<SmallFederation> {
    const calls = new FailingCalls();
    const work = inProcessWork(new DurableFiles(calls));
    const harness = await Harness.start({ calls, work });
    const sites = [];
    for (const { name, samples, value } of members) {
      sites.push(new PatientSite(await harness.join(name), { samples, value }));
    }
    return new SmallFederation(calls, harness, sites);
  }

  async stop(): Promise<void> {
    await this.#harness.stop();
  }

  /** End the round under way: a rule was broken beside it. */
  end(violation: Violation): void {
    this.#end(violation);
  }

  /** Stop the coordinator and start it again, as an operator would; where it does not stop or start well, throw why. */
  restart(): Promise<void> {
    this.#restarting = this.#restart();
    return this.#restarting;
  }

  async #restart(): Promise<void> {
    const harness = this.#harness;
    for (const { fake } of this.#sites) fake.close();
    const [stopped] = await Promise.allSettled([harness.coordinator.close()]);
    harness.coordinator = await Harness.launch(harness.folder, harness.options);
    for (const { fake } of this.#sites) fake.url = harness.coordinator.url;
    if (stopped.status === 'rejected') throw new Error('stop', { cause: stopped.reason });
  }

  /**
   * One whole round of a task of its own, from its creation to its version and the opening of the next round; then every rule
   * is looked at.
   *
   * @param midway - done once a site has reported, while the others go on
   */
  async round(task: string, midway?: () => Promise<void>): Promise<RoundEnd> {
    const over = new AbortController();
    const deadline = AbortSignal.timeout(patienceMs);
    const taking = this.#sites.map((site) => site.takePart(task, over.signal));
    // A site that breaks a rule ends the round for all.
    const ended = new Promise<never>((_resolve, reject) => {
      this.#end = reject;
    });
    const broken = Promise.race([Promise.all(taking), ended]);
    broken.catch(() => undefined);
    try {
      const created = this.#ask('POST', '/v1/tasks', taskOf({ task, rounds: 2 }), deadline, task);
      await Promise.race([created, rejectionOf(broken)]);
      if (midway !== undefined) {
        await Promise.race([this.#untilReported(task, deadline), rejectionOf(broken)]);
        await midway();
      }
      await Promise.race([this.#untilOver(task, deadline), rejectionOf(broken)]);
    } finally {
      over.abort();
      await Promise.allSettled(taking);
    }
    await broken;
    this.calls.disarm();
    // The round may be over before a restart amid it is; who began that one hears how it ended.
    await this.#restarting.catch(() => undefined);
    const end = await this.#check(task, AbortSignal.timeout(patienceMs));
    const reason = { reason: 'the round was looked at' };
    await this.#ask('POST', `/v1/tasks/${task}/cancel`, reason, AbortSignal.timeout(patienceMs));
    return end;
  }

  async #untilReported(task: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      const { currentRound } = await this.#task(task, signal);
      if (currentRound?.members.some(({ status }) => status === 'reported') === true) return;
      hold('stuck', !signal.aborted, `no site has reported to ${task}`);
      await wait(againMs);
    }
  }

  async #untilOver(task: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      const view = await this.#task(task, signal);
      if (view.currentRound?.round === 2 || view.status === 'failed') return;
      if (signal.aborted) {
        const round = JSON.stringify(view.currentRound);
        throw new Violation('stuck', `task ${task} is ${view.status}, its round ${round}`);
      }
      await wait(againMs);
    }
  }

  async #check(task: string, signal: AbortSignal): Promise<RoundEnd> {
    await this.#ask('GET', '/v1/health', undefined, signal);
    const { rounds } = roundRoutes.list.response.parse(
      await this.#ask('GET', `/v1/tasks/${task}/rounds`, undefined, signal),
    );
    const attempts = rounds.filter(({ round }) => round === 1);
    const abandoned = attempts.filter(({ phase }) => phase === 'abandoned');
    for (const { attempt, reason } of abandoned) {
      hold('stuck', reason !== null && reason !== '', `attempt ${attempt} has no reason`);
    }
    const published = attempts.find(({ phase }) => phase === 'published');
    if (published === undefined) {
      hold('stuck', attempts.length === abandoned.length, `an attempt of ${task} goes on`);
      return { abandoned: abandoned.length };
    }
    const reported = published.members.filter(({ status }) => status === 'reported');
    const sites = reported.map(({ site }) => site);
    hold('twice', new Set(sites).size === sites.length, sites.join(', '));
    this.#checkCommitted(task, published.attempt, new Set(sites));
    if (sites.length === members.length) await this.#checkBytes(task);
    await this.#checkVerification(task, signal);
    await this.#checkAudit(signal);
    return { abandoned: abandoned.length };
  }

  #checkCommitted(task: string, attempt: number, reported: ReadonlySet<string>): void {
    for (const site of this.#sites) {
      const isCounted = !site.hasCommitted(attempt) || reported.has(site.fake.site);
      hold('lost', isCounted, `the update of ${site.fake.site} to ${task}`);
    }
  }

  /** Every value is that of version 0 and the weighted mean of the updates. */
  async #checkBytes(task: string): Promise<void> {
    const before = decodeAdapterFile(await this.#harness.download(task, 0)).values;
    const after = decodeAdapterFile(await this.#harness.download(task, 1)).values;
    const isRight = after.every(
      (value, at) => value === Math.fround((before[at] ?? NaN) + meanStep),
    );
    hold('bytes', isRight && after.length === before.length, `version 1 of ${task}`);
  }

  /** Computed again from the uploads that are kept, it is the same file. */
  async #checkVerification(task: string, signal: AbortSignal): Promise<void> {
    const path = `/v1/tasks/${task}/rounds/1/verification`;
    const view = roundRoutes.verify.response.parse(await this.#ask('GET', path, undefined, signal));
    const failed = view.checks.filter(({ isGood }) => !isGood).map(({ detail }) => detail);
    hold('bytes', view.isGood && view.scope === 'recomputed', `${task}: ${failed.join('; ')}`);
  }

  async #checkAudit(signal: AbortSignal): Promise<void> {
    const path = '/v1/audit?limit=1&order=newest';
    for (;;) {
      const newest = auditRoutes.list.response.parse(
        await this.#ask('GET', path, undefined, signal),
      );
      if (newest.entries[0]?.sequence !== null) break;
      hold('audit', !signal.aborted, 'the newest entry has no place in the chain');
      await wait(againMs);
    }
    const file = join(this.#harness.folder, 'export.ndjson');
    await writeFile(file, await (await this.#harness.raw('GET', '/v1/audit/export')).text());
    try {
      await verifyAudit(file, { key: null, headFile: null });
    } catch (error) {
      throw new Violation('audit', String(error));
    }
  }

  async #task(task: string, signal: AbortSignal): Promise<TaskView> {
    return taskViewSchema.parse(await this.#ask('GET', `/v1/tasks/${task}`, undefined, signal));
  }

  /** Ask REST until there is an answer; a refusal that does not pass breaks a rule. */
  async #ask(
    method: string,
    path: string,
    body: unknown,
    signal: AbortSignal,
    idempotencyKey?: string,
  ): Promise<unknown> {
    const headers: Record<string, string> =
      idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey };
    for (let last = 'no answer'; ;) {
      const response = await this.#harness.raw(method, path, body, headers).catch(() => null);
      if (response?.ok === true) return response.json();
      if (response !== null) {
        last = await response.text();
        const refusal = refusalSchema.parse(JSON.parse(last));
        hold('refusal', refusal.retryable, `${method} ${path}: ${last}`);
      }
      hold('serving', !signal.aborted, `${method} ${path}: ${last}`);
      await wait(againMs);
    }
  }
}

/** A promise that only ever rejects, with what another one rejects with. */
function rejectionOf(promise: Promise<unknown>): Promise<never> {
  return new Promise((_resolve, reject) => {
    promise.catch(reject);
  });
}

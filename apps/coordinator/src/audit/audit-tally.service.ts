/**
 * What anybody outside can cause as often as they like (refused sign-ins, a link that comes and goes) must not fill the
 * audit log: a few of a kind are recorded one by one, more are counted and recorded with their number.
 */
import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { BackgroundWork } from '../common/background-work.ts';
import { BoundedMap } from '../common/bounded-map.ts';
import { Environment } from '../common/environment.ts';
import { packageVersion } from '../common/package-info.ts';
import { AuditChainService } from './audit-chain.service.ts';
import { AuditService, type AuditRecord } from './audit.service.ts';

/** Of one kind so many at once, and one more each interval. */
const burst = 10;
const intervalMs = 60_000;
/** Kinds that are told apart at most. */
const kindsMax = 4096;

const coordinator = { actor: 'coordinator', target: 'federation' };

interface Tally {
  record: AuditRecord;
  left: number;
  atMs: number;
  /** Not recorded yet. */
  count: number;
}

/** What may happen too often to be recorded each time. */
@Injectable()
export class AuditTallyService implements BeforeApplicationShutdown {
  readonly #environment: Environment;
  readonly #background: BackgroundWork;
  readonly #audit: AuditService;
  readonly #chain: AuditChainService;
  readonly #tallies = new BoundedMap<string, Tally>(kindsMax);

  constructor(
    environment: Environment,
    background: BackgroundWork,
    audit: AuditService,
    chain: AuditChainService,
  ) {
    this.#environment = environment;
    this.#background = background;
    this.#audit = audit;
    this.#chain = chain;
  }

  /** Record the start and chain what the last process left, before anything else happens. */
  async start(): Promise<void> {
    const details = { version: packageVersion };
    await this.#audit.record({ ...coordinator, action: 'coordinator.started', details });
    await this.#chain.chainAll();
    this.#background.startEvery('audit-tally', intervalMs, () => this.flush());
  }

  /** Record the stop; a process that is killed cannot, and its next start is then the only word of it. */
  async beforeApplicationShutdown(): Promise<void> {
    try {
      await this.flush();
      await this.#audit.record({ ...coordinator, action: 'coordinator.stopped' });
      await this.#chain.chainAll();
    } catch (error) {
      this.#environment.logger.error('audit: the stop is not recorded', { error });
    }
  }

  /** What is recorded now: the record, with the number of those counted before it, or nothing. */
  admit(record: AuditRecord): readonly AuditRecord[] {
    const tally = this.#refill(record);
    if (tally.left < 1) {
      tally.count += 1;
      return [];
    }
    tally.left -= 1;
    const admitted = withCount(record, tally.count);
    tally.count = 0;
    return [admitted];
  }

  /** Record in the background, or count. */
  note(record: AuditRecord): void {
    const admitted = this.admit(record);
    if (admitted.length === 0) return;
    this.#background.startUntilDone('audit', () => this.#audit.record(...admitted));
  }

  /** Record what was counted and not told yet. */
  async flush(): Promise<void> {
    const counted = [...this.#tallies.values()].filter(({ count }) => count > 0);
    const records = counted.map(({ record, count }) => withCount(record, count));
    if (records.length === 0) return;
    const taken = counted.map((tally) => ({ tally, count: tally.count }));
    for (const { tally } of taken) tally.count = 0;
    try {
      await this.#audit.record(...records);
    } catch (error) {
      for (const { tally, count } of taken) tally.count += count; // told with the next flush
      throw error;
    }
  }

  #refill(record: AuditRecord): Tally {
    const { actor, action, target, details = {} } = record;
    const kind = JSON.stringify([actor, action, target, details['code'] ?? null]);
    const nowMs = this.#environment.clock.monotonicTimeMs();
    const tally = this.#tallies.get(kind) ?? { record, left: burst, atMs: nowMs, count: 0 };
    tally.record = record;
    tally.left = Math.min(burst, tally.left + (nowMs - tally.atMs) / intervalMs);
    tally.atMs = nowMs;
    this.#tallies.set(kind, tally);
    return tally;
  }
}

function withCount(record: AuditRecord, count: number): AuditRecord {
  return count === 0 ? record : { ...record, details: { ...record.details, notOneByOne: count } };
}

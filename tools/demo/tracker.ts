/** What the agents' events say of a run: each site's phase, each task's share done, the bytes that left each site. */
import { z } from 'zod';
import { parseJsonLine } from '../../test/support/melo-process.ts';
import type { Column } from './columns.ts';

/** Where a site stands. */
export interface SiteProgress {
  readonly phase: string;
  readonly task: string | null;
  /** Share of the phase done; null where it has none. */
  readonly share: number | null;
}

const waiting: SiteProgress = { phase: 'waiting', task: null, share: null };

const phaseSchema = z.object({
  event: z.enum(['preparing', 'training', 'evaluating']),
  task: z.string(),
  round: z.number().nullable(),
  step: z.number(),
  steps: z.number(),
});
const uploadedSchema = z.object({
  event: z.literal('uploaded'),
  task: z.string(),
  round: z.number(),
  egressBytes: z.number(),
});
const versionSchema = z.object({
  event: z.literal('version'),
  task: z.string(),
  version: z.number(),
});
const idleSchema = z.object({ event: z.enum(['evaluated', 'waiting']) });
const eventSchema = z.union([phaseSchema, uploadedSchema, versionSchema, idleSchema]);

/** Lines of a process that has more and more of them. */
export interface LineSource {
  linesFrom(index: number): readonly string[];
}

/** Follows the agents. */
export class RunTracker {
  readonly #columns: readonly Column[];
  readonly #read = new Map<string, number>();
  readonly #sites = new Map<string, SiteProgress>();
  /** Share of its present round that a site has done, by task and site. */
  readonly #roundShares = new Map<string, number>();
  readonly #versions = new Map<string, number>();
  readonly #bytes = new Map<string, number>();

  constructor(columns: readonly Column[]) {
    this.#columns = columns;
  }

  /** Take a site's events that came since the last call. */
  follow(site: string, source: LineSource): void {
    const read = this.#read.get(site) ?? 0;
    const lines = source.linesFrom(read);
    this.#read.set(site, read + lines.length);
    for (const line of lines) this.take(site, parseJsonLine(line));
  }

  /** Take one event. */
  take(site: string, value: unknown): void {
    const { data: event } = eventSchema.safeParse(value);
    if (event === undefined) return;
    if (event.event === 'uploaded') {
      this.#roundShares.set(`${event.task}/${site}`, 1);
      const key = `${event.task}/${site}`;
      this.#bytes.set(key, (this.#bytes.get(key) ?? 0) + event.egressBytes);
      this.#sites.set(site, waiting);
    } else if (event.event === 'version') {
      this.#setVersion(event.task, event.version);
    } else if (!('steps' in event)) {
      this.#sites.set(site, waiting);
    } else {
      const share = event.steps === 0 ? null : Math.min(1, event.step / event.steps);
      this.#sites.set(site, { phase: event.event, task: event.task, share });
      if (event.event === 'training')
        this.#roundShares.set(`${event.task}/${site}`, 0.95 * (share ?? 0));
    }
  }

  /** A task has published a version: its next round begins. */
  #setVersion(task: string, version: number): void {
    if ((this.#versions.get(task) ?? 0) >= version) return;
    this.#versions.set(task, version);
    for (const { members } of this.#columns.filter((column) => column.task === task))
      for (const site of members) this.#roundShares.delete(`${task}/${site}`);
  }

  /** The newest version of a task that was seen. */
  version(task: string): number {
    return this.#versions.get(task) ?? 0;
  }

  /** Where a site stands. */
  site(site: string): SiteProgress {
    return this.#sites.get(site) ?? { ...waiting, phase: 'starting' };
  }

  /** Bytes of all messages of a site up to its last update of a task, since its update before. */
  bytesSent(task: string, site: string): number {
    return this.#bytes.get(`${task}/${site}`) ?? 0;
  }

  /** Share of a task done, 0 to 1. */
  share({ task, rounds, members }: Column): number {
    const inRound = members.reduce(
      (sum, site) => sum + (this.#roundShares.get(`${task}/${site}`) ?? 0),
      0,
    );
    return Math.min(1, (this.version(task) + inRound / members.length) / rounds);
  }

  /** Share of all tasks done by their work, 0 to 1. */
  get totalShare(): number {
    const total = this.#columns.reduce((sum, { work }) => sum + work, 0);
    const done = this.#columns.reduce((sum, column) => sum + column.work * this.share(column), 0);
    return done / total;
  }
}

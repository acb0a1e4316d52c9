/**
 * Applies the rules that a task declared beforehand, once to each version: when every planned site has evaluated it, or its time is up.
 * What was decided is kept with its figures; a person promotes or rolls back over it as ever.
 */
import { Injectable } from '@nestjs/common';
import { eq } from 'drizzle-orm';
import { evaluationDeadlineMsDefault, type TaskId } from '#core/protocol';
import { AuditService } from '../audit/audit.service.ts';
import { BackgroundWork } from '../common/background-work.ts';
import { Changes } from '../common/changes.ts';
import { Environment } from '../common/environment.ts';
import type { Queries } from '../config/database.ts';
import { versionDecisions } from '../config/schema.ts';
import { VersionsService, type VersionRecord } from '../registry/versions.service.ts';
import { RoundsService } from '../rounds/rounds.service.ts';
import { RosterService } from '../sites/roster.service.ts';
import { TaskStore, type TaskRecord } from '../tasks/task-store.ts';
import { EvaluationFiguresService, type StoredEvaluation } from './evaluation-figures.service.ts';
import {
  judgeEarlyStop,
  judgePromotion,
  pooledFigure,
  type ReportsBySite,
  type Verdict,
} from './judge-version.ts';

/** How often versions whose time may be up are looked at. */
const lookMs = 1000;

/** What was decided of a version. */
interface Decision {
  readonly verdict: Verdict | null;
  /** Why training ends; null where it goes on. */
  readonly stop: string | null;
}

const reportsOf = (
  rows: readonly StoredEvaluation[],
  subject: StoredEvaluation['subject'],
  version: number,
): ReportsBySite =>
  new Map(
    rows
      .filter((row) => row.subject === subject && row.version === version)
      .map(({ site, report }) => [site, report]),
  );

const hasRules = ({ definition, status }: TaskRecord): boolean =>
  (definition.promotion !== undefined || definition.earlyStop !== undefined) &&
  status !== 'created' &&
  status !== 'cancelled';

/** Applies the rules of tasks. */
@Injectable()
export class VersionRulesService {
  readonly #environment: Environment;
  readonly #tasks: TaskStore;
  readonly #versions: VersionsService;
  readonly #figures: EvaluationFiguresService;
  readonly #rounds: RoundsService;
  readonly #roster: RosterService;
  readonly #audit: AuditService;
  readonly #background: BackgroundWork;
  readonly #changes: Changes;
  /** Versions decided, by task; read once. */
  readonly #decided = new Map<TaskId, Set<number>>();
  /** Tasks of which a report came since they were looked at. */
  readonly #dirty = new Set<TaskId>();
  #looking: Promise<void> = Promise.resolve();

  constructor(
    environment: Environment,
    tasks: TaskStore,
    versions: VersionsService,
    figures: EvaluationFiguresService,
    rounds: RoundsService,
    roster: RosterService,
    audit: AuditService,
    background: BackgroundWork,
    changes: Changes,
  ) {
    this.#environment = environment;
    this.#tasks = tasks;
    this.#versions = versions;
    this.#figures = figures;
    this.#rounds = rounds;
    this.#roster = roster;
    this.#audit = audit;
    this.#background = background;
    this.#changes = changes;
  }

  /** Look at every task now, then at what comes and at deadlines. */
  async start(): Promise<void> {
    for (const { task } of await this.#tasks.list()) this.#dirty.add(task);
    this.#background.startEvery('version-rules', lookMs, () => this.look());
  }

  /** A report of a task came: it may have been the last one. */
  note(task: TaskId): void {
    this.#dirty.add(task);
    this.#background.start('version-rules', () => this.look());
  }

  /** Decide on every version that is ready, one look at a time. */
  look(): Promise<void> {
    this.#looking = this.#looking.then(
      () => this.#lookAtAll(),
      () => this.#lookAtAll(),
    );
    return this.#looking;
  }

  async #lookAtAll(): Promise<void> {
    for (const record of await this.#tasks.list()) if (hasRules(record)) await this.#lookAt(record);
  }

  async #lookAt(record: TaskRecord): Promise<void> {
    const { task, latestVersion, definition } = record;
    const decided = await this.#decidedOf(task);
    if (latestVersion === 0) return;
    const published = await this.#versions.listBetween(task, 1, latestVersion);
    const undecided = published.filter(({ version }) => !decided.has(version));
    const deadlineMs = definition.evaluationDeadlineMs ?? evaluationDeadlineMsDefault;
    const nowMs = this.#environment.clock.wallTimeMs();
    const isOver = ({ createdAtMs }: VersionRecord): boolean => createdAtMs + deadlineMs <= nowMs;
    if (!this.#dirty.delete(task) && !undecided.some(isOver)) return;
    const rows = undecided.length === 0 ? [] : await this.#figures.stored(task);
    for (const version of undecided) {
      if (!isOver(version) && !this.#areIn(record, rows, version.version)) continue;
      await this.#decide(task, version.version, rows);
      decided.add(version.version);
    }
  }

  async #decidedOf(task: TaskId): Promise<Set<number>> {
    const known = this.#decided.get(task);
    if (known !== undefined) return known;
    const rows = await this.#environment.queries
      .select({ version: versionDecisions.version })
      .from(versionDecisions)
      .where(eq(versionDecisions.task, task));
    const decided = new Set(rows.map(({ version }) => version));
    this.#decided.set(task, decided);
    return decided;
  }

  /** Whether every planned site that can still report has done so. */
  #areIn(record: TaskRecord, rows: readonly StoredEvaluation[], version: number): boolean {
    const { members, promotion } = record.definition;
    const global = reportsOf(rows, 'global', version);
    const baselines = reportsOf(rows, 'baseline', 0);
    const isAsked = promotion?.noSiteWorseThanLocalBy !== undefined;
    return members.every((site) => {
      const status = this.#roster.find(site)?.status;
      if (status === 'left' || status === 'revoked') return true;
      return global.has(site) && (!isAsked || baselines.has(site));
    });
  }

  async #decide(task: TaskId, version: number, rows: readonly StoredEvaluation[]): Promise<void> {
    const history = await this.#history(task, version, rows);
    await this.#rounds.changeTask(task, async (open) => {
      const record = await this.#tasks.get(task);
      const decision = {
        verdict: judged(record, version, rows),
        stop: stopReason(record, history),
      };
      const finalVersion = record.latestVersion + (open === null ? 0 : 1);
      return {
        abandonReason: null,
        change: (transaction) =>
          this.#store(transaction, record, { version, finalVersion, decision }),
      };
    });
    this.#changes.publish('evaluations', 'tasks', 'versions');
  }

  /** Pooled figures of the versions that a version comes from, and its own, oldest first. */
  async #history(
    task: TaskId,
    version: number,
    rows: readonly StoredEvaluation[],
  ): Promise<number[]> {
    const { earlyStop } = await this.#tasks.definition(task);
    if (earlyStop === undefined) return [];
    const baseOf = new Map(
      (await this.#versions.lineage(task)).map((each) => [each.version, each.base]),
    );
    const figures: number[] = [];
    for (let at: number | null = version; at !== null; at = baseOf.get(at) ?? null) {
      const figure = pooledFigure(reportsOf(rows, 'global', at), earlyStop.metric);
      if (figure !== null) figures.unshift(figure);
    }
    return figures;
  }

  async #store(
    transaction: Queries,
    record: TaskRecord,
    {
      version,
      finalVersion,
      decision: { verdict, stop },
    }: { readonly version: number; readonly finalVersion: number; readonly decision: Decision },
  ): Promise<void> {
    const { task, promotedVersion: before } = record;
    const target = `task:${task}`;
    const reason = [verdict?.reason, stop].filter((part) => part !== null && part !== undefined);
    const figures = verdict?.figures ?? {};
    const promotion = verdict === null ? 'none' : verdict.isPassed ? 'promoted' : 'refused';
    await transaction.insert(versionDecisions).values({
      ...{ task, version, promotion, isStopped: stop !== null, figures },
      reason: reason.join('; ') || 'no rule had anything to say',
      decidedAtMs: this.#environment.clock.wallTimeMs(),
    });
    if (verdict !== null) {
      const { isPassed } = verdict;
      if (isPassed) await this.#tasks.update(transaction, task, { promotedVersion: version });
      const rule = record.definition.promotion ?? null;
      await this.#audit.append(transaction, {
        actor: 'coordinator',
        action: isPassed ? 'task.promoted' : 'task.promotion-refused',
        target,
        details: { version, before, reason: verdict.reason, figures, rule },
      });
    }
    if (stop === null) return;
    await this.#tasks.update(transaction, task, { finalVersion, reason: stop });
    await this.#audit.append(transaction, {
      actor: 'coordinator',
      action: 'task.stopped-early',
      target,
      details: { version, finalVersion, reason: stop },
    });
  }
}

/** Apply the promotion rule; null where the task has none. */
function judged(
  { definition, promotedVersion }: TaskRecord,
  version: number,
  rows: readonly StoredEvaluation[],
): Verdict | null {
  if (definition.promotion === undefined) return null;
  const verdict = judgePromotion(definition.promotion, {
    members: definition.members,
    candidate: reportsOf(rows, 'global', version),
    promoted:
      promotedVersion === null
        ? null
        : { version: promotedVersion, reports: reportsOf(rows, 'global', promotedVersion) },
    baselines: reportsOf(rows, 'baseline', 0),
  });
  if (promotedVersion === null || promotedVersion <= version) return verdict;
  const reason = `version ${promotedVersion}, which is newer, is promoted already`;
  return { ...verdict, isPassed: false, reason };
}

/** Why training ends; null where it goes on, has ended, or a person said how far it goes. */
function stopReason(
  { definition, status, finalVersion, latestVersion }: TaskRecord,
  history: readonly number[],
): string | null {
  const { earlyStop, rounds } = definition;
  const isOpen = status === 'running' && finalVersion === null && latestVersion < rounds;
  return earlyStop === undefined || !isOpen ? null : judgeEarlyStop(earlyStop, history);
}

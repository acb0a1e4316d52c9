/** The site agent while it runs: one connection, one trainer, an outbox; synchronises on every announcement. */
import { join } from 'node:path';
import { availableParallelism, totalmem } from 'node:os';
import { fromHex } from '#core/bytes';
import { noCrashPoints, type CrashPoints } from '#core/crash-points';
import { MeloError } from '#core/errors';
import { describeRound, taskIdSchema, type SiteId } from '#core/protocol';
import { AuditWatch } from '../audit/audit-watch.ts';
import { agentVersion } from '../common/agent-version.ts';
import { makePrivateDirectory, removeHalfWritten } from '../common/durable-file.ts';
import type { EmitEvent, Logger } from '../common/events.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import type { CoordinatorRecord, SiteKeys } from '../identity/identity.ts';
import { Outbox } from '../outbox/outbox.ts';
import { OutboxPump } from '../outbox/outbox-pump.ts';
import { declineForError, type KnownBackbone } from '../policy/policy.ts';
import { isLinkError, type CoordinatorCommands } from '../transport/connection.ts';
import type { Trainer } from '../trainer/trainer.ts';
import { roundName, type AgentContext } from './context.ts';
import { forgetWhereAccepted, isForked } from './forks.ts';
import { EvaluationDesk } from './evaluation-desk.ts';
import { Heartbeat } from './heartbeat.ts';
import { downloadReporter } from './progress-reporter.ts';
import { pumpEvents } from './pump-events.ts';
import { pruneVersions } from './kept-versions.ts';
import { failureOf, RoundWorker, type AcceptedRound } from './round-worker.ts';
import { Synchroniser, type NewVersion } from './synchroniser.ts';
import { TaskJournal } from './task-journal.ts';
import { ScoreArchive } from './score-archive.ts';
import { FinalEvaluation, removeOthersAdapters } from './version-evaluation.ts';
import { VersionStore } from './version-store.ts';
import { WithdrawalWatch } from './withdrawal-watch.ts';
import { Withdrawals } from './withdrawals.ts';
import { WorkQueue } from './work-queue.ts';

/** What the agent is made of; a spec hands in a fake connection and a fake trainer. */
export interface SiteAgentOptions {
  readonly config: AgentConfig;
  readonly keys: SiteKeys;
  readonly coordinator: CoordinatorRecord & { readonly site: SiteId };
  readonly backbones: readonly KnownBackbone[];
  readonly connection: CoordinatorCommands & { readonly bytesSent: number };
  readonly trainer: Trainer;
  readonly emit: EmitEvent;
  readonly logger: Logger;
  readonly crashPoints?: CrashPoints;
}

async function createContext(options: SiteAgentOptions): Promise<AgentContext> {
  const { config, keys, coordinator, connection, logger, emit } = options;
  const { crashPoints = noCrashPoints } = options;
  const directory = await makePrivateDirectory(config.dataDirectory);
  for (const part of ['journal', 'adapters', 'outbox', 'work'])
    await removeHalfWritten(join(directory, part));
  const journal = await TaskJournal.open(join(directory, 'journal'));
  const outbox = await Outbox.open(join(directory, 'outbox'), logger);
  const heartbeat = new Heartbeat(connection, config.connection.heartbeatIntervalMs, logger);
  const events = pumpEvents({
    journal,
    heartbeat,
    emit,
    logger,
    connection,
    dataDirectory: directory,
    crashPoints,
  });
  const { backoffMinimumMs: minimumMs, backoffMaximumMs: maximumMs } = config.connection;
  const backoff = { minimumMs, maximumMs };
  const { federation } = coordinator;
  const coordinatorPublicKey = fromHex(coordinator.signingPublicKey);
  return {
    site: coordinator.site,
    federation,
    coordinatorPublicKey,
    keys,
    config,
    policy: {
      site: coordinator.site,
      federation,
      tasks: config.tasks,
      backbones: options.backbones,
    },
    commands: connection,
    trainer: options.trainer,
    journal,
    withdrawals: await Withdrawals.open(directory),
    audit: await AuditWatch.open({
      dataDirectory: directory,
      federation,
      coordinatorPublicKey,
      commands: connection,
      emit,
      logger,
    }),
    outbox,
    pump: new OutboxPump({
      outbox,
      commands: connection,
      events,
      logger,
      backoff,
      crashPoints,
    }),
    versions: new VersionStore({
      directory: join(directory, 'adapters'),
      commands: connection,
      keyPair: keys.agreement,
    }),
    scores: new ScoreArchive(directory),
    abilities: { takesFullReports: false },
    heartbeat,
    emit,
    logger,
    crashPoints,
  };
}

/** One hospital's agent. */
export class SiteAgent {
  readonly #context: AgentContext;
  readonly #synchroniser: Synchroniser;
  readonly #queue = new WorkQueue();
  readonly #stop = new AbortController();
  /** Failed rounds wait here until their time: monotonic milliseconds by name. */
  readonly #notBeforeMs = new Map<string, number>();
  /** Failures of a round's work in this process, by name. */
  readonly #failures = new Map<string, number>();
  readonly #withdrawals: WithdrawalWatch;
  readonly #desk: EvaluationDesk;
  #isWanted = false;
  #isHelloDue = true;
  #isWaitingSaid = false;
  #isForkLookDue = false;
  #running: Promise<void> | null = null;

  private constructor(context: AgentContext) {
    this.#context = context;
    this.#synchroniser = new Synchroniser(context);
    this.#desk = new EvaluationDesk(context, this.#queue, (delayMs) => {
      this.#later(delayMs);
    });
    this.#queue.onIdle = () => {
      this.#sayWaiting();
    };
    this.#withdrawals = new WithdrawalWatch(context, this.#queue, () => {
      this.#isHelloDue = true; // it names the approved tasks
      this.synchronise();
    });
  }

  /** Make an agent from what its data folder remembers; nothing is sent yet. */
  static async create(options: SiteAgentOptions): Promise<SiteAgent> {
    const context = await createContext(options);
    await context.versions.removeStaleDownloads(Date.now());
    await removeOthersAdapters(context.config.dataDirectory);
    for (const task of context.config.tasks.keys()) await pruneVersions(context, task);
    const agent = new SiteAgent(context);
    await agent.#withdrawals.start();
    return agent;
  }

  /** A connection stands: introduce this site, then pull. */
  onConnected(): void {
    this.#isHelloDue = true;
    this.#context.pump.kick();
    this.synchronise();
  }

  /** Pull now, or once more if a pull is under way; returns at once. */
  synchronise(): void {
    this.#isWanted = true;
    if (this.#stop.signal.aborted) return;
    this.#running ??= this.#synchroniseAll().finally(() => {
      this.#running = null;
      if (this.#isWanted) this.synchronise();
    });
  }

  /** Stop: what is half done goes on at the next start. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#context.heartbeat.stop();
    await this.#withdrawals.stop();
    await this.#queue.stop();
    await this.#context.pump.stop();
    await this.#running;
  }

  async #synchroniseAll(): Promise<void> {
    while (this.#isWanted && !this.#stop.signal.aborted) {
      this.#isWanted = false;
      try {
        const isNewConnection = this.#isHelloDue;
        if (this.#isHelloDue) await this.#hello();
        await forgetWhereAccepted(this.#context);
        await this.#context.audit.compare(isNewConnection);
        const { accepted, newVersions } = await this.#synchroniser.synchronise();
        this.#lookAtForkLater();
        const asked = await this.#desk.pull();
        this.#arrange(accepted);
        for (const found of newVersions) await this.#keepVersion(found);
        this.#evaluateFinalVersions();
        await this.#desk.arrange(asked);
        this.#sayWaiting();
      } catch (error) {
        this.#afterFailure(error);
      }
    }
  }

  /** Said once until there was work again. */
  #sayWaiting(): void {
    if (this.#isWaitingSaid || this.#queue.isBusy) return;
    this.#isWaitingSaid = true;
    this.#context.emit({ event: 'waiting', reason: 'for a round' });
  }

  /** After a lost link the next connection pulls again; anything else is tried again in a while. */
  #afterFailure(error: unknown): void {
    if (this.#stop.signal.aborted) return;
    const { code, message } = failureOf(error);
    const { slowRetryMs, backoffMaximumMs } = this.#context.config.connection;
    if (!isLinkError(error)) {
      this.#context.logger.error({ code }, `synchronisation: ${message}`);
      this.#later(slowRetryMs);
    } else if (code === 'TIMEOUT') this.#later(backoffMaximumMs); // the link may stand all the same
  }

  #later(delayMs: number, before: () => void = () => undefined): void {
    const timer = setTimeout(() => {
      before();
      this.synchronise();
    }, delayMs);
    this.#stop.signal.addEventListener('abort', () => {
      clearTimeout(timer);
    });
  }

  /** After a fork a person's word comes without any announcement. */
  #lookAtForkLater(): void {
    if (!isForked(this.#context) || this.#isForkLookDue) return;
    this.#isForkLookDue = true;
    this.#later(this.#context.config.connection.slowRetryMs, () => {
      this.#isForkLookDue = false;
    });
  }

  async #hello(): Promise<void> {
    const { commands, policy, config, withdrawals } = this.#context;
    await commands.command('hello', {
      agentVersion,
      node: process.version,
      engines: [{ name: config.engine.name, device: config.engine.device }],
      backbones: policy.backbones.map(({ fingerprint }) => fingerprint),
      memoryBytes: totalmem(),
      cores: availableParallelism(),
      approvedTasks: [...policy.tasks.keys()]
        .filter((task) => withdrawals.of(task) === undefined)
        .map((task) => taskIdSchema.parse(task)),
    });
    this.#isHelloDue = false;
    this.#context.heartbeat.beat();
  }

  /** Line up the rounds to work on, and call off those that are over. */
  #arrange(accepted: readonly AcceptedRound[]): void {
    const names = new Set(accepted.map(({ key }) => roundName(key)));
    this.#queue.keepOnly((key) => names.has(key) || /^(?:final|asked)\//.test(key));
    for (const round of accepted) {
      const key = roundName(round.key);
      if ((this.#notBeforeMs.get(key) ?? 0) > performance.now()) continue;
      this.#isWaitingSaid = false;
      this.#queue.add({ key, run: (signal) => this.#work(round, signal) });
    }
  }

  async #work(round: AcceptedRound, signal: AbortSignal): Promise<void> {
    const { emit, logger, heartbeat } = this.#context;
    try {
      await new RoundWorker(this.#context, round).run(signal);
    } catch (error) {
      if (signal.aborted || isLinkError(error)) {
        if (!signal.aborted) this.synchronise();
      } else {
        const { code, message } = failureOf(error);
        const { task, round: number } = round.key;
        emit({ event: 'trainer-failed', task, round: number, code, message });
        logger.error({ code, round: roundName(round.key) }, message);
        await this.#afterFailedWork(round, error);
      }
    }
    heartbeat.set({
      phase: 'waiting',
      task: round.key.task,
      round: round.key.round,
      progress: null,
    });
  }

  /** Try again after a long wait; after too many tries withdraw, so that nobody waits for this site until the deadline. */
  async #afterFailedWork({ key, roundOpenDigest }: AcceptedRound, error: unknown): Promise<void> {
    const { config, journal } = this.#context;
    const { longRetryMs, retriesMax } = config.trainer;
    const name = roundName(key);
    const failures = (this.#failures.get(name) ?? 0) + 1;
    this.#failures.set(name, failures);
    if (failures > retriesMax) {
      const because = declineForError(error);
      await journal.update(key.task, {
        round: { key, roundOpenDigest, phase: 'withdrawn', because },
      });
      this.synchronise();
      return;
    }
    this.#notBeforeMs.set(name, performance.now() + longRetryMs);
    this.#later(longRetryMs);
  }

  async #keepVersion({ result, notice }: NewVersion): Promise<void> {
    const { policy, versions, outbox, emit, logger, site } = this.#context;
    const { task, version, adapterDigest: digest, isFinal, members } = result;
    if (policy.tasks.has(task)) {
      try {
        const { adapter: reference } = notice;
        const onProgress = downloadReporter(this.#context, { task, reference });
        const { signal } = this.#stop;
        await versions.ensure({ task, reference, digest }, { signal, onProgress });
        await versions.removePartial(task);
        await outbox.removeSent(task);
        // Work under way may read an older one; the next work prunes.
        if (!this.#queue.isBusy) await pruneVersions(this.#context, task);
      } catch (error) {
        if (isLinkError(error) || !(error instanceof MeloError)) throw error;
        logger.error({ code: error.code, task, version }, error.message);
      }
    }
    const round = { phase: 'published', reason: null, quorumSites: 1, members } as const;
    const summary = describeRound(round);
    if (members.some((member) => member.site === site && member.status !== 'reported'))
      logger.warn({ task, version }, `this site is not in it: ${summary}`);
    emit({ event: 'version', task, version, digest, isFinal, summary });
  }

  #evaluateFinalVersions(): void {
    for (const state of this.#context.journal.list()) {
      const evaluation = new FinalEvaluation(this.#context, state);
      if (!evaluation.isDue || this.#context.withdrawals.of(state.task) !== undefined) continue;
      const key = `final/${state.task}/${state.known.version}`;
      if ((this.#notBeforeMs.get(key) ?? 0) > performance.now()) continue;
      this.#queue.add({
        key,
        run: async (signal) => {
          const isDone = await evaluation.run(signal);
          if (isDone || signal.aborted) return;
          this.#notBeforeMs.set(key, performance.now() + this.#context.config.trainer.longRetryMs);
        },
      });
    }
  }
}

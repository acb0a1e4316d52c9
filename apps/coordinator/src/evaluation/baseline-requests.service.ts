/** What a task asks of its members from the first: what each trains alone, and the adapter of it. */
import { Injectable } from '@nestjs/common';
import { resolveTrainedTensors } from '#core/adapter';
import { Environment } from '../common/environment.ts';
import type { Queries } from '../config/database.ts';
import { TaskStore, type TaskRecord } from '../tasks/task-store.ts';
import { EvaluationRequestsService } from './evaluation-requests.service.ts';
import { freshUploadKey } from './local-adapter-keys.ts';

/** A baseline may take as long as all rounds together, and longer where the machine has other work. */
const baselineDeadlineMsMax = 365 * 24 * 3_600_000;

/** What a task asks of its members from the first. */
@Injectable()
export class BaselineRequestsService {
  readonly #environment: Environment;
  readonly #tasks: TaskStore;
  readonly #requests: EvaluationRequestsService;

  constructor(environment: Environment, tasks: TaskStore, requests: EvaluationRequestsService) {
    this.#environment = environment;
    this.#tasks = tasks;
    this.#requests = requests;
  }

  /** Ask every member for its local-only baseline, and for its adapter too, within the transaction that creates a task. */
  async ask(
    transaction: Queries,
    record: Pick<TaskRecord, 'task' | 'definition'>,
    adapterDigest: string,
  ): Promise<void> {
    const { definition, task } = record;
    if (definition.localBaseline !== true) return;
    const { rounds, plan, rules, members } = definition;
    const asked = {
      versions: [{ version: 0, adapterDigest }],
      baseline: {
        ...{ rounds, plan },
        // All of them: what a site's step keeps private in rounds is trained alone too.
        trainedTensors: [
          ...resolveTrainedTensors(definition.trainedTensors, this.#tasks.shape(definition).layout),
        ],
      },
      sites: [...members].sort(),
      deadlineMs: Math.min(baselineDeadlineMsMax, 2 * rounds * rules.deadlineMs),
    };
    const reason = 'the task asks for what each site trains alone';
    await this.#requests.insert(transaction, task, { ...asked, subject: 'baseline', reason });
    if (definition.crossEvaluation !== true) return;
    const { uploadPublicKey, wrappedKey } = freshUploadKey(
      task,
      this.#environment.keys.wrappingKey,
    );
    const about = {
      ...({ ...asked, subject: 'baseline-upload', uploadPublicKey } as const),
      reason: 'the task asks for the adapter that each site trains alone',
    };
    await this.#requests.insert(transaction, task, about, { wrappedKey });
  }
}

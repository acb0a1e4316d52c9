/** The key of a round, unwrapped for the work that opens its updates. */
import { Injectable } from '@nestjs/common';
import { fromHex } from '#core/bytes';
import { unwrapSecret } from '#core/crypto';
import { StateError } from '#core/errors';
import { Environment } from '../common/environment.ts';
import { TaskStore } from '../tasks/task-store.ts';
import type { RoundSeal } from './adapter-work.ts';
import { roundKeyPurpose } from './round-opening.ts';
import type { RoundRecord } from './round-store.ts';

/** The keys of rounds. */
@Injectable()
export class RoundSealsService {
  readonly #environment: Environment;
  readonly #tasks: TaskStore;

  constructor(environment: Environment, tasks: TaskStore) {
    this.#environment = environment;
    this.#tasks = tasks;
  }

  /**
   * What updates of an attempt were sealed for, with its secret key.
   *
   * @throws StateError ROUND_CLOSED once the key is erased
   */
  async sealOf(round: RoundRecord): Promise<RoundSeal> {
    if (round.wrappedSecretKey === null) {
      throw new StateError(
        'ROUND_CLOSED',
        `round ${round.round} of ${round.task}: its key was erased when its retention ended, its updates can no longer be opened`,
        { task: round.task, round: round.round },
      );
    }
    const { definition } = await this.#tasks.get(round.task);
    return {
      definition,
      federation: this.#environment.federation,
      round: round.round,
      attempt: round.attempt,
      openDigest: round.openDigest,
      trainedTensors: this.#tasks.shape(definition).trainedTensors,
      roundPublicKey: fromHex(round.roundPublicKey),
      roundSecretKey: unwrapSecret({
        wrapped: round.wrappedSecretKey,
        wrappingKey: this.#environment.keys.wrappingKey,
        purpose: roundKeyPurpose(round.roundPublicKey),
      }),
    };
  }
}

/** The key of a round, unwrapped for the work that opens its updates. */
import { Injectable } from '@nestjs/common';
import { aggregationMethod } from '#core/aggregation';
import { fromHex } from '#core/bytes';
import { unwrapSecret } from '#core/crypto';
import { StateError } from '#core/errors';
import { decodePayload, roundOpenSchema, type TaskDefinition } from '#core/protocol';
import { Environment } from '../common/environment.ts';
import { TaskStore, tensorsOfRound } from '../tasks/task-store.ts';
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
      trainedTensors: this.#trainedTensors(round, definition),
      roundPublicKey: fromHex(round.roundPublicKey),
      roundSecretKey: unwrapSecret({
        wrapped: round.wrappedSecretKey,
        wrappingKey: this.#environment.keys.wrappingKey,
        purpose: roundKeyPurpose(round.roundPublicKey),
      }),
    };
  }

  /** As the attempt was signed; read from there only where not every round of the task trains the same. */
  #trainedTensors(round: RoundRecord, definition: TaskDefinition): readonly string[] {
    if (!aggregationMethod(definition.aggregation.method).countsRounds) {
      return tensorsOfRound(definition, this.#tasks.shape(definition), 0);
    }
    return decodePayload(roundOpenSchema, round.openPayload, 'stored RoundOpen').trainedTensors;
  }
}

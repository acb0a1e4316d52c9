/**
 * Watches that the coordinator's audit log only ever grows: each head must continue the one that this site remembers. Where it
 * does not, rounds are declined until a person has looked.
 *
 * The site gets digests alone and learns nothing of what others did.
 */
import { fromHex, toHex } from '#core/bytes';
import { followAuditChain, signDomains, verifyPayload, type SignedEnvelope } from '#core/crypto';
import { MeloError, StateError } from '#core/errors';
import { auditHeadSchema, decodePayload, limits, type AuditHead } from '#core/protocol';
import type { EmitEvent, Logger } from '../common/events.ts';
import type { CoordinatorCommands } from '../transport/connection.ts';
import { RefusedError } from '../transport/refused-error.ts';
import {
  forkFile,
  headOf,
  readAuditMemory,
  rememberFork,
  rememberHead,
  toFile,
  type AuditFork,
  type AuditMemory,
} from './audit-memory.ts';

/** A head at most this often, connections apart. */
const intervalMs = 60_000;
/** Digests pulled in one comparison, at most. */
const pullsMax = 100_000;
/** What a coordinator without an audit chain answers. */
const unknownCommandCodes: ReadonlySet<string> = new Set(['MESSAGE_INVALID', 'NOT_FOUND']);

/** What watching needs. */
export interface AuditWatchOptions {
  readonly dataDirectory: string;
  readonly federation: string;
  readonly coordinatorPublicKey: Uint8Array;
  readonly commands: CoordinatorCommands;
  readonly emit: EmitEvent;
  readonly logger: Logger;
}

interface Offered {
  readonly head: AuditHead;
  readonly envelope: SignedEnvelope;
}

/** Watches the coordinator's audit log. */
export class AuditWatch {
  readonly #options: AuditWatchOptions;
  #memory: AuditMemory;
  #lastMs = -Infinity;
  #isForkSaid = false;

  private constructor(options: AuditWatchOptions, memory: AuditMemory) {
    this.#options = options;
    this.#memory = memory;
  }

  /** Go on from what this site remembers. */
  static async open(options: AuditWatchOptions): Promise<AuditWatch> {
    return new AuditWatch(options, await readAuditMemory(options.dataDirectory));
  }

  /** Why rounds are declined; null where the log is as it should be. */
  get fork(): AuditFork | null {
    return this.#memory.fork;
  }

  /**
   * Compare the coordinator's head with the one remembered, on a new connection and now and then.
   *
   * @throws MeloError where the coordinator does not answer, or not with a head of its own: ask again
   */
  async compare(isNewConnection: boolean): Promise<void> {
    const nowMs = performance.now();
    if (this.fork !== null) this.#memory = await readAuditMemory(this.#options.dataDirectory);
    if (this.fork !== null) {
      this.#say(this.fork);
      return;
    }
    if (!isNewConnection && nowMs - this.#lastMs < intervalMs) return;
    const remembered = this.#memory.head;
    const found = await this.#newest(remembered === null ? null : headOf(remembered));
    this.#lastMs = nowMs;
    if ('reason' in found) await this.#decide(found);
    else await this.#remember(found);
  }

  /** The coordinator's head once it is known to continue ours, or what does not fit. */
  async #newest(ours: AuditHead | null): Promise<Offered | Omit<AuditFork, 'foundAtMs'>> {
    let at = ours === null ? null : { sequence: ours.sequence, link: fromHex(ours.linkDigest) };
    for (let pull = 0; pull < pullsMax; pull++) {
      const answer = await this.#pull(at?.sequence ?? Number.MAX_SAFE_INTEGER);
      if (answer === null) {
        return { reason: 'the coordinator gives no audit log any more', offered: null };
      }
      const { offered, digests } = answer;
      const { head } = offered;
      if (at === null) return offered; // the first one is believed
      const wrong = (reason: string) => ({ reason, offered: toFile(offered.envelope) });
      if (head.sequence < at.sequence) {
        return wrong(`it ends with entry ${head.sequence}, entry ${at.sequence} was there before`);
      }
      const left = 32 * (head.sequence - at.sequence);
      at = followAuditChain(at, digests.subarray(0, Math.min(left, digests.length)));
      if (at.sequence === head.sequence) {
        if (toHex(at.link) === head.linkDigest) return offered;
        return wrong(`entry ${head.sequence} does not follow from entry ${ours?.sequence ?? 0}`);
      }
      if (digests.length === 0) {
        return wrong(`the entries after ${at.sequence} are held back, it has ${head.sequence}`);
      }
    }
    throw new StateError('STATE_CONFLICT', 'audit: expected its end to be reached, it grows away');
  }

  /** Ask for a head and the digests after an entry; null where the coordinator keeps no chain. */
  async #pull(
    after: number,
  ): Promise<{ readonly offered: Offered; readonly digests: Uint8Array } | null> {
    const { commands, coordinatorPublicKey, federation } = this.#options;
    try {
      const limit = limits.auditDigestsPerMessageMax;
      const { head: envelope, digests } = await commands.command('audit:get', { after, limit });
      const payload = verifyPayload(signDomains.auditHead, envelope, coordinatorPublicKey);
      const head = decodePayload(auditHeadSchema, payload, 'audit head');
      if (head.federation !== federation) {
        throw new StateError('STATE_CONFLICT', 'audit: expected a head of this federation');
      }
      return { offered: { head, envelope }, digests };
    } catch (error) {
      if (error instanceof RefusedError && unknownCommandCodes.has(error.code)) return null;
      throw error;
    }
  }

  async #remember({ head, envelope }: Offered): Promise<void> {
    const { head: before } = this.#memory;
    if (before !== null && headOf(before).sequence === head.sequence) return;
    this.#memory = await rememberHead(this.#options.dataDirectory, toFile(envelope));
  }

  /** A coordinator of before there was a chain is fine as long as there never was one. */
  async #decide(found: Omit<AuditFork, 'foundAtMs'>): Promise<void> {
    const { head } = this.#memory;
    if (head === null) return;
    const fork = { ...found, foundAtMs: Date.now() };
    this.#memory = await rememberFork(this.#options.dataDirectory, head, fork);
    this.#say(fork);
  }

  #say(fork: AuditFork): void {
    if (this.#isForkSaid) return;
    this.#isForkSaid = true;
    const { emit, logger, dataDirectory } = this.#options;
    const proof = forkFile(dataDirectory, fork);
    const error = forkError(fork);
    emit({ event: 'audit-fork', reason: fork.reason, proof });
    logger.error({ code: error.code, proof }, error.message);
  }
}

function forkError({ reason }: AuditFork): MeloError {
  return new StateError(
    'AUDIT_FORK',
    `audit: expected a log that continues what this site remembers, but ${reason}; rounds are declined until a person has asked the administrator and runs \`melo agent audit accept\``,
  );
}

/** The signed chain of a task's versions, checked link by link from version 0. Pure. */
import { canonicalJson } from '#core/bytes';
import { envelopeDigest, signDomains, verifyPayload, type SignedEnvelope } from '#core/crypto';
import { InputError } from '#core/errors';
import {
  decodePayload,
  membershipRecordSchema,
  roundOpenSchema,
  roundResultSchema,
  type MembershipRecord,
  type RoundOpen,
  type RoundResult,
} from '#core/protocol';

/** What is stored of one version and of the attempt that made it. */
export interface StoredLink {
  readonly version: number;
  /** Digest of the file, as the row of the version says. */
  readonly adapterDigest: string;
  readonly resultDigest: string | null;
  readonly result: SignedEnvelope | null;
  readonly open: SignedEnvelope | null;
  readonly openDigest: string | null;
  readonly membership: SignedEnvelope | null;
}

/** A link that holds, parsed. */
export interface CheckedLink {
  readonly open: RoundOpen;
  readonly result: RoundResult;
  readonly membership: MembershipRecord;
}

function expectSame(where: string, expected: unknown, actual: unknown): void {
  if (canonicalJson(expected) === canonicalJson(actual)) return;
  throw new InputError(
    'REQUEST_INVALID',
    `${where}: expected ${String(expected).slice(0, 64)}, it is ${String(actual).slice(0, 64)}`,
  );
}

function present<T>(where: string, value: T | null): T {
  if (value !== null) return value;
  throw new InputError('REQUEST_INVALID', `${where}: expected it to be stored, it is missing`);
}

/** Checks the links of one task's chain in ascending order of their versions. */
export class ChainCheck {
  readonly #federation: string;
  readonly #task: string;
  readonly #publicKey: Uint8Array;
  /** Digests of the files of the versions checked so far, by number. */
  readonly #adapterDigests: string[];
  #resultDigest: string | null = null;

  /** Begin behind version 0, whose file has this digest. */
  constructor(options: {
    readonly federation: string;
    readonly task: string;
    readonly coordinatorPublicKey: Uint8Array;
    readonly initialDigest: string;
  }) {
    this.#federation = options.federation;
    this.#task = options.task;
    this.#publicKey = options.coordinatorPublicKey;
    this.#adapterDigests = [options.initialDigest];
  }

  /**
   * Check the next link.
   *
   * @throws MeloError that names what does not hold
   */
  next(link: StoredLink): CheckedLink {
    const version = this.#adapterDigests.length;
    expectSame('version', version, link.version);
    const { result, digest } = this.#result(link, version);
    const base = result.baseVersion ?? version - 1;
    const open = this.#open(link, result, base);
    const membership = this.#membership(link, result);
    this.#adapterDigests.push(result.adapterDigest);
    this.#resultDigest = digest;
    return { open, result, membership };
  }

  #result(link: StoredLink, version: number) {
    const where = `result of round ${version}`;
    const envelope = present(where, link.result);
    const payload = verifyPayload(signDomains.roundResult, envelope, this.#publicKey);
    const result = decodePayload(roundResultSchema, payload, where);
    const digest = envelopeDigest(signDomains.roundResult, payload);
    this.#expectOwn(where, result, version);
    expectSame(`${where}, digest`, digest, link.resultDigest);
    expectSame(`${where}, version`, version, result.version);
    expectSame(`${where}, previous result`, this.#resultDigest, result.previousResultDigest);
    expectSame(`${where}, file of the version`, result.adapterDigest, link.adapterDigest);
    return { result, digest };
  }

  #open(link: StoredLink, result: RoundResult, base: number): RoundOpen {
    const where = `RoundOpen of round ${result.round}`;
    const envelope = present(where, link.open);
    const payload = verifyPayload(signDomains.roundOpen, envelope, this.#publicKey);
    const open = decodePayload(roundOpenSchema, payload, where);
    const digest = envelopeDigest(signDomains.roundOpen, payload);
    this.#expectOwn(where, open, result.round);
    expectSame(`${where}, attempt`, result.attempt, open.attempt);
    expectSame(`${where}, digest in the result`, digest, result.roundOpenDigest);
    expectSame(`${where}, digest in its row`, digest, link.openDigest);
    expectSame(`${where}, version it starts from`, base, open.globalVersion);
    const file = this.#adapterDigests[base] ?? 'a version before this one';
    expectSame(`${where}, file it starts from`, file, open.globalAdapterDigest);
    return open;
  }

  #membership(link: StoredLink, result: RoundResult): MembershipRecord {
    const where = `membership of round ${result.round}`;
    const envelope = present(where, link.membership);
    const payload = verifyPayload(signDomains.membership, envelope, this.#publicKey);
    const membership = decodePayload(membershipRecordSchema, payload, where);
    this.#expectOwn(where, membership, result.round);
    expectSame(`${where}, attempt`, result.attempt, membership.attempt);
    expectSame(`${where}, outcome`, 'published', membership.outcome);
    if (canonicalJson(membership.members) !== canonicalJson(result.members)) {
      throw new InputError('REQUEST_INVALID', `${where}: expected the members of the result`);
    }
    return membership;
  }

  #expectOwn(
    where: string,
    message: { readonly federation: string; readonly task: string; readonly round: number },
    round: number,
  ): void {
    expectSame(`${where}, federation`, this.#federation, message.federation);
    expectSame(`${where}, task`, this.#task, message.task);
    expectSame(`${where}, round`, round, message.round);
  }
}

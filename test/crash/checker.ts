/** Holds what the coordinator publishes against what the witness heard: every attempt, every version, to the last bit. */
import type { z } from 'zod';
import { adapterDigest, decodeAdapterFile, decodeUpdate, type AdapterFile } from '#core/adapter';
import { fromHex } from '#core/bytes';
import { openUpdate } from '#core/crypto';
import type { MemberStatus, RoundResult } from '#core/protocol';
import { roundRoutes } from '../../apps/coordinator/src/rounds/rounds.contract.ts';
import { taskRoutes } from '../../apps/coordinator/src/tasks/tasks.contract.ts';
import type { CrashFederation } from './crash-federation.ts';
import { readRoundKey } from './round-keys.ts';
import type { Violations } from './violations.ts';
import { ciphertextOf, named, type Witness, type WitnessedUpload } from './witness.ts';

type Attempt = z.infer<typeof roundRoutes.get.response>;

/** How members end that must say why. */
const reasonedStatuses: ReadonlySet<MemberStatus> = new Set([
  'declined',
  'rejected',
  'withdrawn',
  'lost',
  'late',
]);

/** Checks the versions of one task as they come. */
export class Checker {
  /** Attempts that were published and abandoned so far. */
  readonly outcomes = { published: 0, abandoned: 0 };
  readonly reasons = new Map<string, number>();
  /** Updates whose acknowledged commit was found again in its round. */
  acknowledgedUpdates = 0;
  readonly #federation: CrashFederation;
  readonly #witness: Witness;
  readonly #violations: Violations;
  readonly #task: string;
  readonly #checkedUploads = new Set<string>();
  #version = -1;
  #file: AdapterFile | null = null;
  #resultDigest: string | null = null;

  constructor(options: {
    readonly federation: CrashFederation;
    readonly witness: Witness;
    readonly violations: Violations;
    readonly task: string;
  }) {
    this.#federation = options.federation;
    this.#witness = options.witness;
    this.#violations = options.violations;
    this.#task = options.task;
  }

  /** The newest version that was checked. */
  get version(): number {
    return this.#version;
  }

  /** Check every version that is new, and every attempt that led to it. */
  async advance(): Promise<void> {
    const { latestVersion } = await this.#federation.call(taskRoutes.get, {
      params: { task: this.#task },
    });
    while (this.#version < latestVersion) {
      const version = this.#version + 1;
      await this.#check(version);
      this.#version = version;
    }
  }

  /** At the end: the attempts at a round that was never published, and updates acknowledged since their round was checked. */
  async finish(): Promise<void> {
    await this.advance();
    const left = [...this.#witness.uploads.values()].filter(
      (upload) => upload.committed !== null && !this.#checkedUploads.has(upload.uploadId),
    );
    for (const upload of left) {
      const { round, attempt } = upload.manifest;
      this.#checkAcknowledged(upload, await this.#attempt(round, attempt));
    }
  }

  async #check(version: number): Promise<void> {
    const { task } = { task: this.#task };
    const bytes = await this.#federation.download(task, version);
    const detail = await this.#federation.version(task, version);
    const file = decodeAdapterFile(bytes);
    const before = this.#file;
    this.#file = file;
    const result = detail.resultPayload;
    if (result === null || before === null) return; // version 0: from the public seed, and nothing before it
    if (adapterDigest(bytes) !== result.adapterDigest)
      this.#violations.add('wrong-sum', `version ${version} is not the file that was signed`);
    this.#checkChain(version, result, detail.resultDigest);
    for (let attempt = 1; attempt <= result.attempt; attempt++)
      this.#checkAttempt(await this.#attempt(result.round, attempt));
    this.#checkSum(version, result, before, file);
    for (const upload of this.#witness.uploads.values())
      if (upload.manifest.round <= result.round) upload.ranges.clear(); // so that a long run fits the memory
  }

  async #attempt(round: number, attempt: number): Promise<Attempt> {
    const path = `/v1/tasks/${this.#task}/rounds/${round}?attempt=${attempt}`;
    const response = await this.#federation.raw('GET', path);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return roundRoutes.get.response.parse(await response.json());
  }

  #checkChain(version: number, result: RoundResult, digest: string | null): void {
    if (result.previousResultDigest !== this.#resultDigest)
      this.#violations.add('fork', `version ${version} does not name the result before it`);
    const told = this.#witness.results.get(`${this.#task}/${version}`);
    if (told !== undefined && told !== digest)
      this.#violations.add('fork', `version ${version} is not the one that sites were told of`);
    this.#resultDigest = digest;
  }

  #checkAttempt(attempt: Attempt): void {
    const { round, phase, reason, members } = attempt;
    const name = `round ${round} attempt ${attempt.attempt}`;
    if (phase === 'published') this.outcomes.published += 1;
    else this.outcomes.abandoned += 1;
    if (phase === 'abandoned') {
      const kind = (reason ?? 'none').replaceAll(/\d+/g, 'n');
      this.reasons.set(kind, (this.reasons.get(kind) ?? 0) + 1);
    }
    if (phase !== 'published' && (phase !== 'abandoned' || reason === null))
      this.#violations.add('no-reason', `${name} is ${phase} although a later one was published`);
    if (new Set(members.map(({ site }) => site)).size !== members.length)
      this.#violations.add('counted-twice', name);
    for (const member of members)
      if (reasonedStatuses.has(member.status) && member.reason === null)
        this.#violations.add('no-reason', `${member.site} is ${member.status} in ${name}`);
    for (const upload of this.#witness.uploads.values()) {
      const { manifest, committed } = upload;
      const isOfIt = manifest.round === round && manifest.attempt === attempt.attempt;
      if (isOfIt && committed !== null) this.#checkAcknowledged(upload, attempt);
    }
  }

  #checkAcknowledged(upload: WitnessedUpload, attempt: Attempt): void {
    if (this.#checkedUploads.has(upload.uploadId)) return;
    this.#checkedUploads.add(upload.uploadId);
    this.acknowledgedUpdates += 1;
    const member = attempt.members.find(({ site }) => site === upload.manifest.site);
    const isKept = member?.status === upload.committed && member.updateDigest === upload.uploadId;
    if (!isKept)
      this.#violations.add(
        'lost-acknowledged',
        `${named(upload)} was acknowledged as ${String(upload.committed)}, the round says ${member?.status ?? 'nothing'}`,
      );
  }

  /** The sum once more, from the bytes that went by: dense, in plain numbers, in the order of the alphabet. */
  #checkSum(version: number, result: RoundResult, before: AdapterFile, after: AdapterFile): void {
    const counted = result.members
      .filter(({ weight }) => weight !== null)
      .sort((a, b) => (a.site < b.site ? -1 : 1));
    if (new Set(counted.map(({ site }) => site)).size !== counted.length)
      this.#violations.add('counted-twice', `version ${version}`);
    const total = counted.reduce((sum, { weight }) => sum + (weight ?? 0), 0);
    const change = new Float64Array(before.values.length);
    for (const { site, weight, updateDigest, samples } of counted) {
      const upload = this.#witness.uploads.get(updateDigest ?? '');
      const delta = upload?.manifest.site === site ? this.#open(upload, result, before) : null;
      if (delta === null || upload?.manifest.samples !== samples || weight !== samples) {
        this.#violations.add('wrong-sum', `version ${version}: ${site} counts with another update`);
        return;
      }
      const share = weight / total;
      for (const [index, value] of delta.entries())
        change[index] = (change[index] ?? 0) + share * value;
    }
    const isSame = after.values.every(
      (value, index) => value === Math.fround((before.values[index] ?? 0) + (change[index] ?? 0)),
    );
    if (!isSame) this.#violations.add('wrong-sum', `version ${version}: other numbers`);
  }

  #open(upload: WitnessedUpload, result: RoundResult, before: AdapterFile): Float32Array | null {
    const ciphertext = ciphertextOf(upload);
    if (ciphertext === null || result.roundOpenDigest !== upload.manifest.roundOpenDigest)
      return null;
    const key = readRoundKey(this.#federation.keysDirectory, result.roundOpenDigest);
    const { task, round, attempt, site } = upload.manifest;
    const bytes = openUpdate({
      ciphertext,
      roundKeyPair: { publicKey: fromHex(key.publicKey), secretKey: fromHex(key.secretKey) },
      roundOpenDigest: key.openDigest,
      context: {
        ...{ federation: key.federation, task, round, attempt, site },
        layoutHash: before.layout.hash,
      },
    });
    const { trainedTensors } = key;
    return decodeUpdate({ bytes, layout: before.layout, trainedTensors, site });
  }
}

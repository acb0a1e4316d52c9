/** One task with its rounds, its versions in their signed chain, and what sites reported about them. */
import {
  adapterCard,
  adapterDigest,
  encodeAdapterFile,
  initialAdapter,
  specificationOf,
} from '#core/adapter';
import { toHex } from '#core/bytes';
import {
  encryptAdapter,
  envelopeDigest,
  randomBytes,
  signDomains,
  signPayload,
  wrapSecret,
} from '#core/crypto';
import {
  encodePayload,
  protocolVersion,
  roundResultSchema,
  type SiteId,
  type TaskDefinition,
} from '#core/protocol';
import { seededRng, type SeededRng } from '#core/rng';
import { tasks, versions } from '../../apps/coordinator/src/config/schema.ts';
import { libraryName } from '../../apps/coordinator/src/common/package-info.ts';
import { contentKeyPurpose } from '../../apps/coordinator/src/registry/versions.service.ts';
import { membershipEntries } from '../../apps/coordinator/src/rounds/round-transitions.service.ts';
import { taskShape, type TaskShape } from '../../apps/coordinator/src/tasks/task-store.ts';
import { fillReport } from './filled-report.ts';
import { fillRound, type FilledRound } from './filled-round.ts';
import type { World } from './world.ts';

/** Milliseconds between two rounds. */
const roundMs = 2 * 3_600_000;
/** Every so many rounds an attempt was abandoned before it; every so many a member declined. */
const abandonedEvery = 25;
const declinedEvery = 7;

/** What a task is made from. */
export interface TaskPlan {
  readonly definition: TaskDefinition;
  /** Published rounds. */
  readonly published: number;
  readonly status: 'running' | 'paused' | 'finished' | 'created';
  /** Id that its first attempt gets. */
  readonly firstRoundId: number;
}

interface Version {
  readonly adapterDigest: string;
  readonly resultDigest: string | null;
}

/** One task while it is filled. */
class TaskFill {
  readonly #world: World;
  readonly #plan: TaskPlan;
  readonly #shape: TaskShape;
  readonly #rng: SeededRng;
  #roundId: number;

  constructor(world: World, plan: TaskPlan) {
    this.#world = world;
    this.#plan = plan;
    this.#shape = taskShape(plan.definition);
    this.#rng = seededRng(plan.definition.task);
    this.#roundId = plan.firstRoundId;
  }

  /** Fill it, and return how many attempts it has. */
  fill(): number {
    const { definition, published, status } = this.#plan;
    const createdAtMs = this.#openedAtMs(0);
    let version = this.#addVersion(0, null, null, createdAtMs);
    this.#report(0, version, definition.members, createdAtMs);
    for (let round = 1; round <= published; round++) version = this.#playRound(round, version);
    if (status === 'running') this.#attempt(published + 1, 1, 'open', version);
    this.#world.rows.add(tasks, {
      ...{ task: definition.task, definition, status, createdAtMs, latestVersion: published },
      promotedVersion: published > 1 ? published - 1 : null,
    });
    const target = `task:${definition.task}`;
    const details = { members: definition.members.length };
    this.#world.audit('task.created', target, createdAtMs, details, 'administrator');
    return this.#roundId - this.#plan.firstRoundId;
  }

  #openedAtMs(round: number): number {
    return this.#world.nowMs - (this.#plan.published + 1 - round) * roundMs;
  }

  #playRound(round: number, base: Version): Version {
    const isRepeated = round % abandonedEvery === 0;
    if (isRepeated) this.#attempt(round, 1, 'abandoned', base);
    const attempt = isRepeated ? 2 : 1;
    const filled = this.#attempt(round, attempt, 'published', base);
    const version = this.#addVersion(round, { ...filled, attempt }, base, filled.settledAtMs);
    this.#report(round, version, filled.reported, filled.settledAtMs);
    return version;
  }

  #attempt(
    round: number,
    attempt: number,
    outcome: 'published' | 'abandoned' | 'open',
    base: Version,
  ): FilledRound & { readonly id: number } {
    const { definition } = this.#plan;
    const id = this.#roundId++;
    const declining = round % declinedEvery === 0 ? (definition.members.at(-1) ?? null) : null;
    const filled = fillRound(this.#world, {
      ...{ definition, shape: this.#shape, id, round, attempt, outcome, declining, rng: this.#rng },
      globalAdapterDigest: base.adapterDigest,
      openedAtMs: this.#openedAtMs(round) - (outcome === 'abandoned' ? roundMs / 2 : 0),
    });
    return { ...filled, id };
  }

  #addVersion(
    version: number,
    round: (FilledRound & { readonly id: number; readonly attempt: number }) | null,
    base: Version | null,
    createdAtMs: number,
  ): Version {
    const { definition } = this.#plan;
    const { task } = definition;
    const file = this.#fileOf(version, round, base);
    const contentKey = randomBytes(32);
    const ciphertext = encryptAdapter({ plaintext: file, contentKey });
    const digest = adapterDigest(file);
    const result = round === null ? null : this.#signResult(version, round, base, digest);
    const resultDigest = result?.digest ?? null;
    const { wrappingKey } = this.#world.keys;
    this.#world.rows.add(versions, {
      ...{ task, version, adapterDigest: digest, adapterBytes: file.length, createdAtMs },
      ciphertextDigest: this.#world.blobs.add(ciphertext),
      ciphertextBytes: ciphertext.length,
      wrappedContentKey: wrapSecret({
        ...{ secret: contentKey, wrappingKey, purpose: contentKeyPurpose(task, version) },
      }),
      ...{ roundId: round?.id ?? null, resultDigest, leftSites: [] },
      ...{ resultPayload: result?.payload ?? null, resultSignature: result?.signature ?? null },
    });
    return { adapterDigest: digest, resultDigest };
  }

  #fileOf(version: number, round: FilledRound | null, base: Version | null): Uint8Array {
    const { definition } = this.#plan;
    const specification = specificationOf(definition);
    const values = initialAdapter(specification, definition.publicSeed);
    values[values.length - 1] = version;
    const members = (round?.state.members ?? []).flatMap(({ site, status, samples }) =>
      status === 'reported' && samples !== null ? [{ site, samples, weight: samples }] : [],
    );
    const card = adapterCard({
      ...{ definition, version, parentDigest: base?.adapterDigest ?? null, members },
      round: version === 0 ? null : version,
      software: { library: libraryName, engine: 'filled for a measurement' },
    });
    return encodeAdapterFile({ specification, values, card });
  }

  #signResult(
    version: number,
    round: FilledRound & { readonly attempt: number },
    base: Version | null,
    digest: string,
  ) {
    const { definition, published, status } = this.#plan;
    const payload = encodePayload(roundResultSchema, {
      type: 'round-result',
      ...{ protocol: protocolVersion, federation: this.#world.federation, task: definition.task },
      ...{ round: version, attempt: round.attempt, roundOpenDigest: round.openDigest, version },
      ...{ adapterDigest: digest, backboneFingerprint: definition.backbone.fingerprint },
      ...{ layoutHash: this.#shape.layout.hash, method: definition.aggregation.method },
      members: membershipEntries(round.state, definition, 'published'),
      previousResultDigest: base?.resultDigest ?? null,
      isFinal: status === 'finished' && version === published,
    });
    const { signature } = signPayload(
      ...([signDomains.roundResult, payload, this.#world.keys.signing.secretKey] as const),
    );
    return { payload, signature, digest: envelopeDigest(signDomains.roundResult, payload) };
  }

  /** Every member tells how good a version is; those of its round how good what they had trained was. */
  #report(version: number, made: Version, sites: readonly SiteId[], atMs: number): void {
    const { definition, published } = this.#plan;
    const common = { task: definition.task, classes: definition.classes.length, atMs };
    const skillOf = (site: SiteId): number =>
      24 * (1 - Math.exp((-3 * version) / Math.max(1, published))) - (site.length % 3);
    for (const site of definition.members) {
      const subject = { subject: 'global', version, round: null } as const;
      const skill = skillOf(site);
      fillReport(this.#world, { ...common, ...subject, site, skill, ...digestOf(made) });
    }
    if (version === 0) return;
    for (const site of sites) {
      const subject = { subject: 'local', version: version - 1, round: version } as const;
      const local = { adapterDigest: toHex(randomBytes(32)), skill: skillOf(site) - 1 };
      fillReport(this.#world, { ...common, ...subject, site, ...local });
    }
  }
}

const digestOf = ({ adapterDigest: digest }: Version) => ({ adapterDigest: digest });

/** Fill one task, and return how many attempts it has. */
export function fillTask(world: World, plan: TaskPlan): number {
  return new TaskFill(world, plan).fill();
}

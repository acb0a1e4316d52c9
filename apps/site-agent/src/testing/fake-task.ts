/** A coordinator's task for specs: opens rounds, publishes versions, opens the updates that come. */
import {
  adapterCard,
  adapterDigest,
  adapterLayout,
  decodeUpdate,
  encodeAdapterFile,
  initialAdapter,
  resolveTrainedTensors,
  specificationOf,
} from '#core/adapter';
import { toHex } from '#core/bytes';
import {
  blake2b256,
  encryptAdapter,
  envelopeDigest,
  generateAgreementKeyPair,
  openUpdate,
  randomBytes,
  sealContentKey,
  signDomains,
  signPayload,
  verifyPayload,
  type AgreementKeyPair,
  type SignedEnvelope,
} from '#core/crypto';
import {
  decodePayload,
  evaluationDeclineSchema,
  evaluationPayloadSchema,
  evaluationRequestSchema,
  encodePayload,
  manifestSchema,
  planDigest,
  preprocessingDigest,
  protocolVersion,
  roundOpenSchema,
  roundResultSchema,
  siteCommands,
  type EvaluationRequest,
  type MemberStatus,
  type RoundOpen,
  type TaskDefinition,
} from '#core/protocol';
import type { SiteKeys } from '../identity/identity.ts';
import type { FakeCoordinator } from './fake-coordinator.ts';
import { baselineOf, encodeLike, openLocalAdapter } from './fake-local-adapter.ts';
import type { FakeUploads } from './fake-uploads.ts';

const digestOf = (bytes: Uint8Array): string => toHex(blake2b256(bytes));

/** One task of a fake coordinator with one site. */
export class FakeTask {
  readonly coordinator: FakeCoordinator;
  readonly definition: TaskDefinition;
  /** Deltas that were opened, in order of arrival. */
  readonly updates: Float32Array[] = [];
  /** Deltas of adapters that were trained alone and let out. */
  readonly adapters: Float32Array[] = [];
  #uploadPair: AgreementKeyPair | null = null;
  status: MemberStatus = 'invited';
  /** Changes a RoundOpen before it is signed. */
  alter: (open: RoundOpen) => RoundOpen = (open) => open;
  /** Changes its bytes before they are signed: a later release may have written them. */
  alterPayload: (payload: Uint8Array) => Uint8Array = (payload) => payload;
  readonly #siteKeys: SiteKeys;
  readonly #blobs = new Map<string, Uint8Array>();
  readonly #results: object[] = [];
  #asked: { readonly request: EvaluationRequest; readonly message: object }[] = [];
  readonly #resultDigests: string[] = [];
  /** Where set, rounds start from this version instead of the newest, until one is published. */
  rerunFrom: number | null = null;
  readonly #versions: { readonly values: Float32Array; file: Uint8Array; reference: object }[] = [];
  #resultDigest: string | null = null;
  #values: Float32Array;
  #version = 0;
  #file: Uint8Array;
  #reference: object;
  #round: {
    open: SignedEnvelope;
    openDigest: string;
    keyPair: AgreementKeyPair;
    attempt: number;
    trainedTensors: readonly string[];
  } | null = null;

  constructor(
    coordinator: FakeCoordinator,
    uploads: FakeUploads,
    options: { readonly definition: TaskDefinition; readonly siteKeys: SiteKeys },
  ) {
    this.coordinator = coordinator;
    this.definition = options.definition;
    this.#siteKeys = options.siteKeys;
    this.#values = initialAdapter(specificationOf(this.definition), this.definition.publicSeed);
    this.#file = this.#encodeVersion();
    this.#reference = this.#store();
    this.#keepVersion();
    coordinator.handlers.set('round:get', (raw) => this.#answer(raw));
    coordinator.handlers.set('round:accept', () => ({
      ok: true,
      status: (this.status = 'accepted'),
    }));
    coordinator.handlers.set('round:decline', () => ({
      ok: true,
      status: (this.status = 'declined'),
    }));
    coordinator.handlers.set('round:withdraw', () => ({
      ok: true,
      status: (this.status = 'withdrawn'),
    }));
    coordinator.handlers.set('evaluation', (raw) => {
      const { evaluation } = siteCommands.evaluation.request.parse(raw);
      const { subject, version } = decodePayload(
        evaluationPayloadSchema,
        evaluation.payload,
        'evaluation',
      );
      this.#asked = this.#asked.filter(
        ({ request }) => request.subject !== subject || request.versions[0]?.version !== version,
      );
      return { ok: true };
    });
    coordinator.handlers.set('evaluation:decline', (raw) => {
      const { decline } = siteCommands['evaluation:decline'].request.parse(raw);
      const said = decodePayload(evaluationDeclineSchema, decline.payload, 'decline');
      this.#asked = this.#asked.filter(({ request }) => request.request !== said.request);
      return { ok: true };
    });
    coordinator.handlers.set('blob:get', (raw) => {
      const { digest, offset, length } = siteCommands['blob:get'].request.parse(raw);
      const blob = this.#blobs.get(digest) ?? new Uint8Array(0);
      return { ok: true, bytes: Buffer.from(blob.subarray(offset, offset + length)) };
    });
    uploads.onCommit = (_id, ciphertext) => this.#commit(ciphertext);
  }

  /** Open the next round, or another attempt of the present one. */
  openRound(attempt = 1): void {
    const { definition } = this;
    const keyPair = generateAgreementKeyPair();
    const layout = adapterLayout(specificationOf(definition));
    const open = this.alter(
      roundOpenSchema.parse({
        type: 'round-open',
        protocol: protocolVersion,
        federation: this.coordinator.federation,
        task: definition.task,
        round: this.#version + 1,
        attempt,
        rosterEpoch: 1,
        members: definition.members,
        mode: 'clear',
        backboneFingerprint: definition.backbone.fingerprint,
        globalVersion: this.#base,
        globalAdapterDigest: adapterDigest(this.#versions[this.#base]?.file ?? this.#file),
        layoutHash: layout.hash,
        planDigest: planDigest(definition.plan),
        plan: definition.plan,
        trainedTensors: resolveTrainedTensors('all', layout),
        scheduleOffset: this.#version,
        classes: definition.classes,
        preprocessingDigest: preprocessingDigest(definition.preprocessing),
        preprocessing: definition.preprocessing,
        rank: definition.rank,
        alpha: definition.alpha,
        publicSeed: definition.publicSeed,
        roundPublicKey: toHex(keyPair.publicKey),
        openedAtMs: 1,
        deadlineAtMs: 2,
        clip: null,
        fixedPointBits: null,
        weightCap: null,
        threshold: null,
        leastSurvivors: null,
      }),
    );
    const payload = this.alterPayload(encodePayload(roundOpenSchema, open));
    const envelope = signPayload(
      signDomains.roundOpen,
      payload,
      this.coordinator.signing.secretKey,
    );
    this.#round = {
      open: envelope,
      openDigest: envelopeDigest(signDomains.roundOpen, payload),
      keyPair,
      attempt,
      trainedTensors: open.trainedTensors,
    };
    this.status = 'invited';
    this.coordinator.announce(1);
  }

  /** Ask for the evaluation of a version beside the rounds, or for a baseline, until it is reported or declined. */
  ask(version: number, change: Partial<EvaluationRequest> = {}): void {
    const { file, reference } = this.#versions[version] ?? {};
    if (file === undefined || reference === undefined) throw new Error('expected a version');
    const request = evaluationRequestSchema.parse({
      type: 'evaluation-request',
      protocol: protocolVersion,
      federation: this.coordinator.federation,
      task: this.definition.task,
      request: toHex(randomBytes(8)),
      subject: 'global',
      sites: this.definition.members,
      versions: [{ version, adapterDigest: adapterDigest(file) }],
      baseline: null,
      requestedAtMs: 1,
      deadlineAtMs: 2,
      ...change,
    });
    const payload = encodePayload(evaluationRequestSchema, request);
    const { secretKey } = this.coordinator.signing;
    const signed = signPayload(signDomains.evaluationRequest, payload, secretKey);
    this.#asked.push({ request, message: { request: this.#wire(signed), adapter: reference } });
    this.coordinator.handlers.set('evaluation:get', () => ({
      ok: true,
      asked: this.#asked.map(({ message }) => message),
      hasMore: false,
    }));
    this.coordinator.announce(4);
  }

  /** Ask for what a site trains alone, under the budget of so many rounds. */
  askBaseline(rounds: number): void {
    this.ask(0, { subject: 'baseline', baseline: baselineOf(this.definition, rounds) });
  }

  /** Ask for the adapter of what a site trains alone; what comes is opened into {@link adapters}. */
  askBaselineUpload(rounds: number): void {
    this.#uploadPair = generateAgreementKeyPair();
    this.ask(0, {
      ...{ subject: 'baseline-upload', baseline: baselineOf(this.definition, rounds) },
      uploadPublicKey: toHex(this.#uploadPair.publicKey),
    });
  }

  /** Ask for the evaluation of an adapter that some site trained alone. */
  askCross(change: number): void {
    const values = this.#values.map((value) => value + change);
    const file = encodeLike(this.#file, this.definition, values);
    this.#versions.push({ values, file, reference: { ...this.#store(file), version: 0 } });
    const versions = [{ version: 0, adapterDigest: adapterDigest(file) }];
    this.ask(this.#versions.length - 1, { subject: 'cross', versions });
    this.#versions.pop();
  }

  /** What is asked and neither reported nor declined. */
  get asked(): readonly EvaluationRequest[] {
    return this.#asked.map(({ request }) => request);
  }

  /** The round is over without a version. */
  abandonRound(): void {
    this.#round = null;
    this.coordinator.announce(2);
  }

  /** The coordinator was restored from a backup of when this version was the newest, and no round open. */
  goBackTo(version: number): void {
    const kept = this.#versions[version];
    if (kept === undefined) throw new Error(`fake task: no version ${version}`);
    this.#versions.length = version + 1;
    this.#results.length = version;
    this.#resultDigests.length = version;
    this.#resultDigest = this.#resultDigests.at(-1) ?? null;
    this.#version = version;
    this.#values = kept.values;
    this.#file = kept.file;
    this.#reference = kept.reference;
    this.#round = null;
  }

  /** Publish the next version from the last update. */
  publish(isFinal: boolean, previous = this.#resultDigest): void {
    const delta = this.updates.at(-1) ?? new Float32Array(this.#values.length);
    const base = this.#base;
    this.#values = (this.#versions[base]?.values ?? this.#values).map(
      (value, index) => value + (delta[index] ?? 0),
    );
    this.#version += 1;
    this.#file = this.#encodeVersion();
    this.#reference = this.#store();
    this.#keepVersion();
    const layout = adapterLayout(specificationOf(this.definition));
    const payload = encodePayload(roundResultSchema, {
      type: 'round-result',
      protocol: protocolVersion,
      federation: this.coordinator.federation,
      task: this.definition.task,
      round: this.#version,
      attempt: 1,
      roundOpenDigest: this.#round?.openDigest ?? '00'.repeat(32),
      version: this.#version,
      ...(base === this.#version - 1 ? {} : { baseVersion: base }),
      adapterDigest: adapterDigest(this.#file),
      backboneFingerprint: this.definition.backbone.fingerprint,
      layoutHash: layout.hash,
      method: 'fedavg',
      members: [
        {
          site: 'north',
          status: 'reported',
          reason: null,
          samples: 1,
          weight: 1,
          updateDigest: null,
        },
      ],
      previousResultDigest: previous,
      isFinal,
    });
    const result = signPayload(
      signDomains.roundResult,
      payload,
      this.coordinator.signing.secretKey,
    );
    this.#resultDigest = envelopeDigest(signDomains.roundResult, payload);
    this.#resultDigests.push(this.#resultDigest);
    this.#results.push({ result: this.#wire(result), adapter: this.#reference });
    this.#round = null;
    this.rerunFrom = null;
    this.coordinator.announce(3);
  }

  get #base(): number {
    return this.rerunFrom ?? this.#version;
  }

  #keepVersion(): void {
    this.#versions.push({ values: this.#values, file: this.#file, reference: this.#reference });
  }

  /** BLAKE2b-256 of the newest version's file. */
  get versionDigest(): string {
    return adapterDigest(this.#file);
  }

  #encodeVersion(): Uint8Array {
    const card = adapterCard({
      definition: this.definition,
      version: this.#version,
      parentDigest: this.#version === 0 ? null : digestOf(this.#file),
      round: this.#version === 0 ? null : this.#version,
      members: this.#version === 0 ? [] : [{ site: 'north', weight: 1, samples: 1 }],
      software: { library: 'spec', engine: 'spec' },
    });
    const specification = specificationOf(this.definition);
    return encodeAdapterFile({ specification, values: this.#values, card });
  }

  #store(file = this.#file): object {
    const contentKey = randomBytes(32);
    const ciphertext = encryptAdapter({ plaintext: file, contentKey });
    this.#blobs.set(digestOf(ciphertext), ciphertext);
    return {
      version: this.#version,
      ciphertextDigest: digestOf(ciphertext),
      ciphertextBytes: ciphertext.length,
      sealedContentKey: Buffer.from(sealContentKey(contentKey, this.#siteKeys.agreement.publicKey)),
    };
  }

  #wire({ payload, signature }: SignedEnvelope): object {
    return { payload: Buffer.from(payload), signature: Buffer.from(signature) };
  }

  #answer(raw: unknown): object {
    const { known } = siteCommands['round:get'].request.parse(raw);
    const from = known.find(({ task }) => task === this.definition.task)?.version ?? 0;
    const assignments =
      this.#round === null
        ? []
        : [
            {
              open: this.#wire(this.#round.open),
              status: this.status,
              adapter: this.#versions[this.#base]?.reference ?? this.#reference,
            },
          ];
    return {
      ok: true,
      stateVersion: 1,
      assignments,
      results: this.#results.slice(from),
      hasMore: false,
    };
  }

  #commit(ciphertext: Uint8Array): object {
    const round = this.#round;
    const begins = this.coordinator.requestsOf('upload:begin');
    const { manifest, request } = siteCommands['upload:begin'].request.parse(begins.at(-1));
    if (request !== undefined) return this.#commitAdapter(ciphertext, request, manifest);
    const payload = verifyPayload(signDomains.manifest, manifest, this.#siteKeys.signing.publicKey);
    const {
      layoutHash,
      task,
      attempt,
      federation,
      site,
      round: number,
    } = decodePayload(manifestSchema, payload, 'manifest');
    if (round?.attempt !== attempt)
      return { ok: false, code: 'ROUND_CLOSED', message: 'over', retryable: false };
    const plaintext = openUpdate({
      ciphertext,
      roundKeyPair: round.keyPair,
      roundOpenDigest: round.openDigest,
      context: { federation, task, round: number, attempt, site, layoutHash },
    });
    const layout = adapterLayout(specificationOf(this.definition));
    const { trainedTensors } = round;
    this.updates.push(decodeUpdate({ layout, trainedTensors, bytes: plaintext, site }));
    this.status = 'reported';
    return { ok: true, status: 'reported' };
  }

  #commitAdapter(ciphertext: Uint8Array, name: string, manifest: SignedEnvelope): object {
    const asked = this.#asked.find(({ request }) => request.request === name)?.request;
    const delta = openLocalAdapter({
      ...{ ciphertext, manifest, asked, uploadPair: this.#uploadPair },
      ...{ definition: this.definition, signingPublicKey: this.#siteKeys.signing.publicKey },
    });
    if (delta === null)
      return { ok: false, code: 'STATE_CONFLICT', message: 'not asked', retryable: false };
    this.adapters.push(delta);
    this.#asked = this.#asked.filter(({ request }) => request.request !== name);
    return { ok: true, status: null };
  }
}

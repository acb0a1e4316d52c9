/** A scripted site for specs: real keys, real seals, a real socket; no training. */
import { io, type Socket } from 'socket.io-client';
import { adapterLayout, encodeUpdate, specificationOf, type AdapterLayout } from '#core/adapter';
import { toHex } from '#core/bytes';
import {
  blake2b256,
  envelopeDigest,
  generateAgreementKeyPair,
  generateSigningKeyPair,
  openContentKey,
  parseEnrollmentCode,
  proveEnrollment,
  randomBytes,
  sealUpdate,
  signDomains,
  signHandshake,
  signPayload,
  verifyPayload,
  type SignedEnvelope,
} from '#core/crypto';
import {
  baselineManifestSchema,
  baselineSealRound,
  decodePayload,
  decisionSchema,
  encodePayload,
  evaluationPayloadSchema,
  evaluationRequestSchema,
  limits,
  manifestSchema,
  nonceStatementSchema,
  protocolVersion,
  roundOpenSchema,
  roundResultSchema,
  siteCommands,
  type Assignment,
  type BackboneReference,
  type BaselineManifest,
  type Manifest,
  type NonceStatement,
  type RoundOpen,
  type SiteCommand,
  type SiteResponse,
  refusalSchema,
} from '#core/protocol';
import type { z } from 'zod';
import { siteRoutes } from '../sites/sites.contract.ts';
import { enrollmentResponseSchema, jsonEnvelopeSchema } from '#core/protocol';

const fromBase64 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));

/** What a site sends for one round. */
export interface SealedForRound {
  readonly ciphertext: Uint8Array;
  readonly uploadId: string;
  readonly manifest: SignedEnvelope;
}

/** A scripted site. */
export class FakeSite {
  readonly site: string;
  readonly signing = generateSigningKeyPair();
  readonly agreement = generateAgreementKeyPair();
  url: string;
  socket: Socket | null = null;
  backbone: BackboneReference = tinyBackbone;
  /** The newest version of each task whose result came. */
  readonly #known = new Map<string, number>();

  constructor(site: string, url: string) {
    this.site = site;
    this.url = url;
  }

  /** Ask for a signed nonce. */
  async nonce(): Promise<NonceStatement> {
    const challenge = toHex(randomBytes(32));
    const response = await fetch(`${this.url}${siteRoutes.nonce.path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ challenge }),
    });
    const { statement } = siteRoutes.nonce.response.parse(await response.json());
    const { payload, signature } = jsonEnvelopeSchema.parse(statement);
    const envelope = { payload: fromBase64(payload), signature: fromBase64(signature) };
    const parsed = decodePayload(nonceStatementSchema, envelope.payload, 'nonce');
    verifyPayload(signDomains.nonce, envelope, Buffer.from(parsed.signingPublicKey, 'hex'));
    if (parsed.challenge !== challenge) throw new Error('the challenge was not echoed');
    return parsed;
  }

  /** What enrolling sends. */
  async enrollmentBody(code: string): Promise<Record<string, unknown>> {
    const { secret } = parseEnrollmentCode(code);
    const statement = await this.nonce();
    const { signature, mac } = proveEnrollment({
      context: {
        federation: statement.federation,
        secret,
        nonce: Buffer.from(statement.nonce, 'hex'),
        signingPublicKey: this.signing.publicKey,
        agreementPublicKey: this.agreement.publicKey,
      },
      signing: this.signing,
      agreement: this.agreement,
      coordinatorAgreementPublicKey: Buffer.from(statement.agreementPublicKey, 'hex'),
    });
    return {
      protocol: protocolVersion,
      agentVersion: '0.1.0',
      secret: toHex(secret),
      nonce: statement.nonce,
      signingPublicKey: toHex(this.signing.publicKey),
      agreementPublicKey: toHex(this.agreement.publicKey),
      signature: toHex(signature),
      mac: toHex(mac),
    };
  }

  /** Enrol with a code and return the fingerprint. */
  async enroll(code: string): Promise<string> {
    const response = await fetch(`${this.url}${siteRoutes.enroll.path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(await this.enrollmentBody(code)),
    });
    const body: unknown = await response.json();
    return enrollmentResponseSchema.parse(body).fingerprint;
  }

  /** What connecting sends; parts can be replaced. */
  async auth(change: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    const { federation, nonce, signingPublicKey } = await this.nonce();
    const signature = signHandshake(
      {
        federation,
        site: this.site,
        nonce: Buffer.from(nonce, 'hex'),
        coordinatorPublicKey: Buffer.from(signingPublicKey, 'hex'),
      },
      this.signing.secretKey,
    );
    return {
      protocol: protocolVersion,
      agentVersion: '0.1.0',
      site: this.site,
      nonce,
      signature: toHex(signature),
      ...change,
    };
  }

  /** Connect, or reject with the refusal's data. */
  async connect(auth?: Record<string, unknown>): Promise<Socket> {
    const socket = io(`${this.url}/sites`, {
      transports: ['websocket'],
      reconnection: false,
      forceNew: true,
      auth: auth ?? (await this.auth()),
    });
    await new Promise<void>((connected, refused) => {
      socket.once('connect', connected);
      socket.once('connect_error', (error: Error & { data?: unknown }) => {
        socket.close();
        refused(Object.assign(new Error(error.message), { data: error.data ?? null }));
      });
    });
    this.socket = socket;
    return socket;
  }

  /** Send an event as it is and return the acknowledgement as it came. */
  async raw(event: string, ...request: readonly unknown[]): Promise<unknown> {
    if (this.socket === null) throw new Error('not connected');
    const answer: unknown = await this.socket.timeout(20_000).emitWithAck(event, ...request);
    return answer;
  }

  /** Send a command that must be granted. */
  async ask<Name extends SiteCommand>(
    name: Name,
    request: z.input<(typeof siteCommands)[Name]['request']>,
  ): Promise<SiteResponse<Name>> {
    const answer = await this.raw(name, request);
    const refusal = refusalSchema.safeParse(answer);
    if (refusal.success) throw Object.assign(new Error(refusal.data.message), refusal.data);
    const schema: z.ZodType<SiteResponse<Name>> = responseSchema(name);
    return schema.parse(answer);
  }

  /** The code that a command is refused with; throws where it is granted. */
  async refusedCode(name: string, request: unknown): Promise<string> {
    return refusalSchema.parse(await this.raw(name, request)).code;
  }

  /** Pull and return the assignment of a task. */
  async assignment(task: string): Promise<{ assignment: Assignment; open: RoundOpen }> {
    for (let tries = 0; tries < 2000; tries++) {
      const known = [...this.#known].map(([name, version]) => ({ task: name, version }));
      const { assignments, results } = await this.ask('round:get', { known });
      for (const { result } of results) {
        const { task: name, version } = decodePayload(roundResultSchema, result.payload, 'result');
        this.#known.set(name, version);
      }
      for (const assignment of assignments) {
        const open = decodePayload(roundOpenSchema, assignment.open.payload, 'open');
        if (open.task === task) return { assignment, open };
      }
      await new Promise((wake) => setTimeout(wake, 25));
    }
    throw new Error(`no assignment of ${task}`);
  }

  /** Sign a decision on an assignment; parts can be replaced. */
  decision(open: RoundOpen, payload: Uint8Array, change: Record<string, unknown> = {}) {
    const { protocol, federation, task, round, attempt } = open;
    const decided = decisionSchema.parse({
      type: 'decision',
      ...{ protocol, federation, task, round, attempt, site: this.site },
      roundOpenDigest: envelopeDigest(signDomains.roundOpen, payload),
      ...(change['decision'] === undefined ? { decision: 'accept', samples: 100 } : {}),
      ...change,
    });
    return this.sign(signDomains.decision, encodePayload(decisionSchema, decided));
  }

  sign(domain: Parameters<typeof signPayload>[0], payload: Uint8Array): SignedEnvelope {
    return signPayload(domain, payload, this.signing.secretKey);
  }

  /** Seal an update (or any plaintext) for an assignment; parts of the manifest can be replaced. */
  seal(
    open: RoundOpen,
    payload: Uint8Array,
    update: { readonly delta?: Float32Array; readonly plaintext?: Uint8Array },
    change: Partial<Manifest> = {},
  ): SealedForRound {
    const layout = layoutOf(open, this.backbone);
    const { protocol, federation, task, round, attempt } = open;
    const context = { federation, task, round, attempt, site: this.site, layoutHash: layout.hash };
    const roundOpenDigest = envelopeDigest(signDomains.roundOpen, payload);
    const { ciphertext, ephemeralPublicKey } = sealUpdate({
      plaintext:
        update.plaintext ??
        encodeUpdate({
          layout,
          trainedTensors: open.trainedTensors,
          delta: update.delta ?? new Float32Array(layout.size),
        }),
      roundPublicKey: Buffer.from(open.roundPublicKey, 'hex'),
      roundOpenDigest,
      context,
    });
    const uploadId = toHex(blake2b256(ciphertext));
    const manifest = manifestSchema.parse({
      type: 'manifest',
      protocol,
      ...context,
      roundOpenDigest,
      ephemeralPublicKey: toHex(ephemeralPublicKey),
      ciphertextDigest: uploadId,
      ciphertextBytes: ciphertext.length,
      samples: 100,
      steps: 3,
      trainingLoss: 0.5,
      ...change,
    });
    const signed = this.sign(signDomains.manifest, encodePayload(manifestSchema, manifest));
    return { ciphertext, uploadId, manifest: signed };
  }

  /** Seal the adapter that this site trained alone for the request that asks for it; parts of the manifest can be replaced. */
  sealBaseline(
    asked: SignedEnvelope,
    layout: AdapterLayout,
    delta: Float32Array,
    change: Partial<BaselineManifest> = {},
  ): SealedForRound & { readonly request: string } {
    const requested = decodePayload(evaluationRequestSchema, asked.payload, 'request');
    const { protocol, federation, task, request, baseline, uploadPublicKey } = requested;
    if (baseline === null || uploadPublicKey === undefined) throw new Error('asks for no adapter');
    const requestDigest = envelopeDigest(signDomains.evaluationRequest, asked.payload);
    const { site } = this;
    const { ciphertext, ephemeralPublicKey } = sealUpdate({
      plaintext: encodeUpdate({ layout, trainedTensors: baseline.trainedTensors, delta }),
      roundPublicKey: Buffer.from(uploadPublicKey, 'hex'),
      roundOpenDigest: requestDigest,
      context: { federation, task, ...baselineSealRound, site, layoutHash: layout.hash },
    });
    const uploadId = toHex(blake2b256(ciphertext));
    const manifest = encodePayload(
      baselineManifestSchema,
      baselineManifestSchema.parse({
        ...{ type: 'baseline-manifest', protocol, federation, task, site, request, requestDigest },
        layoutHash: layout.hash,
        ephemeralPublicKey: toHex(ephemeralPublicKey),
        ...{ ciphertextDigest: uploadId, ciphertextBytes: ciphertext.length, ...change },
      }),
    );
    const signed = this.sign(signDomains.baselineManifest, manifest);
    return { ciphertext, uploadId, manifest: signed, request };
  }

  /** Begin an upload. */
  begin(
    sealed: SealedForRound & { readonly request?: string },
  ): Promise<SiteResponse<'upload:begin'>> {
    const { ciphertext, ...begun } = sealed;
    return this.ask('upload:begin', { ...begun, bytes: ciphertext.length });
  }

  /** Send all ranges, or those given. */
  async sendRanges(sealed: SealedForRound, indices?: readonly number[]): Promise<void> {
    const count = Math.ceil(sealed.ciphertext.length / limits.rangeBytes);
    for (const index of indices ?? Array.from({ length: count }, (_, position) => position)) {
      const from = index * limits.rangeBytes;
      const bytes = sealed.ciphertext.slice(from, from + limits.rangeBytes);
      await this.ask('upload:range', { uploadId: sealed.uploadId, index, bytes });
    }
  }

  /** Accept, seal, send and commit: a whole round of this site. */
  async takePart(task: string, delta: Float32Array, samples = 100): Promise<SealedForRound> {
    const { assignment, open } = await this.assignment(task);
    const { payload } = assignment.open;
    await this.ask('round:accept', { decision: this.decision(open, payload, { samples }) });
    const sealed = this.seal(open, payload, { delta }, { samples });
    await this.begin(sealed);
    await this.sendRanges(sealed);
    await this.ask('upload:commit', { uploadId: sealed.uploadId });
    return sealed;
  }

  /** Fetch the ciphertext of an assignment's version and the key to it. */
  async fetchAdapter(adapter: Assignment['adapter']) {
    const parts: Uint8Array[] = [];
    for (let offset = 0; offset < adapter.ciphertextBytes; offset += limits.rangeBytes) {
      const { bytes } = await this.ask('blob:get', {
        digest: adapter.ciphertextDigest,
        offset,
        length: limits.rangeBytes,
      });
      parts.push(bytes);
    }
    const contentKey = openContentKey(adapter.sealedContentKey, this.agreement);
    return { ciphertext: new Uint8Array(Buffer.concat(parts)), contentKey };
  }

  /** Say what this site is, as an agent does once a connection. */
  async hello(agentVersion = '0.1.0'): Promise<void> {
    await this.ask('hello', {
      agentVersion,
      node: 'v24',
      engines: [],
      backbones: [this.backbone.fingerprint],
      memoryBytes: 1,
      cores: 1,
      approvedTasks: [],
    });
  }

  /** Take back what it accepted or reported. */
  async withdraw(task: string, reason = 'the ethics board asked'): Promise<string> {
    const { assignment, open } = await this.assignment(task);
    const change = { decision: 'withdraw', code: 'TASK_WITHDRAWN', reason };
    const decision = this.decision(open, assignment.open.payload, change);
    return (await this.ask('round:withdraw', { decision })).status;
  }

  /** Sign an evaluation. */
  evaluation(payload: z.input<typeof evaluationPayloadSchema>): SignedEnvelope {
    return this.sign(signDomains.evaluation, encodePayload(evaluationPayloadSchema, payload));
  }

  close(): void {
    this.socket?.close();
    this.socket = null;
  }
}

/** The layout that RoundOpen implies for a backbone, the tiny one by default. */
export function layoutOf(
  open: RoundOpen,
  backbone: BackboneReference = tinyBackbone,
): AdapterLayout {
  return adapterLayout(specificationOf({ ...open, backbone }));
}

/** A backbone that nobody has: small enough for fast specs. */
export const tinyBackbone = {
  name: 'tiny',
  fingerprint: 'ab'.repeat(32),
  dimension: 8,
  blocks: 2,
  patchSize: 16,
  imageSize: 32,
};

function responseSchema<Name extends SiteCommand>(name: Name): z.ZodType<SiteResponse<Name>> {
  const schemas: { readonly [Each in SiteCommand]: z.ZodType<SiteResponse<Each>> } = {
    hello: siteCommands.hello.response,
    heartbeat: siteCommands.heartbeat.response,
    'round:get': siteCommands['round:get'].response,
    'round:accept': siteCommands['round:accept'].response,
    'round:decline': siteCommands['round:decline'].response,
    'round:withdraw': siteCommands['round:withdraw'].response,
    'blob:get': siteCommands['blob:get'].response,
    'upload:begin': siteCommands['upload:begin'].response,
    'upload:range': siteCommands['upload:range'].response,
    'upload:commit': siteCommands['upload:commit'].response,
    evaluation: siteCommands.evaluation.response,
    'evaluation:get': siteCommands['evaluation:get'].response,
    'evaluation:decline': siteCommands['evaluation:decline'].response,
    'audit:get': siteCommands['audit:get'].response,
  };
  return schemas[name];
}

/**
 * A site played by a test: a real enrolment and a real handshake, after which it sends whatever the test wants.
 *
 * It uses the core's schemas and signatures as an agent does, and nothing of the agent's own code.
 */
import { io, type Socket } from 'socket.io-client';
import { z } from 'zod';
import { concatBytes, fromHex, toHex } from '#core/bytes';
import {
  blake2b256,
  envelopeDigest,
  generateAgreementKeyPair,
  generateSigningKeyPair,
  parseEnrollmentCode,
  proveEnrollment,
  randomBytes,
  signDomains,
  signHandshake,
  signPayload,
} from '#core/crypto';
import {
  decisionSchema,
  decodePayload,
  encodePayload,
  enrollmentResponseSchema,
  limits,
  manifestSchema,
  nonceStatementSchema,
  protocolVersion,
  refusalSchema,
  roundOpenSchema,
  siteCommands,
  type Assignment,
  type NonceStatement,
  type Refusal,
  type RoundOpen,
  type SiteCommand,
  type SiteId,
  type SiteRequest,
  type SiteResponse as Granted,
} from '#core/protocol';
import { siteRoutes } from '../../apps/coordinator/src/sites/sites.contract.ts';

const version = '0.0.0-scripted';
const answerTimeoutMs = 20_000;

/** A site that does as it is told. */
export class ScriptedSite {
  readonly site: SiteId;
  readonly #url: string;
  readonly #signing = generateSigningKeyPair();
  readonly #agreement = generateAgreementKeyPair();
  #socket: Socket | undefined;

  constructor(options: { readonly site: SiteId; readonly url: string }) {
    this.site = options.site;
    this.#url = options.url;
  }

  async #post(path: string, body: unknown): Promise<unknown> {
    const response = await fetch(`${this.#url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  async #nonce(): Promise<NonceStatement> {
    const answer = await this.#post(siteRoutes.nonce.path, { challenge: toHex(randomBytes(32)) });
    const { statement } = siteRoutes.nonce.response.parse(answer);
    const payload = Buffer.from(statement.payload, 'base64');
    return decodePayload(nonceStatementSchema, payload, 'nonce');
  }

  /** Enrol with a one-time code and return the fingerprint of its keys; the administrator still has to approve. */
  async enroll(code: string): Promise<string> {
    const { secret } = parseEnrollmentCode(code);
    const nonce = await this.#nonce();
    const proof = proveEnrollment({
      context: {
        federation: nonce.federation,
        secret,
        nonce: fromHex(nonce.nonce),
        signingPublicKey: this.#signing.publicKey,
        agreementPublicKey: this.#agreement.publicKey,
      },
      signing: this.#signing,
      agreement: this.#agreement,
      coordinatorAgreementPublicKey: fromHex(nonce.agreementPublicKey),
    });
    const answer = await this.#post(siteRoutes.enroll.path, {
      protocol: protocolVersion,
      agentVersion: version,
      secret: toHex(secret),
      nonce: nonce.nonce,
      signingPublicKey: toHex(this.#signing.publicKey),
      agreementPublicKey: toHex(this.#agreement.publicKey),
      signature: toHex(proof.signature),
      mac: toHex(proof.mac),
    });
    return enrollmentResponseSchema.parse(answer).fingerprint;
  }

  /** Connect with a fresh nonce over the transport asked for. */
  async connect(transport: 'websocket' | 'polling'): Promise<void> {
    const nonce = await this.#nonce();
    const context = {
      federation: nonce.federation,
      site: this.site,
      nonce: fromHex(nonce.nonce),
      coordinatorPublicKey: fromHex(nonce.signingPublicKey),
    };
    const signature = toHex(signHandshake(context, this.#signing.secretKey));
    const auth = { protocol: protocolVersion, agentVersion: version, site: this.site };
    const socket = io(`${this.#url}/sites`, {
      transports: [transport],
      reconnection: false,
      forceNew: true,
      auth: { ...auth, nonce: nonce.nonce, signature },
    });
    await new Promise<void>((connected, failed) => {
      socket.once('connect', connected);
      socket.once('connect_error', failed);
    });
    this.#socket = socket;
  }

  /** Send one command and return what it was answered: granted, or refused by code. */
  async ask<Response extends z.ZodType>(
    name: SiteCommand,
    response: Response,
    request: unknown,
  ): Promise<z.output<Response> | Refusal> {
    if (this.#socket === undefined) throw new Error('scripted site: connect first');
    const answer: unknown = await this.#socket.timeout(answerTimeoutMs).emitWithAck(name, request);
    const refusal = refusalSchema.safeParse(answer);
    return refusal.success ? refusal.data : response.parse(answer);
  }

  /** Pull the open rounds, and the results after those that are known. */
  async pull(known: SiteRequest<'round:get'>['known']): Promise<Granted<'round:get'>> {
    const answer = await this.ask('round:get', siteCommands['round:get'].response, { known });
    if (!answer.ok) throw new Error(`round:get: ${answer.code}`);
    return answer;
  }

  /** Pull the open rounds. */
  async assignments(): Promise<readonly Assignment[]> {
    return (await this.pull([])).assignments;
  }

  /** Hear of every announcement of the coordinator; it says that there is something to pull, not what. */
  onState(listener: () => void): void {
    if (this.#socket === undefined) throw new Error('scripted site: connect first');
    this.#socket.on('state', listener);
  }

  /** Accept an open round with a number of training images. */
  accept(assignment: Assignment, samples: number): Promise<Granted<'round:accept'> | Refusal> {
    const payload = encodePayload(decisionSchema, {
      type: 'decision',
      ...this.#reference(assignment),
      decision: 'accept',
      samples,
    });
    const decision = signPayload(signDomains.decision, payload, this.#signing.secretKey);
    return this.ask('round:accept', siteCommands['round:accept'].response, { decision });
  }

  /** Decline an open round, with the reason that people are shown. */
  decline(assignment: Assignment, reason: string): Promise<Granted<'round:decline'> | Refusal> {
    const payload = encodePayload(decisionSchema, {
      type: 'decision',
      ...this.#reference(assignment),
      decision: 'decline',
      code: 'TASK_NOT_ALLOWED',
      reason,
    });
    const decision = signPayload(signDomains.decision, payload, this.#signing.secretKey);
    return this.ask('round:decline', siteCommands['round:decline'].response, { decision });
  }

  /** Upload these bytes as they are, sealed or not, and ask for the commit. */
  async upload(
    assignment: Assignment,
    bytes: Uint8Array,
    samples: number,
  ): Promise<Granted<'upload:commit'> | Refusal> {
    const uploadId = toHex(blake2b256(bytes));
    const payload = encodePayload(manifestSchema, {
      type: 'manifest',
      ...this.#reference(assignment),
      layoutHash: this.open(assignment).layoutHash,
      ephemeralPublicKey: toHex(bytes.subarray(0, 32)),
      ciphertextDigest: uploadId,
      ciphertextBytes: bytes.length,
      samples,
      steps: 1,
      trainingLoss: 1,
    });
    const manifest = signPayload(signDomains.manifest, payload, this.#signing.secretKey);
    await this.ask('upload:begin', siteCommands['upload:begin'].response, {
      uploadId,
      bytes: bytes.length,
      manifest,
    });
    for (let index = 0; index * limits.rangeBytes < bytes.length; index++) {
      const start = index * limits.rangeBytes;
      const range = bytes.subarray(start, start + limits.rangeBytes);
      await this.ask('upload:range', siteCommands['upload:range'].response, {
        uploadId,
        index,
        bytes: concatBytes(range),
      });
    }
    return this.ask('upload:commit', siteCommands['upload:commit'].response, { uploadId });
  }

  /** RoundOpen of an assignment, parsed. */
  open(assignment: Assignment): RoundOpen {
    return decodePayload(roundOpenSchema, assignment.open.payload, 'RoundOpen');
  }

  #reference(assignment: Assignment) {
    const { federation, task, round, attempt } = this.open(assignment);
    return {
      protocol: protocolVersion,
      federation,
      task,
      round,
      attempt,
      site: this.site,
      roundOpenDigest: envelopeDigest(signDomains.roundOpen, assignment.open.payload),
    } as const;
  }

  /** Leave. */
  disconnect(): void {
    this.#socket?.disconnect();
  }
}

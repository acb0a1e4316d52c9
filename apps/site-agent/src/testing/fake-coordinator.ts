/** A coordinator for specs: the real handshake over a real socket, and answers that a spec can change. */
import { createServer, type RequestListener, type Server as HttpServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { Server, type Socket } from 'socket.io';
import { z } from 'zod';
import { fromHex, toHex } from '#core/bytes';
import {
  fingerprint,
  generateAgreementKeyPair,
  generateSigningKeyPair,
  randomBytes,
  signDomains,
  signPayload,
  verifyHandshake,
} from '#core/crypto';
import type { ErrorCode } from '#core/errors';
import {
  encodePayload,
  nonceRequestSchema,
  nonceStatementSchema,
  protocolVersion,
  siteCommands,
  socketAuthSchema,
} from '#core/protocol';

/** A request as a handler sees it. */
export type Handler = (request: unknown, site: string) => object | Promise<object>;

const portSchema = z.object({ port: z.number() });

/** Answers that every coordinator gives. */
const standardAnswers: readonly [string, Handler][] = [
  ['hello', () => ({ ok: true, coordinatorVersion: '0.0.0', stateVersion: 1 })],
  ['heartbeat', () => ({ ok: true, serverTimeMs: 1 })],
  [
    'round:get',
    () => ({ ok: true, stateVersion: 1, assignments: [], results: [], hasMore: false }),
  ],
];

/** Refuse a command as the coordinator does. */
export const refusal = (code: ErrorCode, isRetryable = false): object => ({
  ok: false,
  code,
  message: `refused with ${code}`,
  retryable: isRetryable,
});

/** A coordinator for specs. */
export class FakeCoordinator {
  readonly signing = generateSigningKeyPair();
  readonly agreement = generateAgreementKeyPair();
  readonly federation = toHex(randomBytes(16));
  /** Ed25519 keys of the sites that may connect. */
  readonly sites = new Map<string, Uint8Array>();
  readonly handlers = new Map<string, Handler>(standardAnswers);
  /** Nonces given out, and nonces a connection came with, in order. */
  readonly issuedNonces: string[] = [];
  readonly presentedNonces: string[] = [];
  /** Transports of the sites' connections, in order. */
  readonly transports: string[] = [];
  /** TCP connections that came. */
  connections = 0;
  /** Every command with its request, in order. */
  readonly log: { readonly name: string; readonly request: unknown }[] = [];
  /** Answers `POST /v1/enrollments`. */
  onEnrollment: (request: unknown) => object = () => ({});
  /** Where set, connections are refused with this code. */
  refuseWith: ErrorCode | null = null;
  /** Where set, the nonce's answer echoes this instead of the challenge. */
  echoInstead: string | null = null;
  readonly #tls: { readonly cert: string; readonly key: string } | null;
  #http: HttpServer | null = null;
  #io: Server | null = null;
  #port = 0;

  constructor(tls: { readonly cert: string; readonly key: string } | null = null) {
    this.#tls = tls;
  }

  /** Where it listens. */
  get url(): string {
    return `${this.#tls === null ? 'http' : 'https'}://127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  /** What enrolment pins. */
  get pinnedFingerprint(): string {
    return fingerprint(this.signing.publicKey);
  }

  /** Listen, on the same port as before where it is a restart. */
  async start(): Promise<void> {
    const answer: RequestListener = (request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => (body += text));
      request.on('end', () => {
        response.setHeader('content-type', 'application/json');
        const isEnrollment = request.url === '/v1/enrollments';
        const value = isEnrollment ? this.onEnrollment(JSON.parse(body)) : this.#nonce(body);
        response.end(JSON.stringify(value));
      });
    };
    const http = this.#tls === null ? createServer(answer) : createTlsServer(this.#tls, answer);
    http.on('connection', () => (this.connections += 1));
    const io = new Server(http, { serveClient: false });
    io.of('/sites').use((socket, next) => {
      const fault = this.#authenticate(socket.handshake.auth);
      next(
        fault === null ? undefined : Object.assign(new Error(fault), { data: refusalData(fault) }),
      );
    });
    io.of('/sites').on('connection', (socket) => {
      this.transports.push(socket.conn.transport.name);
      this.#serve(socket);
    });
    await new Promise<void>((resolve) => http.listen(this.#port, '127.0.0.1', resolve));
    this.#port = portSchema.parse(http.address()).port;
    this.#http = http;
    this.#io = io;
  }

  /** Close every connection and stop listening. */
  async stop(): Promise<void> {
    await this.#io?.close();
    this.#http?.closeAllConnections();
  }

  /** Cut every site's connection, as a broken link does. */
  cut(): void {
    this.#io?.of('/sites').disconnectSockets(true);
  }

  /** Announce a new state. */
  announce(stateVersion: number): void {
    this.#io?.of('/sites').emit('state', { stateVersion });
  }

  /** The requests of one command, in order. */
  requestsOf(name: string): unknown[] {
    return this.log.filter((entry) => entry.name === name).map((entry) => entry.request);
  }

  #nonce(body: string): object {
    const { challenge } = nonceRequestSchema.parse(JSON.parse(body));
    const nonce = toHex(randomBytes(32));
    this.issuedNonces.push(nonce);
    const payload = encodePayload(nonceStatementSchema, {
      type: 'nonce',
      protocol: protocolVersion,
      federation: this.federation,
      challenge: this.echoInstead ?? challenge,
      nonce,
      signingPublicKey: toHex(this.signing.publicKey),
      agreementPublicKey: toHex(this.agreement.publicKey),
      expiresAtMs: 60_000,
    });
    const { signature } = signPayload(signDomains.nonce, payload, this.signing.secretKey);
    const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
    return { statement: { payload: text(payload), signature: text(signature) } };
  }

  #authenticate(raw: unknown): ErrorCode | null {
    const auth = socketAuthSchema.parse(raw);
    const isSpent = this.presentedNonces.includes(auth.nonce);
    this.presentedNonces.push(auth.nonce);
    if (this.refuseWith !== null) return this.refuseWith;
    if (isSpent || !this.issuedNonces.includes(auth.nonce)) return 'NONCE_UNKNOWN';
    const key = this.sites.get(auth.site);
    if (key === undefined) return 'SITE_NOT_ENROLLED';
    const context = {
      federation: this.federation,
      site: auth.site,
      nonce: fromHex(auth.nonce),
      coordinatorPublicKey: this.signing.publicKey,
    };
    verifyHandshake(context, fromHex(auth.signature), key);
    return null;
  }

  #serve(socket: Socket): void {
    const { site } = socketAuthSchema.parse(socket.handshake.auth);
    for (const name of Object.keys(siteCommands)) {
      socket.on(name, (request: unknown, acknowledge: (answer: object) => void) => {
        this.log.push({ name, request });
        const handler = this.handlers.get(name) ?? (() => refusal('NOT_FOUND'));
        void Promise.resolve(handler(request, site)).then(acknowledge);
      });
    }
  }
}

const refusalData = (code: ErrorCode): object => ({
  code,
  message: `refused with ${code}`,
  retryable: false,
});

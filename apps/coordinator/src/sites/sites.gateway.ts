/**
 * The socket.io namespace `/sites`. A socket is checked in `io.use`, before any of its events is handled; every packet
 * then goes through the dispatch, which always acknowledges. Nothing here relies on `handleConnection`.
 */
import type { OnModuleDestroy } from '@nestjs/common';
import { WebSocketGateway, type OnGatewayInit } from '@nestjs/websockets';
import type { Namespace, Socket } from 'socket.io';
import { fromHex } from '#core/bytes';
import { verifyHandshake } from '#core/crypto';
import { toPublicError } from '#core/errors';
import { parseMessage, protocolVersion, socketAuthSchema, type SiteId } from '#core/protocol';
import { AuditTallyService } from '../audit/audit-tally.service.ts';
import { BackgroundWork } from '../common/background-work.ts';
import { Changes } from '../common/changes.ts';
import { Environment } from '../common/environment.ts';
import { toCoordinatorError } from '../common/store-errors.ts';
import { ConnectionsService } from './connections.service.ts';
import { versionMismatch } from './enrollment.service.ts';
import { NoncesService } from './nonces.service.ts';
import { RosterService } from './roster.service.ts';
import { SiteCommandsService } from './site-commands.service.ts';
import { SilenceWatch, watched } from './silence-watch.ts';
import { SiteDispatch } from './site-dispatch.ts';

const evaluated = ['evaluations'] as const;

function isAcknowledgement(value: unknown): value is (answer: unknown) => void {
  return typeof value === 'function';
}

/** The sites' end of the coordinator. */
@WebSocketGateway({ namespace: '/sites' })
export class SitesGateway implements OnGatewayInit<Namespace>, OnModuleDestroy {
  readonly #environment: Environment;
  readonly #nonces: NoncesService;
  readonly #roster: RosterService;
  readonly #connections: ConnectionsService;
  readonly #commands: SiteCommandsService;
  readonly #background: BackgroundWork;
  readonly #changes: Changes;
  readonly #tally: AuditTallyService;
  readonly #dispatch: SiteDispatch;
  readonly #silence: SilenceWatch;
  /** Sites of the sockets that passed the handshake. */
  readonly #sites = new WeakMap<Socket, SiteId>();

  constructor(
    environment: Environment,
    nonces: NoncesService,
    roster: RosterService,
    connections: ConnectionsService,
    commands: SiteCommandsService,
    background: BackgroundWork,
    changes: Changes,
    tally: AuditTallyService,
  ) {
    this.#environment = environment;
    this.#nonces = nonces;
    this.#roster = roster;
    this.#connections = connections;
    this.#commands = commands;
    this.#background = background;
    this.#changes = changes;
    this.#tally = tally;
    this.#dispatch = new SiteDispatch({
      handlers: commands.handlers,
      checkActive: (site) => {
        roster.activeKeys(site);
      },
      logger: environment.logger,
      clock: environment.clock,
      metrics: environment.metrics,
    });
    this.#silence = new SilenceWatch(environment.clock);
  }

  onModuleDestroy(): void {
    this.#silence.stop();
  }

  afterInit(namespace: Namespace): void {
    this.#silence.start();
    namespace.use((socket, next) => {
      try {
        const site = this.#authenticate(socket);
        this.#sites.set(socket, site);
        this.#answerPackets(socket, site);
        next();
      } catch (error) {
        next(this.#refusal(socket, error));
      }
    });
    namespace.on('connection', (socket) => {
      this.#onConnected(socket);
    });
  }

  /** Check a socket's signature over a nonce, which is spent whether or not it verifies. */
  #authenticate(socket: Socket): SiteId {
    const { federation, keys } = this.#environment;
    const auth = parseMessage(socketAuthSchema, socket.handshake.auth, 'handshake');
    if (auth.protocol !== protocolVersion) throw versionMismatch(auth.protocol);
    const nonce = this.#nonces.spend(auth.nonce);
    const { signingPublicKey } = this.#roster.activeKeys(auth.site);
    const coordinatorPublicKey = keys.signing.publicKey;
    verifyHandshake(
      { federation, site: auth.site, nonce, coordinatorPublicKey },
      fromHex(auth.signature),
      signingPublicKey,
    );
    return auth.site;
  }

  /** Let the dispatch answer every packet of the socket, from the first one on. */
  #answerPackets(socket: Socket, site: SiteId): void {
    socket.use(([name, ...rest]) => {
      const last: unknown = rest.at(-1);
      const hasAcknowledgement = isAcknowledgement(last);
      const request: unknown = rest.length > (hasAcknowledgement ? 1 : 0) ? rest[0] : undefined;
      void this.#dispatch.answer(site, name, request).then((response) => {
        this.#changes.publish('sites', 'rounds', ...(name === 'evaluation' ? evaluated : []));
        if (hasAcknowledgement) last(response);
      });
    });
  }

  /** Take an authenticated socket as its site's connection, unless the site lost its place in the meantime. */
  #onConnected(socket: Socket): void {
    const site = this.#sites.get(socket);
    if (site === undefined || this.#roster.find(site)?.status !== 'active') {
      socket.disconnect(true);
      return;
    }
    this.#connections.add(site, socket);
    const { logger } = this.#environment;
    logger.info(`site connected over ${socket.conn.transport.name}`, { site });
    const record = { actor: `site:${site}`, target: `site:${site}` };
    this.#tally.note({ ...record, action: 'site.connected' });
    const heard = watched(socket, () => logger.warn('site silent, cut', { site }));
    this.#silence.add(heard);
    socket.on('disconnect', (reason) => {
      this.#silence.forget(heard);
      this.#connections.remove(site, socket);
      logger.info('site disconnected', { site });
      const action = 'site.disconnected';
      const admitted = this.#tally.admit({ ...record, action, details: { reason } });
      this.#background.startUntilDone('last-seen', () =>
        this.#commands.recordLastSeen(site, ...admitted),
      );
    });
  }

  #refusal(socket: Socket, error: unknown): Error {
    const data = toPublicError(toCoordinatorError(error));
    const { code } = data;
    this.#environment.logger.warn('connection refused', { code });
    const named = socketAuthSchema.safeParse(socket.handshake.auth).data?.site ?? '';
    const target = this.#roster.find(named) === undefined ? 'site' : `site:${named}`;
    this.#tally.note({ actor: 'nobody', action: 'site.refused', target, details: { code } });
    return Object.assign(new Error(data.message), { data });
  }
}

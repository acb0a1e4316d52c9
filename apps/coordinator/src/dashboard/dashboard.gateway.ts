/**
 * The socket.io namespace `/dashboard`: it says that something changed and nothing else; the page then looks by REST. A
 * socket is checked in `io.use`: it comes from our own page (Origin) and from somebody who is signed in.
 */
import { WebSocketGateway, type OnGatewayInit } from '@nestjs/websockets';
import type { Namespace, Socket } from 'socket.io';
import { z } from 'zod';
import { AuthError, toPublicError, UnavailableError } from '#core/errors';
import { parseMessage } from '#core/protocol';
import { BackgroundWork } from '../common/background-work.ts';
import { checkAccess, type AccessRules } from '../common/access-rules.ts';
import { Changes, type ChangeTopic } from '../common/changes.ts';
import { Environment } from '../common/environment.ts';
import { toCoordinatorError } from '../common/store-errors.ts';
import { CallersService, type Caller } from '../users/callers.service.ts';
import { isSecure } from '../users/cookies.ts';
import { holderOf } from '../users/credential.ts';
import { GrantsService } from '../users/grants.service.ts';
import { SessionsService } from '../users/sessions.service.ts';

/** Changes within this time are told together. */
const gatherMs = 250;
/** Pages connected at most. */
export const socketsMax = 200;

/** Who may listen: the messages name topics and nothing else. */
export const pageRules: AccessRules = {
  roles: ['administrator', 'scientist', 'viewer', 'steward'],
  scope: 'read',
  isForSetup: false,
};

/** What a program that is no browser hands over; a page has its cookie. */
const authSchema = z.strictObject({ token: z.string().min(1).max(256).optional() });

/** The pages' end of the coordinator. */
@WebSocketGateway({ namespace: '/dashboard' })
export class DashboardGateway implements OnGatewayInit<Namespace> {
  readonly #environment: Environment;
  readonly #callers: CallersService;
  readonly #grants: GrantsService;
  readonly #sessions: SessionsService;
  readonly #background: BackgroundWork;
  readonly #sockets = new Map<Socket, Caller>();
  readonly #changed = new Set<ChangeTopic>();
  #version: number;

  constructor(
    environment: Environment,
    callers: CallersService,
    grants: GrantsService,
    sessions: SessionsService,
    background: BackgroundWork,
    changes: Changes,
  ) {
    this.#environment = environment;
    this.#callers = callers;
    this.#grants = grants;
    this.#sessions = sessions;
    this.#background = background;
    this.#version = environment.clock.wallTimeMs();
    changes.subscribe((topics) => {
      this.#gather(topics);
    });
    sessions.onEnd((id) => {
      this.#cut((caller) => caller.session?.id === id);
    });
    sessions.onHolderEnd((holder) => {
      this.#cut(({ credential, actor }) => [holderOf(credential), actor].includes(holder));
    });
  }

  afterInit(namespace: Namespace): void {
    namespace.use((socket, next) => {
      this.#admit(socket).then(
        () => {
          next();
        },
        (error: unknown) => {
          next(this.#refusal(error));
        },
      );
    });
    namespace.on('connection', (socket) => {
      socket.emit('changed', { version: this.#version, topics: [] });
    });
  }

  async #admit(socket: Socket): Promise<void> {
    checkOrigin(socket, this.#environment.publicUrl);
    this.#checkCount();
    const { token } = parseMessage(authSchema, socket.handshake.auth, 'dashboard');
    const caller =
      token === undefined
        ? await this.#callers.identify(handshakeRequest(socket))
        : { ...(await this.#grants.ofToken(token)), session: null };
    checkAccess(pageRules, caller);
    // Others may have come meanwhile, and this one may have gone, of which nothing would be heard any more.
    this.#checkCount();
    if (socket.conn.readyState !== 'open') {
      throw new UnavailableError(
        'STORE_UNAVAILABLE',
        `dashboard: expected a connection that is open, got one that is ${socket.conn.readyState}; connect again`,
      );
    }
    socket.use(() => {
      // Nothing is expected of a page: what it sends goes nowhere.
    });
    this.#keep(socket, caller);
  }

  /** A socket that goes before it is connected is told of by its connection alone, one that only leaves by itself alone. */
  #keep(socket: Socket, caller: Caller): void {
    const forget = (): void => {
      this.#sockets.delete(socket);
      socket.conn.off('close', forget);
    };
    this.#sockets.set(socket, caller);
    socket.conn.once('close', forget);
    socket.once('disconnect', forget);
  }

  #checkCount(): void {
    if (this.#sockets.size < socketsMax) return;
    throw new UnavailableError(
      'STORE_UNAVAILABLE',
      `dashboard: expected fewer than ${socketsMax} pages, got more; close some`,
    );
  }

  /** Tell changes together, so that a busy upload does not make every page look fifty times a second. */
  #gather(topics: readonly ChangeTopic[]): void {
    if (topics.length === 0) return;
    const isTimed = this.#changed.size > 0;
    for (const topic of topics) this.#changed.add(topic);
    if (isTimed) return;
    this.#background.startLater('changed', gatherMs, async () => {
      this.#tell();
    });
  }

  #tell(): void {
    this.#version += 1;
    const message = { version: this.#version, topics: [...this.#changed] };
    this.#changed.clear();
    const nowMs = this.#environment.clock.wallTimeMs();
    this.#cut(
      ({ session, expiresAtMs = Infinity }) =>
        expiresAtMs <= nowMs || (session !== null && !this.#sessions.isAlive(session.id)),
    );
    for (const socket of this.#sockets.keys()) socket.emit('changed', message);
  }

  #cut(isMeant: (caller: Caller) => boolean): void {
    for (const [socket, caller] of this.#sockets) {
      if (!isMeant(caller)) continue;
      this.#sockets.delete(socket);
      socket.disconnect(true);
    }
  }

  #refusal(error: unknown): Error {
    const data = toPublicError(toCoordinatorError(error));
    this.#environment.logger.info('page refused', { code: data.code });
    return Object.assign(new Error(data.message), { data });
  }
}

/** A handshake over websocket is a GET, one over polling may be a POST; both were made by our own page. */
function handshakeRequest(socket: Socket) {
  // A socket that reconnects is no person's doing.
  const headers = { ...socket.request.headers, 'x-melo-background': '1' };
  return { headers, socket: socket.request.socket, method: 'GET' };
}

/**
 * Refuse a page of another origin, which a browser would let open a websocket with our cookie.
 *
 * @throws AuthError FORBIDDEN
 */
function checkOrigin({ request }: Socket, publicUrl: string): void {
  const { origin, host = '' } = request.headers;
  const asked = `${isSecure(request) ? 'https' : 'http'}://${host}`;
  // A proxy may have put another Host in; the public address is ours in any case.
  const own = [asked, new URL(publicUrl).origin];
  if (origin === undefined || own.includes(origin)) return;
  throw new AuthError(
    'FORBIDDEN',
    'dashboard: expected a connection of our own page, got one of another origin',
  );
}

/** The sockets of sites: one each; what they last said; how they hear that something changed. */
import { Injectable } from '@nestjs/common';
import type { SiteId, SiteRequest } from '#core/protocol';
import { Changes } from '../common/changes.ts';
import { Environment } from '../common/environment.ts';

/** What a connection needs of a socket. */
export interface SiteSocket {
  emit(event: 'state', message: { readonly stateVersion: number }): unknown;
  disconnect(close: true): unknown;
}

/** The last heartbeat of a connection. */
export type Heartbeat = SiteRequest<'heartbeat'> & { readonly atMs: number };

interface Connection {
  readonly socket: SiteSocket;
  heartbeat: Heartbeat | null;
  backbones: readonly string[] | null;
}

/** The sockets of sites. */
@Injectable()
export class ConnectionsService {
  readonly #changes: Changes;
  readonly #connections = new Map<string, Connection>();
  /** Grows with every change that a site may want to pull; from wall time, so that it grows over restarts too. */
  #stateVersion: number;

  constructor(environment: Environment, changes: Changes) {
    this.#changes = changes;
    this.#stateVersion = environment.clock.wallTimeMs();
  }

  get stateVersion(): number {
    return this.#stateVersion;
  }

  get count(): number {
    return this.#connections.size;
  }

  /** Take a site's new socket; an older one is cut. */
  add(site: SiteId, socket: SiteSocket): void {
    this.#connections.get(site)?.socket.disconnect(true);
    this.#connections.set(site, { socket, heartbeat: null, backbones: null });
    this.#changes.publish('sites');
  }

  /** Forget a socket, unless a newer one of the same site has come. */
  remove(site: SiteId, socket: SiteSocket): void {
    if (this.#connections.get(site)?.socket !== socket) return;
    this.#connections.delete(site);
    this.#changes.publish('sites');
  }

  isConnected(site: string): boolean {
    return this.#connections.has(site);
  }

  /** Remember what a heartbeat said. */
  beat(site: SiteId, heartbeat: Heartbeat): void {
    const connection = this.#connections.get(site);
    if (connection === undefined) return;
    connection.heartbeat = heartbeat;
    this.#changes.publish('sites', 'rounds');
  }

  heartbeatOf(site: string): Heartbeat | null {
    return this.#connections.get(site)?.heartbeat ?? null;
  }

  /** Remember which backbones a site said it has. */
  setBackbones(site: SiteId, backbones: readonly string[]): void {
    const connection = this.#connections.get(site);
    if (connection !== undefined) connection.backbones = backbones;
  }

  /** Fingerprints of the backbones a site has; null before it said. */
  backbonesOf(site: string): readonly string[] | null {
    return this.#connections.get(site)?.backbones ?? null;
  }

  /** Cut a site's socket at once. */
  cut(site: string): void {
    this.#connections.get(site)?.socket.disconnect(true);
    this.#connections.delete(site);
    this.#changes.publish('sites');
  }

  /** Tell every site that something changed: a number only, the site then pulls. */
  announce(): void {
    this.#stateVersion += 1;
    const message = { stateVersion: this.#stateVersion };
    for (const { socket } of this.#connections.values()) socket.emit('state', message);
    this.#changes.publish('tasks', 'rounds', 'versions');
  }
}

/**
 * Finds half-open connections of sites and tells every site that the coordinator lives.
 *
 * Bytes of the socket count, not messages: on a slow line one range is under way for half a minute, and the pong of
 * socket.io's own ping waits behind it. Long polling has no socket of its own; there the ping alone decides.
 */
import type { Socket } from 'socket.io';
import type { Clock } from '#core/clock';
import { limits } from '#core/protocol';

/** What is watched of a connection. */
export interface WatchedSocket {
  /** Bytes that came in so far; null where the transport does not tell. */
  bytesReceived(): number | null;
  sayAlive(): void;
  cut(): void;
}

/** Waits of the watch, in milliseconds. */
export interface SilenceLimits {
  readonly lookIntervalMs: number;
  readonly aliveIntervalMs: number;
  readonly silenceMaxMs: number;
}

/** Noticed within 50 seconds. */
export const standardSilence: SilenceLimits = {
  lookIntervalMs: 5000,
  aliveIntervalMs: limits.aliveIntervalMs,
  silenceMaxMs: limits.silenceMaxMs,
};

interface Heard {
  bytes: number | null;
  atMs: number;
}

/** Watches the connections of sites. */
export class SilenceWatch {
  readonly #clock: Clock;
  readonly #limits: SilenceLimits;
  readonly #sockets = new Map<WatchedSocket, Heard>();
  #lookedAtMs: number;
  #saidAtMs: number;
  #timer: NodeJS.Timeout | null = null;

  constructor(clock: Clock, silenceLimits: SilenceLimits = standardSilence) {
    this.#clock = clock;
    this.#limits = silenceLimits;
    this.#lookedAtMs = clock.monotonicTimeMs();
    this.#saidAtMs = this.#lookedAtMs;
  }

  /** Look at an interval until {@link stop}. */
  start(): void {
    this.#timer ??= setInterval(() => this.look(), this.#limits.lookIntervalMs);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Watch a connection until {@link forget}. */
  add(socket: WatchedSocket): void {
    const atMs = this.#clock.monotonicTimeMs();
    this.#sockets.set(socket, { bytes: socket.bytesReceived(), atMs });
  }

  forget(socket: WatchedSocket): void {
    this.#sockets.delete(socket);
  }

  /** Look at every connection once. */
  look(): void {
    const { lookIntervalMs, aliveIntervalMs, silenceMaxMs } = this.#limits;
    const nowMs = this.#clock.monotonicTimeMs();
    // Where this process stood still itself, what came meanwhile has not been read yet.
    const isLate = nowMs - this.#lookedAtMs > 2 * lookIntervalMs;
    this.#lookedAtMs = nowMs;
    const isAliveDue = nowMs - this.#saidAtMs >= aliveIntervalMs;
    if (isAliveDue) this.#saidAtMs = nowMs;
    for (const [socket, heard] of this.#sockets) {
      const bytes = socket.bytesReceived();
      if (bytes === null || bytes !== heard.bytes || isLate) heard.atMs = nowMs;
      heard.bytes = bytes;
      if (nowMs - heard.atMs > silenceMaxMs) socket.cut();
      else if (isAliveDue) socket.sayAlive();
    }
  }
}

/** A socket.io connection as the watch sees it. */
export function watched(socket: Socket, onSilence: () => void): WatchedSocket {
  const { conn } = socket;
  const isWebsocket = conn.transport.name === 'websocket';
  return {
    bytesReceived: () => (isWebsocket ? conn.request.socket.bytesRead : null),
    sayAlive: () => socket.volatile.emit('alive', {}),
    cut: () => {
      onSilence();
      socket.disconnect(true);
      // The goodbye would wait for the other side's, which never comes.
      if (isWebsocket) conn.request.socket.destroy();
    },
  };
}

/**
 * Between the page and the coordinator: every request goes on as it is; the socket that says that something changed is answered
 * here, so that it speaks when the measurement wants it to and not four times a second.
 */
import { createServer, request as send, type Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Server as SocketServer } from 'socket.io';
import { z } from 'zod';

const settleMs = 30;
const addressSchema = z.object({ port: z.number() });

/** A relay on a port of its own. */
export class Relay {
  readonly #server: Server;
  readonly #sockets: SocketServer;
  #url = '';
  #version = 0;
  #inFlight = 0;
  #answered = 0;

  constructor(coordinatorUrl: string) {
    const { hostname, port } = new URL(coordinatorUrl);
    this.#server = createServer((request, response) => {
      const { method, url: path, headers } = request;
      this.#inFlight += 1;
      response.once('close', () => {
        this.#inFlight -= 1;
        this.#answered += 1;
      });
      const onward = send({ hostname, port, method, path, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      onward.once('error', () => response.destroy());
      request.pipe(onward);
    });
    this.#sockets = new SocketServer(this.#server);
    this.#sockets.of('/dashboard').on('connection', (socket) => {
      socket.emit('changed', { version: this.#version, topics: [] });
    });
  }

  get url(): string {
    return this.#url;
  }

  async start(): Promise<void> {
    await new Promise<void>((listening) => this.#server.listen(0, '127.0.0.1', listening));
    this.#url = `http://127.0.0.1:${addressSchema.parse(this.#server.address()).port}`;
  }

  /** Tell the page that something changed, and wait until it has read again whatever that made it read. */
  async tell(topics: readonly string[], timeoutMs: number): Promise<void> {
    const before = this.#answered;
    this.#version += 1;
    this.#sockets.of('/dashboard').emit('changed', { version: this.#version, topics });
    const deadlineMs = performance.now() + timeoutMs;
    let quietSinceMs = performance.now();
    while (performance.now() - quietSinceMs < settleMs || this.#answered === before) {
      if (performance.now() > deadlineMs) throw new Error('relay: the page read nothing');
      await sleep(5);
      if (this.#inFlight > 0) quietSinceMs = performance.now();
    }
  }

  async stop(): Promise<void> {
    await this.#sockets.close();
    this.#server.closeAllConnections();
  }
}

/** A hospital's HTTP proxy: tunnels by CONNECT, with a password or without, and with an opinion about websockets. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { z } from 'zod';

/** What the proxy does. */
export interface ConnectProxyOptions {
  /** `user:password` that it wants. */
  readonly credentials?: string;
  /** Status that it answers every CONNECT with; it makes tunnels by default. */
  readonly refuseWith?: number;
  /** What it does with an upgrade inside a tunnel that it can read, i.e. plain http. */
  readonly websockets?: 'pass' | 'refuse' | 'swallow';
}

/** A proxy that hospitals have. */
export class ConnectProxy {
  /** Targets of the tunnels it made. */
  readonly tunnels: string[] = [];
  readonly #options: ConnectProxyOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();

  private constructor(options: ConnectProxyOptions) {
    this.#options = options;
    this.#server = createServer((_request, response) => response.writeHead(405).end());
    // One that has not asked for a tunnel yet would keep the server from closing.
    this.#server.on('connection', (socket) => this.#keep(socket));
    this.#server.on('connect', (request, client: Duplex) => this.#tunnel(request, client));
  }

  /** Listen on a free port of loopback. */
  static async open(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
    const proxy = new ConnectProxy(options);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  /** Address, with these credentials in it. */
  url(credentials = ''): string {
    const { port } = z.object({ port: z.number() }).parse(this.#server.address());
    return `http://${credentials === '' ? '' : `${credentials}@`}127.0.0.1:${port}`;
  }

  /** End every tunnel that is open. */
  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Stop listening and end every tunnel. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cutAll();
    await closed;
  }

  #keep(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined); // the other end hung up
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #tunnel(request: IncomingMessage, client: Duplex): void {
    const { credentials, refuseWith } = this.#options;
    const given = request.headers['proxy-authorization'];
    const wanted = `Basic ${Buffer.from(credentials ?? '').toString('base64')}`;
    const status = credentials !== undefined && given !== wanted ? 407 : (refuseWith ?? 200);
    if (status !== 200) {
      client.end(`HTTP/1.1 ${status} No\r\nContent-Type: text/html\r\n\r\n<html>no</html>`);
      return;
    }
    const target = request.url ?? '';
    this.tunnels.push(target);
    const { hostname, port } = new URL(`http://${target}`);
    const upstream = connect(Number(port), hostname);
    this.#keep(upstream);
    client.write('HTTP/1.1 200 Connection established\r\n\r\n');
    upstream.pipe(client);
    upstream.on('close', () => client.destroy());
    client.on('close', () => upstream.destroy());
    client.on('data', (bytes: Buffer) => this.#passUp(bytes, client, upstream));
  }

  #passUp(bytes: Buffer, client: Duplex, upstream: Socket): void {
    const { websockets = 'pass' } = this.#options;
    const isUpgrade = /^upgrade: websocket/im.test(bytes.toString('latin1'));
    if (!isUpgrade || websockets === 'pass') upstream.write(bytes);
    else if (websockets === 'refuse') client.end('HTTP/1.1 403 No\r\n\r\n');
  }
}

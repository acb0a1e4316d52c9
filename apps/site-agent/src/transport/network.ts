/** How the coordinator is reached: directly or through the hospital's proxy, and which certificate authorities count. */
import { Agent as HttpAgent, type ClientRequestArgs } from 'node:http';
import { Agent as HttpsAgent, type RequestOptions } from 'node:https';
import { Socket } from 'node:net';
import { rootCertificates } from 'node:tls';
import { HttpsProxyAgent } from 'https-proxy-agent';
import type { ProxyChoice } from '../common/proxy-settings.ts';

/** How the coordinator is reached. */
export interface NetworkOptions {
  /** PEM of certificate authorities beside the public ones; null for those alone. */
  readonly certificateAuthority: string | null;
  /** Which proxy to go through; none by default. */
  readonly proxy?: ProxyChoice;
}

/** The options of TLS that a network asks for. */
export function tlsOptions({ certificateAuthority }: NetworkOptions): { ca?: string[] } {
  if (certificateAuthority === null) return {};
  return { ca: [...rootCertificates, certificateAuthority] };
}

/** The sockets of one connection, and what came in over all of them: also while a large message is still on its way. */
class Sockets {
  readonly #open = new Set<Socket>();
  #closedBytes = 0;

  get bytesReceived(): number {
    return [...this.#open].reduce((sum, { bytesRead }) => sum + bytesRead, this.#closedBytes);
  }

  add<Stream>(stream: Stream): Stream {
    if (stream instanceof Socket) {
      this.#open.add(stream);
      stream.once('close', () => {
        this.#closedBytes += stream.bytesRead;
        this.#open.delete(stream);
      });
    }
    return stream;
  }

  destroy(): void {
    for (const socket of this.#open) socket.destroy();
  }
}

type Taken = Parameters<NonNullable<ClientRequestArgs['createConnection']>>[1];

class DirectAgent extends HttpAgent {
  readonly counted = new Sockets();
  override createConnection(options: ClientRequestArgs, taken?: Taken) {
    return this.counted.add(super.createConnection(options, taken));
  }
}

class DirectTlsAgent extends HttpsAgent {
  readonly counted = new Sockets();
  override createConnection(options: RequestOptions, taken?: Taken) {
    return this.counted.add(super.createConnection(options, taken));
  }
}

/** Every request goes through a tunnel of the proxy, plain http too, as a websocket must. */
class TunnelAgent extends HttpsProxyAgent<string> {
  readonly counted = new Sockets();
  override async connect(...request: Parameters<HttpsProxyAgent<string>['connect']>) {
    return this.counted.add(await super.connect(...request));
  }
}

/** The agent of Node's http client through which everything of one connection goes. */
export interface LinkAgent {
  readonly agent: HttpAgent;
  /** The proxy in use; null where there is none. */
  readonly proxy: URL | null;
  /** Bytes that came in so far. */
  readonly bytesReceived: number;
  /** Cut everything at once. */
  destroy(): void;
}

/** Make the agent for one connection to an address; a kept socket serves the next request of long polling. */
export function linkAgent(url: URL, options: NetworkOptions): LinkAgent {
  const proxy = options.proxy?.(url) ?? null;
  const settings = { keepAlive: true, ...tlsOptions(options) };
  const agent =
    proxy !== null
      ? new TunnelAgent(proxy, settings)
      : url.protocol === 'https:'
        ? new DirectTlsAgent(settings)
        : new DirectAgent(settings);
  return {
    agent,
    proxy,
    get bytesReceived() {
      return agent.counted.bytesReceived;
    },
    destroy: () => {
      agent.destroy();
      agent.counted.destroy();
    },
  };
}

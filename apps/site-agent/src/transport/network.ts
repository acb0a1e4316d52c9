/** How the coordinator is reached: directly or through the hospital's proxy, and which certificate authorities count. */
import { Agent as HttpAgent, type ClientRequestArgs } from 'node:http';
import { Agent as HttpsAgent, type RequestOptions } from 'node:https';
import { Socket } from 'node:net';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { HttpsProxyAgent } from 'https-proxy-agent';
import type { ProxyChoice } from '../common/proxy-settings.ts';

/** How the coordinator is reached. */
export interface NetworkOptions {
  /** PEM of certificate authorities beside the public ones; null for those alone. */
  readonly certificateAuthority: string | null;
  /** Which proxy to go through; none by default. */
  readonly proxy?: ProxyChoice;
}

let lastContext: { readonly pem: string; readonly secureContext: SecureContext } | null = null;

/** The authorities that count, parsed once: there are a hundred and more, and long polling connects again and again. */
function tlsOptions({ certificateAuthority: pem }: NetworkOptions): {
  readonly secureContext?: SecureContext;
} {
  if (pem === null) return {};
  if (lastContext?.pem !== pem)
    lastContext = { pem, secureContext: createSecureContext({ ca: [...rootCertificates, pem] }) };
  return { secureContext: lastContext.secureContext };
}

/** The sockets of one connection, and what came in over all of them: also while a large message is still on its way. */
class Sockets {
  readonly #open = new Set<Socket>();
  #closedBytes = 0;
  #isDestroyed = false;

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
      // What was being connected when the link was given up.
      if (this.#isDestroyed) stream.destroy();
    }
    return stream;
  }

  destroy(): void {
    this.#isDestroyed = true;
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
  readonly #tls: ReturnType<typeof tlsOptions>;
  constructor(proxy: URL, tls: ReturnType<typeof tlsOptions>) {
    super(proxy, tls);
    this.#tls = tls;
  }
  override async connect(...[request, options]: Parameters<HttpsProxyAgent<string>['connect']>) {
    return this.counted.add(await super.connect(request, { ...options, ...this.#tls }));
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

/**
 * Make the agent for one connection to an address.
 *
 * No socket is kept for the next request: where a kept one breaks, the library of long polling repeats the request but
 * never sends it off, and the connection would stand still until its ping times out.
 */
export function linkAgent(url: URL, options: NetworkOptions): LinkAgent {
  const proxy = options.proxy?.(url) ?? null;
  const tls = tlsOptions(options);
  const agent =
    proxy !== null
      ? new TunnelAgent(proxy, tls)
      : url.protocol === 'https:'
        ? new DirectTlsAgent(tls)
        : new DirectAgent();
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

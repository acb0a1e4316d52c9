/** Try one transport without taking anybody's place: the way is opened, no site is named, and it is closed again. */
import { Manager } from 'socket.io-client';
import { linkAgent, type NetworkOptions } from './network.ts';
import { TransportFailure, whyOf } from './socket-attempt.ts';
import type { TransportName } from './transport-choice.ts';

/**
 * Open a connection to the coordinator over one transport and close it.
 *
 * @throws TransportFailure where it does not get through
 */
export async function probeTransport(
  url: string,
  transport: TransportName,
  options: NetworkOptions & { readonly timeoutMs: number },
): Promise<void> {
  const link = linkAgent(new URL(url), options);
  const manager = new Manager(url, {
    transports: [transport],
    transportOptions: { [transport]: { agent: link.agent } },
    reconnection: false,
    autoConnect: false,
    timeout: options.timeoutMs,
  });
  try {
    await new Promise<void>((opened, failed) => {
      manager.open((error) => {
        if (error === undefined) opened();
        else failed(new TransportFailure(transport, whyOf(error), error));
      });
    });
  } finally {
    manager.engine.close();
    link.destroy();
  }
}

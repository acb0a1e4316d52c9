/** Whether a request comes from the coordinator's own machine. */
import type { IncomingMessage } from 'node:http';
import { isLoopback } from '../config/start-options.ts';

const forwardingHeaders = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'];

/** Whether a request comes from this machine; what came through a proxy has the proxy's address and does not count. */
export function isThisMachine({
  headers,
  socket,
}: Pick<IncomingMessage, 'headers' | 'socket'>): boolean {
  const address = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
  const isForwarded = forwardingHeaders.some((name) => headers[name] !== undefined);
  return isLoopback(address) && !isForwarded;
}

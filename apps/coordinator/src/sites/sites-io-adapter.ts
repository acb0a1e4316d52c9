/** socket.io as the protocol needs it: small messages, no compression, no recovery of state. */
import type { INestApplicationContext } from '@nestjs/common';
import { IoAdapter } from '@nestjs/platform-socket.io';
import type { Server, ServerOptions } from 'socket.io';
import { assert } from '#core/errors';
import { limits } from '#core/protocol';

/** The options that the protocol fixes. */
const protocolOptions = {
  maxHttpBufferSize: limits.messageBytesMax,
  perMessageDeflate: false,
  httpCompression: false,
  pingInterval: 25_000,
  // Over a slow line the pong waits behind a range; what is dead is found by its silence: silence-watch.ts.
  pingTimeout: 90_000,
  connectTimeout: 20_000,
  serveClient: false,
} satisfies Partial<ServerOptions>;

/** socket.io as the protocol needs it. */
export class SitesIoAdapter extends IoAdapter {
  constructor(app: INestApplicationContext) {
    super(app);
  }

  override createIOServer(port: number, options?: ServerOptions): Server {
    assert(options !== undefined, 'socket.io: expected the options that Nest passes');
    return super.createIOServer(port, Object.assign(options, protocolOptions));
  }
}

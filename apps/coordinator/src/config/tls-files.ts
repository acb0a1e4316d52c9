/** The coordinator's own certificate: read at the start, and again where its files have changed, so that a renewal needs no restart. */
import { readFile } from 'node:fs/promises';
import type { Server as HttpsServer } from 'node:https';
import { createSecureContext } from 'node:tls';
import { InputError } from '#core/errors';
import type { Logger } from '../common/logger.ts';
import { systemErrorCode } from '../common/durable-files.ts';

/** Where certificate and key are. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** A certificate chain and its key, PEM. */
export interface TlsPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

const lookIntervalMs = 60_000;

async function readPem(option: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new InputError(
      'CONFIG_INVALID',
      `${option}: expected a readable PEM file (${systemErrorCode(cause) ?? 'unreadable'}); check the path and its rights`,
      {},
      { cause },
    );
  }
}

/**
 * Read a certificate and its key.
 *
 * @throws InputError CONFIG_INVALID
 */
export async function readTlsFiles({ certFile, keyFile }: TlsFiles): Promise<TlsPair> {
  return {
    cert: await readPem('--tls-cert', certFile),
    key: await readPem('--tls-key', keyFile),
  };
}

/** Takes up a renewed certificate; connections that stand are left as they are. */
export class TlsRenewal {
  readonly #server: Pick<HttpsServer, 'setSecureContext'>;
  readonly #files: TlsFiles;
  readonly #logger: Pick<Logger, 'info' | 'warn'>;
  /** What was looked at last, in use or refused. */
  #seen: TlsPair;

  constructor(options: {
    readonly server: Pick<HttpsServer, 'setSecureContext'>;
    readonly files: TlsFiles;
    /** What the server was started with. */
    readonly pair: TlsPair;
    readonly logger: Pick<Logger, 'info' | 'warn'>;
  }) {
    this.#server = options.server;
    this.#files = options.files;
    this.#seen = options.pair;
    this.#logger = options.logger;
  }

  /** Look every minute; the answer ends that. */
  start(): () => void {
    const timer = setInterval(() => void this.look(), lookIntervalMs);
    timer.unref();
    return () => clearInterval(timer);
  }

  /** Look now; tells whether another certificate is in use. What is not a pair is left out until its files change again. */
  async look(): Promise<boolean> {
    try {
      const pair = await readTlsFiles(this.#files);
      if (pair.cert.equals(this.#seen.cert) && pair.key.equals(this.#seen.key)) return false;
      this.#seen = pair;
      createSecureContext(pair); // throws where the key is of another certificate
      this.#server.setSecureContext(pair);
      this.#logger.info('certificate renewed');
      return true;
    } catch (error) {
      this.#logger.warn('certificate not renewed, the one before stays in use', { error });
      return false;
    }
  }
}

/** One running coordinator: data folder, lock, keys, database and application, started and stopped in order. */
import type { IncomingMessage, Server as HttpServer } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import { rm } from 'node:fs/promises';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { eq } from 'drizzle-orm';
import { z } from 'zod';
import type { Clock } from '#core/clock';
import { noCrashPoints, type CrashPoints } from '#core/crash-points';
import { toHex } from '#core/bytes';
import { randomBytes } from '#core/crypto';
import { UnavailableError } from '#core/errors';
import { federationIdSchema } from '#core/protocol';
import { AppModule } from './app.module.ts';
import { freeBytesOf } from './backup/files.ts';
import { snapshotFolder } from './backup/snapshot.ts';
import { systemClock } from './common/clock.ts';
import { throughPort, type CallPort } from './common/calls.ts';
import { compressAnswers } from './common/compressed-answers.ts';
import { DurableFiles, systemErrorCode } from './common/durable-files.ts';
import {
  defaultSettings,
  Environment,
  type CoordinatorSettings,
  type FreeBytes,
} from './common/environment.ts';
import { Logger } from './common/logger.ts';
import { toCoordinatorError } from './common/store-errors.ts';
import { ensureAdministratorToken } from './config/administrator-token.ts';
import { loadKeys, prepareDataFolder } from './config/data-folder.ts';
import { openDatabase, type Queries } from './config/database.ts';
import { takePidLock } from './config/pid-lock.ts';
import { settings } from './config/schema.ts';
import { readTlsFiles, TlsRenewal, type TlsFiles } from './config/tls-files.ts';
import { defaultPageFolder, loadPage, servePage, type Page } from './dashboard/page.ts';
import type { AdapterWork } from './rounds/adapter-work.ts';
import { WorkerAdapterWork } from './rounds/worker-adapter-work.ts';
import { DrainService } from './operations/drain.service.ts';
import { countRequests } from './telemetry/http-metrics.ts';
import { Metrics, timedCalls } from './telemetry/metrics.ts';
import { SitesIoAdapter } from './sites/sites-io-adapter.ts';
import { isSecure } from './users/cookies.ts';

/** How a coordinator is started. */
export interface CoordinatorOptions {
  readonly dataFolder: string;
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Address that enrolment codes carry; the one it listens on by default. */
  readonly publicUrl?: string;
  readonly tls?: TlsFiles;
  readonly databaseUrl?: string;
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly work?: AdapterWork;
  readonly crashPoints?: CrashPoints;
  readonly settings?: Partial<CoordinatorSettings>;
  /** Free bytes of a folder's disk; the system's own answer by default. */
  readonly freeBytes?: FreeBytes;
  /** Folder of the built dashboard; the one that the build makes by default. */
  readonly pageFolder?: string;
  /** What every statement and every durable file passes through; a test lets them fail there. */
  readonly calls?: CallPort;
}

/** One running coordinator. */
export interface Coordinator {
  readonly url: string;
  /** Where people open the dashboard; null where its page is not built. */
  readonly dashboardUrl: string | null;
  readonly tokenFile: string;
  /** Resolves once a drain is over: it is time to close. */
  readonly whenDrained: Promise<void>;
  /** Rejects once it can do nothing but end: its database belongs to another coordinator. */
  readonly failed: Promise<never>;
  close(): Promise<void>;
}

/** What is undone at the end, the last thing first. */
class Undo {
  readonly #steps: (() => Promise<void> | void)[] = [];

  add(step: () => Promise<void> | void): void {
    this.#steps.push(step);
  }

  #running: Promise<void> | null = null;

  /** Undo everything, once; a step that fails keeps none of the others from being done. */
  run(): Promise<void> {
    this.#running ??= this.#run();
    return this.#running;
  }

  async #run(): Promise<void> {
    const errors: unknown[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw toCoordinatorError(errors[0]);
  }
}

/** How long requests that are being answered may take once the coordinator stops. */
const lastAnswersMs = 5000;

/** The end of a server: it waits for answers that are under way, and for nobody who keeps asking. */
class LastAnswers {
  isStopping = false;
  readonly #server: HttpServer;

  constructor(server: HttpServer) {
    this.#server = server;
  }

  async during(close: () => Promise<void>): Promise<void> {
    this.isStopping = true;
    const timer = setTimeout(() => {
      this.#server.closeAllConnections();
    }, lastAnswersMs);
    try {
      await close();
    } finally {
      clearTimeout(timer);
    }
  }
}

/**
 * Start a coordinator; nothing is left behind where it fails.
 *
 * @throws StateError DATA_FOLDER_LOCKED or DATABASE_LOCKED, UnavailableError PORT_TAKEN
 */
export async function startCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  const undo = new Undo();
  try {
    return await start(options, undo);
  } catch (error) {
    await undo.run().catch(() => undefined); // why it did not start is what counts
    throw toCoordinatorError(error); // what a driver throws quotes the statement
  }
}

async function start(options: CoordinatorOptions, undo: Undo): Promise<Coordinator> {
  const environment = await makeEnvironment(options, undo);
  const httpsOptions = options.tls === undefined ? undefined : await readTlsFiles(options.tls);
  const app = await NestFactory.create<NestExpressApplication>(AppModule.with(environment), {
    logger: false,
    abortOnError: false,
    bodyParser: false,
    ...(httpsOptions === undefined ? {} : { httpsOptions }),
  });
  const leave = new LastAnswers(app.getHttpServer());
  undo.add(() => leave.during(() => app.close()));
  const page = await loadPage(options.pageFolder ?? defaultPageFolder);
  app.use(countRequests(environment.metrics));
  configure(app, page, leave);
  const server: HttpServer = app.getHttpServer();
  if (options.tls !== undefined && httpsOptions !== undefined && server instanceof HttpsServer) {
    const renewal = { server, files: options.tls, pair: httpsOptions, logger: environment.logger };
    undo.add(new TlsRenewal(renewal).start());
  }
  const url = await listen(app, options);
  environment.publicUrl = options.publicUrl ?? url;
  await writeAddress(environment, url);
  undo.add(() => environment.files.remove(environment.folder.addressFile));
  environment.logger.info('listening', { event: 'listening', url });
  return {
    url,
    dashboardUrl: page.html === null ? null : `${environment.publicUrl}/`,
    tokenFile: environment.folder.tokenFile,
    whenDrained: app.get(DrainService).whenDrained,
    failed: environment.database.failed,
    close: () => undo.run(),
  };
}

async function makeEnvironment(options: CoordinatorOptions, undo: Undo): Promise<Environment> {
  const { clock = systemClock, logger = new Logger('info') } = options;
  const metrics = new Metrics();
  const calls = timedCalls(options.calls ?? throughPort, metrics);
  const files = new DurableFiles(calls);
  const folder = await prepareDataFolder(options.dataFolder);
  const lock = takePidLock(folder.path);
  undo.add(() => {
    lock.release();
  });
  await files.removeHalfWritten([folder.blobs, folder.keys]);
  await rm(snapshotFolder(folder.path), { recursive: true, force: true });
  const keys = await loadKeys(folder, files);
  const database = await openDatabase({
    folder: folder.database,
    url: options.databaseUrl,
    onIdleError: (error) => {
      logger.warn('idle database connection lost', { error });
    },
    calls,
  });
  undo.add(() => database.close());
  const { queries } = database;
  await ensureAdministratorToken({ path: folder.tokenFile, files, queries, clock });
  const work = options.work ?? new WorkerAdapterWork();
  undo.add(() => work.close());
  return new Environment({
    database,
    folder,
    files,
    keys,
    federation: await loadFederationId(queries),
    clock,
    logger,
    settings: { ...defaultSettings, ...options.settings },
    work,
    crashPoints: options.crashPoints ?? noCrashPoints,
    freeBytes: options.freeBytes ?? freeBytesOf,
    metrics,
  });
}

/** Say in the data folder where it listens, for the commands that name the folder alone. */
async function writeAddress(environment: Environment, url: string): Promise<void> {
  const { files, folder, publicUrl } = environment;
  await files.write(folder.addressFile, `${JSON.stringify({ version: 1, url, publicUrl })}\n`);
}

/** The federation's own name: made once, at the first start. */
async function loadFederationId(queries: Queries): Promise<string> {
  await queries
    .insert(settings)
    .values({ key: 'federation', value: toHex(randomBytes(16)) })
    .onConflictDoNothing();
  const rows = await queries.select().from(settings).where(eq(settings.key, 'federation'));
  return federationIdSchema.parse(rows[0]?.value);
}

/** The policy of what is no page: an answer that a browser is made to show loads and runs nothing. */
const answerPolicy =
  "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox";

/** Limits and headers of HTTP. */
function configure(app: NestExpressApplication, page: Page, leave: LastAnswers): void {
  app.useWebSocketAdapter(new SitesIoAdapter(app));
  app.useBodyParser('json', { limit: '1mb', strict: true });
  app.disable('x-powered-by');
  app.disable('etag');
  app.use(
    (
      request: IncomingMessage,
      response: { setHeader(name: string, value: string): void },
      next: () => void,
    ) => {
      response.setHeader('X-Content-Type-Options', 'nosniff');
      response.setHeader('Content-Security-Policy', answerPolicy);
      response.setHeader('Referrer-Policy', 'no-referrer');
      response.setHeader('Cache-Control', 'no-store');
      // Not for subdomains: the name may be that of a hospital's whole domain, whose other hosts are not ours.
      if (isSecure(request)) response.setHeader('Strict-Transport-Security', 'max-age=31536000');
      if (leave.isStopping) response.setHeader('Connection', 'close');
      next();
    },
  );
  app.use(compressAnswers);
  app.use(servePage(page));
  const server: HttpServer = app.getHttpServer();
  server.headersTimeout = 20_000;
  server.requestTimeout = 150_000; // one range in base64 by long polling over 32 kbit/s
}

const addressSchema = z.object({ port: z.number(), address: z.string(), family: z.string() });

async function listen(app: NestExpressApplication, options: CoordinatorOptions): Promise<string> {
  const server: HttpServer = app.getHttpServer();
  try {
    await app.listen(options.port, options.host);
  } catch (cause) {
    if (systemErrorCode(cause) !== 'EADDRINUSE') throw cause;
    throw new UnavailableError(
      'PORT_TAKEN',
      `port ${options.port}: expected it to be free, another program listens on it; stop that one or choose another with --port`,
      { port: options.port },
      { cause },
    );
  }
  const { port } = addressSchema.parse(server.address());
  const scheme = options.tls === undefined ? 'http' : 'https';
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return `${scheme}://${host}:${port}`;
}

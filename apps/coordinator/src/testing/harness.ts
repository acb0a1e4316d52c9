/** A coordinator in this process with a temporary data folder, and the sites that specs need. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TaskDefinitionInput } from '#core/protocol';
import { smallTask } from '#core/protocol/testing';
import { openDatabase, type Queries } from '../config/database.ts';
import { Logger } from '../common/logger.ts';
import { startCoordinator, type Coordinator, type CoordinatorOptions } from '../coordinator.ts';
import { inProcessWork } from '../rounds/adapter-work.ts';
import { siteViewSchema, invitationViewSchema } from '../sites/sites.contract.ts';
import { taskViewSchema, type TaskView } from '../tasks/tasks.contract.ts';
import { expectDocumented } from './documented-answers.ts';
import { FakeSite, tinyBackbone } from './fake-site.ts';
import { placeDatabase } from './spec-database-folder.ts';
import { makeSpecDatabase, specServerUrl, type SpecDatabase } from './spec-database.ts';

/** A coordinator for specs. */
export class Harness {
  readonly folder: string;
  readonly options: Partial<CoordinatorOptions>;
  readonly sites = new Map<string, FakeSite>();
  coordinator: Coordinator;
  token: string;
  readonly #database: SpecDatabase | null;

  private constructor(
    folder: string,
    options: Partial<CoordinatorOptions>,
    database: SpecDatabase | null,
    coordinator: Coordinator,
    token: string,
  ) {
    this.folder = folder;
    this.options = options;
    this.#database = database;
    this.coordinator = coordinator;
    this.token = token;
  }

  /**
   * Start on a folder of its own, or on one that is there and is removed at the end. Where DATABASE_URL names a PostgreSQL, a
   * folder of its own has a database of its own there.
   */
  static async start(
    options: Partial<CoordinatorOptions> = {},
    existing?: string,
  ): Promise<Harness> {
    const folder = existing ?? (await mkdtemp(join(tmpdir(), 'melo-coordinator-')));
    const isOnServer = existing === undefined && options.databaseUrl === undefined;
    const database =
      isOnServer && specServerUrl !== undefined ? await makeSpecDatabase(specServerUrl) : null;
    if (isOnServer && database === null) await placeDatabase(folder);
    const all = database === null ? options : { ...options, databaseUrl: database.url };
    const coordinator = await Harness.launch(folder, all);
    const token = (await readFile(coordinator.tokenFile, 'utf8')).trim();
    return new Harness(folder, all, database, coordinator, token);
  }

  static launch(folder: string, options: Partial<CoordinatorOptions>): Promise<Coordinator> {
    return startCoordinator({
      dataFolder: folder,
      host: '127.0.0.1',
      port: 0,
      logger: new Logger(process.env['MELO_TEST_LOG'] ?? 'silent'),
      work: inProcessWork(),
      ...options,
    });
  }

  /** Stop and start again on the same data folder; sites must connect again. */
  async restart(): Promise<void> {
    for (const site of this.sites.values()) site.close();
    await this.coordinator.close();
    this.coordinator = await Harness.launch(this.folder, this.options);
    for (const site of this.sites.values()) site.url = this.coordinator.url;
  }

  /** Stop, let a spec change the database as no code of ours would, and start again. */
  async tamper(work: (queries: Queries) => Promise<unknown>): Promise<void> {
    for (const site of this.sites.values()) site.close();
    await this.coordinator.close();
    const database = await openDatabase({
      folder: join(this.folder, 'database'),
      url: this.options.databaseUrl,
      onIdleError: () => undefined,
    });
    await work(database.queries);
    await database.close();
    this.coordinator = await Harness.launch(this.folder, this.options);
    for (const site of this.sites.values()) site.url = this.coordinator.url;
  }

  async stop(): Promise<void> {
    for (const site of this.sites.values()) site.close();
    await this.coordinator.close();
    await rm(this.folder, { recursive: true, force: true });
    await this.#database?.drop();
  }

  /** Call REST as the administrator; the answer must be a documented one. */
  async raw(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    const response = await fetch(`${this.coordinator.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        'content-type': 'application/json',
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    await expectDocumented(method, path, response);
    return response;
  }

  /** Call REST as the administrator; the answer must be a success. */
  async request(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await this.raw(method, path, body);
    if (!response.ok)
      throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  /** Invite, enrol, approve and connect a site. */
  async join(name: string): Promise<FakeSite> {
    const site = new FakeSite(name, this.coordinator.url);
    const { code } = invitationViewSchema.parse(
      await this.request('POST', '/v1/sites', { site: name }),
    );
    const fingerprint = await site.enroll(code);
    siteViewSchema.parse(await this.request('POST', `/v1/sites/${name}/approve`, { fingerprint }));
    await site.connect();
    this.sites.set(name, site);
    return site;
  }

  async createTask(change: Partial<TaskDefinitionInput> = {}): Promise<TaskView> {
    return taskViewSchema.parse(await this.request('POST', '/v1/tasks', taskOf(change)));
  }

  async task(name: string): Promise<TaskView> {
    return taskViewSchema.parse(await this.request('GET', `/v1/tasks/${name}`));
  }

  /** Wait until a task has published a version. */
  async untilVersion(name: string, version: number): Promise<TaskView> {
    return this.until(
      () => this.task(name),
      (task) => task.latestVersion >= version,
    );
  }

  /** Look again until a condition holds; for 50 seconds, below the limit of a test. */
  async until<T>(look: () => Promise<T>, isDone: (seen: T) => boolean): Promise<T> {
    for (let tries = 0; tries < 2000; tries++) {
      const seen = await look();
      if (isDone(seen)) return seen;
      await new Promise((wake) => setTimeout(wake, 25));
    }
    throw new Error('it did not become so');
  }

  async download(task: string, version: number): Promise<Uint8Array> {
    const response = await this.raw('GET', `/v1/tasks/${task}/versions/${version}/adapter`);
    if (!response.ok) throw new Error(`download: ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  }
}

/** A small task of three members. */
export function taskOf(change: Partial<TaskDefinitionInput> = {}): TaskDefinitionInput {
  return smallTask({
    backbone: tinyBackbone,
    classes: ['healthy', 'ill'],
    alpha: 4,
    publicSeed: '07'.repeat(32),
    rules: { quorumSites: 2 },
    members: ['north', 'south', 'west'],
    ...change,
  });
}

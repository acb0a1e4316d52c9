/** A whole federation on loopback for measurements and end-to-end tests: one coordinator, agents, all as processes. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { z } from 'zod';
import type { TaskDefinitionInput } from '#core/protocol';
import type { RouteContract } from '../../apps/coordinator/src/common/contract.ts';
import { evaluationRoutes } from '../../apps/coordinator/src/evaluation/evaluation.contract.ts';
import { registryRoutes } from '../../apps/coordinator/src/registry/registry.contract.ts';
import { roundRoutes } from '../../apps/coordinator/src/rounds/rounds.contract.ts';
import { siteRoutes } from '../../apps/coordinator/src/sites/sites.contract.ts';
import { taskRoutes } from '../../apps/coordinator/src/tasks/tasks.contract.ts';
import { MeloProcess, parseJsonLine } from './melo-process.ts';

const listeningSchema = z.object({
  event: z.literal('listening'),
  url: z.string(),
  tokenFile: z.string(),
});

/** What an agent's configuration says of one task. */
export interface AgentTask {
  readonly images: string;
  readonly manifest?: string;
  readonly groupRegex?: string;
  readonly classFolders?: Readonly<Record<string, string>>;
}

/** What a site brings. */
export interface SiteOptions {
  /** Folder of the backbone. */
  readonly backbone: string;
  readonly tasks: Readonly<Record<string, AgentTask>>;
  readonly threads: number;
  /** Address written into the code, e.g. that of a proxy; the coordinator's own by default. */
  readonly url?: string;
  /** Whether time counts: then the trainer keeps its own standard intervals. */
  readonly isMeasured?: boolean;
  /** What the site does and lets out beside the rounds; the standard where left out. */
  readonly policy?: Readonly<Record<string, boolean>>;
}

/** How the coordinator's process is started, beyond its command. */
export interface CoordinatorProcess {
  /** DATABASE_URL of a PostgreSQL, where it is not to use its embedded database. */
  readonly databaseUrl?: string;
  readonly nodeArguments?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

const pollIntervalMs = 100;

/** Waits of an agent under test: a restart should not cost a minute, and a kill should find a checkpoint. */
const trainer = { checkpointIntervalMs: 1, restartDelayMs: 200 };
const connection = { backoffMinimumMs: 200, backoffMaximumMs: 2000, slowRetryMs: 1000 };

/** One coordinator and its agents, each a process, under one folder. */
export class Federation {
  readonly directory: string;
  readonly agents = new Map<string, MeloProcess>();
  coordinator: MeloProcess | undefined;
  url = '';
  readonly #process: CoordinatorProcess;
  #token = '';

  constructor(directory: string, coordinatorProcess: CoordinatorProcess = {}) {
    this.directory = directory;
    this.#process = coordinatorProcess;
  }

  /** The port that the coordinator listens on, or 0 before its first start. */
  get port(): number {
    return this.url === '' ? 0 : Number(new URL(this.url).port);
  }

  /** The data folder of the coordinator. */
  get dataDirectory(): string {
    return join(this.directory, 'coordinator');
  }

  /** Start the coordinator, on the port it had before where it is a restart. */
  async startCoordinator(): Promise<void> {
    await mkdir(this.directory, { recursive: true });
    this.coordinator = this.spawnCoordinator('coordinator', this.dataDirectory, this.port);
    const { url, tokenFile } = await this.coordinator.waitForLine((line) => {
      const parsed = listeningSchema.safeParse(parseJsonLine(line));
      return parsed.success ? parsed.data : undefined;
    });
    this.url = url;
    this.#token = (await readFile(tokenFile, 'utf8')).trim();
  }

  /** Start a coordinator process and wait for nothing: for starts that should fail. */
  spawnCoordinator(name: string, data: string, port: number): MeloProcess {
    const { databaseUrl, nodeArguments = [], environment = {} } = this.#process;
    return new MeloProcess({
      name,
      args: ['coordinator', 'start', '--data', data, '--port', String(port), '--json'],
      logFile: join(this.directory, `${name}.log`),
      env: { ...environment, ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }) },
      nodeArguments,
    });
  }

  /** Call the REST API as its administrator and return the parsed answer. */
  async call<Response extends z.ZodType>(
    route: Pick<RouteContract, 'method' | 'path'> & { readonly response: Response },
    options: {
      readonly params?: Readonly<Record<string, string | number>>;
      readonly query?: Readonly<Record<string, string>>;
      readonly body?: unknown;
    } = {},
  ): Promise<z.output<Response>> {
    const place = route.path.replaceAll(/:([a-z]+)/g, (_match, name: string) =>
      encodeURIComponent(String(options.params?.[name] ?? '')),
    );
    const query = new URLSearchParams(options.query).toString();
    const path = query === '' ? place : `${place}?${query}`;
    const response = await this.raw(route.method, path, options.body);
    if (!response.ok)
      throw new Error(`${route.method} ${path}: ${response.status} ${await response.text()}`);
    return route.response.parse(await response.json());
  }

  /** Call the REST API as its administrator and return the response itself. */
  raw(method: string, path: string, body?: unknown): Promise<Response> {
    const content = body ?? (method === 'POST' ? {} : undefined);
    return fetch(`${this.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
      ...(content === undefined ? {} : { body: JSON.stringify(content) }),
    });
  }

  /** Where an agent's configuration stands. */
  configPath(site: string): string {
    return join(this.directory, site, 'agent.yaml');
  }

  /** Write (or write anew) the configuration of an agent. */
  async configure(site: string, options: SiteOptions): Promise<void> {
    await mkdir(join(this.directory, site), { recursive: true });
    const config = {
      dataDirectory: 'data',
      backbones: [{ path: options.backbone }],
      engine: { name: 'onnx', threads: options.threads },
      tasks: options.tasks,
      connection,
      ...(options.isMeasured === true ? {} : { trainer }),
      ...(options.policy === undefined ? {} : { policy: options.policy }),
    };
    await writeFile(this.configPath(site), stringify(config));
  }

  /** Invite a site and return its one-time code. */
  async invite(site: string, url = this.url): Promise<string> {
    const { code } = await this.call(siteRoutes.invite, { body: { site, url } });
    return code;
  }

  /** Run `melo agent enroll` with a code on its standard input. */
  spawnEnrollment(site: string, code: string): MeloProcess {
    return new MeloProcess({
      name: `${site} enroll`,
      args: ['agent', 'enroll', '--config', this.configPath(site)],
      logFile: join(this.directory, `${site}.log`),
      input: `${code}\n`,
    });
  }

  /** Approve a site that has enrolled. */
  async approve(site: string): Promise<void> {
    const { fingerprint } = await this.call(siteRoutes.get, { params: { site } });
    await this.call(siteRoutes.approve, { params: { site }, body: { fingerprint } });
  }

  /** Configure, invite, enrol and approve a site. */
  async enroll(site: string, options: SiteOptions): Promise<void> {
    await this.configure(site, options);
    const enrolling = this.spawnEnrollment(site, await this.invite(site, options.url));
    if ((await enrolling.exit()) !== 0)
      throw new Error(`enrolling ${site} failed:\n${enrolling.output}`);
    await this.approve(site);
  }

  /** Start (or start again) the agent of a site. */
  startAgent(site: string): MeloProcess {
    const agent = new MeloProcess({
      name: site,
      args: ['agent', 'run', '--config', this.configPath(site), '--json'],
      logFile: join(this.directory, `${site}.log`),
    });
    this.agents.set(site, agent);
    return agent;
  }

  /** Create a task, which starts at once. */
  async createTask(definition: TaskDefinitionInput): Promise<void> {
    await this.call(taskRoutes.create, { body: definition });
  }

  /** Throw where a process has ended by itself: there is nothing left to wait for. */
  #expectAlive(): void {
    const processes = [...this.agents.values()];
    if (this.coordinator !== undefined) processes.push(this.coordinator);
    const failed = processes.find((each) => each.hasFailed);
    if (failed !== undefined)
      throw new Error(`${failed.name} ended by itself; its last lines:\n${failed.lastLines}`);
  }

  /**
   * Wait until a condition on the REST API holds.
   *
   * @throws Error where the time is up or a process has ended by itself
   */
  async waitUntil(
    what: string,
    isDone: () => Promise<boolean>,
    timeoutMs = 600_000,
  ): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!(await isDone())) {
      this.#expectAlive();
      if (Date.now() > deadline)
        throw new Error(`${what}: not so after ${timeoutMs} ms; see ${this.directory}`);
      await sleep(pollIntervalMs);
    }
  }

  /** Wait until a task has published a version. */
  async waitForVersion(task: string, version: number, timeoutMs = 480_000): Promise<void> {
    await this.waitUntil(
      `${task} version ${version}`,
      async () => {
        const state = await this.call(taskRoutes.get, { params: { task } });
        if (state.status === 'failed')
          throw new Error(`${task} failed: ${state.reason ?? 'no reason'}; see ${this.directory}`);
        return state.latestVersion >= version;
      },
      timeoutMs,
    );
  }

  /** Wait until each of these sites has reported about a version on its held-out images. */
  async waitForEvaluations(
    task: string,
    version: number,
    siteCount: number,
    timeoutMs = 480_000,
  ): Promise<void> {
    await this.waitUntil(
      `${siteCount} evaluations of ${task} version ${version}`,
      async () => {
        const { evaluations } = await this.call(evaluationRoutes.list, { params: { task } });
        const found = evaluations.find((each) => each.version === version);
        return (found?.sites.length ?? 0) >= siteCount;
      },
      timeoutMs,
    );
  }

  /** The last attempt at a round. */
  round(task: string, round: number): Promise<z.infer<typeof roundRoutes.get.response>> {
    return this.call(roundRoutes.get, { params: { task, round } });
  }

  /** One version with its card and its signed result. */
  version(task: string, version: number): Promise<z.infer<typeof registryRoutes.get.response>> {
    return this.call(registryRoutes.get, { params: { task, version } });
  }

  /** Download a version of a task's adapter. */
  async download(task: string, version: number): Promise<Uint8Array> {
    const response = await this.raw('GET', `/v1/tasks/${task}/versions/${version}/adapter`);
    if (!response.ok) throw new Error(`download of ${task} version ${version}: ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  }

  /** Stop everything; where the coordinator's graceful end hangs it is killed. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await Promise.all([...this.agents.values()].map((each) => each.stop(signal)));
    await this.coordinator?.stop(signal);
  }
}

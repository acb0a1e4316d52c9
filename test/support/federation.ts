/** A whole federation on loopback for measurements and end-to-end tests: one coordinator, agents, all as processes. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { z } from 'zod';
import { MeloProcess } from './melo-process.ts';

const listeningSchema = z.object({
  event: z.literal('listening'),
  url: z.string(),
  tokenFile: z.string(),
});
const taskSchema = z.object({ status: z.string(), latestVersion: z.number() });
const invitationSchema = z.object({ code: z.string() });
const siteSchema = z.object({ fingerprint: z.string().nullable() });

function parseJsonLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // not every line is NDJSON: Node's own warnings are not
  }
}

/** What an agent's configuration says of one task. */
export interface AgentTask {
  readonly images: string;
  readonly manifest: string;
  readonly classFolders: Readonly<Record<string, string>>;
}

/** One coordinator and its agents, each a process, under one folder. */
export class Federation {
  readonly directory: string;
  readonly agents = new Map<string, MeloProcess>();
  coordinator: MeloProcess | undefined;
  url = '';
  #token = '';
  #port = 0;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Start the coordinator, on the port it had before where it is a restart. */
  async startCoordinator(): Promise<void> {
    await mkdir(this.directory, { recursive: true });
    const data = join(this.directory, 'coordinator');
    this.coordinator = new MeloProcess({
      name: 'coordinator',
      args: ['coordinator', 'start', '--data', data, '--port', String(this.#port), '--json'],
      logFile: join(this.directory, 'coordinator.log'),
    });
    const { url, tokenFile } = await this.coordinator.waitForLine((line) => {
      const parsed = listeningSchema.safeParse(parseJsonLine(line));
      return parsed.success ? parsed.data : undefined;
    });
    this.url = url;
    this.#port = Number(new URL(url).port);
    this.#token = (await readFile(tokenFile, 'utf8')).trim();
  }

  /** Call the REST API as its administrator and return the answer's JSON. */
  async request(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await this.raw(method, path, body);
    if (!response.ok)
      throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  /** Call the REST API as its administrator and return the response itself. */
  raw(method: string, path: string, body?: unknown): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  /** Where an agent's configuration stands. */
  configPath(site: string): string {
    return join(this.directory, site, 'agent.yaml');
  }

  /**
   * Invite, enrol and approve a site.
   *
   * @param options - `url` is the address written into the code, e.g. that of a proxy; the coordinator's own by default
   */
  async enroll(
    site: string,
    options: {
      readonly backbone: string;
      readonly tasks: Readonly<Record<string, AgentTask>>;
      readonly threads: number;
      readonly url?: string;
    },
  ): Promise<void> {
    await mkdir(join(this.directory, site), { recursive: true });
    const config = {
      dataDirectory: 'data',
      backbones: [options.backbone],
      engine: { threads: options.threads },
      tasks: options.tasks,
    };
    await writeFile(this.configPath(site), stringify(config));
    const invitation = { site, url: options.url ?? this.url };
    const { code } = invitationSchema.parse(await this.request('POST', '/v1/sites', invitation));
    const enrolling = new MeloProcess({
      name: `${site} enroll`,
      args: ['agent', 'enroll', '--config', this.configPath(site)],
      logFile: join(this.directory, `${site}.log`),
      input: `${code}\n`,
    });
    if ((await enrolling.exit()) !== 0)
      throw new Error(`enrolling ${site} failed:\n${enrolling.output}`);
    const { fingerprint } = siteSchema.parse(await this.request('GET', `/v1/sites/${site}`));
    await this.request('POST', `/v1/sites/${site}/approve`, { fingerprint });
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

  /** Wait until a condition on the REST API holds. */
  async waitUntil(
    what: string,
    isDone: () => Promise<boolean>,
    timeoutMs = 600_000,
  ): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!(await isDone())) {
      if (Date.now() > deadline) throw new Error(`${what}: not so after ${timeoutMs} ms`);
      await new Promise((wake) => setTimeout(wake, 200));
    }
  }

  /** Wait until a task has published a version. */
  async waitForVersion(task: string, version: number, timeoutMs = 900_000): Promise<void> {
    await this.waitUntil(
      `${task} version ${version}`,
      async () => {
        const state = taskSchema.parse(await this.request('GET', `/v1/tasks/${task}`));
        if (state.status === 'failed')
          throw new Error(`${task}: the task failed; see ${this.directory}`);
        return state.latestVersion >= version;
      },
      timeoutMs,
    );
  }

  /** Download a version of a task's adapter. */
  async download(task: string, version: number): Promise<Uint8Array> {
    const response = await this.raw('GET', `/v1/tasks/${task}/versions/${version}/adapter`);
    if (!response.ok) throw new Error(`download of ${task} version ${version}: ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  }

  /** Stop everything. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const processes = [
      ...this.agents.values(),
      ...(this.coordinator === undefined ? [] : [this.coordinator]),
    ];
    await Promise.all(processes.map((each) => each.stop(signal)));
  }
}

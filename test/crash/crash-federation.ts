/** A federation whose processes can be told to end at a named moment. */
import { join } from 'node:path';
import { mkdir } from 'node:fs/promises';
import { packageRoot } from '../support/package-root.ts';
import { Federation } from '../support/federation.ts';
import { MeloProcess } from '../support/melo-process.ts';

const entry = (name: string): string => join(packageRoot, 'dist', 'test', 'crash', `${name}.js`);

/** A federation whose processes can be told to end at a named moment. */
export class CrashFederation extends Federation {
  readonly #databaseUrl: string | undefined;

  constructor(directory: string, databaseUrl: string | undefined) {
    super(directory);
    this.#databaseUrl = databaseUrl;
  }

  /** Where the keys of rounds are left. */
  get keysDirectory(): string {
    return join(this.directory, 'round-keys');
  }

  /** The file that a process watches: the coordinator, a site's agent, or a site's trainer. */
  armedFile(process: string): string {
    return join(this.directory, `armed-${process}.json`);
  }

  override async startCoordinator(): Promise<void> {
    await mkdir(this.keysDirectory, { recursive: true, mode: 0o700 });
    await super.startCoordinator();
  }

  override spawnCoordinator(name: string, data: string, port: number): MeloProcess {
    const options = ['--data', data, '--port', String(port)];
    return new MeloProcess({
      name,
      script: entry('coordinator-entry'),
      args: [...options, '--armed', this.armedFile('coordinator'), '--keys', this.keysDirectory],
      logFile: join(this.directory, `${name}.log`),
      env: this.#databaseUrl === undefined ? {} : { DATABASE_URL: this.#databaseUrl },
    });
  }

  override startAgent(site: string): MeloProcess {
    const armed = ['--armed', this.armedFile(site)];
    const agent = new MeloProcess({
      name: site,
      script: entry('agent-entry'),
      args: [
        ...['--config', this.configPath(site)],
        ...armed,
        ...['--trainer-armed', this.armedFile(`${site}-trainer`)],
      ],
      logFile: join(this.directory, `${site}.log`),
    });
    this.agents.set(site, agent);
    return agent;
  }
}

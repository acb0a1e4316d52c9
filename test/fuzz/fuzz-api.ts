/**
 * Requests that no test thought of: schemathesis draws them from the OpenAPI document of a running coordinator and holds
 * every answer against it.
 *
 * The coordinator has sites, a task with a published version and an open round, so that requests reach something: half of
 * the names that are drawn are theirs.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { decodeAdapterFile } from '#core/adapter';
import { allRoutes } from '../../apps/coordinator/src/common/contracts.ts';
import { Logger } from '../../apps/coordinator/src/common/logger.ts';
import { Harness } from '../../apps/coordinator/src/testing/harness.ts';

/** How much is sent, and with what. */
export interface FuzzOptions {
  /** Requests at least, over all routes. */
  readonly cases: number;
  readonly seed: number;
  /** The program of schemathesis. */
  readonly program: string;
}

/** What was found. */
export interface FuzzReport {
  readonly operations: number;
  readonly requests: number;
  /** Lines of the coordinator's log about answers of 500 and more. */
  readonly serverErrors: readonly unknown[];
  /** Whether schemathesis found nothing. */
  readonly isClean: boolean;
}

const members = ['north', 'south', 'west'];
const errorLineSchema = z.looseObject({ msg: z.string() });

/** Routes that are left out, and why. */
const leftOut = {
  /** It takes the whole database each time, which its own tests do. */
  'backup.download': true,
} as const;

/** Routes with rules that a JSON Schema cannot say, so that what it allows may be refused; every other check holds for them. */
const withRulesOfTheirOwn = [
  'tasks.create', // members, weights and methods that must fit each other
  'tasks.schedule', // a calendar's pattern and a time zone
  'sites.enroll', // the protocol's version
  'accounts.create', // a steward's site, and what a password must be
  'accounts.role',
  'accounts.resetPassword',
  'accounts.changePassword',
  'webhooks.create', // where an address may lead
  'registry.download', // a format may be unable to hold what is in a version
] as const;

/** Send requests drawn from the document to a coordinator of its own. */
export async function fuzzApi(options: FuzzOptions): Promise<FuzzReport> {
  const serverErrors: unknown[] = [];
  const logger = new Logger('error', {
    write: (line: string) => {
      const entry = errorLineSchema.parse(JSON.parse(line));
      // Nobody listens at the addresses that are drawn.
      if (entry.msg !== 'webhook given up') serverErrors.push(entry);
    },
  });
  const harness = await Harness.start({ logger });
  const folder = await mkdtemp(join(tmpdir(), 'melo-fuzz-'));
  try {
    await populate(harness);
    const before = await requestsOf(harness);
    const isClean = await runSchemathesis(harness, folder, options);
    const requests = (await requestsOf(harness)) - before;
    return { operations: allRoutes.length, requests, serverErrors, isClean };
  } finally {
    await harness.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Sites in several states, and a task with a version and an open round. */
async function populate(harness: Harness): Promise<void> {
  for (const name of members) await harness.join(name);
  await harness.request('POST', '/v1/sites', { site: 'invited' });
  await harness.createTask({ rounds: 3 });
  const { layout } = decodeAdapterFile(await harness.download('chest', 0));
  for (const site of harness.sites.values()) {
    await site.takePart('chest', new Float32Array(layout.size).fill(1), 10);
  }
  await harness.untilVersion('chest', 1);
}

/** Requests that the coordinator counted so far. */
async function requestsOf({ coordinator }: Harness): Promise<number> {
  const text = await (await fetch(`${coordinator.url}/metrics`)).text();
  return text
    .split('\n')
    .filter((line) => line.startsWith('melo_http_requests_total{'))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

function configuration({ coordinator, token }: Harness, { cases, seed }: FuzzOptions): string {
  const operations = allRoutes.length - Object.keys(leftOut).length;
  return `
seed = ${seed}
continue-on-failure = true
request-timeout = 60
base-url = ${JSON.stringify(coordinator.url)}
suppress-health-check = ["filter_too_much", "too_slow", "data_too_large"]

[headers]
Authorization = ${JSON.stringify(`Bearer ${token}`)}

[generation]
max-examples = ${Math.ceil(cases / operations)}
database = "none"

[dictionaries.tasks]
values = ["chest"]
[dictionaries.sites]
values = ${JSON.stringify([...members, 'invited'])}
[dictionaries.numbers]
values = [0, 1, 2]

[parameters]
"path.task" = { dictionary = "tasks", probability = 0.5 }
"path.site" = { dictionary = "sites", probability = 0.5 }
"path.round" = { dictionary = "numbers", probability = 0.5 }
"path.version" = { dictionary = "numbers", probability = 0.5 }
${withRulesOfTheirOwn
  .map(
    (name) =>
      `\n[[operations]]\ninclude-operation-id = "${name}"\nchecks.positive_data_acceptance.enabled = false\n`,
  )
  .join('')}`;
}

/** Run it to its end; what it says goes to standard error. Returns whether it found nothing. */
async function runSchemathesis(
  harness: Harness,
  folder: string,
  options: FuzzOptions,
): Promise<boolean> {
  const configurationFile = join(folder, 'schemathesis.toml');
  await writeFile(configurationFile, configuration(harness, options));
  const excluded = Object.keys(leftOut).flatMap((name) => ['--exclude-operation-id', name]);
  const commandArguments = [
    ...['--no-color', '--config-file', configurationFile],
    ...['run', `${harness.coordinator.url}/v1/openapi.json`],
    ...excluded,
  ];
  const child = spawn(options.program, commandArguments, {
    cwd: folder,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, PYTHONUNBUFFERED: '1' },
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => {
      resolve(status === 0);
    });
  });
}

/** `npm run results -- NAME [--seeds 1,2,3] [--part nano] [--device cpu|gpu] [--quick]`: make one table of docs/results.md again. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { z } from 'zod';
import { killAllProcesses } from '../../test/support/melo-process.ts';
import {
  makeWorkDirectory,
  packageRoot,
  sharedDirectory,
} from '../../test/support/package-root.ts';
import {
  renderSection,
  renderTable,
  replaceSection,
  resultsDevices,
  resultsParts,
  type ResultsContext,
  type ResultsDevice,
  type ResultsPart,
  type ResultsTable,
} from './table.ts';

/** A table's module, loaded when it is asked for. */
interface TableModule {
  /** Whether it cannot be made without the folder of images and backbones; it cannot where this is left out. */
  needsShared?(part: ResultsPart): boolean;
  run(context: ResultsContext): Promise<ResultsTable>;
}

const tables: Readonly<Record<string, () => Promise<TableModule>>> = {
  'first-round': () => import('./first-round.ts'),
  gratings: () => import('./gratings.ts'),
  melo: () => import('./melo.ts'),
  methods: () => import('./methods.ts'),
};

const usage = `usage: npm run results -- ${Object.keys(tables).join(' | ')} [--seeds 1,2,3] [--part ${resultsParts.join('|')}] [--device cpu|gpu] [--quick]

--part, --device and --quick are of methods: which images, where to train (gpu needs \`npm run tfjs:native -- --gpu\`), and the smallest
sizes without a change of docs/results.md.`;
const exitCodes = { ok: 0, failed: 1, usage: 2, noShared: 3 };

const seedsSchema = z
  .string()
  .regex(/^\d{1,9}(?:,\d{1,9}){0,99}$/, 'expected numbers with commas between them')
  .transform((text) => text.split(',').map(Number));

function say(startedAtMs: number, message: string): void {
  const seconds = Math.round((Date.now() - startedAtMs) / 1000);
  process.stderr.write(`[${String(seconds).padStart(5)} s] ${message}\n`);
}

async function readIfPresent(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch {
    return undefined; // the first table makes the page
  }
}

/** The first GPU and its driver, as NVIDIA's own tool calls them. */
async function gpuName(): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('nvidia-smi', [
      '--query-gpu=name,driver_version',
      '--format=csv,noheader',
    ]);
    const [name = 'unknown', driver = 'unknown'] = (stdout.split('\n')[0] ?? '').split(', ');
    return `${name.trim()} with driver ${driver.trim()}`;
  } catch {
    return 'GPU whose name nvidia-smi does not tell';
  }
}

/** Write the section of a table into docs/results.md. */
async function writeResults(
  name: string,
  table: ResultsTable,
  device: ResultsDevice,
): Promise<void> {
  const machine = {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown CPU',
    node: process.versions.node,
    gpu: device === 'gpu' ? await gpuName() : null,
  };
  const date = new Date().toISOString().slice(0, 10);
  const file = join(packageRoot, 'docs', 'results.md');
  const section = renderSection(name, table, { machine, date });
  await mkdir(join(packageRoot, 'docs'), { recursive: true });
  await writeFile(`${file}.part`, replaceSection(await readIfPresent(file), name, section));
  await rename(`${file}.part`, file);
}

const optionsSchema = z.object({
  seeds: seedsSchema,
  part: z.enum(resultsParts),
  device: z.enum(resultsDevices),
  quick: z.boolean(),
});

/** What the command line asks for. */
interface Wanted extends z.infer<typeof optionsSchema> {
  readonly name: string;
  readonly load: () => Promise<TableModule>;
}

/** Read the command line, or undefined where it does not fit. */
function readArguments(): Wanted | undefined {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        seeds: { type: 'string', default: '1,2,3' },
        part: { type: 'string', default: 'nano' },
        device: { type: 'string', default: 'cpu' },
        quick: { type: 'boolean', default: false },
      },
    });
    const [name = '', ...rest] = positionals;
    const load = tables[name];
    if (load === undefined || rest.length > 0) return undefined;
    return { load, name, ...optionsSchema.parse(values) };
  } catch {
    return undefined; // an unknown option, or seeds that are no numbers: the usage says what is known
  }
}

async function main(): Promise<number> {
  const wanted = readArguments();
  if (wanted === undefined) {
    process.stderr.write(`${usage}\n`);
    return exitCodes.usage;
  }
  const { name, seeds, part, device, quick } = wanted;
  const tableModule = await wanted.load();
  const shared = sharedDirectory();
  if (shared === undefined && (tableModule.needsShared?.(part) ?? true)) {
    process.stderr.write('results: expected ../shared (or MELO_SHARED), it is absent\n');
    return exitCodes.noShared;
  }
  const startedAtMs = Date.now();
  const work = await makeWorkDirectory(`results-${name}`);
  try {
    const table = await tableModule.run({
      sharedDirectory: shared ?? '',
      workDirectory: work.path,
      ...{ seeds, part, device, isQuick: quick },
      progress: (message) => say(startedAtMs, message),
    });
    if (!quick) await writeResults(table.section ?? name, table, device);
    process.stdout.write(`${[table.title, renderTable(table), ...table.notes].join('\n\n')}\n`);
    return exitCodes.ok;
  } finally {
    await killAllProcesses();
    await work.remove();
  }
}

process.exitCode = await main();

/** `npm run results -- NAME [--seeds 1,2,3] [--part nano|breast-ultrasound|chest-xray] [--quick]`: make one table of docs/results.md again. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
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
  resultsParts,
  type ResultsContext,
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

const usage = `usage: npm run results -- ${Object.keys(tables).join(' | ')} [--seeds 1,2,3] [--part nano|breast-ultrasound|chest-xray] [--quick]

--part and --quick are of methods: which images, and the smallest sizes without a change of docs/results.md.`;
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

/** Write the section of a table into docs/results.md. */
async function writeResults(name: string, table: ResultsTable): Promise<void> {
  const machine = {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown CPU',
    node: process.versions.node,
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
  const { name, seeds, part, quick } = wanted;
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
      ...{ seeds, part, isQuick: quick },
      progress: (message) => say(startedAtMs, message),
    });
    if (!quick) await writeResults(table.section ?? name, table);
    process.stdout.write(`${[table.title, renderTable(table), ...table.notes].join('\n\n')}\n`);
    return exitCodes.ok;
  } finally {
    await killAllProcesses();
    await work.remove();
  }
}

process.exitCode = await main();

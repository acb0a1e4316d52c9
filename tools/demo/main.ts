/**
 * `npm run demo`: a federation on this machine, from nothing to an adapter and a report.
 *
 * Progress and the link go to standard error, the result to standard output. However it ends, no process and no work folder
 * is left: agents and coordinator stop by SIGTERM, and what is left of their process groups is killed.
 */
import { rmSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { preprocessingSchema } from '#core/protocol';
import { describeBackbone } from '../../test/support/collections.ts';
import { Federation } from '../../test/support/federation.ts';
import { killAllProcesses } from '../../test/support/melo-process.ts';
import { makeWorkDirectory } from '../../test/support/package-root.ts';
import { layOutBackbone } from './backbone.ts';
import { federatedTask, headTask, localTask, pooledTask, demoColumns } from './columns.ts';
import { layOutHospitals, type Hospitals } from './hospitals.ts';
import { measureAdapters } from './measure.ts';
import { parseOptions, usage, UsageError, type DemoOptions } from './options.ts';
import { outcomeJson, type DemoOutcome, type Figures } from './outcome.ts';
import { ProgressView } from './progress.ts';
import { reportPage } from './report-page.ts';
import { reportText } from './report.ts';
import { openDashboard, signInText } from './sign-in.ts';
import { stayUp } from './stay-up.ts';
import { ColumnTraining, startSites, type TrainedColumns } from './train.ts';

const exitCodes = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;
/** What a stopped run may take to notice it. */
const settleMaxMs = 5000;

class Interrupted extends Error {}

/** What one run works with. */
interface Run {
  readonly options: DemoOptions;
  readonly view: ProgressView;
  readonly federation: Federation;
  readonly workDirectory: string;
  readonly signal: AbortSignal;
  readonly seconds: { readonly install: number; readonly build: number };
  readonly startedAtMs: number;
}

/** Abort on the first signal; a second one ends the process at once, and its exit kills what is left. */
function abortOnSignals(): { readonly signal: AbortSignal; readonly interrupted: Promise<never> } {
  const controller = new AbortController();
  const interrupted = new Promise<never>((_resolve, reject) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(name, () => {
        if (controller.signal.aborted) process.exit(exitCodes.interrupted);
        const error = new Interrupted(name);
        controller.abort(error);
        reject(error);
      });
    }
  });
  interrupted.catch(() => undefined); // raced below; it may come when nothing races any more
  return { signal: controller.signal, interrupted };
}

/** Draw the images while the coordinator starts. */
async function prepare(run: Run): Promise<Hospitals> {
  const { options, view, federation, signal, workDirectory } = run;
  const onImage = (done: number, total: number): void => {
    if (done % 20 === 0) view.draw([`images: ${done} of ${total}`]);
  };
  const [hospitals] = await Promise.all([
    layOutHospitals(join(workDirectory, 'images'), options, { signal, onImage }),
    federation.startCoordinator(),
  ]);
  view.say(`images: ${hospitals.note}`);
  view.say(await signInText(federation));
  return hospitals;
}

/** Measure every column's adapter on the union of the held-out images. */
async function measure(
  run: Run,
  what: {
    readonly hospitals: Hospitals;
    readonly trained: TrainedColumns;
    readonly directory: string;
    readonly preprocessing: unknown;
  },
): Promise<(task: string) => Figures> {
  const { hospitals, trained, directory } = what;
  const { view, signal } = run;
  let measured = 0;
  const figures = await measureAdapters({
    adapters: trained.adapters,
    backbone: directory,
    images: hospitals.union,
    preprocessing: preprocessingSchema.parse(what.preprocessing),
    cacheDirectory: join(run.workDirectory, 'engine-cache'),
    threads: Math.min(8, availableParallelism()),
    signal,
    onMeasured: () => {
      measured += 1;
      view.draw([`measured ${measured} of ${trained.adapters.size} adapters`]);
    },
  });
  view.clear();
  return (task) => figures.get(task) ?? { auc: null, accuracy: null };
}

async function writeWhole(file: string, content: string | Uint8Array): Promise<void> {
  await writeFile(`${file}.part`, content);
  await rename(`${file}.part`, file);
}

/** Put the adapter and the page into the output folder. */
async function leaveFiles(
  outcome: DemoOutcome,
  trained: TrainedColumns,
  directory: string,
): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeWhole(outcome.adapter, trained.adapters.get(federatedTask) ?? new Uint8Array());
  await writeWhole(outcome.report, reportPage(outcome));
}

/** The whole run, from images to files. */
async function produce(run: Run): Promise<DemoOutcome> {
  const { options, federation, view } = run;
  const directory = await layOutBackbone(options.backbone, run.workDirectory);
  const hospitals = await prepare(run);
  if (options.isBrowserOpened && !options.isJson && process.stdout.isTTY)
    await openDashboard(federation);
  const backbone = await describeBackbone(directory);
  await startSites(federation, hospitals, directory);
  view.say(`${hospitals.hospitals.length} hospitals are enrolled; the rounds begin`);
  const { rounds, seed } = options;
  const training = new ColumnTraining({ federation, hospitals, backbone, rounds, seed, view });
  const trained = await training.run();
  const { federated } = demoColumns({ ...hospitals, backbone, rounds, seed });
  const { preprocessing } = federated.definition;
  const figuresOf = await measure(run, { hospitals, trained, directory, preprocessing });
  const outDirectory = resolve(options.out);
  const outcome: DemoOutcome = {
    title: `MeLo Federation, demo: ${options.sites} hospitals, ${rounds} rounds`,
    imagesNote: hospitals.note,
    backbone: backbone.reference.name,
    classes: hospitals.classes,
    seed,
    byRound: trained.byRound,
    hospitals: hospitals.hospitals.map((hospital) => ({
      ...hospital,
      alone: figuresOf(localTask(hospital.name)),
      bytesSent: trained.bytesSent.get(hospital.name) ?? 0,
    })),
    headOnly: figuresOf(headTask),
    pooled: figuresOf(pooledTask),
    federated: figuresOf(federatedTask),
    heldOutImages: hospitals.union.length,
    seconds: { ...run.seconds, run: (Date.now() - run.startedAtMs) / 1000 },
    adapterBytes: trained.adapters.get(federatedTask)?.length ?? 0,
    adapter: join(outDirectory, 'adapter.safetensors'),
    report: join(outDirectory, 'report.html'),
  };
  await leaveFiles(outcome, trained, outDirectory);
  return outcome;
}

/** Tell the outcome; on a terminal, or where it is asked to, the federation stays up for a look at the dashboard. */
async function present(run: Run, outcome: DemoOutcome, interrupted: Promise<never>): Promise<void> {
  const { options, view, federation } = run;
  process.stdout.write(`${reportText(outcome)}\n`);
  if (options.isJson) process.stdout.write(`${JSON.stringify(outcomeJson(outcome))}\n`);
  const isForPeople = process.stdout.isTTY && !options.isJson;
  if (isForPeople || options.isStaying) await stayUp(federation, view, interrupted);
  else view.say(await signInText(federation));
}

/** Stop every process and remove the work folder, whatever state the run is in. */
async function cleanUp(
  federation: Federation,
  unfinished: Promise<unknown>,
  removeWork: () => Promise<void>,
): Promise<void> {
  await federation.stop();
  await killAllProcesses(); // one that was enrolling
  await Promise.race([unfinished.catch(() => undefined), sleep(settleMaxMs, null, { ref: false })]);
  await killAllProcesses(); // one that a step under way had still started
  await removeWork();
}

function sayFailure(view: ProgressView, error: unknown): number {
  view.clear();
  if (error instanceof Interrupted) {
    view.say('demo: stopped');
    return exitCodes.interrupted;
  }
  const text = error instanceof Error ? error.message : String(error);
  view.say(text.startsWith('demo: ') ? text : `demo: ${text}`);
  return error instanceof UsageError ? exitCodes.usage : exitCodes.failed;
}

function readOptions(commandLine: readonly string[]): DemoOptions | number {
  try {
    const options = parseOptions(commandLine);
    if (options !== 'help') return options;
    process.stdout.write(usage);
    return exitCodes.ok;
  } catch (error) {
    return sayFailure(new ProgressView(process.stderr), error);
  }
}

/** Run the demo and return its exit code; the caller ends the process with it. */
export async function runDemo(
  commandLine: readonly string[],
  seconds: { readonly install: number; readonly build: number },
): Promise<number> {
  const { signal, interrupted } = abortOnSignals();
  const options = readOptions(commandLine);
  if (typeof options === 'number') return options;
  delete process.env['DATABASE_URL']; // the demo's database is its own
  const view = new ProgressView(process.stderr);
  const startedAtMs = Date.now();
  const work = await makeWorkDirectory('demo');
  if (process.env['MELO_KEEP'] !== '1')
    process.once('exit', () => rmSync(work.path, { recursive: true, force: true }));
  const federation = new Federation(join(work.path, 'federation'));
  const run: Run = {
    options,
    view,
    federation,
    workDirectory: work.path,
    signal,
    seconds,
    startedAtMs,
  };
  const producing = signal.aborted ? Promise.reject(new Interrupted()) : produce(run);
  try {
    const outcome = await Promise.race([producing, interrupted]);
    await present(run, outcome, interrupted);
    return exitCodes.ok;
  } catch (error) {
    return sayFailure(view, error);
  } finally {
    await cleanUp(federation, producing, () => work.remove());
  }
}

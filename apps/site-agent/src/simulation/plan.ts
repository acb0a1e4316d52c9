/** The plan of a simulation: one YAML file. What it says of the task is what a task of a federation says, and is parsed by the same schema. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { InputError } from '#core/errors';
import { classesSchema, classNameSchema, limits } from '#core/protocol';
import { engineDeviceSchema, engineNameSchema } from '../config/agent-config.ts';
import { parseYaml } from '../config/yaml-file.ts';

const pathSchema = z.string().min(1).max(4096);
const seedSchema = z.number().int().min(0).max(4_294_967_295);
const regexSchema = z.string().min(1).max(500);
function isRegex(source: string): boolean {
  try {
    return new RegExp(source, 'u').source !== '';
  } catch {
    return false; // that it does not compile is the answer
  }
}
const alphaSchema = z.number().min(0.01).max(1000);

/** How images are shared out among the sites; groups (patients) always go as a whole. */
export const partitionSchema = z.discriminatedUnion('name', [
  /** Every site has the same mix and as much. */
  z.strictObject({ name: z.literal('iid') }),
  /** Label skew: each class is shared out by a draw from Dirichlet(alpha); the smaller alpha, the stronger the skew. */
  z.strictObject({ name: z.literal('dirichlet'), alpha: alphaSchema }),
  /** Quantity skew: one draw from Dirichlet(alpha) for all classes. */
  z.strictObject({ name: z.literal('quantity'), alpha: alphaSchema }),
  /** By where the images come from: the first group of `regex` in an image's path names it; without one, the patients in order. */
  z.strictObject({
    name: z.literal('group'),
    regex: regexSchema.refine(isRegex, 'expected a regular expression').exactOptional(),
  }),
  /** As `iid`, and each site's images get the look of a scanner of its own. */
  z.strictObject({ name: z.literal('scanner') }),
]);
/** How images are shared out among the sites. */
export type Partition = z.infer<typeof partitionSchema>;

const heldOutShareSchema = z.number().min(0.05).max(0.8).default(0.3);

const folderSchema = z
  .strictObject({
    folder: pathSchema,
    classes: classesSchema,
    /** Folders that are not named like the class. */
    classFolders: z.record(z.string().min(1).max(500), classNameSchema).exactOptional(),
    /** CSV with the columns path and group, and a column for each class where an image may have several. */
    manifest: pathSchema.exactOptional(),
    /** A preset, or a regular expression whose first group names the patient; else every content is a group of its own. */
    groupRegex: regexSchema.exactOptional(),
    heldOutShare: heldOutShareSchema,
    /** At most so many images, chosen by the seed. */
    imagesMax: z.number().int().min(10).max(2_000_000).exactOptional(),
  })
  .refine((images) => images.manifest === undefined || images.groupRegex === undefined, {
    path: ['groupRegex'],
    message: 'expected either manifest or groupRegex, not both',
  });

const phantomsSchema = z.strictObject({
  /** How many, of three classes in equal parts. */
  images: z.number().int().min(30).max(100_000),
  seed: seedSchema.default(1),
  /** Findings are smaller and fainter by this factor. */
  difficulty: z.number().min(0.1).max(10).default(1),
  heldOutShare: heldOutShareSchema,
});

/** What is trained and measured side by side. */
export const columnNames = ['federated', 'local-only', 'head-only', 'pooled'] as const;
/** What is trained and measured side by side. */
export type ColumnName = (typeof columnNames)[number];
const columnsSchema = z
  .array(z.enum(columnNames))
  .min(1)
  .refine((names) => new Set(names).size === names.length, 'expected every column once');

const rateSchema = z.number().positive().max(1);
/** Learning rates of the columns beside `federated`; the task's own where they are left out. */
const learningRatesSchema = z.strictObject({
  'local-only': rateSchema.exactOptional(),
  'head-only': rateSchema.exactOptional(),
  pooled: rateSchema.exactOptional(),
});

/** What follows from the images, the backbone, the sites and the seed. */
const derivedKeys = [
  'backbone',
  'preprocessing',
  'classes',
  'publicSeed',
  'members',
  'mode',
  'rules',
] as const;
const taskSchema = z
  .record(z.string().min(1).max(64), z.unknown())
  .refine((task) => derivedKeys.every((key) => !Object.hasOwn(task, key)), {
    message: `expected none of ${derivedKeys.join(', ')}: they follow from images, backbone, sites and seeds`,
  });

const sitesSchema = z.number().int().min(1).max(limits.membersMax);
const nameSchema = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$/, 'expected 1 to 63 of a-z, 0-9, . and -');

const runSchema = z.strictObject({
  name: nameSchema,
  sites: sitesSchema.exactOptional(),
  partition: partitionSchema.exactOptional(),
  columns: columnsSchema.exactOptional(),
  learningRates: learningRatesSchema.exactOptional(),
  /** Laid over the plan's own task; `null` takes a key away. */
  task: taskSchema.exactOptional(),
});

const planSchema = z
  .strictObject({
    version: z.literal(1),
    title: z.string().min(1).max(200).default('A simulated federation'),
    /** A folder of a ViT, or `nano`, the small one of this repository. */
    backbone: z.union([z.literal('nano'), pathSchema]),
    images: folderSchema.exactOptional(),
    phantoms: phantomsSchema.exactOptional(),
    engine: z
      .strictObject({
        name: engineNameSchema.default('onnx'),
        device: engineDeviceSchema.default('auto'),
        threads: z.number().int().min(1).max(256).exactOptional(),
      })
      .prefault({}),
    sites: sitesSchema.default(3),
    partition: partitionSchema,
    columns: columnsSchema.default([...columnNames]),
    learningRates: learningRatesSchema.default({}),
    /** Rounds between two measurements of `federated` and `head-only`; the last version is always measured. */
    measureEvery: z.number().int().min(1).max(limits.roundsMax).default(1),
    task: taskSchema.default({}),
    seeds: z
      .array(seedSchema)
      .min(1)
      .max(100)
      .refine((seeds) => new Set(seeds).size === seeds.length, 'expected every seed once')
      .default([1]),
    runs: z
      .array(runSchema)
      .min(1)
      .max(1000)
      .refine((runs) => new Set(runs.map(({ name }) => name)).size === runs.length, {
        message: 'expected every name once',
      })
      .default([{ name: 'plan' }]),
  })
  .refine((plan) => (plan.images === undefined) !== (plan.phantoms === undefined), {
    path: ['images'],
    message: 'expected either images or phantoms',
  });

/** A plan with absolute paths. */
export type SimulationPlan = z.infer<typeof planSchema>;
/** A plan as a person may write it. */
export type SimulationPlanInput = z.input<typeof planSchema>;
/** A folder of images. */
export type ImageFolder = z.infer<typeof folderSchema>;
/** Images that are drawn. */
export type PhantomPlan = z.infer<typeof phantomsSchema>;

/** One run of a plan with nothing left open. */
export interface Run {
  readonly name: string;
  readonly sites: number;
  readonly partition: Partition;
  readonly columns: readonly ColumnName[];
  readonly learningRates: z.infer<typeof learningRatesSchema>;
  readonly task: Readonly<Record<string, unknown>>;
}

const advice = '`melo simulate --example` prints an example with every key';

function resolvePaths(plan: SimulationPlan, file: string): SimulationPlan {
  const base = dirname(resolve(file));
  const absolute = (path: string): string => resolve(base, path);
  const { images } = plan;
  const manifest = images?.manifest;
  return {
    ...plan,
    backbone: plan.backbone === 'nano' ? 'nano' : absolute(plan.backbone),
    ...(images === undefined
      ? {}
      : {
          images: {
            ...images,
            folder: absolute(images.folder),
            ...(manifest === undefined ? {} : { manifest: absolute(manifest) }),
          },
        }),
  };
}

/**
 * Parse a plan's text; relative paths start at the file's own folder.
 *
 * @throws InputError CONFIG_INVALID naming the key and the line
 */
export function parsePlan(text: string, file: string): SimulationPlan {
  return resolvePaths(parseYaml(text, { file, schema: planSchema, advice }), file);
}

/**
 * Read and parse a plan.
 *
 * @throws InputError CONFIG_INVALID
 */
export async function loadPlan(file: string): Promise<SimulationPlan> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    const what = `${file}: expected the plan of a simulation, it cannot be read; ${advice}`;
    throw new InputError('CONFIG_INVALID', what, {}, { cause });
  }
  return parsePlan(text, file);
}

const objectSchema = z.record(z.string(), z.unknown());

/** Lay one record over another: objects key by key, anything else as a whole; `null` takes a key away. */
export function layOver(
  base: Readonly<Record<string, unknown>>,
  over: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const [below, above] = [objectSchema.safeParse(base[key]), objectSchema.safeParse(value)];
    if (value === null) Reflect.deleteProperty(merged, key);
    else merged[key] = below.success && above.success ? layOver(below.data, above.data) : value;
  }
  return merged;
}

/** The runs of a plan, what they leave out filled in from the plan. */
export function runsOf(plan: SimulationPlan): Run[] {
  const { sites, partition, columns, learningRates, task } = plan;
  return plan.runs.map((run) => ({
    name: run.name,
    sites: run.sites ?? sites,
    partition: run.partition ?? partition,
    columns: run.columns ?? columns,
    learningRates: { ...learningRates, ...run.learningRates },
    task: layOver(task, run.task ?? {}),
  }));
}

/** The agent's configuration: one YAML file, which is also the site's policy. What it does not list is declined. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { defaultThreads } from '#core/engine';
import { InputError } from '#core/errors';
import {
  adapterVersionSchema,
  classNameSchema,
  digestSchema,
  limits,
  taskIdSchema,
} from '#core/protocol';
import { proxyChoice } from '../common/proxy-settings.ts';
import { transportNames } from '../transport/transport-choice.ts';
import { parseYaml } from './yaml-file.ts';

const pathSchema = z.string().min(1).max(4096);
const durationMs = (standard: number): z.ZodDefault<z.ZodNumber> =>
  z.number().int().min(1).max(86_400_000).default(standard);

function isProxy(text: string): boolean {
  try {
    proxyChoice(text, {});
    return true;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}

const taskSchema = z
  .strictObject({
    /** Folder of images: a folder for each class, or folders mapped by `classFolders`. */
    images: pathSchema,
    /** CSV with the columns path, group, (may be left out) split: train or held-out, and a class each for several findings an image. */
    manifest: pathSchema.optional(),
    /** A preset's name, or a regular expression whose first group names the patient. */
    groupRegex: z.string().min(1).max(500).optional(),
    heldOutShare: z.number().min(0.01).max(0.9).default(0.2),
    splitSeed: z.string().min(1).max(200).default('melo'),
    classFolders: z.record(z.string().min(1).max(500), classNameSchema).optional(),
    /** Versions that stay in `adapters/` however old they are, e.g. the one in use. */
    keepVersions: z.array(adapterVersionSchema).max(100).optional(),
  })
  .refine((task) => task.manifest === undefined || task.groupRegex === undefined, {
    path: ['groupRegex'],
    message: 'expected either manifest or groupRegex, not both',
  });

const backboneSchema = z.union([
  pathSchema.transform((path) => ({ path })),
  z.strictObject({ path: pathSchema, fingerprint: digestSchema.optional() }),
]);

/** The message must not show what came: a password may stand in it. */
const proxySchema = z
  .string()
  .max(2000)
  .refine(isProxy, { message: 'expected none, or an address such as http://proxy.example:3128' });

const connectionSchema = z.strictObject({
  heartbeatIntervalMs: durationMs(limits.heartbeatIntervalMs),
  acknowledgementTimeoutMs: durationMs(limits.acknowledgementTimeoutMs),
  backoffMinimumMs: durationMs(1000),
  backoffMaximumMs: durationMs(20_000),
  /** Between tries after a refusal that waiting alone may not mend: pending, suspended, revoked, other version. */
  slowRetryMs: durationMs(60_000),
  /** One attempt to connect. */
  connectTimeoutMs: durationMs(15_000),
  /** Without a byte for so long the link is dead; the coordinator says something every 15 s. */
  silenceMaxMs: durationMs(limits.silenceMaxMs),
  /** Ways to connect in the order they are tried; one alone forces it. */
  transports: z
    .array(z.enum(transportNames))
    .min(1)
    .refine((names) => new Set(names).size === names.length, { message: 'expected each once' })
    .default([...transportNames]),
  /** Failures of one way in a row before the next is tried. */
  transportFailuresMax: z.number().int().min(1).max(1000).default(2),
  /** Address of the hospital's proxy, or none to ignore HTTPS_PROXY, HTTP_PROXY and NO_PROXY. */
  proxy: proxySchema.optional(),
});

const trainerSchema = z.strictObject({
  /** Starts of the trainer process for one round before the long wait. */
  attempts: z.number().int().min(1).max(20).default(3),
  restartDelayMs: durationMs(2000),
  longRetryMs: durationMs(300_000),
  /** Tries of a round's work after the first, a long wait apart; then the site withdraws from the round, with the reason. */
  retriesMax: z.number().int().min(0).max(1000).default(3),
  checkpointIntervalMs: durationMs(10_000),
  /** A trainer that says nothing for so long is killed. */
  silenceMaxMs: durationMs(300_000),
  /** A trainer without work ends after so long; until then it keeps the model and up to 256 MiB of decoded images. */
  idleMaxMs: durationMs(60_000),
  batchSizeEvaluation: z.number().int().min(1).max(256).default(16),
});

/** What this site does and lets out beside the rounds. */
const policySchema = z.strictObject({
  /** Evaluate published versions on this site's held-out images when an administrator asks. */
  evaluations: z.boolean().default(true),
  /** Train alone once, where a task asks for it, and report how that adapter does; it stays here unless `shareBaseline` is true. */
  baseline: z.boolean().default(true),
  /** Let that adapter out where a task asks for it: the coordinator holds it for a while, and every member of the task evaluates it. */
  shareBaseline: z.boolean().default(false),
  /** Report by how much a version is better than what this site trained alone, with its interval. */
  comparison: z.boolean().default(false),
});
/** What this site does and lets out beside the rounds. */
export type PolicyConfig = z.infer<typeof policySchema>;

/** Which engine trains; `auto` takes onnx on a CPU, and tfjs where onnx cannot be used. */
export const engineNameSchema = z.enum(['onnx', 'tfjs', 'auto']);
/** Where it may compute; a GPU needs tfjs with its native part. */
export const engineDeviceSchema = z.enum(['auto', 'cpu', 'gpu']);

/** The engine with every key set. */
export interface EngineConfig {
  readonly name: z.infer<typeof engineNameSchema>;
  readonly device: z.infer<typeof engineDeviceSchema>;
  readonly threads: number;
  /** Whether no other trainer computes on this machine: idle threads of onnx then wait awake. */
  readonly isAlone: boolean;
}

/** The configuration file, before paths are made absolute. */
export const agentConfigSchema = z.strictObject({
  dataDirectory: pathSchema,
  caFile: pathSchema.optional(),
  backbones: z.array(backboneSchema).min(1).max(64),
  engine: z
    .strictObject({
      name: engineNameSchema.default('onnx'),
      device: engineDeviceSchema.default('auto'),
      threads: z.number().int().min(1).max(256).optional(),
      alone: z.boolean().default(false),
    })
    .prefault({}),
  tasks: z.record(taskIdSchema, taskSchema).default({}),
  policy: policySchema.prefault({}),
  imageCacheBytesMax: z
    .number()
    .int()
    .min(0)
    .max(2 ** 50)
    .default(2 * 1024 ** 3),
  /** So many versions of each task stay in `adapters/`, the newest first; older ones are removed. */
  keepVersionsLatest: z.number().int().min(1).max(10_000).default(5),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info'),
  connection: connectionSchema.prefault({}),
  trainer: trainerSchema.prefault({}),
});
type ParsedConfig = z.infer<typeof agentConfigSchema>;

/** One task as the site allows it, with absolute paths. */
export type TaskConfig = z.infer<typeof taskSchema>;
/** Waits and intervals of the connection. */
export type ConnectionConfig = z.infer<typeof connectionSchema>;
/** Bounds of the trainer process. */
export type TrainerConfig = z.infer<typeof trainerSchema>;

/** The configuration with absolute paths. */
export interface AgentConfig {
  readonly file: string;
  readonly dataDirectory: string;
  readonly caFile: string | null;
  readonly backbones: readonly { readonly path: string; readonly fingerprint: string | null }[];
  readonly engine: EngineConfig;
  readonly tasks: ReadonlyMap<string, TaskConfig>;
  readonly policy: PolicyConfig;
  readonly imageCacheBytesMax: number;
  readonly keepVersionsLatest: number;
  readonly logLevel: ParsedConfig['logLevel'];
  readonly connection: ConnectionConfig;
  readonly trainer: TrainerConfig;
}

const advice = '`melo agent init` writes an example with every key';

/**
 * Parse a configuration's text; relative paths start at the file's own folder.
 *
 * @throws InputError CONFIG_INVALID naming the key and the line
 */
export function parseAgentConfig(text: string, file: string): AgentConfig {
  return resolvePaths(parseYaml(text, { file, schema: agentConfigSchema, advice }), file);
}

function resolvePaths(config: ParsedConfig, file: string): AgentConfig {
  const base = dirname(resolve(file));
  const absolute = (path: string): string => resolve(base, path);
  const tasks = Object.entries(config.tasks).map(([task, entry]): [string, TaskConfig] => [
    task,
    {
      ...entry,
      images: absolute(entry.images),
      ...(entry.manifest === undefined ? {} : { manifest: absolute(entry.manifest) }),
    },
  ]);
  return {
    ...config,
    file: resolve(file),
    dataDirectory: absolute(config.dataDirectory),
    caFile: config.caFile === undefined ? null : absolute(config.caFile),
    backbones: config.backbones.map((backbone) => ({
      path: absolute(backbone.path),
      fingerprint: 'fingerprint' in backbone ? (backbone.fingerprint ?? null) : null,
    })),
    engine: {
      name: config.engine.name,
      device: config.engine.device,
      threads: config.engine.threads ?? defaultThreads(1),
      isAlone: config.engine.alone,
    },
    tasks: new Map(tasks),
  };
}

/**
 * Read and parse the configuration file.
 *
 * @throws InputError CONFIG_INVALID
 */
export async function loadAgentConfig(file: string): Promise<AgentConfig> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new InputError(
      'CONFIG_INVALID',
      `${file}: expected a configuration file, it cannot be read; ${advice}`,
      {},
      { cause },
    );
  }
  return parseAgentConfig(text, file);
}

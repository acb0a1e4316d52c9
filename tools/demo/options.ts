/** The options of `npm run demo`. */
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { demoPlan } from './plan.ts';

/** What the command line asks for. */
export interface DemoOptions {
  readonly rounds: number;
  readonly sites: number;
  readonly seed: number;
  /** Training images of each hospital. */
  readonly imagesPerSite: number;
  readonly skew: number;
  /** Folder of another backbone; undefined for the small one of this repository. */
  readonly backbone: string | undefined;
  /** Folder of real images, a folder for each class; undefined for phantoms. */
  readonly data: string | undefined;
  /** Where the adapter and the report are put. */
  readonly out: string;
  readonly isBrowserOpened: boolean;
  readonly isJson: boolean;
  /** Whether it stays up at its end without a terminal too, until a signal. */
  readonly isStaying: boolean;
}

/** A command line that does not fit, told in one sentence. */
export class UsageError extends Error {}

/** What `--help` prints. */
export const usage = `usage: npm run demo -- [options]

  --rounds N            federated rounds, 1 to 100 (${demoPlan.rounds})
  --sites N             hospitals, 1 to 16 (${demoPlan.sites})
  --seed N              of the images, the order of training and version 0 (${demoPlan.seed})
  --images-per-site N   training images of each hospital, at least 12 (${demoPlan.imagesPerSite})
  --skew X              how far the hospitals' label mixes differ, 0 (even) to 1 (${demoPlan.skew})
  --backbone DIR        another ViT: model.safetensors and config.json
  --data DIR            real images, a folder for each class, instead of phantoms
  --out DIR             where the adapter and the report are put (melo-demo)
  --no-open             do not open a browser
  --json                the last line of standard output is one JSON object, and the demo ends by itself
  --stay                at the end stay up until Ctrl-C (or SIGTERM), as on a terminal, with --json or in a pipe too

On two free cores it takes about a minute and a half as it is; time goes with sites x images x rounds. ViT-Tiny at
224 pixels costs some thirty times as much an image: with --backbone, --data and --rounds 8 a quarter of an hour.
However it ends, by Ctrl-C too, no process and no temporary folder is left.
`;

const whole = (minimum: number, maximum: number): z.ZodType<number> =>
  z
    .string()
    .regex(/^\d{1,10}$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.number().min(minimum).max(maximum));

const argumentsSchema = z.object({
  rounds: whole(1, 100),
  sites: whole(1, 16),
  seed: whole(0, 4_294_967_295),
  'images-per-site': whole(12, 20_000),
  skew: z
    .string()
    .regex(/^(?:0|1|0?\.\d{1,6}|[01]\.\d{1,6})$/, 'expected a number from 0 to 1')
    .transform(Number)
    .pipe(z.number().max(1)),
  backbone: z.string().min(1).optional(),
  data: z.string().min(1).optional(),
  out: z.string().min(1),
  'no-open': z.boolean(),
  json: z.boolean(),
  stay: z.boolean(),
  help: z.boolean(),
});

function parseRaw(commandLine: readonly string[]): unknown {
  const text = (value: number): { type: 'string'; default: string } => ({
    type: 'string',
    default: String(value),
  });
  try {
    return parseArgs({
      args: [...commandLine],
      options: {
        rounds: text(demoPlan.rounds),
        sites: text(demoPlan.sites),
        seed: text(demoPlan.seed),
        'images-per-site': text(demoPlan.imagesPerSite),
        skew: text(demoPlan.skew),
        backbone: { type: 'string' },
        data: { type: 'string' },
        out: { type: 'string', default: 'melo-demo' },
        'no-open': { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        stay: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(`demo: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * Read the command line; `help` where it asks for help.
 *
 * @throws UsageError naming the option that does not fit
 */
export function parseOptions(commandLine: readonly string[]): DemoOptions | 'help' {
  const parsed = argumentsSchema.safeParse(parseRaw(commandLine));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new UsageError(
      `demo: --${String(issue?.path[0])}: ${issue?.message ?? 'not valid'}; see npm run demo -- --help`,
    );
  }
  const { data } = parsed;
  if (data.help) return 'help';
  return {
    rounds: data.rounds,
    sites: data.sites,
    seed: data.seed,
    imagesPerSite: data['images-per-site'],
    skew: data.skew,
    backbone: data.backbone,
    data: data.data,
    out: data.out,
    isBrowserOpened: !data['no-open'],
    isJson: data.json,
    isStaying: data.stay,
  };
}

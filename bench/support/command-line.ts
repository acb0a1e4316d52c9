/** The command line of a benchmark: one schema says what is read and what `--help` tells. */
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { backboneSizes } from '#core/backbone';

const usageStatus = 2;

/** The name of a size of ViT. */
export const backboneOption = z.string().refine((name) => Object.hasOwn(backboneSizes, name), {
  message: `expected one of ${Object.keys(backboneSizes).join(', ')}`,
});

const propertySchema = z.object({
  type: z.string().optional(),
  description: z.string(),
  default: z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]).optional(),
});
type Property = z.infer<typeof propertySchema>;

/** A benchmark as its command line shows it. */
export interface BenchCommand<Options extends z.ZodObject> {
  readonly name: string;
  /** What is measured, in a few lines. */
  readonly about: string;
  /** Every option may be left out and has a description. */
  readonly options: Options;
}

/** What a command line asks for. */
type Asked<Options extends z.ZodObject> =
  | { readonly kind: 'run'; readonly options: z.infer<Options> }
  | { readonly kind: 'help' }
  | { readonly kind: 'wrong'; readonly reason: string };

function propertiesOf(options: z.ZodObject): [string, Property][] {
  const { properties = {} } = z.toJSONSchema(options, { io: 'input', unrepresentable: 'any' });
  return Object.entries(properties).map(([key, value]) => [key, propertySchema.parse(value)]);
}

function optionLine([key, { type, description, default: value }]: [string, Property]): string {
  const shown = type === 'boolean' ? `--${key}` : `--${key} ${key.toUpperCase()}`;
  const otherwise = type === 'boolean' || value === undefined ? '' : ` (default ${String(value)})`;
  return `  ${shown.padEnd(24)}${description}${otherwise}`;
}

/** What `--help` prints. */
export function usageOf({ name, about, options }: BenchCommand<z.ZodObject>): string {
  const lines = [...propertiesOf(options).map(optionLine), `  ${'--help'.padEnd(24)}this text`];
  return `Usage: npm run bench -- ${name} [options]\n\n${about}\n\n${lines.join('\n')}\n`;
}

/** Read a command line; what is wrong with it is a reason that names the option. */
export function parseCommandLine<Options extends z.ZodObject>(
  { options }: BenchCommand<Options>,
  lineArguments: readonly string[],
): Asked<Options> {
  const known = propertiesOf(options).map(([key, { type }]) => {
    return [key, { type: type === 'boolean' ? 'boolean' : 'string' }] as const;
  });
  try {
    const { values } = parseArgs({
      args: [...lineArguments],
      options: { ...Object.fromEntries(known), help: { type: 'boolean' } },
    });
    const { help, ...given } = values;
    if (help === true) return { kind: 'help' };
    const parsed = options.safeParse(given);
    if (parsed.success) return { kind: 'run', options: parsed.data };
    const issues = parsed.error.issues.map(
      ({ path, message }) => `--${path.join('.')}: ${message}`,
    );
    return { kind: 'wrong', reason: issues.join('; ') };
  } catch (error) {
    return { kind: 'wrong', reason: error instanceof Error ? error.message : String(error) };
  }
}

/** Read this process's command line; ends the process with status 0 after help, with 2 where the line is wrong. */
export function readCommandLine<Options extends z.ZodObject>(
  command: BenchCommand<Options>,
): z.infer<Options> {
  const asked = parseCommandLine(command, process.argv.slice(2));
  if (asked.kind === 'run') return asked.options;
  if (asked.kind === 'help') {
    process.stdout.write(usageOf(command));
    process.exit(0);
  }
  process.stderr.write(`${command.name}: ${asked.reason}; --help lists the options\n`);
  process.exit(usageStatus);
}

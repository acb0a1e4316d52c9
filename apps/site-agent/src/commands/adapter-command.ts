/** The command line of `melo adapter show|verify|convert|diff`; the work is loaded when a verb is used. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { z } from 'zod';
import { MeloError } from '#core/errors';

/** Exit code of `diff` where an adapter cannot be read: 1 means that the two differ. */
const diffTroubleExitCode = 4;

const formats = ['melo', 'peft', 'official'] as const;
const jsonOption = z.boolean().default(false);
const fileOptions = z.object({
  alpha: z.number().optional(),
  blocks: z.array(z.number()).optional(),
});
const showOptions = fileOptions.omit({ blocks: true }).extend({ json: jsonOption });
const verifyOptions = showOptions.extend({
  backbone: z.string().optional(),
  digest: z.string().optional(),
});
const diffOptions = z.object({ numbersOnly: z.boolean().default(false), json: jsonOption });
const convertOptions = fileOptions.extend({
  from: z.enum(['auto', ...formats]),
  to: z.enum(formats),
  backbone: z.string().optional(),
  card: z.string().optional(),
  cardTask: z.string().optional(),
  cardTitle: z.string().optional(),
  cardClasses: z.array(z.string()).optional(),
  peftNames: z.enum(['transformers-4', 'transformers-5']),
  peftModel: z.string(),
  dropHeadBias: z.boolean().default(false),
  force: z.boolean().default(false),
  json: jsonOption,
});

function parseAlpha(text: string): number {
  const alpha = Number(text);
  if (/^\d{1,5}$/.test(text) && alpha > 0) return alpha;
  throw new InvalidArgumentError('expected a whole number of 1 or more.');
}

function parseBlocks(text: string): number[] {
  if (/^\d{1,3}(?:,\d{1,3})*$/.test(text)) return text.split(',').map(Number);
  throw new InvalidArgumentError('expected numbers from 0 with commas, e.g. 8,9,10,11.');
}

function parseDigest(text: string): string {
  if (/^[0-9a-f]{64}$/.test(text)) return text;
  throw new InvalidArgumentError('expected 64 hexadecimal digits.');
}

function parseModel(text: string): string {
  if (/^(?:[a-z][a-z0-9_]{0,31})?$/.test(text)) return text;
  throw new InvalidArgumentError('expected an attribute such as vit or backbone, or nothing.');
}

const parseClasses = (text: string): string[] => text.split(',').map((name) => name.trim());

const alphaOption = (): Option =>
  new Option('--alpha <number>', 'of an official file whose name does not say it').argParser(
    parseAlpha,
  );

const convertHelp = `
Formats: melo is one file; peft a folder with adapter_model.safetensors and adapter_config.json;
official one file whose name carries rank and alpha (name a folder to have it named).
What a format cannot hold exactly is refused by name; docs/adapters.md has the list.
From peft or official to melo a card is needed: --backbone, --card-task and --card-classes make one.

Examples:
  melo adapter convert --to peft chest.safetensors chest-peft
  melo adapter convert --to melo --backbone vit_base --card-task chest \\
      --card-classes normal,pneumonia chest-peft chest.safetensors`;

const diffHelp = `
Exit codes of diff: 0 the same, 1 different, 2 wrong command line, 4 an adapter cannot be read.
Numbers: max |a - b| and ||a - b|| / max(||a||, ||b||) for each tensor; cosine for each s B A.`;

/** Add the verbs to `melo adapter`. */
export function addAdapterCommands(adapter: Command): void {
  addShow(adapter);
  addVerify(adapter);
  addConvert(adapter);
  addDiff(adapter);
}

function addShow(adapter: Command): void {
  adapter
    .command('show')
    .description("print an adapter's card, and its sizes where another tool wrote it")
    .argument('<file>', 'adapter file, or a folder of PEFT')
    .addOption(alphaOption())
    .option('--json', 'as one line of JSON: the card itself where it is a native file')
    .action(async (file: string, options: unknown) => {
      const { showAdapter } = await import('./adapter-show.ts');
      const { json, alpha } = showOptions.parse(options);
      await showAdapter(file, { alpha, isJson: json });
    });
}

function addVerify(adapter: Command): void {
  adapter
    .command('verify')
    .description('check an adapter: tensors, finite numbers, digest, card, and its backbone')
    .argument('<file>', 'adapter file, or a folder of PEFT')
    .option('--backbone <directory>', 'the backbone it should be for')
    .option('--digest <digest>', 'the digest it should have', parseDigest)
    .addOption(alphaOption())
    .option('--json', 'the findings as one line of JSON')
    .action(async (file: string, options: unknown) => {
      const { verifyAdapter } = await import('./adapter-verify.ts');
      const { json, ...rest } = verifyOptions.parse(options);
      if (!(await verifyAdapter(file, { ...rest, isJson: json }))) process.exitCode = 1;
    });
}

function addConvert(adapter: Command): void {
  adapter
    .command('convert')
    .description('convert an adapter between melo, Hugging Face PEFT and the official MeLo code')
    .argument('<in>', 'adapter file, or a folder of PEFT')
    .argument('<out>', 'file to write; for peft a folder')
    .addOption(
      new Option('--from <format>', 'format of <in>').choices(['auto', ...formats]).default('auto'),
    )
    .addOption(
      new Option('--to <format>', 'format of <out>').choices(formats).makeOptionMandatory(),
    )
    .option('--backbone <directory>', 'the backbone: its card entry, and how many blocks there are')
    .option('--card <file>', 'JSON of a card or a part: task, title, classes, backbone')
    .option('--card-task <name>', 'task of the card')
    .option('--card-title <title>', 'title of the card')
    .option('--card-classes <names>', 'classes in the order of the head, with commas', parseClasses)
    .addOption(alphaOption())
    .option('--blocks <numbers>', 'blocks that an official file adapts, where not all', parseBlocks)
    .addOption(
      new Option('--peft-names <release>', 'whose module names to write')
        .choices(['transformers-4', 'transformers-5'])
        .default('transformers-5'),
    )
    .option('--peft-model <attribute>', 'what holds the vision model of PEFT', parseModel, 'vit')
    .option('--drop-head-bias', 'to official: leave out the bias of the head, changing the logits')
    .option('--force', 'write over existing files')
    .option('--json', 'the result as one line of JSON')
    .addHelpText('after', convertHelp)
    .action(async (input: string, output: string, options: unknown) => {
      const { convertAdapter } = await import('./adapter-convert.ts');
      const { json, force, dropHeadBias, blocks, from, ...rest } = convertOptions.parse(options);
      await convertAdapter({
        ...rest,
        ...{ input, output, adaptedBlocks: blocks, from: from === 'auto' ? undefined : from },
        ...{ isHeadBiasDropped: dropHeadBias, isForced: force, isJson: json },
      });
    });
}

function addDiff(adapter: Command): void {
  adapter
    .command('diff')
    .description('print where two adapters of any formats differ')
    .argument('<a>', 'adapter file, or a folder of PEFT')
    .argument('<b>', 'another one')
    .option('--numbers-only', 'cards do not count')
    .option('--json', 'everything as one line of JSON')
    .addHelpText('after', diffHelp)
    .action(async (a: string, b: string, options: unknown) => {
      const { diffAdapters } = await import('./adapter-diff.ts');
      const { json, numbersOnly } = diffOptions.parse(options);
      try {
        const isSame = await diffAdapters({ a, b, isNumbersOnly: numbersOnly, isJson: json });
        if (!isSame) process.exitCode = 1;
      } catch (error) {
        if (!(error instanceof MeloError)) throw error;
        process.stderr.write(`${error.code}: ${error.message}\n`);
        process.exitCode = diffTroubleExitCode;
      }
    });
}

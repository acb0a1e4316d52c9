/** The command line of `melo backbone ...`; the work is loaded when a verb is used. */
import { Command, InvalidArgumentError } from 'commander';
import { z } from 'zod';

const fingerprint = z.string();

/** A wrong one is a wrong command line. */
function parseFingerprint(text: string): string {
  if (/^[0-9a-f]{64}$/.test(text)) return text;
  throw new InvalidArgumentError('expected the 64 hexadecimal digits of a fingerprint.');
}
const jsonOption = z.boolean().default(false);
const pullOptions = z.object({
  to: z.string(),
  revision: z.string(),
  expect: fingerprint.optional(),
  json: jsonOption,
});
const listOptions = z.object({ folder: z.string(), json: jsonOption });
const showOptions = z.object({ json: jsonOption });
const resizeOptions = z.object({ imageSize: z.number(), to: z.string(), json: jsonOption });
const verifyOptions = z.object({ expect: fingerprint.optional(), json: jsonOption });

const pullHelp = `
The hub and the way to it are read from the environment: HF_ENDPOINT (a mirror), HF_TOKEN (for gated
backbones), HTTPS_PROXY and NO_PROXY. A pull that was cut goes on where it stood.`;

function parsePixels(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected a whole number of pixels.');
}

function resizeCommand(): Command {
  return new Command('resize')
    .description('make a backbone of another image size: its positions are resampled as timm does')
    .argument('<folder>', "a backbone's folder; it stays as it is")
    .requiredOption('--image-size <pixels>', 'a multiple of the patch size', parsePixels)
    .requiredOption('--to <folder>', 'the new folder')
    .option('--json', 'as one line of JSON')
    .action(async (folder: string, options: unknown) => {
      const { resize } = await import('./backbone-resize.ts');
      const { json, ...rest } = resizeOptions.parse(options);
      await resize({ folder, ...rest, isJson: json });
    });
}

/** Make the command. */
export function backboneCommand(): Command {
  const backbone = new Command('backbone').description(
    'pull, check and look at frozen backbones; nothing of a site goes to the hub',
  );
  backbone
    .command('pull')
    .description(
      'fetch a backbone from the Hugging Face hub or a mirror, check it, take its fingerprint',
    )
    .argument('<name>', 'a name of melo backbone list, or owner/name of a repository')
    .option('--to <folder>', 'the folder that backbones lie in', 'backbones')
    .option('--revision <revision>', 'branch, tag or commit', 'main')
    .option('--expect <fingerprint>', "refuse any other: the task's fingerprint", parseFingerprint)
    .option('--json', 'progress and result as NDJSON')
    .addHelpText('after', pullHelp)
    .action(async (name: string, options: unknown) => {
      const { pull } = await import('./backbone.ts');
      const { json, ...rest } = pullOptions.parse(options);
      await pull({ name, ...rest, isJson: json });
    });
  backbone
    .command('list')
    .description('print the known backbones, and those on this disk')
    .option('--folder <folder>', 'the folder that backbones lie in', 'backbones')
    .option('--json', 'as one line of JSON')
    .action(async (options: unknown) => {
      const { list } = await import('./backbone.ts');
      const { folder, json } = listOptions.parse(options);
      await list({ folder, isJson: json });
    });
  backbone
    .command('verify')
    .description('check names, shapes, that every weight is finite, and the fingerprint')
    .argument('<folder>', "a backbone's folder")
    .option(
      '--expect <fingerprint>',
      'instead of the one that was noted when it was pulled',
      parseFingerprint,
    )
    .option('--json', 'as one line of JSON')
    .action(async (folder: string, options: unknown) => {
      const { verify } = await import('./backbone.ts');
      const { expect, json } = verifyOptions.parse(options);
      await verify({ folder, expect, isJson: json });
    });
  backbone
    .command('show')
    .description('print family, dimensions, tokens, preprocessing and fingerprint')
    .argument('<folder>', "a backbone's folder")
    .option('--json', 'as one line of JSON')
    .action(async (folder: string, options: unknown) => {
      const { show } = await import('./backbone.ts');
      await show(folder, showOptions.parse(options).json);
    });
  return backbone.addCommand(resizeCommand());
}

/** `melo admin adapters download`: a version's file with its digest checked, or what another tool reads, made of it here. */
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { targetOf } from '#api';
import { adapterDigest, decodeAdapterFile } from '#core/adapter';
import { ProtocolError, StateError } from '#core/errors';
import { writeAdapter, type AdapterFormat, type PeftNames } from '#core/formats';
import {
  adapterFormatSchema,
  peftNamesSchema,
  type VersionView,
} from '../registry/registry.contract.ts';
import { type AdminContext, type ConnectionOptions, runAdmin } from './admin-command.ts';
import type { AdminEnvironment } from './admin-environment.ts';
import { formatBytes } from './text.ts';
import { chooseVersion, describeLeft, standingOf } from './versions-text.ts';

type DownloadOptions = ConnectionOptions & {
  readonly out?: string;
  readonly force?: true;
  readonly format: AdapterFormat;
  readonly peftNames: PeftNames;
  readonly dropHeadBias?: true;
};

const help = `
The digest of the version's own file is checked before anything is made of it. peft and official are written into a folder
as "melo adapter convert" writes them (docs/adapters.md); what a format cannot hold is refused by name.`;

/** Add `download` to the commands of adapters. */
export function addDownloadCommand(
  add: (name: string, description: string) => Command,
  environment: AdminEnvironment,
  byDefault: string,
): void {
  add('download <task> [version]', `fetch the adapter; ${byDefault}`)
    .option(
      '--out <path>',
      'the file of melo, the folder of the others; TASK-vVERSION with its ending by default',
    )
    .option('--force', 'write over a file that is there')
    .addOption(
      new Option('--format <format>', 'whose format to write')
        .choices(adapterFormatSchema.options)
        .default('melo'),
    )
    .addOption(
      new Option('--peft-names <release>', 'whose module names to write to peft')
        .choices(peftNamesSchema.options)
        .default('transformers-5'),
    )
    .option('--drop-head-bias', 'to official: leave out the bias of the head, changing the logits')
    .addHelpText('after', help)
    .action((task: string, version: string | undefined, options: DownloadOptions) =>
      runAdmin(options, environment, (context) =>
        downloadVersion(context, { task, version }, options),
      ),
    );
}

/** One file to be written. */
interface Output {
  readonly path: string;
  readonly bytes: Uint8Array;
}

async function downloadVersion(
  context: AdminContext,
  { task, version }: { readonly task: string; readonly version: string | undefined },
  options: DownloadOptions,
): Promise<void> {
  const { environment } = context;
  const chosen = await chooseVersion(context, task, version);
  const out = options.out ?? defaultPath(task, chosen, options.format);
  // What is there is looked for before anything is fetched, and a folder's files once their names are known.
  if (options.format === 'melo') await refuseExisting(environment, [out], options);
  const native = await fetchChecked(context, task, chosen);
  const { outputs, notes } = outputsOf(native, out, options);
  const paths = outputs.map(({ path }) => path);
  if (options.format !== 'melo') {
    await refuseExisting(environment, paths, options);
    await environment.makeFolder(out);
  }
  for (const { path, bytes } of outputs) await environment.writeWhole(path, bytes);
  const bytes = outputs.reduce((sum, each) => sum + each.bytes.length, 0);
  const digest = chosen.adapterDigest;
  context.show(
    {
      ...{ file: out, files: paths, format: options.format, notes },
      ...{ version: chosen.version, digest, bytes },
      ...{ isPromoted: chosen.isPromoted, isLatest: chosen.isLatest, leftSites: chosen.leftSites },
    },
    `${paths.join(', ')}: version ${chosen.version} (${standingOf(chosen)}), ${formatBytes(bytes)}, digest ${digest} (checked)`,
  );
  for (const note of notes) context.hint(`note: ${note}`);
  if (chosen.leftSites.length > 0) {
    context.hint(`note: it has a share of ${describeLeft(chosen)}`);
  }
  context.hint(`next: melo adapter show ${paths[0] ?? out}`);
}

function defaultPath(task: string, { version }: VersionView, format: AdapterFormat): string {
  const stem = `${task}-v${version}`;
  return format === 'melo' ? `${stem}.safetensors` : `${stem}-${format}`;
}

async function refuseExisting(
  environment: AdminEnvironment,
  paths: readonly string[],
  { force }: DownloadOptions,
): Promise<void> {
  if (force === true) return;
  for (const path of paths) {
    if (!(await environment.doesExist(path))) continue;
    throw new StateError(
      'ALREADY_EXISTS',
      `--out: expected a new file, got ${path}, which is there; name another or add --force`,
    );
  }
}

/** The version's own file, which is the one that its digest is of. */
async function fetchChecked(
  { client }: AdminContext,
  task: string,
  chosen: VersionView,
): Promise<Uint8Array> {
  const path = { task, version: chosen.version };
  const target = targetOf('/v1/tasks/{task}/versions/{version}/adapter', { path });
  const bytes = await client.download(target, chosen.adapterBytes);
  const digest = adapterDigest(bytes);
  if (digest === chosen.adapterDigest) return bytes;
  throw new ProtocolError(
    'DIGEST_MISMATCH',
    `${task} version ${chosen.version}: expected digest ${chosen.adapterDigest}, got ${digest}; nothing was written, try again`,
  );
}

function outputsOf(
  native: Uint8Array,
  out: string,
  { format, peftNames, dropHeadBias }: DownloadOptions,
): { readonly outputs: readonly Output[]; readonly notes: readonly string[] } {
  if (format === 'melo') return { outputs: [{ path: out, bytes: native }], notes: [] };
  const isHeadBiasDropped = dropHeadBias === true;
  const file = decodeAdapterFile(native);
  const { files, notes } = writeAdapter(file, { format, peftNames, isHeadBiasDropped });
  const outputs = files.map(({ name, bytes }) => ({ path: join(out, name ?? ''), bytes }));
  return { outputs, notes };
}

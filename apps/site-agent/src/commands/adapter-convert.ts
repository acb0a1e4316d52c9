/** `melo adapter convert`: from one tool's format into another's, exactly or not at all. */
import { mkdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  adapterCardSchema,
  adapterDigest,
  encodeAdapterFile,
  type AdapterFile,
} from '#core/adapter';
import { InputError, StateError } from '#core/errors';
import {
  convertToNative,
  type AdapterFormat,
  type CardDetails,
  type PeftNames,
  writeAdapter,
} from '#core/formats';
import { agentVersion } from '../common/agent-version.ts';
import { writeDurably } from '../common/durable-file.ts';
import { atPath } from '../common/path-error.ts';
import {
  describeBackbone,
  readAnyAdapter,
  readJsonFile,
  standardOutput,
  type BackboneDetails,
  type CommandOutput,
} from './adapter-files.ts';

/** The command line of a conversion. */
export interface ConvertOptions {
  readonly input: string;
  readonly output: string;
  readonly from?: AdapterFormat | undefined;
  readonly to: AdapterFormat;
  readonly backbone?: string | undefined;
  readonly alpha?: number | undefined;
  readonly adaptedBlocks?: readonly number[] | undefined;
  readonly card?: string | undefined;
  readonly cardTask?: string | undefined;
  readonly cardTitle?: string | undefined;
  readonly cardClasses?: readonly string[] | undefined;
  readonly peftNames: PeftNames;
  readonly peftModel: string;
  readonly isHeadBiasDropped: boolean;
  readonly isForced: boolean;
  readonly isJson: boolean;
}

/** What a file given by --card may say: a whole card, as `melo adapter show --json` prints it, or a part. */
const cardFileSchema = adapterCardSchema
  .pick({
    ...{ task: true, title: true, classes: true, activation: true },
    ...{ backbone: true, preprocessing: true },
  })
  .partial()
  .strip();

async function cardDetails(
  options: ConvertOptions,
  described: BackboneDetails | null,
): Promise<CardDetails> {
  const { card, cardTask, cardTitle, cardClasses } = options;
  const parsed = cardFileSchema.safeParse(card === undefined ? {} : await readJsonFile(card));
  if (!parsed.success) {
    const field = parsed.error.issues[0]?.path.join('.') ?? '';
    throw new InputError(
      'ADAPTER_INVALID',
      `${card ?? ''}: expected a card or a part of one, field ${field || 'root'} does not fit; see melo adapter show --json`,
      { field },
      { cause: parsed.error },
    );
  }
  const { task, title, classes, activation, backbone, preprocessing } = parsed.data;
  return {
    task: cardTask ?? task,
    title: cardTitle ?? title,
    classes: cardClasses ?? classes,
    activation,
    backbone: described?.backbone ?? backbone,
    // A card may have been trained with another kernel than the common one.
    preprocessing: preprocessing ?? described?.preprocessing,
  };
}

interface Source {
  readonly format: AdapterFormat;
  readonly file: AdapterFile;
  /** Whether the native file that the input came from is there again; null where it is native itself. */
  readonly isRestored: boolean | null;
  readonly notes: readonly string[];
}

async function readSource(options: ConvertOptions): Promise<Source> {
  const { input, backbone, from, alpha, adaptedBlocks, peftModel } = options;
  const described = backbone === undefined ? null : await describeBackbone(backbone);
  const blocks = described?.backbone.blocks;
  const adapter = await readAnyAdapter(input, {
    ...{ from, blocks, alpha, adaptedBlocks, peftModel },
  });
  if (adapter.format === 'melo') {
    if (described !== null) checkFingerprint(adapter.file, described, input);
    return { format: 'melo', file: adapter.file, isRestored: null, notes: [] };
  }
  const details = await cardDetails(options, described);
  const library = `melo-federation ${agentVersion}`;
  const { file, isRestored, notes } = convertToNative(adapter.foreign, { ...details, library });
  return { format: adapter.format, file, isRestored, notes };
}

/**
 * Refuse a backbone that is not the one of an adapter's card.
 *
 * @throws InputError BACKBONE_MISMATCH
 */
export function checkFingerprint(
  { card }: AdapterFile,
  { backbone }: BackboneDetails,
  where: string,
): void {
  const [expected, actual] = [card.backbone.fingerprint, backbone.fingerprint];
  if (expected === actual) return;
  throw new InputError(
    'BACKBONE_MISMATCH',
    `${where}: expected ${card.backbone.name} with fingerprint ${expected.slice(0, 16)}..., ${backbone.name} has ${actual.slice(0, 16)}...; use the backbone the adapter was trained on`,
    { expected, actual },
  );
}

/** One file to be written. */
interface Output {
  readonly path: string;
  readonly content: Uint8Array;
}

function outputsOf(
  file: AdapterFile,
  options: ConvertOptions,
): { readonly outputs: readonly Output[]; readonly notes: readonly string[] } {
  const { to, output, peftNames, peftModel, isHeadBiasDropped } = options;
  const written = writeAdapter(file, { format: to, peftNames, peftModel, isHeadBiasDropped });
  const outputs = written.files.map(({ name, bytes }) => ({
    path: outputPath(output, to, name),
    content: bytes,
  }));
  return { outputs, notes: written.notes };
}

function outputPath(output: string, to: AdapterFormat, name: string | null): string {
  if (name === null) return output;
  return to === 'official' ? officialPath(output, name) : join(output, name);
}

/** An official file is found by its name's numbers: a folder gets the name, a file must have it. */
function officialPath(output: string, fileName: string): string {
  if (!output.endsWith('.safetensors')) return join(output, fileName);
  const numbers = /_lora_\d+_\d+\.safetensors$/.exec(fileName)?.[0] ?? fileName;
  if (basename(output).endsWith(numbers)) return output;
  throw new InputError(
    'USAGE',
    `${output}: expected a name that ends with ${numbers}, since readers take rank and alpha out of it; name a folder, or ${fileName}`,
    { fileName },
  );
}

async function refuseExisting(outputs: readonly Output[]): Promise<void> {
  for (const { path } of outputs) {
    const isThere = await stat(path).then(
      () => true,
      () => false,
    );
    if (!isThere) continue;
    throw new StateError(
      'ALREADY_EXISTS',
      `${path}: expected no such file yet, there is one; choose another place or use --force`,
    );
  }
}

/**
 * Convert an adapter and print what became of it.
 *
 * @throws InputError where it cannot be done exactly, naming what stands in the way
 * @throws StateError ALREADY_EXISTS where the output is there and `isForced` is not set
 */
export async function convertAdapter(
  options: ConvertOptions,
  output: CommandOutput = standardOutput,
): Promise<void> {
  const source = await readSource(options);
  if (source.format === options.to) {
    throw new InputError(
      'USAGE',
      `${options.input}: expected another format than ${options.to}, it has that one already; copy the file`,
      { format: source.format },
    );
  }
  const { outputs, notes } = outputsOf(source.file, options);
  if (!options.isForced) await refuseExisting(outputs);
  for (const { path, content } of outputs) {
    await atPath({ path, expected: 'a place that this user can write' }, async () => {
      await mkdir(dirname(path), { recursive: true });
      await writeDurably(path, content, 0o644);
    });
  }
  const paths = outputs.map(({ path }) => path);
  report(source, options, { paths, notes: [...source.notes, ...notes] }, output);
}

function report(
  { format, file, isRestored }: Source,
  { to, isJson }: ConvertOptions,
  { paths, notes }: { readonly paths: readonly string[]; readonly notes: readonly string[] },
  { say, warn }: CommandOutput,
): void {
  const nativeDigest = adapterDigest(encodeAdapterFile(file));
  if (isJson) {
    say(JSON.stringify({ from: format, to, outputs: paths, nativeDigest, isRestored, notes }));
    return;
  }
  for (const note of notes) warn(`note: ${note}`);
  if (isRestored === true) say(`the numbers and the card are those of native file ${nativeDigest}`);
  say(`${format} to ${to}: ${paths.join(', ')}`);
}

/** `melo adapter verify`: whether an adapter's file is sound, and whether it fits a backbone. */
import { adapterDigest } from '#core/adapter';
import { InputError } from '#core/errors';
import { checkFingerprint } from './adapter-convert.ts';
import {
  cardOf,
  describeBackbone,
  numbersOf,
  readAnyAdapter,
  standardOutput,
  type AnyAdapter,
  type CommandOutput,
  type ReadOptions,
} from './adapter-files.ts';

/** One thing that was looked at. */
export interface AdapterFinding {
  readonly check: 'file' | 'digest' | 'numbers' | 'card' | 'backbone';
  readonly status: 'ok' | 'warning' | 'failed';
  readonly message: string;
  /** Of the error, where it failed by one. */
  readonly code?: string;
}

function failed(check: AdapterFinding['check'], error: unknown): AdapterFinding {
  if (!(error instanceof InputError)) throw error;
  return { check, status: 'failed', message: error.message, code: error.code };
}

/** Look at an adapter; names, shapes and finiteness are what its reader checks. */
async function findingsOf(
  path: string,
  options: ReadOptions & {
    readonly backbone?: string | undefined;
    readonly digest?: string | undefined;
  },
): Promise<AdapterFinding[]> {
  let adapter: AnyAdapter;
  try {
    adapter = await readAnyAdapter(path, options);
  } catch (error) {
    return [failed('file', error)];
  }
  const { specification, layout } = numbersOf(adapter);
  const { blocks, dimension, rank, classes } = specification;
  return [
    {
      check: 'file',
      status: 'ok',
      message: `format ${adapter.format}, ${layout.tensors.length} tensors for ${blocks} blocks of D = ${dimension}, rank ${rank}, ${classes.length} classes`,
    },
    digestFinding(adapter, options.digest),
    numbersFinding(adapter),
    ...cardFindings(adapter),
    ...(options.backbone === undefined ? [] : [await backboneFinding(adapter, options.backbone)]),
  ];
}

function digestFinding({ bytes }: AnyAdapter, expected: string | undefined): AdapterFinding {
  const digest = adapterDigest(bytes);
  if (expected === undefined || expected === digest) {
    return { check: 'digest', status: 'ok', message: digest };
  }
  const message = `expected ${expected}, got ${digest}; fetch the file again`;
  return { check: 'digest', status: 'failed', message, code: 'DIGEST_MISMATCH' };
}

function numbersFinding(adapter: AnyAdapter): AdapterFinding {
  const { layout, values } = numbersOf(adapter);
  const isDead = layout.tensors
    .filter(({ name }) => name.endsWith('.lora_B'))
    .every(({ offset, size }) =>
      values.subarray(offset, offset + size).every((value) => value === 0),
    );
  const finite = `all ${layout.size} numbers are finite`;
  return isDead
    ? {
        check: 'numbers',
        status: 'warning',
        message: `${finite}; every B is zero: the head alone acts`,
      }
    : { check: 'numbers', status: 'ok', message: finite };
}

function cardFindings(adapter: AnyAdapter): AdapterFinding[] {
  const card = cardOf(adapter);
  const notes = adapter.format === 'melo' ? [] : adapter.foreign.notes;
  const warnings = notes.map((message): AdapterFinding => ({
    check: 'card',
    status: 'warning',
    message,
  }));
  const message =
    card === null
      ? 'this format has no card'
      : `${card.task} version ${card.version} on ${card.backbone.name}`;
  return [{ check: 'card', status: 'ok', message }, ...warnings];
}

async function backboneFinding(adapter: AnyAdapter, directory: string): Promise<AdapterFinding> {
  try {
    const described = await describeBackbone(directory);
    const { dimension, blocks } = numbersOf(adapter).specification;
    const { backbone } = described;
    if (backbone.dimension !== dimension || backbone.blocks !== blocks) {
      throw new InputError(
        'BACKBONE_MISMATCH',
        `${directory}: expected ${blocks} blocks of D = ${dimension}, it has ${backbone.blocks} of D = ${backbone.dimension}; use the backbone the adapter was trained on`,
        { dimension: backbone.dimension, blocks: backbone.blocks },
      );
    }
    if (adapter.format !== 'melo') {
      const message = 'the sizes fit; whether it is the same backbone, this format does not say';
      return { check: 'backbone', status: 'warning', message };
    }
    checkFingerprint(adapter.file, described, directory);
    return { check: 'backbone', status: 'ok', message: `fingerprint ${backbone.fingerprint}` };
  } catch (error) {
    return failed('backbone', error);
  }
}

/**
 * Verify an adapter and print the findings.
 *
 * @returns whether nothing failed
 */
export async function verifyAdapter(
  path: string,
  options: ReadOptions & {
    readonly backbone?: string | undefined;
    readonly digest?: string | undefined;
    readonly isJson: boolean;
  },
  { say }: CommandOutput = standardOutput,
): Promise<boolean> {
  const findings = await findingsOf(path, options);
  const isSound = findings.every(({ status }) => status !== 'failed');
  if (options.isJson) {
    say(JSON.stringify({ isSound, findings }));
    return isSound;
  }
  for (const { check, status, message } of findings) {
    say(`${status.padEnd(7)} ${check}: ${message}`);
  }
  return isSound;
}

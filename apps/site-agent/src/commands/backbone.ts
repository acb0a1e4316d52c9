/** `melo backbone pull`, `list`, `verify` and `show`: frozen backbones on this disk and on the hub. */
import { resolve } from 'node:path';
import {
  describeArchitecture,
  knownBackbones,
  tokenCount,
  type KnownBackbone,
} from '#core/backbone';
import { InputError } from '#core/errors';
import {
  findBackbones,
  fingerprintFolder,
  readOrigin,
  summarise,
  type BackboneSummary,
} from '../backbones/backbone-folder.ts';
import { HubClient } from '../backbones/hub-client.ts';
import { hubNetwork } from '../backbones/hub-network.ts';
import { pullBackbone, type PulledBackbone } from '../backbones/pull-backbone.ts';
import { bytesText, pullReporter } from './backbone-progress.ts';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
const sayJson = (value: unknown): void => say(JSON.stringify(value));

/** Pull a backbone and print what to write into a configuration. */
export async function pull(options: {
  readonly name: string;
  readonly to: string;
  readonly revision: string;
  readonly expect?: string | undefined;
  readonly isJson: boolean;
}): Promise<void> {
  const network = hubNetwork(process.env);
  const { name, revision, expect, isJson } = options;
  const reporter = pullReporter({ isJson, isTerminal: process.stderr.isTTY });
  try {
    const pulled = await pullBackbone({
      ...{ client: new HubClient(network), name, revision, directory: resolve(options.to) },
      ...(expect === undefined ? {} : { expectedFingerprint: expect }),
      onProgress: reporter.report,
    });
    reporter.end();
    printPulled(pulled, isJson);
  } finally {
    reporter.end();
    await network.close();
  }
}

function printPulled(pulled: PulledBackbone, isJson: boolean): void {
  if (isJson) {
    sayJson({ event: 'pulled', ...pulled });
    return;
  }
  const { folder, fingerprint, repository, revision, licence, wasThere, isDigestChecked } = pulled;
  say(`${folder}: ${wasThere ? 'is here already, its weights are what they were' : 'pulled'}`);
  say(`from ${repository} at ${revision}`);
  say(`licence: ${licence ?? 'not stated by the hub; look at its page'}`);
  say(`fingerprint: ${fingerprint}`);
  if (!isDigestChecked) {
    say(
      'The hub promised no digest of the weights: compare the fingerprint with the task or with another site.',
    );
  }
}

/** Print the known backbones, and those in a folder of this disk. */
export async function list(options: {
  readonly folder: string;
  readonly isJson: boolean;
}): Promise<void> {
  const findings = await findBackbones(resolve(options.folder));
  if (options.isJson) {
    const here = findings.map((finding) =>
      'summary' in finding
        ? { folder: finding.folder, ...summaryJson(finding.summary) }
        : { folder: finding.folder, code: finding.error.code, message: finding.error.message },
    );
    sayJson({ known: knownBackbones, here });
    return;
  }
  say('Known to `melo backbone pull`; any other repository serves by owner/name:');
  for (const known of knownBackbones) say(`  ${knownText(known)}`);
  say(`\nIn ${options.folder}:`);
  if (findings.length === 0) say('  none');
  for (const finding of findings) {
    if ('summary' in finding) say(`  ${finding.folder}: ${shortText(finding.summary)}`);
    else say(`  ${finding.folder}: ${finding.error.code}: ${finding.error.message}`);
  }
}

function knownText(known: KnownBackbone): string {
  const { name, parameters, imageSize, tokens, licence, access, trainedOn } = known;
  const size = bytesText(4 * parameters).padStart(8);
  const gate = access === 'gated' ? ' (gated: needs HF_TOKEN)' : '';
  return `${name.padEnd(22)}${size}  ${imageSize} px, ${tokens} tokens  ${licence}${gate}; ${trainedOn}`;
}

function shortText({ configuration, parameters, origin }: BackboneSummary): string {
  const from = origin === null ? 'placed by hand' : `from ${origin.repository}`;
  const millions = (parameters / 1e6).toFixed(1);
  return `${describeArchitecture(configuration).family}, ${millions} M parameters, ${from}`;
}

function summaryJson({ name, configuration, parameters, bytes, origin }: BackboneSummary) {
  const { family, features } = describeArchitecture(configuration);
  const tokens = tokenCount(configuration);
  return { name, family, features, tokens, parameters, bytes, configuration, origin };
}

/** Print what a folder holds, and its fingerprint. */
export async function show(folder: string, isJson: boolean): Promise<void> {
  const summary = await summarise(folder);
  const fingerprint = await fingerprintFolder(folder);
  if (isJson) {
    sayJson({ ...summaryJson(summary), fingerprint });
    return;
  }
  const { name, configuration, parameters, bytes, origin } = summary;
  const { family, features } = describeArchitecture(configuration);
  const { dimension, blocks, heads, mlpDimension, patchSize, imageSize } = configuration;
  say(`${name}: ${family}${features.length === 0 ? '' : `, with ${features.join(', ')}`}`);
  say(`dimension ${dimension}, ${blocks} blocks, ${heads} heads, mlp ${mlpDimension}`);
  say(
    `patches of ${patchSize} in images of ${imageSize} pixels, ${tokenCount(configuration)} tokens`,
  );
  say(`parameters: ${parameters}; file: ${bytesText(bytes)}`);
  say(
    `preprocessing: (pixel / 255 - mean) / std, mean ${configuration.mean.join(' ')}, std ${configuration.std.join(' ')}`,
  );
  say(`fingerprint: ${fingerprint}`);
  if (origin !== null)
    say(
      `from ${origin.repository} at ${origin.revision}, licence ${origin.licence ?? 'not stated'}`,
    );
}

/**
 * Check a folder: names, shapes, every weight finite, and the fingerprint where one is known or given.
 *
 * @throws InputError BACKBONE_MISMATCH where the fingerprint is another
 */
export async function verify(options: {
  readonly folder: string;
  readonly expect?: string | undefined;
  readonly isJson: boolean;
}): Promise<void> {
  const { folder, isJson } = options;
  const summary = await summarise(folder);
  const fingerprint = await fingerprintFolder(folder);
  const origin = await readOrigin(folder);
  const expected = options.expect ?? origin?.fingerprint ?? null;
  if (expected !== null && expected !== fingerprint) {
    throw new InputError(
      'BACKBONE_MISMATCH',
      `${folder}: expected fingerprint ${expected.slice(0, 16)}..., it has ${fingerprint.slice(0, 16)}...; the file was changed or is another: pull it again into another folder`,
      { expected, actual: fingerprint },
    );
  }
  if (isJson) sayJson({ ...summaryJson(summary), fingerprint, isCompared: expected !== null });
  else {
    const compared = expected === null ? 'none to compare with' : 'as expected';
    say(`${folder}: shapes fit, every weight is finite, fingerprint ${fingerprint} (${compared})`);
  }
}

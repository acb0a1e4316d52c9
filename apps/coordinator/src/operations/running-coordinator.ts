/** How a command reaches the coordinator of a data folder on this machine, or the one at an address. */
import { join } from 'node:path';
import { Option, type Command } from 'commander';
import { z } from 'zod';
import { UnavailableError } from '#core/errors';
import type { ConnectionOptions } from '../admin/admin-command.ts';
import type { AdminEnvironment } from '../admin/admin-environment.ts';

/** Options of a command that speaks to a running coordinator. */
export interface RunningOptions {
  readonly data: string;
  readonly url?: string;
  readonly tokenFile?: string;
  readonly json?: true;
  readonly insecureHttp?: true;
}

const addressSchema = z.strictObject({
  version: z.literal(1),
  url: z.string(),
  publicUrl: z.string(),
});

/** Give a command the options that name a running coordinator. */
export function withRunningCoordinator(command: Command, environment: AdminEnvironment): Command {
  const variable = (name: string): string | undefined => {
    const value = environment.variables[name] ?? '';
    return value === '' ? undefined : value; // a variable set to nothing is one that is not set
  };
  return command
    .option('--data <folder>', 'its data folder, on this machine', './melo-coordinator')
    .addOption(
      new Option('--url <url>', 'its address, instead of --data (or MELO_URL)').default(
        variable('MELO_URL'),
      ),
    )
    .addOption(
      new Option(
        '--token-file <file>',
        'file with the administrator token (or MELO_TOKEN_FILE; the one in the data folder otherwise)',
      ).default(variable('MELO_TOKEN_FILE')),
    )
    .option('--insecure-http', 'send the token over plain http to another host')
    .option('--json', 'one JSON object a line on standard output');
}

/**
 * Work out where the coordinator is and which token opens it.
 *
 * @throws UnavailableError COORDINATOR_UNREACHABLE where none runs in the data folder
 */
export async function connectionOf(
  options: RunningOptions,
  environment: AdminEnvironment,
): Promise<ConnectionOptions> {
  const { data, url, json, insecureHttp } = options;
  return {
    url: url ?? (await addressIn(data, environment)),
    tokenFile: options.tokenFile ?? join(data, 'administrator.token'),
    ...(json === undefined ? {} : { json }),
    ...(insecureHttp === undefined ? {} : { insecureHttp }),
  };
}

/** The address of the coordinator that runs in a data folder. */
async function addressIn(data: string, environment: AdminEnvironment): Promise<string> {
  let text: string;
  try {
    text = await environment.readText(join(data, 'coordinator.address.json'));
  } catch (cause) {
    throw new UnavailableError(
      'COORDINATOR_UNREACHABLE',
      `coordinator: expected one that runs in ${data}, there is none; name its folder with --data or its address with --url`,
      {},
      { cause },
    );
  }
  const { url, publicUrl } = addressSchema.parse(JSON.parse(text));
  // A certificate is for the public name; plain http is for this machine.
  return url.startsWith('https:')
    ? publicUrl
    : url.replace(/\/\/(?:0\.0\.0\.0|\[::\]):/, '//127.0.0.1:');
}

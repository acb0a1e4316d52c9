/** What every admin command shares: where the coordinator is, the token, the form of the output, failures. */
import { Command, Option } from 'commander';
import { AuthError, InputError, MeloError, toPublicError } from '#core/errors';
import type { AdminEnvironment } from './admin-environment.ts';
import { CoordinatorClient } from './coordinator-client.ts';
import { adminExitCode } from './exit-codes.ts';

const defaultUrl = 'http://127.0.0.1:8440';
const defaultTokenFile = 'melo-coordinator/administrator.token';
const loopbackHosts: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Options that every admin command has. */
export interface ConnectionOptions {
  readonly url: string;
  readonly tokenFile: string;
  readonly json?: true;
  readonly insecureHttp?: true;
}

/** What an action is given. */
export interface AdminContext {
  readonly client: CoordinatorClient;
  readonly environment: AdminEnvironment;
  /** Print the answer itself as JSON, or else the text for people. */
  show(answer: unknown, text: string): void;
  /** Print a hint for people; left out with --json. */
  hint(text: string): void;
}

/** Give a command the options of a connection. */
export function withConnection(command: Command, environment: AdminEnvironment): Command {
  const variable = (name: string, otherwise: string): string => {
    const value = environment.variables[name] ?? '';
    return value === '' ? otherwise : value; // a variable set to nothing is one that is not set
  };
  return command
    .addOption(
      new Option('--url <url>', 'address of the coordinator (or MELO_URL)').default(
        variable('MELO_URL', defaultUrl),
      ),
    )
    .addOption(
      new Option(
        '--token-file <file>',
        'file with the administrator token (or MELO_TOKEN_FILE)',
      ).default(variable('MELO_TOKEN_FILE', defaultTokenFile)),
    )
    .option('--insecure-http', 'send the token over plain http to another host')
    .option('--json', 'print the answer as one line of JSON');
}

/** Run an action against the coordinator; a failure is told with its code and sets the exit code. */
export async function runAdmin(
  options: ConnectionOptions,
  environment: AdminEnvironment,
  action: (context: AdminContext) => Promise<void>,
): Promise<void> {
  const isJson = options.json === true;
  try {
    const client = await connect(options, environment);
    await action({
      client,
      environment,
      show: (answer, text) => environment.print(isJson ? JSON.stringify(answer) : text),
      hint: (text) => {
        if (!isJson) environment.tell(text);
      },
    });
  } catch (error) {
    tellFailure(error, environment, isJson);
  }
}

/** Tell a failure on standard error and set the exit code. */
export function tellFailure(error: unknown, environment: AdminEnvironment, isJson: boolean): void {
  // The person at this terminal owns the message; what a stranger may see is another matter.
  const isKnown = error instanceof MeloError;
  const { code, message, retryable } = toPublicError(error);
  const shown = isKnown ? error.message : `${message} (${String(error)})`;
  environment.tell(
    isJson ? JSON.stringify({ code, message: shown, retryable }) : `error ${code}: ${shown}`,
  );
  environment.setExitCode(adminExitCode(error));
}

/** Make a client of the coordinator at an address, with the token of a file. */
export async function connect(
  { url, tokenFile, insecureHttp }: ConnectionOptions,
  environment: AdminEnvironment,
): Promise<CoordinatorClient> {
  checkUrl(url, insecureHttp === true);
  const token = await readToken(tokenFile, environment);
  return new CoordinatorClient({ url, token }, environment.fetch);
}

function checkUrl(url: string, isInsecureAllowed: boolean): void {
  const target = URL.canParse(url) ? new URL(url) : undefined;
  if (target === undefined || !['http:', 'https:'].includes(target.protocol)) {
    throw new InputError(
      'USAGE',
      `--url: expected an http or https address, got ${JSON.stringify(url)}; e.g. ${defaultUrl}`,
    );
  }
  const isPrivate = target.protocol === 'https:' || loopbackHosts.has(target.hostname);
  if (!isPrivate && !isInsecureAllowed) {
    throw new InputError(
      'USAGE',
      `--url: expected https for ${target.hostname}, got http, which would show the token to the network; use https or --insecure-http`,
    );
  }
}

/** Read the token of a file. */
export async function readToken(tokenFile: string, environment: AdminEnvironment): Promise<string> {
  let text: string;
  try {
    text = await environment.readText(tokenFile);
  } catch (cause) {
    throw new InputError(
      'CONFIG_INVALID',
      `token file: expected ${tokenFile}, it cannot be read; name the file that "melo coordinator start" printed with --token-file`,
      {},
      { cause },
    );
  }
  const token = text.trim();
  if (!/^[\x21-\x7e]{16,512}$/.test(token)) {
    throw new AuthError(
      'KEY_FILE_INVALID',
      `token file: expected one token in ${tokenFile}, got something else; name the file that "melo coordinator start" printed`,
    );
  }
  return token;
}

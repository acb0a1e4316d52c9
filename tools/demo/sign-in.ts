/** The link to the dashboard: made anew each time, for it works once and for five minutes. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { userRoutes } from '../../apps/coordinator/src/users/users.contract.ts';
import type { Federation } from '../../test/support/federation.ts';

/** Say how to sign in: a fresh link. */
export async function signInText(federation: Federation): Promise<string> {
  const { url } = await federation.call(userRoutes.createLink);
  return `dashboard: ${url} (signs in once, within five minutes)`;
}

/** Say how to sign in when no link helps any more. */
export function tokenText(federation: Federation): string {
  return `dashboard later: ${federation.url} with the token in ${join(federation.dataDirectory, 'administrator.token')}`;
}

function opener(url: string): readonly [string, ...string[]] | null {
  if (process.platform === 'darwin') return ['open', url];
  if (process.platform === 'win32') return ['explorer.exe', url];
  const hasScreen = (process.env['DISPLAY'] ?? process.env['WAYLAND_DISPLAY'] ?? '') !== '';
  return hasScreen ? ['xdg-open', url] : null;
}

/** Open the dashboard in a browser with a link of its own; where there is none the printed link remains. */
export async function openDashboard(federation: Federation): Promise<void> {
  const { url } = await federation.call(userRoutes.createLink);
  const command = opener(url);
  if (command === null) return;
  const [program, ...programArguments] = command;
  const child = spawn(program, programArguments, { stdio: 'ignore', detached: true });
  child.on('error', () => undefined); // there is no browser; the link was printed
  child.unref();
}

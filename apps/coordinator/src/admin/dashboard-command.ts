/** `melo admin dashboard`: a link that signs a browser of this machine in, once, within five minutes. */
import type { Command } from 'commander';
import { request } from '#api';
import { userRoutes } from '../users/users.contract.ts';
import { type ConnectionOptions, runAdmin, withConnection } from './admin-command.ts';
import type { AdminEnvironment } from './admin-environment.ts';
import { formatTime } from './text.ts';

/** Add the command of the dashboard to `admin`. */
export function addDashboardCommand(admin: Command, environment: AdminEnvironment): void {
  const command = admin
    .command('dashboard')
    .description("print a link that signs in once, in a browser on the coordinator's machine");
  withConnection(command, environment).action((options: ConnectionOptions) =>
    runAdmin(options, environment, async (context) => {
      const link = await context.client.send(
        request('POST', '/v1/sign-in-links', userRoutes.createLink.response),
      );
      context.show(link, link.url);
      context.hint(
        `open it in a browser on this machine; it works once and ends ${formatTime(link.expiresAtMs, environment.nowMs())}`,
      );
    }),
  );
}

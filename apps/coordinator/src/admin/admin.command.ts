/** `melo admin`: the administrator's side of the coordinator, over its REST API. */
import type { Command } from 'commander';
import { addAdaptersCommands } from './adapters-commands.ts';
import { type AdminEnvironment, nodeEnvironment } from './admin-environment.ts';
import { addApplyCommand } from './apply-command.ts';
import { addAuditCommands } from './audit-commands.ts';
import { addDashboardCommand } from './dashboard-command.ts';
import { addExportCommand } from './export-command.ts';
import { addRoundsCommands } from './rounds-commands.ts';
import { addSitesCommands } from './sites-commands.ts';
import { addTasksCommands } from './tasks-commands.ts';
import { addTokensCommands } from './tokens-commands.ts';
import { addUsersCommands } from './users-commands.ts';
import { addWatchCommand } from './watch-command.ts';
import type { WatchPorts } from './watch-ports.ts';
import { addWebhooksCommands } from './webhooks-commands.ts';

const exitCodeText = `
Exit codes: 0 done, 1 other failure, 2 wrong usage, 3 token file or definition unusable,
6 coordinator unreachable, 7 not allowed, 8 no such thing, 9 not possible in the present state,
11 a round is not what was signed.`;

/** Add `admin` and everything below it to the program. */
export function registerAdminCommands(
  program: Command,
  environment: AdminEnvironment = nodeEnvironment(),
  watchPorts?: WatchPorts,
): void {
  const admin = program
    .command('admin')
    .description('invite sites, create tasks, watch rounds, fetch adapters, make accounts')
    .addHelpText('after', exitCodeText);
  addSitesCommands(admin, environment);
  addTasksCommands(admin, environment);
  addRoundsCommands(admin, environment);
  addAdaptersCommands(admin, environment);
  addAuditCommands(admin, environment);
  addUsersCommands(admin, environment);
  addTokensCommands(admin, environment);
  addWatchCommand(admin, environment, watchPorts);
  addExportCommand(admin, environment);
  addApplyCommand(admin, environment);
  addWebhooksCommands(admin, environment);
  addDashboardCommand(admin, environment);
}

/** `melo admin` in this process against a coordinator of a spec. */
import { Command } from 'commander';
import { registerAdminCommands } from '../admin/admin.command.ts';
import { nodeEnvironment } from '../admin/admin-environment.ts';
import type { Harness } from './harness.ts';

/** What a command came to. */
export interface AdminRun {
  readonly printed: string;
  readonly told: string;
  readonly exitCode: number;
}

/** Run a command as the administrator of a coordinator. */
export async function runAdminCommand(
  { coordinator }: Harness,
  ...commandArguments: string[]
): Promise<AdminRun> {
  const run = { printed: '', told: '', exitCode: 0 };
  const environment = {
    ...nodeEnvironment(),
    variables: {},
    print: (line: string) => void (run.printed += `${line}\n`),
    tell: (line: string) => void (run.told += `${line}\n`),
    setExitCode: (exitCode: number) => void (run.exitCode = exitCode),
  };
  const program = new Command().exitOverride();
  registerAdminCommands(program, environment);
  const connection = ['--url', coordinator.url, '--token-file', coordinator.tokenFile];
  await program.parseAsync(['node', 'melo', 'admin', ...commandArguments, ...connection]);
  return run;
}

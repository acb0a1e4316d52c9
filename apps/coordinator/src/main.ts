/** Entry of `melo coordinator` and `melo admin`: reads process.argv, loads what the command needs and nothing else. */
import 'reflect-metadata';
import { Command, CommanderError } from 'commander';

const usageExitCode = 2;

async function main(): Promise<void> {
  const program = new Command('melo').exitOverride();
  if (process.argv[2] === 'admin') {
    const { registerAdminCommands } = await import('./admin/admin.command.ts');
    registerAdminCommands(program);
  } else {
    const { registerCoordinatorCommands } = await import('./config/start-command.ts');
    registerCoordinatorCommands(program);
  }
  try {
    await program.parseAsync(process.argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Commander has printed its own sentence; help and version are not failures.
    if (error.exitCode !== 0) process.exitCode = usageExitCode;
  }
}

await main();

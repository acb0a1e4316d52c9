/** `melo coordinator backup` and `restore` in this process, for specs. */
import { Command } from 'commander';
import { z } from 'zod';
import { nodeEnvironment } from '../admin/admin-environment.ts';
import { addBackupCommand } from '../backup/backup-command.ts';
import { addRestoreCommand } from '../backup/restore-command.ts';

const resultSchema = z.looseObject({ event: z.string().optional(), code: z.string().optional() });

/** Run `melo coordinator backup` or `restore` in this process; the last line is what it came to. */
export async function runCommand(
  databaseUrl: string | undefined,
  ...commandArguments: string[]
): Promise<z.infer<typeof resultSchema> & { readonly exitCode: number }> {
  const lines: unknown[] = [];
  let exitCode = 0;
  const environment = {
    ...nodeEnvironment(),
    variables: databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl },
    print: (line: string) => lines.push(JSON.parse(line)),
    tell: (line: string) => lines.push(JSON.parse(line)),
    setExitCode: (code: number) => {
      exitCode = code;
    },
  };
  const program = new Command().exitOverride();
  addBackupCommand(program, environment);
  addRestoreCommand(program, environment);
  await program.parseAsync(['node', 'melo', ...commandArguments, '--json']);
  return { ...resultSchema.parse(lines.at(-1)), exitCode };
}

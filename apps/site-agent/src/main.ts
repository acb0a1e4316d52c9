/** Entry of `melo agent|adapter|backbone|audit ...`, `melo doctor` and `melo simulate`: parses the command line, maps errors to exit codes. */
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { z } from 'zod';
import { InputError, MeloError } from '#core/errors';
import { addAdapterCommands } from './commands/adapter-command.ts';
import { backboneCommand } from './commands/backbone-command.ts';
import { simulateCommand } from './commands/simulate-command.ts';
import { agentVersion } from './common/agent-version.ts';
import { Interrupted, interruptedExitCode } from './common/terminal.ts';

const exitCodes = { ok: 0, other: 1, usage: 2, configuration: 3 } as const;
const configurationCodes: ReadonlySet<string> = new Set([
  'CONFIG_INVALID',
  'SITE_NOT_ENROLLED',
  'KEY_FILE_INVALID',
  'BACKBONE_MISMATCH',
]);
const exitHelp = `
Exit codes: 0 done, 1 failed, 2 wrong command line, 3 wrong configuration or not enrolled, 130 stopped (Ctrl-C).`;

const configOptions = z.object({ config: z.string() });
const runOptions = configOptions.extend({ json: z.boolean().default(false) });
const enrollOptions = configOptions.extend({ codeFile: z.string().optional() });
const reportOptions = configOptions.extend({
  json: z.boolean().default(false),
  version: z.number().optional(),
});
const withdrawOptions = configOptions.extend({ reason: z.string() });
const showOptions = z.object({ json: z.boolean().default(false) });
const doctorOptions = showOptions.extend({
  config: z.string().optional(),
  profile: z.boolean().default(false),
  backbone: z.string().optional(),
});
const auditOptions = showOptions.extend({
  key: z.string().nullable().default(null),
  head: z.string().nullable().default(null),
});
const predictOptions = showOptions.extend({
  backbone: z.string(),
  adapter: z.array(z.string()).max(1000).default([]),
});

function agentCommand(): Command {
  const agent = new Command('agent').description(
    'the agent of one site: trains here, sends updates alone',
  );
  agent
    .command('init')
    .description('write a commented example of the configuration')
    .option('--config <file>', 'file to write; an existing one stays as it is', 'agent.yaml')
    .action(async (options: unknown) => {
      const { initConfig } = await import('./commands/agent-setup.ts');
      await initConfig(configOptions.parse(options).config);
    });
  agent
    .command('enroll')
    .description('enrol this site; the one-time code comes on standard input, or from a file')
    .requiredOption('--config <file>', 'configuration of the agent')
    .option('--code-file <file>', 'file with the code (delete it afterwards)')
    .action(async (options: unknown) => {
      const { enroll } = await import('./commands/agent-setup.ts');
      await enroll(enrollOptions.parse(options));
    });
  agent
    .command('run')
    .description('connect to the coordinator and work until stopped')
    .requiredOption('--config <file>', 'configuration of the agent')
    .option('--json', 'events as NDJSON on standard output, the log as JSON on standard error')
    .action(async (options: unknown) => {
      const { runAgent } = await import('./commands/agent-run.ts');
      const { config, json } = runOptions.parse(options);
      await runAgent({ config, isJson: json });
    });
  agent
    .command('status')
    .description('print what this machine knows of the site')
    .requiredOption('--config <file>', 'configuration of the agent')
    .action(async (options: unknown) => {
      const { showStatus } = await import('./commands/agent-setup.ts');
      await showStatus(configOptions.parse(options));
    });
  addReportCommand(agent);
  addWithdrawalCommands(agent);
  addAuditCommands(agent);
  return agent;
}

function parseVersion(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected the number of a version.');
}

function addReportCommand(agent: Command): void {
  agent
    .command('report')
    .description(
      'tell whether the federation helps this site: a version beside what it trained alone',
    )
    .argument('<task>', 'a task of the configuration')
    .requiredOption('--config <file>', 'configuration of the agent')
    .option(
      '--version <number>',
      'a version that was evaluated here; the newest by default',
      parseVersion,
    )
    .option('--json', 'one line of JSON')
    .action(async (task: string, options: unknown) => {
      const { reportComparison } = await import('./commands/agent-report.ts');
      const { config, json, version } = reportOptions.parse(options);
      await reportComparison(task, { config, json, ...(version === undefined ? {} : { version }) });
    });
}

function addWithdrawalCommands(agent: Command): void {
  agent
    .command('withdraw')
    .description('take this site out of a task: its training stops, no further round is taken')
    .argument('<task>', 'a task of the configuration')
    .requiredOption('--config <file>', 'configuration of the agent')
    .requiredOption('--reason <text>', 'why; it leaves this site and stays in the record')
    .action(async (task: string, options: unknown) => {
      const { withdrawFromTask } = await import('./commands/agent-withdraw.ts');
      await withdrawFromTask(task, withdrawOptions.parse(options));
    });
  agent
    .command('rejoin')
    .description('take part in a task again, from its next round on')
    .argument('<task>', 'a task that this site has withdrawn from')
    .requiredOption('--config <file>', 'configuration of the agent')
    .action(async (task: string, options: unknown) => {
      const { rejoinTask } = await import('./commands/agent-withdraw.ts');
      await rejoinTask(task, configOptions.parse(options));
    });
}

function addAuditCommands(agent: Command): void {
  const audit = agent
    .command('audit')
    .description("what this site remembers of the coordinator's audit log");
  audit
    .command('head')
    .description('print the newest signed head as JSON, for `melo audit verify --head`')
    .requiredOption('--config <file>', 'configuration of the agent')
    .action(async (options: unknown) => {
      const { printAuditHead } = await import('./commands/agent-audit.ts');
      await printAuditHead(configOptions.parse(options).config);
    });
  audit
    .command('accept')
    .description(
      'after AUDIT_FORK or VERSION_FORK and a word with the administrator: take log and versions as they are now',
    )
    .requiredOption('--config <file>', 'configuration of the agent')
    .action(async (options: unknown) => {
      const { acceptAudit } = await import('./commands/agent-audit.ts');
      await acceptAudit(configOptions.parse(options).config);
    });
}

function adapterCommand(): Command {
  const adapter = new Command('adapter').description(
    'look at an adapter, convert and compare it, use it on images',
  );
  addAdapterCommands(adapter);
  adapter
    .command('predict')
    .description('print class probabilities of images (investigational, not a medical device)')
    .argument('<files...>', 'an adapter file and image files; with --adapter image files alone')
    .requiredOption('--backbone <directory>', 'the frozen backbone the adapter was trained on')
    .option(
      '--adapter <file>',
      'adapter file; more than once for several tasks on one loaded backbone',
      (file: string, files: readonly string[] | undefined) => [...(files ?? []), file],
    )
    .option('--json', 'one line of JSON for each image and adapter')
    .action(async (files: string[], options: unknown) => {
      const { predictImages } = await import('./commands/adapter-predict.ts');
      const { backbone, json, adapter: named } = predictOptions.parse(options);
      const adapters = named.length > 0 ? named : files.slice(0, 1);
      const images = named.length > 0 ? files : files.slice(1);
      if (images.length === 0) {
        throw new InputError(
          'USAGE',
          'adapter predict: expected an image file after the adapter, there is none; see --help',
        );
      }
      const failed = await predictImages({ adapters, images, backbone, isJson: json });
      if (failed > 0) process.exitCode = exitCodes.other;
    });
  return adapter;
}

function auditCommand(): Command {
  const audit = new Command('audit').description("check an export of the coordinator's audit log");
  audit
    .command('verify')
    .description('check every entry, every link and the signed head, without any connection')
    .argument('<file>', 'what `melo admin audit export` wrote')
    .option('--key <fingerprint>', "of the coordinator's signing key, as the site has pinned it")
    .option('--head <file>', 'what `melo agent audit head` printed: it must lie on the chain')
    .option('--json', 'what was found as one line of JSON')
    .action(async (file: string, options: unknown) => {
      const { printVerifiedAudit } = await import('./commands/audit-verify.ts');
      const { key, head, json } = auditOptions.parse(options);
      const plainKey = key?.replaceAll(' ', '') ?? null; // as people copy it, in groups
      await printVerifiedAudit(file, { key: plainKey, headFile: head, isJson: json });
    });
  return audit;
}

function doctorCommand(): Command {
  return new Command('doctor')
    .description('say whether this machine can train, and whether a site is set up')
    .option('--config <file>', 'configuration of the agent: check what it points at too')
    .option('--profile', 'tell where the time of a training step goes on this machine')
    .option(
      '--backbone <directory>',
      'with --profile: of this backbone, not of the first one of the configuration, or of a ViT-Tiny with random weights',
    )
    .option('--json', 'the findings as one line of JSON')
    .action(async (options: unknown) => {
      const { runDoctor } = await import('./commands/doctor.ts');
      const { config, json, profile, backbone } = doctorOptions.parse(options);
      if (backbone !== undefined && !profile) {
        throw new InputError('USAGE', 'melo doctor: expected --profile beside --backbone; add it');
      }
      const asked = { config, isJson: json, isProfile: profile, backbone };
      if (!(await runDoctor(asked))) process.exitCode = exitCodes.other;
    });
}

/** Commander's own errors never reach `process.exit` of their own: subcommands inherit this. */
function withExitOverride(command: Command): Command {
  command.exitOverride().addHelpText('after', exitHelp).showHelpAfterError('(--help tells more)');
  for (const child of command.commands) withExitOverride(child);
  return command;
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (error instanceof MeloError) {
    process.stderr.write(`${error.code}: ${error.message}\n`);
    if (error.code === 'USAGE') return exitCodes.usage;
    return configurationCodes.has(error.code) ? exitCodes.configuration : exitCodes.other;
  }
  if (error instanceof Interrupted) {
    process.stderr.write(`${error.message}\n`);
    return interruptedExitCode;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`INTERNAL: ${text}\n`);
  return exitCodes.other;
}

/** Run the command line. */
export async function main(argumentsGiven: readonly string[]): Promise<void> {
  // What is said after a command belongs to it: `agent report --version 3` names a version of the adapter.
  const program = new Command('melo').version(agentVersion).helpCommand(false);
  program
    .enablePositionalOptions()
    .addCommand(agentCommand())
    .addCommand(adapterCommand())
    .addCommand(backboneCommand())
    .addCommand(auditCommand())
    .addCommand(doctorCommand())
    .addCommand(simulateCommand());
  withExitOverride(program);
  try {
    await program.parseAsync([...argumentsGiven], { from: 'user' });
  } catch (error) {
    process.exitCode = exitCodeOf(error);
  }
}

await main(process.argv.slice(2));

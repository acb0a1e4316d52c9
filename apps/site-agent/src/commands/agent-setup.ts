/** `melo agent init`, `enroll` and `status`. */
import { readFile, writeFile } from 'node:fs/promises';
import { formatFingerprint } from '#core/crypto';
import { InputError, StateError } from '#core/errors';
import { readAuditMemory } from '../audit/audit-memory.ts';
import { describeAudit } from './agent-audit.ts';
import { systemErrorCode } from '../common/durable-file.ts';
import { silentLogger } from '../common/events.ts';
import { atPath } from '../common/path-error.ts';
import { ask } from '../common/terminal.ts';
import { exampleConfig } from '../config/example-config.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { enrollSite } from '../identity/enroll.ts';
import { loadCoordinator, loadSiteKeys } from '../identity/identity.ts';
import { Outbox } from '../outbox/outbox.ts';
import { TaskJournal, type RoundState, type TaskState } from '../rounds/task-journal.ts';
import { Withdrawals } from '../rounds/withdrawals.ts';
import { createTrainer, inspectBackbones, networkOf } from './agent-run.ts';
import { join } from 'node:path';
import { loadSiteConfig, openDataFolder } from './data-folder.ts';

const codeCharactersMax = 4096;
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** Write the commented example; an existing file is never touched. */
export async function initConfig(path: string): Promise<void> {
  await atPath({ path, expected: 'a place where a file can be made' }, async () => {
    try {
      await writeFile(path, exampleConfig, { flag: 'wx', mode: 0o600 });
    } catch (cause) {
      if (systemErrorCode(cause) !== 'EEXIST') throw cause;
      throw new StateError(
        'ALREADY_EXISTS',
        `${path}: expected no file, there is one and it stays as it is; name another with --config`,
        {},
        { cause },
      );
    }
  });
  say(`${path}: written. Correct its paths, then run: melo agent enroll --config ${path}`);
}

/** Read the code where the command line's history cannot keep it: a file, a pipe, or a person's paste. */
async function readCode(codeFile: string | undefined): Promise<string> {
  if (codeFile !== undefined) {
    const named = { path: codeFile, expected: 'the file with the enrolment code' };
    return atPath(named, () => readFile(codeFile, 'utf8'));
  }
  if (process.stdin.isTTY) {
    return ask(
      'Paste the enrolment code, then press Enter: ',
      'melo agent enroll: stopped, no code was used; the same command asks again',
    );
  }
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += String(chunk);
    if (text.length > codeCharactersMax) {
      throw new InputError(
        'ENROLLMENT_CODE_MALFORMED',
        'enrolment code: expected one code, more text came; pipe the code alone',
      );
    }
  }
  return text;
}

/** Enrol this site and print what the administrator compares. */
export async function enroll(options: {
  readonly config: string;
  readonly codeFile?: string | undefined;
}): Promise<void> {
  const config = await loadSiteConfig(options.config);
  const code = await readCode(options.codeFile);
  const summary = await enrollSite({
    dataDirectory: await openDataFolder(config),
    code,
    ...(await networkOf(config)),
    timeoutMs: config.connection.acknowledgementTimeoutMs,
  });
  say(`Enrolled as ${summary.site} at ${summary.url}; status: ${summary.status}.`);
  say('Fingerprint of this site, to be compared by the administrator before approval:');
  say(`  ${formatFingerprint(summary.fingerprint)}`);
}

async function showBackbones(config: AgentConfig): Promise<void> {
  const trainer = createTrainer(config, silentLogger);
  try {
    for (const { name, fingerprint, path } of await inspectBackbones(config, trainer))
      say(`backbone: ${name} ${fingerprint} (${path})`);
  } finally {
    await trainer.stop();
  }
}

function roundText(round: RoundState | null): string {
  if (round === null) return 'no round yet';
  const { key, phase, because } = round;
  const reason = because === undefined ? '' : ` (${because.code}: ${because.reason})`;
  return `round ${key.round} attempt ${key.attempt}: ${phase}${reason}`;
}

/** What this site knows of a task, for people. */
export function describeTask({
  task,
  known,
  round,
  fork,
}: Pick<TaskState, 'task' | 'known' | 'round' | 'fork'>): string[] {
  const version = `version ${known.version}${known.isFinal ? ' (final)' : ''}`;
  const lines = [`task: ${task}, ${version}, ${roundText(round)}`];
  if (fork === null) return lines;
  return [
    ...lines,
    `  VERSION_FORK, its rounds are declined: ${fork}`,
    '  after asking the administrator: melo agent audit accept',
  ];
}

/** Print what this machine knows of the site: enrolment, backbones, tasks, what waits to leave. */
export async function showStatus(options: { readonly config: string }): Promise<void> {
  const config = await loadSiteConfig(options.config);
  const keys = await loadSiteKeys(config.dataDirectory);
  const coordinator = await loadCoordinator(config.dataDirectory);
  if (coordinator === null || keys === null) say('site: not enrolled');
  else {
    say(`site: ${coordinator.site} at ${coordinator.url}`);
    say(`fingerprint: ${formatFingerprint(keys.fingerprint)}`);
  }
  await showBackbones(config);
  const journal = await TaskJournal.open(join(config.dataDirectory, 'journal'));
  const withdrawals = await Withdrawals.open(config.dataDirectory);
  for (const task of config.tasks.keys()) {
    for (const line of describeTask(journal.get(task))) say(line);
    const withdrawal = withdrawals.of(task);
    if (withdrawal === undefined) continue;
    const since = new Date(withdrawal.requestedAtMs).toISOString();
    say(
      `  withdrawn since ${since}: ${withdrawal.reason}; to take part again: melo agent rejoin ${task}`,
    );
  }
  const memory = await readAuditMemory(config.dataDirectory);
  for (const line of describeAudit(config.dataDirectory, memory)) say(line);
  const outbox = await Outbox.open(join(config.dataDirectory, 'outbox'), silentLogger);
  say(`outbox: ${(await outbox.names()).length} waiting`);
}

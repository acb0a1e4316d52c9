/** `melo agent audit`: what this site remembers of the coordinator's audit log, and a person's word after a fork. */
import { join } from 'node:path';
import { InputError } from '#core/errors';
import {
  forkFile,
  headOf,
  leaveAcceptance,
  readAuditMemory,
  rememberHead,
  type AuditMemory,
} from '../audit/audit-memory.ts';
import { TaskJournal } from '../rounds/task-journal.ts';
import { loadSiteConfig } from './data-folder.ts';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** Say in a line or two where the audit log stands for this site. */
export function describeAudit(dataDirectory: string, { head, fork }: AuditMemory): string[] {
  const remembered = head === null ? 'no entry yet' : `entry ${headOf(head).sequence}`;
  if (fork === null) return [`audit log: ${remembered} remembered`];
  return [
    `audit log: AUDIT_FORK, rounds are declined: ${remembered} remembered, but ${fork.reason}`,
    `proof: ${forkFile(dataDirectory, fork)}; after asking the administrator: melo agent audit accept`,
  ];
}

/** Print the signed head that this site remembers, as `melo audit verify --head` takes it. */
export async function printAuditHead(config: string): Promise<void> {
  const { dataDirectory } = await loadSiteConfig(config);
  const { head } = await readAuditMemory(dataDirectory);
  if (head === null) {
    throw new InputError(
      'NOT_FOUND',
      'audit: expected a head that this site remembers, there is none yet; it comes with the first connection',
    );
  }
  say(JSON.stringify(head));
}

/**
 * Take the coordinator's log, and its versions, as they are now; an agent that runs hears of it. What did not fit is told
 * first, and stays as a proof.
 */
export async function acceptAudit(config: string): Promise<void> {
  const { dataDirectory } = await loadSiteConfig(config);
  const { fork } = await readAuditMemory(dataDirectory);
  const journal = await TaskJournal.open(join(dataDirectory, 'journal'));
  const forked = journal.list().filter((state) => state.fork !== null);
  if (fork === null && forked.length === 0) {
    say('nothing to accept: audit log and versions continue what this site remembers');
    return;
  }
  // First the word that makes the agent forget: it is taken up before rounds are.
  await leaveAcceptance(dataDirectory, Date.now());
  if (fork !== null) {
    const { head } = await rememberHead(dataDirectory, fork.offered);
    const from = head === null ? 'whatever comes next' : `entry ${headOf(head).sequence}`;
    say(`audit log: accepted, it goes on from ${from}`);
    say(`the proof stays: ${forkFile(dataDirectory, fork)}`);
  }
  for (const state of forked) say(`${state.task}: accepted, although ${state.fork ?? ''}`);
  say('versions are pulled again from the first, and rounds are taken again');
}

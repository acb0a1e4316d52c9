/** `melo agent audit`: what this site remembers of the coordinator's audit log, and a person's word after a fork. */
import { loadAgentConfig } from '../config/agent-config.ts';
import { InputError } from '#core/errors';
import {
  forkFile,
  headOf,
  readAuditMemory,
  rememberHead,
  type AuditMemory,
} from '../audit/audit-memory.ts';

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
  const { dataDirectory } = await loadAgentConfig(config);
  const { head } = await readAuditMemory(dataDirectory);
  if (head === null) {
    throw new InputError(
      'NOT_FOUND',
      'audit: expected a head that this site remembers, there is none yet; it comes with the first connection',
    );
  }
  say(JSON.stringify(head));
}

/** Take the coordinator's log as it is now; an agent that runs hears of it. */
export async function acceptAudit(config: string): Promise<void> {
  const { dataDirectory } = await loadAgentConfig(config);
  const { fork } = await readAuditMemory(dataDirectory);
  if (fork === null) {
    say('audit log: nothing to accept, it continues what this site remembers');
    return;
  }
  const { head } = await rememberHead(dataDirectory, fork.offered);
  const from = head === null ? 'whatever comes next' : `entry ${headOf(head).sequence}`;
  say(`audit log: accepted, it goes on from ${from}; rounds are taken again`);
  say(`the proof stays: ${forkFile(dataDirectory, fork)}`);
}

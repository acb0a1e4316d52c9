/** How rounds and their members are written for people. */
import type { z } from 'zod';
import type { memberViewSchema, RoundView } from '../rounds/rounds.contract.ts';
import { formatBytes, formatDistance, formatShare, formatTable } from './text.ts';

type MemberView = z.infer<typeof memberViewSchema>;

/** One round in a sentence: number, what became of it, who is missing and why, deadline. */
export function describeRound(round: RoundView, nowMs: number): string {
  const attempt = round.attempt === 1 ? '' : ` attempt ${round.attempt}`;
  const isOpen = round.phase !== 'published' && round.phase !== 'abandoned';
  const deadline = isOpen ? `, deadline ${formatDistance(round.deadlineAtMs, nowMs)}` : '';
  return `${round.round}${attempt} ${round.summary}${deadline}`;
}

/** Every planned member with what became of it; nobody is left out. */
export function formatMembers(members: readonly MemberView[]): string {
  const headings = ['MEMBER', 'STATUS', 'SAMPLES', 'PROGRESS', 'RECEIVED', 'LOSS', 'REASON'];
  const rows = members.map((member) => [
    member.site,
    member.status,
    member.samples === null ? '' : String(member.samples),
    formatShare(member.progress),
    describeBytes(member),
    member.trainingLoss === null ? '' : member.trainingLoss.toFixed(4),
    member.reason ?? '',
  ]);
  return formatTable(headings, rows);
}

function describeBytes({ bytesReceived, bytesTotal }: MemberView): string {
  if (bytesTotal === null) return '';
  if (bytesReceived === bytesTotal) return formatBytes(bytesTotal);
  return `${formatShare(bytesReceived / bytesTotal)} of ${formatBytes(bytesTotal)}`;
}

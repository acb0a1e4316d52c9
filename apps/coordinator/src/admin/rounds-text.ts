/** How rounds and their members are written for people. */
import type { z } from 'zod';
import type {
  memberViewSchema,
  roundFiguresViewSchema,
  RoundView,
} from '../rounds/rounds.contract.ts';
import { formatBytes, formatDistance, formatFigure, formatShare, formatTable } from './text.ts';

type FiguresView = z.infer<typeof roundFiguresViewSchema>;
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

/** A figure in few digits that keeps what is tiny: gaps and lengths span many powers of ten. */
export function formatSmall(figure: number | null): string {
  return figure === null ? 'not defined' : figure.toPrecision(3);
}

/** What the aggregate told of every site in it. */
export function formatRoundFigures({ sites }: FiguresView): string {
  const headings = [
    'SITE',
    'UPDATE NORM',
    'COSINE',
    'DRIFT',
    'LOSS BEFORE',
    'LOSS AFTER',
    'UNLIKE',
  ];
  const rows = sites.map((each) => [
    each.site,
    formatSmall(each.updateNorm),
    formatFigure(each.cosine),
    formatSmall(each.drift),
    formatFigure(each.lossBefore),
    formatFigure(each.lossAfter),
    each.outlier.map(({ figure }) => figureNames[figure]).join(', '),
  ]);
  return formatTable(headings, rows);
}

const figureNames = {
  updateNorm: 'update norm',
  cosine: 'cosine',
  drift: 'drift',
  lossChange: 'loss change',
} as const;

/** A sentence for each figure of a site that is unlike the others'. */
export function describeOutliers({ sites }: FiguresView): readonly string[] {
  return sites.flatMap(({ site, outlier }) =>
    outlier.map(
      ({ figure, value, median, score }) =>
        `${site}: ${figureNames[figure]} ${formatSmall(value)} is unlike the others' (median ${formatSmall(median)}, score ${score.toFixed(1)}); it is in the aggregate`,
    ),
  );
}

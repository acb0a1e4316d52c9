/** What a member of a round has done, as one bar: training first, then the bytes of its update. */
import type { Member } from '../api/schemas.ts';
import { formatBytes } from '../common/format.ts';

/** A bar and its text; no bar where there is nothing to measure. */
export interface MemberProgress {
  readonly percent: number | null;
  readonly text: string;
}

/** Tell how far a member is. */
export function memberProgress(member: Member): MemberProgress {
  const { status, progress, bytesReceived, bytesTotal } = member;
  if (bytesTotal !== null && bytesTotal > 0) {
    const percent = Math.floor((100 * bytesReceived) / bytesTotal);
    return { percent, text: `${formatBytes(bytesReceived)} of ${formatBytes(bytesTotal)}` };
  }
  if (status === 'training' && progress !== null) {
    const percent = Math.round(100 * progress);
    return { percent, text: `trained ${percent} %` };
  }
  return { percent: null, text: waitingText[status] ?? '–' };
}

const waitingText: Readonly<Record<string, string>> = {
  invited: 'not answered yet',
  accepted: 'will begin',
  training: 'training',
  uploading: 'upload begins',
};

/** Members that sent nothing that counts, with the reason: nobody is left out silently. */
export function missingMembers(members: readonly Member[]): readonly Member[] {
  return members.filter(({ status }) => status !== 'reported');
}

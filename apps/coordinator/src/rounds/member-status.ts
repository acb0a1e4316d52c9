/** Where one member of a round stands. */
import { StateError } from '#core/errors';
import type { MemberState, MemberStatus } from '#core/protocol';
import type { RoundRecord } from './round-store.ts';

/** Find a member's state. */
export function findMember(round: RoundRecord, site: string): MemberState | undefined {
  return round.state.members.find((member) => member.site === site);
}

/**
 * Tell where a member stands.
 *
 * @throws StateError NOT_A_MEMBER
 */
export function memberStatus(round: RoundRecord, site: string): MemberStatus {
  const member = findMember(round, site);
  if (member !== undefined) return member.status;
  throw new StateError(
    'NOT_A_MEMBER',
    `round ${round.round} of ${round.task}: site ${site} is not a member; leave it`,
    { task: round.task, round: round.round },
  );
}

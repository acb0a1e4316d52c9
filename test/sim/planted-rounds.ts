/** Mistakes within a round: what is acknowledged, sent, summed and awaited. */
import { isMemberSettled, missingQuorum, reduceRound, type RoundState } from '#core/protocol';
import { bent, type PlantedFault } from './planted-fault.ts';
import { rightPorts, type StoredUpload } from './ports.ts';

/** Give a state another list of members. */
function withMembers(
  right: ReturnType<typeof reduceRound>,
  change: (members: RoundState['members']) => RoundState['members'],
): ReturnType<typeof reduceRound> {
  if (right.kind !== 'changed') return right;
  return { ...right, state: { ...right.state, members: change(right.state.members) } };
}

const hasQuorumButOne = (state: RoundState): boolean =>
  state.quorumSites > 1 && missingQuorum({ ...state, quorumSites: state.quorumSites - 1 }) === null;

const reportedOrLate = (state: RoundState, uploads: readonly StoredUpload[]) => {
  const chosen = new Set(
    state.members
      .filter(({ status }) => status === 'reported' || status === 'late' || status === 'withdrawn')
      .map(({ updateDigest }) => updateDigest),
  );
  return uploads.filter(({ digest, isCommitted }) => isCommitted && chosen.has(digest));
};

/** Mistakes within a round. */
export const plantedInRounds: readonly PlantedFault[] = [
  {
    name: 'answer-before-write',
    what: 'the coordinator acknowledges before the write that it tells of',
    ports: { answersAfterWrite: false },
    breaks: 'acknowledged-kept',
  },
  {
    name: 'version-and-state-apart',
    what: 'a version and the state that says it is published are two writes',
    ports: { publishesInOneWrite: false },
    breaks: 'chain',
  },
  {
    name: 'quorum-off-by-one',
    what: 'a round is aggregated with one site less than its quorum',
    ports: bent((_before, _event, right) =>
      right.kind === 'changed' && right.state.phase === 'abandoned' && hasQuorumButOne(right.state)
        ? {
            kind: 'changed',
            state: { ...right.state, phase: 'aggregating', reason: null },
            effects: [{ type: 'aggregate' }],
          }
        : right,
    ),
    breaks: 'quorum-held',
  },
  {
    name: 'lost-left-out',
    what: 'the record of a round leaves out who was lost',
    ports: {
      recordMembers: ({ members }) => members.filter(({ status }) => status !== 'lost'),
    },
    breaks: 'all-recorded',
  },
  {
    name: 'reason-left-out',
    what: 'a lost member has no reason',
    ports: bent((_before, _event, right) =>
      withMembers(right, (members) =>
        members.map((member) => (member.status === 'lost' ? { ...member, reason: null } : member)),
      ),
    ),
    breaks: 'all-recorded',
  },
  {
    name: 'late-counted',
    what: 'updates that came late, or were taken back, go into the sum',
    ports: { selectUploads: reportedOrLate },
    breaks: 'exact-sum',
  },
  {
    name: 'not-committed-counted',
    what: 'every upload that was begun goes into the sum',
    ports: { selectUploads: (_state, uploads) => uploads },
    breaks: 'exact-sum',
  },
  {
    name: 'counted-twice',
    what: 'the first site goes into the sum twice, under another name',
    ports: {
      aggregate: (global, updates) => {
        const [first] = updates;
        const twice =
          first === undefined ? updates : [...updates, { ...first, site: `${first.site}-again` }];
        return rightPorts.aggregate(global, twice);
      },
    },
    breaks: 'exact-sum',
  },
  {
    name: 'member-listed-twice',
    what: 'a site stands twice in a round and is summed twice',
    ports: {
      selectUploads: (state, uploads) => {
        const right = rightPorts.selectUploads(state, uploads);
        return [...right, ...right.slice(0, 1)];
      },
      aggregate: (global, updates) =>
        rightPorts.aggregate(
          global,
          updates.map((update, index) => ({ ...update, site: `${index}` })),
        ),
    },
    breaks: 'counted-once',
  },
  {
    name: 'every-site-weighs-one',
    what: 'the samples of a site are ignored',
    ports: { weightOf: () => 1 },
    breaks: 'exact-sum',
  },
  {
    name: 'sum-in-order-of-arrival',
    what: 'the sum runs in the order of arrival, in 32 bits',
    ports: {
      aggregate: (global, updates) => {
        const total = updates.reduce((sum, { weight }) => sum + weight, 0);
        const sum = Float32Array.from(global);
        for (const { weight, delta } of updates)
          for (const [at, value] of delta.entries())
            sum[at] = (sum[at] ?? 0) + Math.fround(weight / total) * value;
        return sum;
      },
    },
    breaks: 'order-free',
  },
  {
    name: 'deadline-forgotten',
    what: 'a restarted coordinator does not measure the deadline again',
    ports: {
      restart: (state) =>
        rightPorts.restart(state).filter(({ type }) => type !== 'schedule-deadline'),
    },
    breaks: 'ends',
  },
  {
    name: 'aggregate-forgotten',
    what: 'a restarted coordinator does not aggregate what it was about to',
    ports: {
      restart: (state) => rightPorts.restart(state).filter(({ type }) => type !== 'aggregate'),
    },
    breaks: 'ends',
  },
  {
    name: 'lost-before-the-deadline',
    what: 'members are given up once the quorum has reported',
    ports: bent((_before, event, right) => {
      if (right.kind !== 'changed' || event.type !== 'reported') return right;
      if (right.state.phase !== 'training' || missingQuorum(right.state) !== null) return right;
      return reduceRound(right.state, { type: 'deadline-passed' });
    }),
    breaks: 'lost-at-deadline',
  },
  {
    name: 'absence-not-added',
    what: 'the time that the coordinator was down is taken from the sites',
    ports: { addedToDeadline: () => 0 },
    breaks: 'time-given',
  },
  {
    name: 'sealed-again',
    what: 'a restarted site seals its update a second time',
    ports: { resumed: (_sealed, sealAgain) => sealAgain() },
    breaks: 'nobody-left-out',
  },
  {
    name: 'sent-from-the-start',
    what: 'a restarted site sends every range again',
    ports: { rangesToSend: (count) => Array.from({ length: count }, (_, index) => index) },
    breaks: 'acknowledged-not-resent',
  },
  {
    name: 'holes-acknowledged',
    what: 'the coordinator says that it has all ranges up to the last that arrived',
    ports: {
      acknowledgedRanges: ({ ranges, rangeCount }) =>
        ranges.size === 0 ? [] : Array.from({ length: rangeCount }, (_, index) => index),
      isWhole: () => true,
    },
    breaks: 'acknowledged-kept',
  },
  {
    name: 'last-range-not-awaited',
    what: 'a site commits before its last range is acknowledged, and the digest is not compared',
    ports: {
      rangesToSend: (count, acknowledged) =>
        rightPorts.rangesToSend(count, acknowledged).slice(0, -1),
      isWhole: () => true,
    },
    breaks: 'acknowledged-kept',
  },
  {
    name: 'attempt-ignored',
    what: 'updates of an abandoned attempt go into the next one',
    ports: {
      isOfAttempt: (upload, round) => upload.round === round,
      selectUploads: (_state, uploads) => uploads.filter(({ isCommitted }) => isCommitted),
      aggregate: (global, updates) =>
        rightPorts.aggregate(
          global,
          updates.map((update, index) => ({ ...update, site: `${update.site}-${index}` })),
        ),
    },
    breaks: 'exact-sum',
  },
  {
    name: 'adopted-unchecked',
    what: 'a site adopts any newer version',
    ports: { isNext: () => true },
    breaks: 'adopted-in-chain',
    isRare: true,
  },
  {
    name: 'gives-up-asking',
    what: 'a site stops asking after five tries without an answer',
    ports: { asksAgain: (tries) => tries < 5 },
    breaks: 'nobody-left-out',
  },
  {
    name: 'waits-for-hints',
    what: 'a site asks only where the coordinator gave a hint, which may be lost',
    ports: { asksUnprompted: false },
    breaks: 'nobody-left-out',
    isRare: true,
  },
  {
    name: 'repeat-refused',
    what: 'an acceptance that is said again is refused',
    ports: bent((before, event, right) =>
      right.kind === 'unchanged' && event.type === 'accepted'
        ? { kind: 'refused', code: 'STATE_CONFLICT', message: before.phase }
        : right,
    ),
    breaks: 'nobody-left-out',
  },
  {
    name: 'last-site-not-awaited',
    what: 'the round goes on without the last of its sites',
    ports: bent((_before, event, right) => {
      if (right.kind !== 'changed' || right.state.phase !== 'training') return right;
      const last = right.state.members.at(-1);
      const open = right.state.members.filter((member) => !isMemberSettled(member));
      const isLastOnly = open.length === 1 && open[0] === last;
      if (!isLastOnly || event.type !== 'reported') return right;
      return {
        kind: 'changed',
        state: { ...right.state, phase: 'aggregating' },
        effects: [{ type: 'aggregate' }],
      };
    }),
    breaks: 'all-recorded',
  },
];

/** Mistakes above the single round: who may take part, where rounds start, what commands come to. */
import { reduceRound } from '#core/protocol';
import { bent, type PlantedFault } from './planted-fault.ts';
import { rightPorts } from './ports.ts';
import { latestVersion } from './root.ts';

/** Mistakes above the single round. */
export const plantedInTasks: readonly PlantedFault[] = [
  {
    name: 'shut-out-invited',
    what: 'a site that is suspended, revoked or gone is asked to take part again',
    ports: { keptOut: () => null },
    breaks: 'shut-out',
  },
  {
    name: 'gone-stays-in',
    what: 'what a site reported stays in the open round when it is revoked or leaves',
    ports: { keepsReported: () => true },
    breaks: 'shut-out',
    isRare: true,
  },
  {
    name: 'opens-while-paused',
    what: 'a paused task opens its next round',
    ports: { mayOpen: (status) => status === 'running' || status === 'paused' },
    breaks: 'paused-opens-none',
  },
  {
    name: 'base-forgotten',
    what: 'a round starts from the latest version although another was asked for',
    ports: { baseOf: latestVersion },
    breaks: 'base-as-asked',
  },
  {
    name: 'attempt-kept-at-a-rerun',
    what: 'the open attempt goes on although its task is run again from another version',
    ports: { keepsAttempt: () => true },
    breaks: 'base-as-asked',
    isRare: true,
  },
  {
    name: 'rollback-without-promotion',
    what: 'a roll-back does not say which version people should use',
    ports: { promotesOnRollback: false },
    breaks: 'base-as-asked',
  },
  {
    name: 'command-done-again',
    what: 'a command that is asked for again, since its answer was lost, is done again',
    ports: { remembersCommands: false },
    breaks: 'command-once',
  },
  {
    name: 'quorum-counts-as-loss',
    what: 'a round that went on with its quorum counts against who was not in yet',
    ports: { countsAgainst: () => true },
    breaks: 'suspended-as-ruled',
  },
  {
    name: 'suspended-too-early',
    what: 'a site is suspended one lost round too early',
    ports: { suspendsAfter: (lost, most) => lost >= most - 1 },
    breaks: 'suspended-as-ruled',
  },
  {
    name: 'never-suspended',
    what: 'a site that loses every round is waited for in every next one',
    ports: { suspendsAfter: () => false },
    breaks: 'suspended-as-ruled',
  },
  {
    name: 'samples-not-compared',
    what: 'a site with too few images takes part',
    ports: {
      hindrance: (rules, site) => rightPorts.hindrance({ ...rules, samplesMinimum: 1 }, site),
    },
    breaks: 'rules-held',
  },
  {
    name: 'agent-not-compared',
    what: 'a site with too old an agent takes part',
    ports: {
      hindrance: (rules, site) => rightPorts.hindrance({ ...rules, agentMinimum: 1 }, site),
    },
    breaks: 'rules-held',
  },
  {
    name: 'held-back-for-good',
    what: 'a site that was told to be too old does not ask again once it is updated',
    ports: { asksAfterHeldBack: false },
    breaks: 'no-undue-refusal',
  },
  {
    name: 'quorum-not-enough',
    what: 'a round waits for all although its rules say that the quorum is enough',
    ports: {
      reduce: (state, event) => {
        const { wait: _, ...waitsForAll } = state;
        return reduceRound(waitsForAll, event);
      },
    },
    breaks: 'waits-as-ruled',
  },
  {
    name: 'quorum-always-enough',
    what: 'a round goes on with its quorum although its rules say to wait',
    ports: { reduce: (state, event) => reduceRound({ ...state, wait: 'quorum' }, event) },
    breaks: 'waits-as-ruled',
  },
  {
    name: 'sends-what-it-took-back',
    what: 'a site goes on with the upload that it has taken back',
    ports: { holdsWhatWasWithdrawn: false },
    breaks: 'taken-back',
  },
  {
    name: 'reported-is-reported',
    what: 'an update that was reported stays in although its site takes it back',
    ports: bent((before, event, right) =>
      event.type === 'withdrawn' &&
      right.kind === 'changed' &&
      before.members.some(({ site, status }) => site === event.site && status === 'reported')
        ? { kind: 'unchanged', state: before }
        : right,
    ),
    breaks: 'taken-back',
  },
  {
    name: 'starts-from-anything',
    what: 'a site does not compare the version that a round starts from with the one it knows',
    ports: { startsFrom: () => true },
    breaks: 'base-known',
    isRare: true,
  },
  {
    name: 'share-of-the-base-forgotten',
    what: 'a site is said to have a share only in versions whose own round it was in',
    ports: {
      withShareOf: (root, site) =>
        root.versions
          .filter(({ members }) => members.some((member) => member.site === site))
          .map(({ version }) => version),
    },
    breaks: 'shares-marked',
    isRare: true,
  },
];

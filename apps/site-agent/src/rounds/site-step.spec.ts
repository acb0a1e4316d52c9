/** Rounds whose site keeps something to itself: it never leaves, the next round starts from it, and a stop in between changes nothing. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { adapterLayout, decodeAdapterFile, specificationOf, tensorView } from '#core/adapter';
import { fromUtf8, utf8 } from '#core/bytes';
import { siteStepSchema, type RoundOpen } from '#core/protocol';
import { decodeSiteState } from '#core/training';
import { AgentHarness } from '../testing/agent-harness.ts';
import { waitUntil } from '../testing/wait-until.ts';

const site = siteStepSchema.parse({
  privatePart: 'head',
  optimiserState: 'kept',
  proximalWeight: 0.1,
  classPriorCorrection: true,
});
const shared = (open: RoundOpen): string[] =>
  open.trainedTensors.filter((name) => !name.startsWith('head.'));
const layoutOf = ({ task }: AgentHarness) => adapterLayout(specificationOf(task.definition));

interface Seen {
  readonly updates: readonly Float32Array[];
  readonly adapters: readonly Float32Array[];
  readonly states: readonly Uint8Array[];
  readonly stateFiles: readonly (string | null)[];
}

/** Two rounds of one site; `between` may stop the agent. */
async function twoRounds(between: (harness: AgentHarness) => Promise<void>): Promise<Seen> {
  const harness = await AgentHarness.create();
  const { task } = harness;
  task.alter = (open) => ({ ...open, site, trainedTensors: shared(open) });
  const adapters: Float32Array[] = [];
  const states: Uint8Array[] = [];
  const personal = join(harness.directory, 'data/personal/lung');
  try {
    await harness.start();
    for (const round of [1, 2]) {
      task.openRound();
      await waitUntil(() => task.updates.length === round, `the update of round ${round}`);
      const bytes = new Uint8Array(await readFile(join(personal, 'adapter.safetensors')));
      adapters.push(decodeAdapterFile(bytes).values);
      states.push(new Uint8Array(await readFile(join(personal, `round-${round}.safetensors`))));
      task.publish(round === 2);
      if (round === 1) await between(harness);
    }
    const stateFiles = harness.trainer.jobs.map(({ siteStateFile }) => siteStateFile);
    return { updates: task.updates, adapters, states, stateFiles };
  } finally {
    await harness.remove();
  }
}

test('a private head is trained, kept and gone on with, and is in no update; a restart in between gives the same bytes', async () => {
  const harness = await AgentHarness.create();
  const layout = layoutOf(harness);
  await harness.remove();
  const whole = await twoRounds(() => Promise.resolve());
  const cut = await twoRounds(async (each) => {
    await each.stop();
    await each.start();
  });
  expect(cut.updates).toEqual(whole.updates);
  expect(cut.states).toEqual(whole.states);
  expect(whole.stateFiles.slice(0, 2)).toEqual([
    null,
    expect.stringMatching(/round-1.safetensors$/),
  ]);
  for (const update of whole.updates) {
    for (const name of ['head.weight', 'head.bias']) {
      expect(tensorView(layout, update, name).every((value) => value === 0)).toBe(true);
    }
    expect(update.some((value) => value !== 0)).toBe(true);
  }
  const heads = whole.adapters.map((values) => tensorView(layout, values, 'head.weight'));
  expect(heads[0]?.some((value) => value !== 0)).toBe(true);
  expect(heads[1]).not.toEqual(heads[0]);
  const [first, second] = whole.states.map((bytes) => decodeSiteState(layout, bytes));
  expect([...(first?.tensors.keys() ?? [])]).toEqual(['head.weight', 'head.bias']);
  expect(first?.tensors.get('head.weight')).toEqual(heads[0]);
  const steps = [first, second].map((state) => state?.moments.get('head.bias')?.steps ?? 0);
  expect(steps[1]).toBe(2 * (steps[0] ?? 0));
});

test('a round with something that this release does not know is declined by the name of the field', async () => {
  const harness = await AgentHarness.create();
  harness.task.alterPayload = (payload) =>
    utf8(fromUtf8(payload).replace('"mode":"clear"', '"mode":"clear","moonPhase":3'));
  try {
    await harness.start();
    harness.task.openRound();
    await waitUntil(() => harness.decisions().length > 0, 'a decision');
    expect(harness.decisions()).toMatchObject([
      {
        decision: 'decline',
        code: 'MESSAGE_INVALID',
        reason: expect.stringContaining('moonPhase'),
      },
    ]);
  } finally {
    await harness.remove();
  }
});

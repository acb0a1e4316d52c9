/** Our side: a process that holds the updates and aggregates them as it is asked, one line of JSON an order. */
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { aggregateRound, aggregationMethod, roundFigures } from '#core/aggregation';
import { layoutOfSize, madeUpUpdates, madeUpValues } from './adapters.ts';
import { sideOptionsSchema } from './messages.ts';
import { measuredPlans } from './plans.ts';

const orderSchema = z.strictObject({ name: z.string(), runs: z.number().int() });
const options = sideOptionsSchema.parse(JSON.parse(process.argv[2] ?? ''));
const layout = layoutOfSize(options.params);
const names = layout.tensors.map(({ name }) => name);
const global = madeUpValues(layout.size, 12_345, 0.1);
const updates = madeUpUpdates(layout.size, options.sites);
const heldBytes = process.memoryUsage.rss();

/** `figures` are what a round tells of its sites; anything else is a way to aggregate. */
function runOnce(name: string): void {
  const plan = measuredPlans[name === 'figures' ? 'fedavg' : name];
  if (plan === undefined) throw new Error(`${name}: expected one of the measured plans`);
  const trainedTensors = aggregationMethod(plan.method).tensorsOfRound(names, 0);
  const input = { plan, layout, trainedTensors, global, updates };
  if (name === 'figures') roundFigures({ ...input, combined: new Float64Array(layout.size) });
  else aggregateRound({ ...input, state: null });
}

for await (const line of createInterface({ input: process.stdin })) {
  const { name, runs } = orderSchema.parse(JSON.parse(line));
  const seconds: number[] = [];
  for (let run = 0; run < runs; run++) {
    const startMs = performance.now();
    runOnce(name);
    seconds.push((performance.now() - startMs) / 1000);
  }
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  const extraBytes = Math.max(0, peakBytes - heldBytes);
  process.stdout.write(`${JSON.stringify({ seconds, extraBytes })}\n`);
}

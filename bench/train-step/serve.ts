/** The loop of one of our own sides: orders on stdin, answers on stdout, nothing computed in between. */
import { createInterface } from 'node:readline';
import { orderSchema, type Ready, type Turn } from './messages.ts';

const say = (line: Ready | Turn): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

/** Say that the side is ready, then time one step after the other as it is asked to, until stdin ends. */
export async function serve(ready: Ready, step: () => Promise<unknown>): Promise<void> {
  say(ready);
  for await (const line of createInterface({ input: process.stdin })) {
    const { steps } = orderSchema.parse(JSON.parse(line));
    const [wallSeconds, processorSeconds]: [number[], number[]] = [[], []];
    for (let at = 0; at < steps; at++) {
      const [startMs, before] = [performance.now(), process.cpuUsage()];
      await step();
      const { user, system } = process.cpuUsage(before);
      wallSeconds.push((performance.now() - startMs) / 1000);
      processorSeconds.push((user + system) / 1e6);
    }
    const peakBytes = 1024 * process.resourceUsage().maxRSS;
    say({ wallSeconds, processorSeconds, peakBytes });
  }
}

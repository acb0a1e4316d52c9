/** An agent that ends itself at an armed crash point; its trainer does so by a file of its own. */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { runAgent } from '../../apps/site-agent/src/commands/agent-run.ts';
import { armedCrashPoints } from './armed-points.ts';
import { trainerArmedVariable } from './trainer-armed.ts';

const { values } = parseArgs({
  options: {
    config: { type: 'string' },
    armed: { type: 'string' },
    'trainer-armed': { type: 'string' },
  },
});
const options = z
  .object({ config: z.string(), armed: z.string(), 'trainer-armed': z.string() })
  .parse(values);
process.env[trainerArmedVariable] = options['trainer-armed'];
await runAgent({
  config: options.config,
  isJson: true,
  crashPoints: armedCrashPoints(options.armed),
  trainerFile: fileURLToPath(new URL('./trainer-entry.js', import.meta.url)),
});

/** An agent as in production, but for its trainer, which trains next to nothing. */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { runAgent } from '../../apps/site-agent/src/commands/agent-run.ts';

const { values } = parseArgs({ options: { config: { type: 'string' } } });
await runAgent({
  config: z.string().parse(values.config),
  isJson: true,
  trainerFile: fileURLToPath(new URL('./trainer-entry.js', import.meta.url)),
});

/** `npm run results -- NAME`: make a table of docs/results.md again. */
import { runBuiltScript } from './support/built.mjs';
import { runMain } from './support/process.mjs';
import { ensurePython } from './support/python.mjs';

/** Tables that compare with PyTorch. */
const comparisons = ['melo'];

await runMain(async (scriptArguments) => {
  const hasPeer = comparisons.includes(scriptArguments[0] ?? '');
  if (hasPeer) process.env['MELO_PYTHON'] ??= await ensurePython();
  return runBuiltScript('bench/results/main.js', scriptArguments);
});

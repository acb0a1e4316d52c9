/** `npm run results -- NAME`: make a table of docs/results.md again. */
import { runBuiltScript } from './support/built.mjs';
import { runMain } from './support/process.mjs';

await runMain((scriptArguments) => runBuiltScript('bench/results/main.js', scriptArguments));

/** `npm run network`: a federation of processes behind a bad line; `-- --help` says what it takes. */
import { runBuiltScript } from './support/built.mjs';
import { runMain } from './support/process.mjs';

await runMain((scriptArguments) => runBuiltScript('test/network/main.js', scriptArguments));

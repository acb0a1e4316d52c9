/** `npm run sim`: the simulator over the protocol of rounds; `-- --help` says what it takes. */
import { runBuiltScript } from './support/built.mjs';
import { runMain } from './support/process.mjs';

await runMain((scriptArguments) => runBuiltScript('test/sim/main.js', scriptArguments));

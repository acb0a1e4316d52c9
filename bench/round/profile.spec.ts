/** A profile by what the time was spent on. */
import type { Profiler } from 'node:inspector';
import { cpuByCategory } from './profile.ts';

function node(id: number, functionName: string, url: string, children: number[] = []) {
  const callFrame = { functionName, url, scriptId: '0', lineNumber: 0, columnNumber: 0 };
  return { id, callFrame, children, hitCount: 0 };
}

test('code without an address counts for its nearest caller that has a category, idle time for nobody', () => {
  const profile: Profiler.Profile = {
    nodes: [
      node(1, '(root)', '', [2, 3, 6, 7]),
      node(2, '(idle)', ''),
      node(3, 'open', 'file:///a/node_modules/libsodium-wrappers/dist/x.js', [4]),
      node(4, 'wasm-function[7]', 'wasm://wasm/1', [5]),
      node(5, 'query', 'file:///a/node_modules/@electric-sql/pglite/dist/index.js'),
      node(6, '(garbage collector)', ''),
      node(7, 'main', 'file:///a/apps/coordinator/src/main.js'),
    ],
    startTime: 0,
    endTime: 0,
    samples: [2, 3, 4, 5, 6, 7],
    timeDeltas: [1000, 2000, 3000, 4000, 5000, 6000],
  };
  expect(cpuByCategory(profile)).toEqual({
    ...{ crypto: 5, database: 4, disk: 0, messages: 0, reduce: 0, garbage: 5, other: 6 },
  });
});

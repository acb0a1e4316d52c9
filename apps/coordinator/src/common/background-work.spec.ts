/** Work that must be done is done in the end, and stopping waits for no further try. */
import { BackgroundWork } from './background-work.ts';
import type { Environment } from './environment.ts';
import { Logger } from './logger.ts';

const environment = { logger: new Logger('silent') } as unknown as Environment;

/** Work that fails so often and then is done. */
function failing(times: number) {
  let tries = 0;
  let resolve: () => void = () => undefined;
  const done = new Promise<void>((each) => {
    resolve = each;
  });
  const work = async (): Promise<void> => {
    tries += 1;
    if (tries <= times) throw new Error('not yet');
    resolve();
  };
  return { work, done, tries: () => tries };
}

test('work that must be done is tried until it is', async () => {
  const background = new BackgroundWork(environment);
  const { work, done, tries } = failing(2);
  background.startUntilDone('test', work);
  await done;
  expect(tries()).toBe(3);
  await background.beforeApplicationShutdown();
});

test('whoever waits for the first try hears nothing of its failure, and it goes on', async () => {
  const background = new BackgroundWork(environment);
  const { work, done, tries } = failing(1);
  await background.nowOrUntilDone('test', work);
  expect(tries()).toBe(1);
  await done;
  await background.beforeApplicationShutdown();
});

test('nothing is tried after the application has stopped', async () => {
  const background = new BackgroundWork(environment);
  const { work, tries } = failing(Infinity);
  background.startUntilDone('test', work);
  background.startLater('test', 0, work);
  await background.beforeApplicationShutdown();
  const before = tries();
  background.startUntilDone('test', work);
  await background.nowOrUntilDone('test', work); // who asks for it now has it tried once
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(tries()).toBe(before + 1);
});

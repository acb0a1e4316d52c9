/** Rows held in memory follow the commits and never fall behind what was read. */
import { HeldRows } from './held-rows.ts';

/** A source whose readings a spec lets end one by one. */
class SlowSource {
  rows = new Map([['a', 1]]);
  readings = 0;
  readonly #waiting: (() => void)[] = [];

  read = async (): Promise<Map<string, number>> => {
    this.readings += 1;
    const seen = new Map(this.rows);
    await new Promise<void>((done) => this.#waiting.push(done));
    return seen;
  };

  async finish(): Promise<void> {
    this.#waiting.shift()?.();
    await new Promise((turn) => setImmediate(turn));
  }
}

test('reads once and then follows what is committed', async () => {
  const source = new SlowSource();
  const held = new HeldRows(source.read);
  expect(held.held()).toBeNull();
  const reading = held.all();
  await source.finish();
  expect(await reading).toEqual(new Map([['a', 1]]));
  held.set('b', 2);
  held.delete('a');
  expect(await held.all()).toEqual(new Map([['b', 2]]));
  expect(source.readings).toBe(1);
});

test.each([
  ['set', (held: HeldRows<string, number>) => held.set('a', 2)],
  ['deleted', (held: HeldRows<string, number>) => held.delete('a')],
  ['forgotten', (held: HeldRows<string, number>) => held.forget()],
])('what was read before a row is %s is not taken for what holds after it', async (_, change) => {
  const source = new SlowSource();
  const held = new HeldRows(source.read);
  const reading = held.all();
  source.rows = new Map([['a', 2]]);
  change(held); // its commit came while the old rows were on their way
  await source.finish();
  await source.finish();
  expect(await reading).toEqual(new Map([['a', 2]]));
  expect(source.readings).toBe(2);
});

test('reads again after it was told to forget', async () => {
  const source = new SlowSource();
  const held = new HeldRows(source.read);
  const first = held.all();
  await source.finish();
  await first;
  source.rows = new Map([['a', 7]]);
  held.forget();
  const second = held.all();
  await source.finish();
  expect(await second).toEqual(new Map([['a', 7]]));
});

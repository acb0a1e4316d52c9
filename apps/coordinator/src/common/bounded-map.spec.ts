/** A map of so many entries at most. */
import { BoundedMap } from './bounded-map.ts';

test('the entry that was not used for longest gives way', () => {
  const map = new BoundedMap<string, number>(2);
  map.set('a', 1);
  map.set('b', 2);
  expect(map.get('a')).toBe(1);
  map.set('c', 3);
  expect(map.get('b')).toBeUndefined();
  expect([map.get('a'), map.get('c')]).toEqual([1, 3]);
});

test('setting an entry again counts as a use and takes no room of another', () => {
  const map = new BoundedMap<string, number>(2);
  map.set('a', 1);
  map.set('b', 2);
  map.set('a', 3);
  expect([map.get('b'), map.get('a')]).toEqual([2, 3]);
  map.delete('a');
  expect(map.get('a')).toBeUndefined();
});

test('those that give way go before the others, and these where there are no more', () => {
  const map = new BoundedMap<string, number>(2, (value) => value > 1);
  map.set('a', 1);
  map.set('b', 2);
  map.set('c', 3);
  expect([map.get('a'), map.get('b'), map.get('c')]).toEqual([1, undefined, 3]);
  map.set('d', 1);
  expect([map.get('a'), map.get('c'), map.get('d')]).toEqual([1, undefined, 1]);
  map.set('e', 2);
  expect([map.get('a'), map.get('d'), map.get('e')]).toEqual([undefined, 1, 2]);
});

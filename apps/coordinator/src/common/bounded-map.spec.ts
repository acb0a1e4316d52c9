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

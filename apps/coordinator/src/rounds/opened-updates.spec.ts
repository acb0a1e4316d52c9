/** Updates that were opened at their commit. */
import { OpenedUpdates } from './opened-updates.ts';

test('an update is taken once', () => {
  const opened = new OpenedUpdates();
  const delta = Float32Array.of(1, 2);
  opened.hold('round/update', delta);
  expect(opened.take('round/update')).toBe(delta);
  expect(opened.take('round/update')).toBeNull();
});

test('what does not fit is not held, and room comes back with what is taken', () => {
  const opened = new OpenedUpdates(16);
  opened.hold('a', new Float32Array(3));
  opened.hold('b', new Float32Array(2));
  expect(opened.take('b')).toBeNull();
  expect(opened.take('a')).toHaveLength(3);
  opened.hold('b', new Float32Array(4));
  expect(opened.take('b')).toHaveLength(4);
});

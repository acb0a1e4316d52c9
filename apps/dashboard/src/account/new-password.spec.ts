import { isWholePassword, problemsOfPassword } from './new-password.ts';

const phrase = 'correct horse';

test.each([
  ['', '', {}],
  ['short', '', { password: 'At least 12 characters; these are 5.' }],
  ['😀😀😀😀😀😀', '', { password: 'At least 12 characters; these are 6.' }],
  [phrase, '', {}],
  [phrase, 'correct', { repeated: 'This is not the same.' }],
  [phrase, phrase, {}],
])('%j and %j', (password, repeated, problems) => {
  expect(problemsOfPassword(password, repeated)).toEqual(problems);
});

test('it is sent once it is long enough and was typed twice', () => {
  expect(isWholePassword(phrase, phrase)).toBe(true);
  expect(isWholePassword(phrase, '')).toBe(false);
  expect(isWholePassword('short', 'short')).toBe(false);
});

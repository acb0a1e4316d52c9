/** Finds a key that stands twice in one JSON object: `JSON.parse` keeps the last one and says nothing. */

/** Where the scan stands inside one object or array. */
interface Scope {
  /** Keys seen so far; null inside an array. */
  readonly keys: Set<string> | null;
  /** Whether the next string is a key. */
  expectsKey: boolean;
}

/**
 * Return the first key that is repeated within one object, or null where there is none.
 *
 * Keys are compared after their escapes are resolved, so `"a"` and `"\u0061"` are the same.
 *
 * @param text - valid JSON: it has been through `JSON.parse` already
 * @see RFC 8259, section 4 (names within an object SHOULD be unique)
 */
export function findRepeatedKey(text: string): string | null {
  const scopes: Scope[] = [];
  for (let at = 0; at < text.length; at++) {
    const scope = scopes.at(-1);
    const character = text[at];
    if (character === '{') scopes.push({ keys: new Set(), expectsKey: true });
    else if (character === '[') scopes.push({ keys: null, expectsKey: false });
    else if (character === '}' || character === ']') scopes.pop();
    else if (character === ',' && scope?.keys) scope.expectsKey = true;
    else if (character === '"') {
      const end = stringEnd(text, at);
      if (scope?.keys && scope.expectsKey) {
        const key = String(JSON.parse(text.slice(at, end)));
        if (scope.keys.has(key)) return key;
        scope.keys.add(key);
        scope.expectsKey = false;
      }
      at = end - 1;
    }
  }
  return null;
}

/** Index just after the closing quote of the string that opens at `start`. */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

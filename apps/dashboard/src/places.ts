/** Addresses of the page: each place has one, behind the #, so that a link, a reload and the back button lead there. */

/** Parts of a task's page. */
export const taskSections = ['now', 'figures', 'versions', 'rounds', 'plan'] as const;
/** A part of a task's page. */
export type TaskSection = (typeof taskSections)[number];

/** Which entries of the audit log are looked for; a last `*` stands for anything. */
export interface AuditFilters {
  readonly actor?: string;
  readonly action?: string;
  readonly target?: string;
  /** Days as `2026-11-27`, in the reader's own zone, the last one included. */
  readonly from?: string;
  readonly to?: string;
}

/** Somewhere to be. */
export type Place =
  | { readonly page: 'overview' }
  | { readonly page: 'tasks' }
  | { readonly page: 'new-task' }
  | { readonly page: 'coordinator' }
  | { readonly page: 'settings' }
  | { readonly page: 'users' }
  | { readonly page: 'account' }
  | { readonly page: 'task'; readonly task: string; readonly section: TaskSection }
  | {
      readonly page: 'round';
      readonly task: string;
      readonly round: number;
      /** Null is the last attempt. */
      readonly attempt: number | null;
    }
  | { readonly page: 'sites' }
  | { readonly page: 'site'; readonly site: string }
  | { readonly page: 'audit'; readonly filters: AuditFilters }
  | { readonly page: 'nowhere' };

/** Names of the filters. */
export const auditFilterNames = ['actor', 'action', 'target', 'from', 'to'] as const;
/** Pages whose address is their name. */
const plainPages = [
  'tasks',
  'sites',
  'new-task',
  'coordinator',
  'settings',
  'users',
  'account',
] as const;
const wordMax = 128;

/** Read an address; whatever it may hold, the answer is a place. */
export function placeOf(hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#?\/?/, '').split('?', 2);
  const words = path
    .split('/')
    .filter((word) => word !== '')
    .map(decode);
  if (words.some((word) => word === '' || word.length > wordMax)) return { page: 'nowhere' };
  return placeOfWords(words, new URLSearchParams(query)) ?? { page: 'nowhere' };
}

function placeOfWords(words: readonly string[], query: URLSearchParams): Place | undefined {
  const [first, second, third, fourth] = words;
  if (first === undefined) return { page: 'overview' };
  if (words.length === 1) {
    const plain = plainPages.find((each) => each === first);
    if (plain !== undefined) return { page: plain };
    if (first === 'audit') return { page: 'audit', filters: filtersOf(query) };
    return undefined;
  }
  if (second === undefined) return undefined;
  if (first === 'sites' && words.length === 2) return { page: 'site', site: second };
  if (first !== 'tasks') return undefined;
  if (words.length === 4 && third === 'rounds') return roundOf(second, fourth ?? '', query);
  const section = taskSections.find((each) => each === (third ?? 'now'));
  return words.length > 3 || section === undefined
    ? undefined
    : { page: 'task', task: second, section };
}

function roundOf(task: string, text: string, query: URLSearchParams): Place | undefined {
  const round = wholeNumber(text);
  const asked = query.get('attempt');
  const attempt = asked === null ? null : wholeNumber(asked);
  return round === undefined || attempt === undefined
    ? undefined
    : { page: 'round', task, round, attempt };
}

function wholeNumber(text: string): number | undefined {
  return /^[1-9]\d{0,4}$/.test(text) ? Number(text) : undefined;
}

function filtersOf(query: URLSearchParams): AuditFilters {
  const given = auditFilterNames.map(
    (name) => [name, (query.get(name) ?? '').slice(0, wordMax)] as const,
  );
  return Object.fromEntries(given.filter(([, text]) => text !== ''));
}

/** An escape that is none leads nowhere. */
function decode(word: string): string {
  try {
    return decodeURIComponent(word);
  } catch {
    return '';
  }
}

/** The address of a place. */
export function addressOf(place: Place): string {
  switch (place.page) {
    case 'overview':
    case 'nowhere':
      return '#/';
    case 'tasks':
    case 'sites':
    case 'new-task':
    case 'coordinator':
    case 'settings':
    case 'users':
    case 'account':
      return `#/${place.page}`;
    case 'site':
      return `#/sites/${encodeURIComponent(place.site)}`;
    case 'task': {
      const task = `#/tasks/${encodeURIComponent(place.task)}`;
      return place.section === 'now' ? task : `${task}/${place.section}`;
    }
    case 'round': {
      const round = `#/tasks/${encodeURIComponent(place.task)}/rounds/${place.round}`;
      return place.attempt === null ? round : `${round}?attempt=${place.attempt}`;
    }
    case 'audit': {
      const query = new URLSearchParams(Object.entries(place.filters)).toString();
      return query === '' ? '#/audit' : `#/audit?${query}`;
    }
  }
}

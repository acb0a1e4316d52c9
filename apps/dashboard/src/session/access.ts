/**
 * What each role is shown: pages that it may read and buttons that would not be refused. The coordinator itself decides; that
 * this says the same is held against its routes by `access.spec.ts`.
 */
import type { Role, Session } from '../api/schemas.ts';
import type { Place } from '../places.ts';
import { useSession } from './session.ts';

const administrators: readonly Role[] = ['administrator'];
const scientists: readonly Role[] = ['administrator', 'scientist'];
const readers: readonly Role[] = ['administrator', 'scientist', 'viewer'];
const everybody: readonly Role[] = [...readers, 'steward'];

/**
 * What is done beside reading pages. `train`: tasks made and run, evaluations asked for, adapters downloaded. `administer`:
 * everything else that changes something. `inspect`: what lies behind a task, a single round or version.
 */
export type Deed = 'train' | 'administer' | 'inspect';

const rolesOfDeeds: Readonly<Record<Deed, readonly Role[]>> = {
  train: scientists,
  administer: administrators,
  inspect: readers,
};

const rolesOfPages: Readonly<Record<Place['page'], readonly Role[]>> = {
  overview: everybody,
  tasks: everybody,
  task: everybody,
  sites: everybody,
  site: everybody,
  account: everybody,
  nowhere: everybody,
  round: readers,
  audit: readers,
  coordinator: readers,
  'new-task': scientists,
  users: administrators,
  settings: administrators,
};

const plurals: Readonly<Record<Role, string>> = {
  administrator: 'administrators',
  scientist: 'scientists',
  viewer: 'viewers',
  steward: 'stewards',
};

/** Tell whether a role may do something. */
export function mayDo(role: Role, deed: Deed): boolean {
  return rolesOfDeeds[deed].includes(role);
}

/** Tell whether a page is open to a role. */
export function mayVisit(role: Role, page: Place['page']): boolean {
  return rolesOfPages[page].includes(role);
}

/** Whose a page is, e.g. `administrators and scientists`. */
export function ownersOf(page: Place['page']): string {
  const names = rolesOfPages[page].map((role) => plurals[role]);
  const last = names.at(-1) ?? '';
  return names.length === 1 ? last : `${names.slice(0, -1).join(', ')} and ${last}`;
}

/** A role as people say it, e.g. `a steward of north`. */
export function describeRole({ role, site }: Pick<Session, 'role' | 'site'>): string {
  const article = role === 'administrator' ? 'an' : 'a';
  return `${article} ${role}${site === null ? '' : ` of ${site}`}`;
}

/** Whether whoever is signed in may do something. */
export function useMay(deed: Deed): boolean {
  const session = useSession();
  return session !== undefined && mayDo(session.role, deed);
}

/** Whether a page is open to whoever is signed in. */
export function useMayVisit(page: Place['page']): boolean {
  const session = useSession();
  return session !== undefined && mayVisit(session.role, page);
}

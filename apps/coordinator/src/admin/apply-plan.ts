/** What applying declared sites and tasks would do: invite, create, nothing, or refuse; decided before anything is done. */
import type { SiteId, TaskDefinition } from '#core/protocol';
import type { SiteView } from '../sites/sites.contract.ts';
import type { TaskView } from '../tasks/tasks.contract.ts';
import { differencesOf, type Declared, type Difference } from './declared.ts';

/** What one document comes to. */
export type PlannedAct =
  | { readonly kind: 'site'; readonly name: SiteId; readonly action: 'invite' }
  | {
      readonly kind: 'task';
      readonly name: string;
      readonly action: 'create';
      readonly definition: TaskDefinition;
    }
  | {
      readonly kind: 'site' | 'task';
      readonly name: string;
      readonly action: 'unchanged';
      readonly status: string;
    }
  | {
      readonly kind: 'site' | 'task';
      readonly name: string;
      readonly action: 'refuse';
      /** By field. */
      readonly problems: readonly string[];
    };

/** What the coordinator has. */
export interface Present {
  readonly sites: readonly SiteView[];
  readonly tasks: readonly TaskView[];
}

/** Whether a site may be a member of a new task, now or once it has enrolled. */
export function isAble({ status }: Pick<SiteView, 'status'>): boolean {
  return status !== 'left' && status !== 'revoked';
}

/** Say what applying comes to: sites first, since tasks name them. */
export function planApply(declared: Declared, present: Present): readonly PlannedAct[] {
  const sites = new Map(present.sites.map((site) => [site.site, site]));
  const tasks = new Map(present.tasks.map((task) => [task.task, task]));
  const able = new Set([
    ...declared.sites.filter((site) => !sites.has(site)),
    ...present.sites.filter(isAble).map(({ site }) => site),
  ]);
  return [
    ...declared.sites.map((site) => planSite(site, sites.get(site))),
    ...declared.tasks.map((task) => planTask(task, tasks.get(task.task), able)),
  ];
}

function planSite(site: SiteId, present: SiteView | undefined): PlannedAct {
  const named = { kind: 'site', name: site } as const;
  if (present === undefined) return { ...named, action: 'invite' };
  if (isAble(present)) return { ...named, action: 'unchanged', status: present.status };
  const what = present.status === 'left' ? 'it left' : 'it was revoked';
  const problems = [`${what}; it comes back by "melo admin sites invite ${site} --again" alone`];
  return { ...named, action: 'refuse', problems };
}

function planTask(
  definition: TaskDefinition,
  present: TaskView | undefined,
  able: ReadonlySet<string>,
): PlannedAct {
  const named = { kind: 'task', name: definition.task } as const;
  if (present !== undefined) {
    const problems = differencesOf(present.definition, definition).map(sayDifference);
    if (problems.length > 0) return { ...named, action: 'refuse', problems };
    return { ...named, action: 'unchanged', status: present.status };
  }
  const absent = definition.members.filter((member) => !able.has(member));
  if (absent.length === 0) return { ...named, action: 'create', definition };
  const problem = `members: expected sites that are there or in the file and can take part, ${absent.join(', ')} cannot`;
  return { ...named, action: 'refuse', problems: [problem] };
}

const valueLengthMax = 120;
const say = (value: Difference['present']): string => {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length <= valueLengthMax ? text : `${text.slice(0, valueLengthMax)}...`;
};
const sayDifference = ({ field, present, declared }: Difference): string =>
  `${field}: the task has ${say(present)}, the file ${say(declared)}`;

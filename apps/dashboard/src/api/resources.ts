/** What the page shows of the coordinator. */
import { useMemo, useSyncExternalStore } from 'react';
import type { z } from 'zod';
import { request, type ApiRequest } from '#api';
import { send } from './client.ts';
import { roundDetailSchema, versionDetailSchema } from './detail-schemas.ts';
import { ListResource, pagesOf, readList, type List, type PageEnd, type Part } from './lists.ts';
import { Resource, type Snapshot } from './resource.ts';
import {
  type ChangeTopic,
  evaluationsSchema,
  healthSchema,
  sitesSchema,
  tasksSchema,
} from './schemas.ts';

/** Sites and tasks that the page knows at most: what needs a person and what can be chosen is looked for among all of them. */
const wholeMax = 1000;
/** Rows of a list before somebody asks for more, where it does not say otherwise. */
const pageSizeDefault = 25;

const sitePages = pagesOf(
  (query) => request('GET', '/v1/sites', sitesSchema, { query }),
  (answer) => answer.sites,
);
const taskPages = pagesOf(
  (query) => request('GET', '/v1/tasks', tasksSchema, { query }),
  (answer) => answer.tasks,
);

/** The coordinator itself. */
export const health = new Resource(() => send(request('GET', '/v1/health', healthSchema)), []);
/** The sites. */
export const sites = new Resource(async () => {
  const { items, hasMore } = await readList(sitePages, wholeMax);
  return { sites: items, hasMore };
}, ['sites']);
/** The tasks with their last rounds. */
export const tasks = new Resource(async () => {
  const { items, hasMore } = await readList(taskPages, wholeMax);
  return { tasks: items, hasMore };
}, ['tasks', 'rounds']);

function makeTaskResources(task: string) {
  const brief = request('GET', '/v1/tasks/{task}/evaluations/brief', evaluationsSchema, {
    path: { task },
  });
  return { evaluations: new Resource(() => send(brief), ['evaluations']) };
}

const byTask = new Map<string, ReturnType<typeof makeTaskResources>>();

/** What belongs to one task. */
export function resourcesOf(task: string): ReturnType<typeof makeTaskResources> {
  const known = byTask.get(task) ?? makeTaskResources(task);
  byTask.set(task, known);
  return known;
}

/** Show something and keep it fresh. */
export function useResource<T>(resource: Resource<T>): Snapshot<T> {
  return useSyncExternalStore(resource.subscribe, resource.snapshot);
}

/** The same for something that one part of the page alone shows. `topics` belong to what is asked for. */
export function useFresh<Schema extends z.ZodType>(
  asked: ApiRequest<Schema>,
  topics: readonly ChangeTopic[],
): Snapshot<z.output<Schema>> {
  const resource = useMemo(() => new Resource(() => send(asked), topics), [asked.target]);
  return useResource(resource);
}

/** The same for the beginning of a list, as far as `more` was asked for. */
export function useList<Answer extends PageEnd, Item>(
  asking: (part: Part) => ApiRequest<z.ZodType<Answer>>,
  itemsOf: (answer: Answer) => readonly Item[],
  topics: readonly ChangeTopic[],
  pageSize = pageSizeDefault,
): Snapshot<List<Item>> & { readonly more: () => void } {
  const { target } = asking({ limit: pageSize, cursor: undefined });
  const resource = useMemo(
    () => new ListResource(pagesOf(asking, itemsOf), topics, pageSize),
    [target],
  );
  return { ...useResource(resource), more: resource.more };
}

/** What asks for a round; its last attempt where none is named. */
export function roundRequest(
  task: string,
  round: number,
  attempt: number | null = null,
): ApiRequest<typeof roundDetailSchema> {
  return request('GET', '/v1/tasks/{task}/rounds/{round}', roundDetailSchema, {
    path: { task, round },
    query: { attempt: attempt ?? undefined },
  });
}

/** What asks for a version. */
export function versionRequest(
  task: string,
  version: number,
): ApiRequest<typeof versionDetailSchema> {
  const path = { task, version };
  return request('GET', '/v1/tasks/{task}/versions/{version}', versionDetailSchema, { path });
}

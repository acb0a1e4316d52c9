/** What the page shows of the coordinator. */
import { useMemo, useSyncExternalStore } from 'react';
import type { z } from 'zod';
import { read, taskPath } from './client.ts';
import { ListResource, pagesAt, readList, type List } from './lists.ts';
import { pageSchema } from './page-schema.ts';
import { Resource, type Snapshot } from './resource.ts';
import {
  type ChangeTopic,
  evaluationsSchema,
  healthSchema,
  siteSchema,
  taskSchema,
} from './schemas.ts';

/** Sites and tasks that the page knows at most: what needs a person and what can be chosen is looked for among all of them. */
const wholeMax = 1000;
/** Rows of a list before somebody asks for more, where it does not say otherwise. */
const pageSizeDefault = 25;

const sitePages = pageSchema('sites', siteSchema);
const taskPages = pageSchema('tasks', taskSchema);

/** The coordinator itself. */
export const health = new Resource(() => read('/v1/health', healthSchema), []);
/** The sites. */
export const sites = new Resource(async () => {
  const { items, hasMore } = await readList(pagesAt('/v1/sites', sitePages), wholeMax);
  return { sites: items, hasMore };
}, ['sites']);
/** The tasks with their last rounds. */
export const tasks = new Resource(async () => {
  const { items, hasMore } = await readList(pagesAt('/v1/tasks', taskPages), wholeMax);
  return { tasks: items, hasMore };
}, ['tasks', 'rounds']);

function makeTaskResources(task: string) {
  const path = taskPath(task, '/evaluations/brief');
  return { evaluations: new Resource(() => read(path, evaluationsSchema), ['evaluations']) };
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

/** The same for something that one part of the page alone shows. `schema` and `topics` belong to the path. */
export function useFresh<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
  topics: readonly ChangeTopic[],
): Snapshot<z.output<Schema>> {
  const resource = useMemo(() => new Resource(() => read(path, schema), topics), [path]);
  return useResource(resource);
}

/** The same for the beginning of a list, as far as `more` was asked for. */
export function useList<Item extends z.ZodType>(
  path: string,
  schema: ReturnType<typeof pageSchema<Item>>,
  topics: readonly ChangeTopic[],
  pageSize = pageSizeDefault,
): Snapshot<List<z.output<Item>>> & { readonly more: () => void } {
  const resource = useMemo(() => new ListResource(pagesAt(path, schema), topics, pageSize), [path]);
  return { ...useResource(resource), more: resource.more };
}

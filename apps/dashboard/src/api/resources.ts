/** What the page shows of the coordinator. */
import { useMemo, useSyncExternalStore } from 'react';
import type { z } from 'zod';
import { taskPath } from './client.ts';
import { Resource, type Snapshot } from './resource.ts';
import {
  type ChangeTopic,
  evaluationsSchema,
  healthSchema,
  roundsSchema,
  sitesSchema,
  tasksSchema,
  versionsSchema,
} from './schemas.ts';

/** The coordinator itself. */
export const health = new Resource('/v1/health', healthSchema, []);
/** The sites. */
export const sites = new Resource('/v1/sites', sitesSchema, ['sites']);
/** The tasks with their last rounds. */
export const tasks = new Resource('/v1/tasks', tasksSchema, ['tasks', 'rounds']);

function makeTaskResources(task: string) {
  return {
    rounds: new Resource(taskPath(task, '/rounds'), roundsSchema, ['rounds']),
    versions: new Resource(taskPath(task, '/versions'), versionsSchema, ['versions']),
    evaluations: new Resource(taskPath(task, '/evaluations/brief'), evaluationsSchema, [
      'evaluations',
    ]),
  };
}

const byTask = new Map<string, ReturnType<typeof makeTaskResources>>();

/** What belongs to one task. */
export function resourcesOf(task: string): ReturnType<typeof makeTaskResources> {
  const known = byTask.get(task) ?? makeTaskResources(task);
  byTask.set(task, known);
  return known;
}

/** Show something and keep it fresh. */
export function useResource<Schema extends z.ZodType>(
  resource: Resource<Schema>,
): Snapshot<z.output<Schema>> {
  return useSyncExternalStore(resource.subscribe, resource.snapshot);
}

/** The same for something that one part of the page alone shows. `schema` and `topics` belong to the path. */
export function useFresh<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
  topics: readonly ChangeTopic[],
): Snapshot<z.output<Schema>> {
  const resource = useMemo(() => new Resource(path, schema, topics), [path]);
  return useResource(resource);
}

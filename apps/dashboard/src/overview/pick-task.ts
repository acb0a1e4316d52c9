import type { Definition, Task } from '../api/schemas.ts';

/** What is looked at of a task. */
interface Seen extends Pick<Task, 'task' | 'status' | 'promotedVersion' | 'createdAtMs'> {
  readonly definition: Pick<Definition, 'members'>;
}

/** How much there is to see of a task, the weightiest first: whether it runs, whether people use it, how many hospitals it joins, how new it is. */
function weightsOf({ status, promotedVersion, definition, createdAtMs }: Seen): readonly number[] {
  return [
    Number(status === 'running'),
    Number(promotedVersion !== null),
    definition.members.length,
    createdAtMs,
  ];
}

function compare(left: Seen, right: Seen): number {
  const others = weightsOf(right);
  const differences = weightsOf(left).map((weight, index) => weight - (others[index] ?? 0));
  return differences.find((difference) => difference !== 0) ?? 0;
}

/** The task that the overview shows: the one that was chosen, else the one of which there is most to see; undefined without any. */
export function pickTask<T extends Seen>(
  tasks: readonly T[],
  chosen: string | undefined,
): T | undefined {
  return tasks.find(({ task }) => task === chosen) ?? [...tasks].sort(compare).at(-1);
}

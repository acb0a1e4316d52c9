/** What is drawn: which lines, how many versions, beside which other task, as lines or as tables. */
import { Button, Group, NativeSelect } from '@mantine/core';
import { tasks as tasksResource, useResource } from '../api/resources.ts';

const zooms = [
  { value: '', label: 'every version' },
  { value: '10', label: 'the newest 10' },
  { value: '30', label: 'the newest 30' },
  { value: '100', label: 'the newest 100' },
];

/** What is drawn; an empty text stands for all, or for none. */
export interface Choice {
  readonly site: string;
  readonly newest: string;
  readonly beside: string;
  readonly isTable: boolean;
}

/** What is drawn, to be chosen. */
export function Choices(props: {
  readonly task: string;
  readonly sites: readonly string[];
  readonly choice: Choice;
  readonly onChange: (change: Partial<Choice>) => void;
}) {
  const { task, sites, choice, onChange } = props;
  const { data } = useResource(tasksResource);
  const others = data?.tasks.filter((each) => each.task !== task) ?? [];
  return (
    <Group gap="sm" align="end" className="choices">
      <NativeSelect
        label="Lines"
        size="xs"
        data={[
          { value: '', label: 'every site' },
          ...sites.map((site) => ({ value: site, label: `${site}, with and without the others` })),
        ]}
        value={choice.site}
        onChange={(event) => onChange({ site: event.currentTarget.value })}
      />
      <NativeSelect
        label="Versions"
        size="xs"
        data={zooms}
        value={choice.newest}
        onChange={(event) => onChange({ newest: event.currentTarget.value })}
      />
      {others.length > 0 && (
        <NativeSelect
          label="Beside it"
          size="xs"
          data={[
            { value: '', label: 'no other task' },
            ...others.map(({ task: other, title }) => ({ value: other, label: title })),
          ]}
          value={choice.beside}
          onChange={(event) => onChange({ beside: event.currentTarget.value })}
        />
      )}
      <Button
        size="xs"
        variant="default"
        aria-pressed={choice.isTable}
        onClick={() => onChange({ isTable: !choice.isTable })}
      >
        {choice.isTable ? 'Show as lines' : 'Show as tables'}
      </Button>
    </Group>
  );
}

/** A task out of a file: what it is, what it costs, and the button that creates it. */
import { Button, Group, Stack, Title } from '@mantine/core';
import type { SyntheticEvent } from 'react';
import { stringify } from 'yaml';
import { Facts } from '../common/facts.tsx';
import { Costs } from './check-step.tsx';
import { StartChoice, useCreation } from './create-task.tsx';
import type { FileBody, FileDefinition } from './read-definition.ts';

/** A task out of a file. */
export function FileTask(props: {
  readonly definition: FileDefinition;
  /** The same, as it is sent. */
  readonly content: FileBody;
  /** Back to the form. */
  readonly onLeave: () => void;
}) {
  const { definition, content, onLeave } = props;
  const creation = useCreation();
  const { task, title, classes, members, backbone } = definition;
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    creation.create(content);
  };
  return (
    <form onSubmit={submit} className="form">
      <Stack gap="lg">
        <Title order={3} size="h5">
          {title}
        </Title>
        <Facts
          facts={[
            ['Name', task],
            ['Classes', classes.join(', ')],
            ['Backbone', `${backbone.name}, fingerprint ${backbone.fingerprint.slice(0, 12)}…`],
            ['Members', members.join(', ')],
          ]}
        />
        <div>
          <Title order={4} size="h6" mb="xs">
            What it costs
          </Title>
          <Costs definition={definition} />
        </div>
        <details>
          <summary>Show the whole definition</summary>
          <pre className="source" tabIndex={0}>
            {stringify(content)}
          </pre>
        </details>
        <StartChoice creation={creation} />
        <Group gap="xs">
          <Button variant="default" disabled={creation.isBusy} onClick={onLeave}>
            Back to the form
          </Button>
          <Button type="submit" loading={creation.isBusy}>
            Create the task
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

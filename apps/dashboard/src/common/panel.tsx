/** A part of the page with a heading, and what stands there while there is nothing to show. */
import { Alert, Code, Group, Paper, Skeleton, Stack, Text, Title } from '@mantine/core';
import { useId, type ReactNode } from 'react';
import type { ApiError } from '../api/client.ts';

/** A part of the page with a heading. */
export function Panel(props: {
  readonly title: string;
  readonly aside?: ReactNode;
  readonly children: ReactNode;
}) {
  const id = useId();
  return (
    <Paper component="section" className="panel" withBorder p="md" radius="md" aria-labelledby={id}>
      <Group justify="space-between" mb="sm" gap="xs">
        <Title order={2} size="h4" id={id}>
          {props.title}
        </Title>
        {props.aside}
      </Group>
      {props.children}
    </Paper>
  );
}

/** Say that there is nothing yet, and what to do next. */
export function Empty(props: { readonly children: ReactNode; readonly command?: string }) {
  return (
    <Stack gap={6} py="sm" align="flex-start">
      <Text c="dimmed" size="sm">
        {props.children}
      </Text>
      {props.command !== undefined && <Code>{props.command}</Code>}
    </Stack>
  );
}

/** Say that a page knows the beginning of a list alone, and where the rest is. */
export function TooMany(props: { readonly what: 'sites' | 'tasks'; readonly shown: number }) {
  const { what, shown } = props;
  return (
    <Alert color="yellow" mt="xs" title={`There are more than these ${shown} ${what}`}>
      This page knows the first by name alone. All of them:{' '}
      <Code>{`npx melo admin ${what} list`}</Code>
    </Alert>
  );
}

/** What stands in a panel before the first answer, or in place of one. */
export function Waiting({ error }: { readonly error: ApiError | undefined }) {
  if (error === undefined)
    return <Skeleton height={96} radius="sm" role="status" aria-label="Loading" />;
  if (error.code === 'FORBIDDEN') {
    return (
      <Alert color="yellow" title="This is not open to your role">
        It belongs to others in the federation. An administrator can change what you may do.
      </Alert>
    );
  }
  return (
    <Alert color="red" title="This cannot be shown now">
      {error.message} It is tried again by itself.
    </Alert>
  );
}

/** A state as text on a colour; the colour only repeats what the text says. */
import { Badge } from '@mantine/core';

const colours: Readonly<Record<string, string>> = {
  active: 'teal',
  running: 'cyan',
  finished: 'teal',
  published: 'teal',
  reported: 'teal',
  invited: 'gray',
  accepted: 'cyan',
  training: 'cyan',
  uploading: 'indigo',
  inviting: 'cyan',
  aggregating: 'indigo',
  pending: 'yellow',
  paused: 'yellow',
  late: 'yellow',
  suspended: 'orange',
  declined: 'orange',
  withdrawn: 'orange',
  rejected: 'red',
  lost: 'red',
  failed: 'red',
  abandoned: 'red',
  revoked: 'red',
};

/** A state as text on a colour. */
export function StatusBadge({ status }: { readonly status: string }) {
  return (
    <Badge variant="light" color={colours[status] ?? 'gray'} tt="none" radius="sm">
      {status}
    </Badge>
  );
}

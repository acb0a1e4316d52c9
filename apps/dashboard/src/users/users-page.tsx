/** The people with an account, for administrators. */
import { Button, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { request } from '#api';
import { TokensPanel } from '../account/tokens-panel.tsx';
import { usersSchema, type User } from '../api/people-schemas.ts';
import { useList } from '../api/resources.ts';
import { Ago } from '../common/ago.tsx';
import type { Column } from '../common/data-table.tsx';
import { Link } from '../common/link.tsx';
import { ListTable } from '../common/list-table.tsx';
import { PageTitle } from '../common/page-title.tsx';
import { Empty, Panel, Waiting } from '../common/panel.tsx';
import { StatusBadge } from '../common/status-badge.tsx';
import { useSession } from '../session/session.ts';
import { NewUserDialog } from './new-user-dialog.tsx';
import { UserDialog, wayIn } from './user-dialog.tsx';

const columnsOf = (own: string | null, onOpen: (user: string) => void): readonly Column<User>[] => [
  {
    label: 'Name',
    cell: ({ user, reason }) => (
      <Stack gap={0}>
        <Text size="sm" fw={600}>
          {user}
        </Text>
        {reason !== null && <Text size="xs">{reason}</Text>}
      </Stack>
    ),
  },
  { label: 'State', cell: ({ status }) => <StatusBadge status={status} /> },
  { label: 'Role', cell: ({ role, site }) => (site === null ? role : `${role} of ${site}`) },
  { label: 'Signs in with', cell: wayIn },
  { label: 'Second factor', cell: ({ hasSecondFactor }) => (hasSecondFactor ? 'set' : 'none') },
  {
    label: 'Last sign-in',
    cell: ({ lastSignInAtMs }) =>
      lastSignInAtMs === null ? 'never' : <Ago timeMs={lastSignInAtMs} />,
  },
  {
    label: 'Change',
    align: 'right',
    cell: (user) =>
      user.user === own ? (
        <Link to={{ page: 'account' }}>Your account</Link>
      ) : (
        <Button
          size="compact-sm"
          variant="default"
          aria-label={`Change ${user.user}`}
          onClick={() => onOpen(user.user)}
        >
          Change
        </Button>
      ),
  },
];

/** The people with an account. */
export function UsersPage() {
  const list = useList(
    (query) => request('GET', '/v1/users', usersSchema, { query }),
    (answer) => answer.users,
    [],
  );
  const own = useSession()?.user ?? null;
  const [isMaking, setIsMaking] = useState(false);
  const [opened, setOpened] = useState<string>();
  return (
    <>
      <PageTitle
        title="Users"
        note="Whoever signs in here, and what each may do. The audit log names them."
        aside={
          <Button size="compact-sm" onClick={() => setIsMaking(true)}>
            Make an account
          </Button>
        }
      />
      <Panel title="People with an account">
        {list.data === undefined ? (
          <Waiting error={list.error} />
        ) : list.data.items.length === 0 ? (
          <Empty command="npx melo admin users create NAME --role administrator">
            Nobody yet. Make an account for every person, yours first: the administrator&apos;s
            token is for the beginning.
          </Empty>
        ) : (
          <ListTable
            name="People with an account"
            columns={columnsOf(own, setOpened)}
            list={list}
            keyOf={({ user }) => user}
          />
        )}
      </Panel>
      <TokensPanel isEverybodys />
      {isMaking && <NewUserDialog onClose={() => setIsMaking(false)} />}
      {opened !== undefined && <UserDialog name={opened} onClose={() => setOpened(undefined)} />}
    </>
  );
}
